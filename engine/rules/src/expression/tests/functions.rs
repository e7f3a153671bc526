//! The functions, each with its edges (X20-X76).

use super::check;
use crate::expression::functions_reference;
use expect_test::expect;

#[test]
fn text_functions() {
    check(
        r#"
        Trim([givenName]) & "|" & LTrim([givenName]) & "|" & RTrim([givenName])
        UCase("straße") & LCase("ÄB") & PCase("joHN mcDONALD-smith")
        Left("John Doe",3)
        Left("John",0)
        Left("John",-1)
        Left([none],4)
        Left("John",99)
        Right("John Doe",3)
        Right("John",-1)
        Mid("John Doe",6,999)
        Mid("John Doe",6)
        Mid("John",0,2)
        Mid("John",9,2)
        Mid("John",2,-1)
        Mid("John",2,0)
        Len([smile])
        Left([smile],2)
        Right([smile],2)
        Mid([smile],3,1)
        Mid([smile],2,2)
        InStr("The quick brown fox","quick")
        InStr("repEated","e",3,vbBinaryCompare)
        InStr("repEated","e",3,vbTextCompare)
        InStr([none],"e")
        InStr([smile],"b")
        InStr("abc","c",9)
        InStr("😀a😀","😀",2)
        InStrRev("😀a😀","😀",4)
        InStrRev("abbcdbbbef","bb")
        InStrRev("abbcdbbbef","bb",5)
        InStrRev("abbcdbbbef","BB",-1,vbTextCompare)
        Replace("a-b-c","-","")
        Replace("a","","x")
        ReplaceChars("Räksmörgås",%ReplaceString%)
        ReplaceChars("straße a b","ß : ss , a:")
        ReplaceChars("Aa","a:b,b:c")
        ReplaceChars("x","")
        ReplaceChars([none],"a:b")
        ReplaceChars("x","a")
        ReplaceChars("x","ab:c")
        ReplaceChars("x",":c")
        ReplaceChars("x","a:b,")
        ReplaceChars("x","a:b,a:c")
        ReplaceChars("x","a:b:c")
        InStr("abc","")
        InStr("","")
        InStr("abc","",4)
        PadLeft("User",10,"0")
        PadRight("User",3,"0")
        PadLeft([none],10,"0")
        PadLeft("User",10,"00")
        Word("This,string!has&many separators",3,",!&#")
        Word("User_123",1,"_")
        Word("a  b",2," ")
        Word("a",0," ")
        Word([none],1," ")
        "#,
        expect![[r#"
            Trim([givenName]) & "|" & LTrim([givenName]) & "|" & RTrim([givenName])
            => "Ann|Ann | Ann"
            UCase("straße") & LCase("ÄB") & PCase("joHN mcDONALD-smith")
            => "STRASSEäbJohn Mcdonald-smith"
            Left("John Doe",3)
            => "Joh"
            Left("John",0)
            => Null
            Left("John",-1)
            => "John"
            Left([none],4)
            => Null
            Left("John",99)
            => "John"
            Right("John Doe",3)
            => "Doe"
            Right("John",-1)
            => "John"
            Mid("John Doe",6,999)
            => "Doe"
            Mid("John Doe",6)
            => "Doe"
            Mid("John",0,2)
            => "John"
            Mid("John",9,2)
            => "John"
            Mid("John",2,-1)
            => "John"
            Mid("John",2,0)
            => Null
            Len([smile])
            => 4
            Left([smile],2)
            => "a"
            Right([smile],2)
            => "b"
            Mid([smile],3,1)
            => Null
            Mid([smile],2,2)
            => "😀"
            InStr("The quick brown fox","quick")
            => 5
            InStr("repEated","e",3,vbBinaryCompare)
            => 7
            InStr("repEated","e",3,vbTextCompare)
            => 4
            InStr([none],"e")
            => 0
            InStr([smile],"b")
            => 4
            InStr("abc","c",9)
            => 0
            InStr("😀a😀","😀",2)
            => 4
            InStrRev("😀a😀","😀",4)
            => 1
            InStrRev("abbcdbbbef","bb")
            => 7
            InStrRev("abbcdbbbef","bb",5)
            => 2
            InStrRev("abbcdbbbef","BB",-1,vbTextCompare)
            => 7
            Replace("a-b-c","-","")
            => "abc"
            Replace("a","","x")
            => "a"
            ReplaceChars("Räksmörgås",%ReplaceString%)
            => "Raksmorgas"
            ReplaceChars("straße a b","ß : ss , a:")
            => "strsse  b"
            ReplaceChars("Aa","a:b,b:c")
            => "Ab"
            ReplaceChars("x","")
            => "x"
            ReplaceChars([none],"a:b")
            => Null
            ReplaceChars("x","a")
            => ! expression-invalid-argument: `ReplaceChars` cannot read `a` in its pattern: write character:replacement at `ReplaceChars("x","a")`
            ReplaceChars("x","ab:c")
            => ! expression-invalid-argument: `ReplaceChars` cannot read `ab:c` in its pattern: exactly one character is replaced at `ReplaceChars("x","ab:c")`
            ReplaceChars("x",":c")
            => ! expression-invalid-argument: `ReplaceChars` cannot read `:c` in its pattern: exactly one character is replaced at `ReplaceChars("x",":c")`
            ReplaceChars("x","a:b,")
            => ! expression-invalid-argument: `ReplaceChars` cannot read `` in its pattern: write character:replacement at `ReplaceChars("x","a:b,")`
            ReplaceChars("x","a:b,a:c")
            => ! expression-invalid-argument: `ReplaceChars` cannot read `a:c` in its pattern: the character is replaced already at `ReplaceChars("x","a:b,a:c")`
            ReplaceChars("x","a:b:c")
            => ! expression-invalid-argument: `ReplaceChars` cannot read `a:b:c` in its pattern: a colon cannot be part of it at `ReplaceChars("x","a:b:c")`
            InStr("abc","")
            => 1
            InStr("","")
            => 0
            InStr("abc","",4)
            => 0
            PadLeft("User",10,"0")
            => "000000User"
            PadRight("User",3,"0")
            => "User"
            PadLeft([none],10,"0")
            => Null
            PadLeft("User",10,"00")
            => ! expression-invalid-argument: `PadLeft` fills with exactly one character at `PadLeft("User",10,"00")`
            Word("This,string!has&many separators",3,",!&#")
            => "has"
            Word("User_123",1,"_")
            => "User"
            Word("a  b",2," ")
            => "b"
            Word("a",0," ")
            => Null
            Word([none],1," ")
            => Null
        "#]],
    );
}

#[test]
fn list_functions() {
    check(
        r#"
        Item([proxyAddresses],Contains([proxyAddresses],"SMTP:"))
        Contains([proxyAddresses],"smtp:")
        Contains([proxyAddresses],"sip:",CaseInsensitive)
        Contains([proxyAddresses],"sip:")
        Contains([none],"x")
        ItemOrNull([proxyAddresses],9)
        ItemOrNull([proxyAddresses],0)
        Count([proxyAddresses])
        Count([none])
        ValueCount("member")
        ValueCount("none")
        RemoveDuplicates(Split("b,SMTP:a,smtp:A,b",","))
        Join([otherPhone])
        Join([otherPhone],", ")
        Join([none],",")
        Join([otherPhone],"")
        Join([otherPhone],[none])
        Join(Split("a,b,c",",",2),"|")
        Split("a,b","..")
        "#,
        expect![[r#"
            Item([proxyAddresses],Contains([proxyAddresses],"SMTP:"))
            => "SMTP:Ann@x.example"
            Contains([proxyAddresses],"smtp:")
            => 3
            Contains([proxyAddresses],"sip:",CaseInsensitive)
            => 1
            Contains([proxyAddresses],"sip:")
            => 0
            Contains([none],"x")
            => 0
            ItemOrNull([proxyAddresses],9)
            => Null
            ItemOrNull([proxyAddresses],0)
            => Null
            Count([proxyAddresses])
            => 4
            Count([none])
            => 0
            ValueCount("member")
            => 50001
            ValueCount("none")
            => 0
            RemoveDuplicates(Split("b,SMTP:a,smtp:A,b",","))
            => ["SMTP:a", "b"]
            Join([otherPhone])
            => "1-2 3-4 5"
            Join([otherPhone],", ")
            => "1-2, 3-4, 5"
            Join([none],",")
            => Null
            Join([otherPhone],"")
            => "1-23-45"
            Join([otherPhone],[none])
            => "1-23-45"
            Join(Split("a,b,c",",",2),"|")
            => "a|b,c"
            Split("a,b","..")
            => ! expression-invalid-argument: `Split` takes a delimiter of exactly one character at `Split("a,b","..")`
        "#]],
    );
}

#[test]
fn conversions_bits_and_time() {
    check(
        r#"
        CStr(5) & CStr(True) & CStr("x") & CStr([dn])
        CStr([objectGUID])
        CBool(BitAnd([groupType],-2147483648))
        CBool(BitAnd([groupType],&H80000000))
        CBool(0)
        CBool([none])
        CBool("TRUE")
        CBool("yes")
        CNum(" 12 ")
        CNum([none])
        IsNumeric("12") && IsNumeric("x") = False
        IsString([objectGUID])
        IsString([sn])
        IsString([otherPhone]) && IsGuid([otherPhone]) = False && IsNumeric([otherPhone]) = False
        IsNumeric(Split("1,2",",")) && IsNumeric(Split("1,x",",")) = False && IsNumeric([none]) = False
        IsGuid("{00112233-4455-6677-8899-aabbccddeeff}")
        StringFromGuid(CGuid("{00112233-4455-6677-8899-AABBCCDDEEFF}"))
        CGuid("nonsense")
        StringFromGuid([objectGUID])
        StringFromSid([objectSid])
        StringFromSid([objectGUID])
        ConvertToBase64("Hello world!")
        ConvertFromBase64("SABlAGwAbABvACAAdwBvAHIAbABkACEA")
        ConvertFromBase64("SGVsbG8gd29ybGQh",UTF8)
        ConvertFromBase64("?")
        ConvertToBase64([objectGUID])
        ConvertToBase32([objectGUID])
        ConvertToUTF8Hex("Hello world!")
        ConvertFromUTF8Hex("48656C6C6F20776F726C6421")
        ConvertFromUTF8Hex("4")
        "CN={" & ConvertToUTF8Hex("x4V0iaeB60KXxjftcwd7Hw==") & "}"
        BitAnd(&HF,&HF7)
        BitOr(8,1)
        IsBitSet(&HF,4)
        IsBitSet([userAccountControl],2)
        IsBitSet([none],2)
        FormatDateTime(DateFromNum([pwdLastSet]),"yyyy-MM-dd HH:mm:ss")
        FormatDateTime(Now(),"yyyyMMddHHmmss.0Z")
        FormatDateTime(Now(),"ddd d MMM yy, h:m:s.fff tt 'at' zzz")
        FormatDateTime(DateFromNum(0),"yyyy-MM-dd")
        FormatDateTime(DateFromNum(9223372036854775807),"yyyy-MM-dd")
        DateFromNum([pwdLastSet]) < Now()
        "#,
        expect![[r#"
            CStr(5) & CStr(True) & CStr("x") & CStr([dn])
            => "5TruexCN=Joe\\, Jr,OU=Sales,OU=US,DC=contoso,DC=com"
            CStr([objectGUID])
            => ! expression-type-mismatch: `CStr` takes a text, number, truth value or reference as `value`, and this is a binary value at `CStr([objectGUID])`
            CBool(BitAnd([groupType],-2147483648))
            => True
            CBool(BitAnd([groupType],&H80000000))
            => True
            CBool(0)
            => False
            CBool([none])
            => False
            CBool("TRUE")
            => True
            CBool("yes")
            => ! expression-conversion-failed: `CBool`: `yes` is not True or False at `CBool("yes")`
            CNum(" 12 ")
            => 12
            CNum([none])
            => Null
            IsNumeric("12") && IsNumeric("x") = False
            => True
            IsString([objectGUID])
            => False
            IsString([sn])
            => True
            IsString([otherPhone]) && IsGuid([otherPhone]) = False && IsNumeric([otherPhone]) = False
            => True
            IsNumeric(Split("1,2",",")) && IsNumeric(Split("1,x",",")) = False && IsNumeric([none]) = False
            => True
            IsGuid("{00112233-4455-6677-8899-aabbccddeeff}")
            => True
            StringFromGuid(CGuid("{00112233-4455-6677-8899-AABBCCDDEEFF}"))
            => "00112233-4455-6677-8899-aabbccddeeff"
            CGuid("nonsense")
            => ! expression-conversion-failed: `CGuid`: `nonsense` is not a GUID at `CGuid("nonsense")`
            StringFromGuid([objectGUID])
            => "00112233-4455-6677-8899-aabbccddeeff"
            StringFromSid([objectSid])
            => "S-1-5-21-1-2-3-1104"
            StringFromSid([objectGUID])
            => ! expression-conversion-failed: 16 bytes are not a security identifier (revision 1, then 8 bytes and 4 for each sub-authority) at `StringFromSid([objectGUID])`
            ConvertToBase64("Hello world!")
            => "SABlAGwAbABvACAAdwBvAHIAbABkACEA"
            ConvertFromBase64("SABlAGwAbABvACAAdwBvAHIAbABkACEA")
            => "Hello world!"
            ConvertFromBase64("SGVsbG8gd29ybGQh",UTF8)
            => "Hello world!"
            ConvertFromBase64("?")
            => ! expression-conversion-failed: `ConvertFromBase64`: `?` is not base64 at `ConvertFromBase64("?")`
            ConvertToBase64([objectGUID])
            => "MyIRAFVEd2aImaq7zN3u/w=="
            ConvertToBase32([objectGUID])
            => "gmrbcacvir3wncezvk54zxpo74"
            ConvertToUTF8Hex("Hello world!")
            => "48656C6C6F20776F726C6421"
            ConvertFromUTF8Hex("48656C6C6F20776F726C6421")
            => "Hello world!"
            ConvertFromUTF8Hex("4")
            => ! expression-conversion-failed: `ConvertFromUTF8Hex`: `4` is not the hexadecimal form of UTF-8 at `ConvertFromUTF8Hex("4")`
            "CN={" & ConvertToUTF8Hex("x4V0iaeB60KXxjftcwd7Hw==") & "}"
            => "CN={783456306961654236304B58786A66746377643748773D3D}"
            BitAnd(&HF,&HF7)
            => 7
            BitOr(8,1)
            => 9
            IsBitSet(&HF,4)
            => True
            IsBitSet([userAccountControl],2)
            => True
            IsBitSet([none],2)
            => False
            FormatDateTime(DateFromNum([pwdLastSet]),"yyyy-MM-dd HH:mm:ss")
            => "2012-01-01 23:00:00"
            FormatDateTime(Now(),"yyyyMMddHHmmss.0Z")
            => "20140905085453.0Z"
            FormatDateTime(Now(),"ddd d MMM yy, h:m:s.fff tt 'at' zzz")
            => "Fri 5 Sep 14, 8:54:53.000 AM at +00:00"
            FormatDateTime(DateFromNum(0),"yyyy-MM-dd")
            => "1601-01-01"
            FormatDateTime(DateFromNum(9223372036854775807),"yyyy-MM-dd")
            => ! expression-conversion-failed: `FormatDateTime`: the date lies outside the years 1 to 9999; 9223372036854775807 in accountExpires means never at `FormatDateTime(DateFromNum(9223372036854775807),"yyyy-MM-dd")`
            DateFromNum([pwdLastSet]) < Now()
            => True
        "#]],
    );
}

#[test]
fn directory_functions() {
    check(
        r#"
        DNComponent([dn],1)
        DNComponent([dn],9)
        DNComponentRev([dn],1)
        DNComponentRev([dn],3)
        DNComponentRev([dn],1,DC)
        DNComponentRev([dn],1,"DC")
        DNComponentRev([dn],0)
        DNComponent(CRef("CN=Ann,DC=x"),2)
        CRef("CN=Ann, DC=X") = CRef("cn=ann,dc=x")
        CRef([dn]) = [dn]
        CRef("no dn")
        CRef("")
        IsNull(CRef([none]))
        EscapeDNComponent("cn=" & "Smith, Ann")
        EscapeDNComponent("Smith, Ann")
        DNComponent([sn],1)
        "#,
        expect![[r#"
            DNComponent([dn],1)
            => "Joe, Jr"
            DNComponent([dn],9)
            => Null
            DNComponentRev([dn],1)
            => "com"
            DNComponentRev([dn],3)
            => "US"
            DNComponentRev([dn],1,DC)
            => "US"
            DNComponentRev([dn],1,"DC")
            => "US"
            DNComponentRev([dn],0)
            => Null
            DNComponent(CRef("CN=Ann,DC=x"),2)
            => "x"
            CRef("CN=Ann, DC=X") = CRef("cn=ann,dc=x")
            => True
            CRef([dn]) = [dn]
            => True
            CRef("no dn")
            => ! expression-conversion-failed: `CRef`: `no dn` is not a DN at `CRef("no dn")`
            CRef("")
            => ! expression-conversion-failed: `CRef`: `` is not a DN at `CRef("")`
            IsNull(CRef([none]))
            => True
            EscapeDNComponent("cn=" & "Smith, Ann")
            => "cn=Smith\\, Ann"
            EscapeDNComponent("Smith, Ann")
            => "Smith\\, Ann"
            DNComponent([sn],1)
            => ! expression-type-mismatch: `DNComponent` takes a reference as `dn`, and this is a text at `DNComponent([sn],1)`
        "#]],
    );
}

/// X10, X72 and others are decisions; the reference in the manual is made from the table and must say them.
#[test]
fn the_reference_lists_every_function_once() {
    let reference = functions_reference();
    for function in super::super::functions::all() {
        assert_eq!(reference.matches(&format!("| `{}(", function.name)).count(), 1, "{}", function.name);
        assert!(function.doc.ends_with('.'), "{}", function.name);
    }
    assert!(reference.contains("| `Mid(text, start[, count])` |"));
    assert!(reference.contains("| `Switch(condition, value, ...)` |"));
}

/// X16: what an absent value gives; a flow takes the empty text for absent, other functions do not.
#[test]
fn x16_absent_and_empty_are_two_things() {
    let absent = [
        "Trim([none])",
        "LTrim([none])",
        "RTrim([none])",
        "LCase([none])",
        "UCase([none])",
        "PCase([none])",
        "Replace([none],\"a\",\"b\")",
        "ReplaceChars([none],\"a:b\")",
        "Split([none],\",\")",
        "Join([none])",
        "CStr([none])",
        "CNum([none])",
        "CGuid([none])",
        "CDate([none])",
        "CRef([none])",
        "CBin([none],1)",
        "ConvertToBase64([none])",
        "ConvertFromBase64([none])",
        "ConvertToBase32([none])",
        "ConvertToUTF8Hex([none])",
        "ConvertFromUTF8Hex([none])",
        "StringFromGuid([none])",
        "StringFromSid([none])",
        "DNComponent([none],1)",
        "DNComponentRev([none],1)",
        "EscapeDNComponent([none])",
        "BitAnd([none],1)",
        "BitOr(1,[none])",
        "DateFromNum([none])",
        "NumFromDate(CDate([none]))",
        "FormatDateTime(CDate([none]),\"yyyy\")",
        "DateAdd(\"d\",1,CDate([none]))",
        "RandomNum([none],1)",
        "CertSubject([none])",
        "Thumbprint([none])",
        "ItemOrNull([none],1)",
        "RemoveDuplicates([none])",
        "Select($i,[none],$i)",
        "Where($i,[none],True)",
        "[none] + 1",
        "-[none]",
        "[none] & [nothing]",
    ];
    for text in absent {
        assert_eq!(super::evaluated(&format!("IsNull({text})")), "True", "{text}");
    }
    let empty = [
        "Left([none],1)",
        "Right([none],1)",
        "Mid([none],1,1)",
        "PadLeft([none],3,\"x\")",
        "PadRight([none],3,\"x\")",
        "Word([none],1,\" \")",
        "Word(\"a\",0,\" \")",
        "Word(\"a\",2,\" \")",
        "Left(\"a\",0)",
        "Right(\"a\",0)",
        "Mid(\"a\",1,0)",
    ];
    for text in empty {
        assert_eq!(super::evaluated(&format!("IsEmpty({text})")), "True", "{text}");
    }
}
