//! Expressions as administrators write them: the shipped texts of Azure AD Connect, odd spacing, wrong case (X2, X5, T37).

use super::{check, evaluated};
use expect_test::expect;

/// The whole default cloudFiltered text (D2).
const CLOUD_FILTERED: &str = r#"IIF(IsPresent([isCriticalSystemObject]) || IsPresent([sn]) = False || [sn] = "SUPPORT_388945a0" || Left([mailNickname], 14) = "SystemMailbox{" || Left([sn], 4) = "AAD_" || (Left([mailNickname], 4) = "CAS_" && (InStr([mailNickname], "}") > 0)) || (Left([sn], 4) = "CAS_" && (InStr([sn], "}")> 0)) || Left([sn], 5) = "MSOL_" || CBool(IIF(IsPresent([msExchRecipientTypeDetails]),BitAnd([msExchRecipientTypeDetails],&H21C07000) > 0,NULL)) || CBool(InStr(DNComponent(CRef([dn]),1),"\\0ACNF:")>0), True, NULL)"#;

/// T37: comparison stands above `||`, `Item` is not reached, `Switch` does not raise, `Mid` gives its input.
#[test]
fn t37_tiers_laziness_and_mid() {
    assert_eq!(evaluated(CLOUD_FILTERED), "Null");
    let changed = |from: &str, to: &str| {
        assert!(CLOUD_FILTERED.contains(from), "{from}");
        evaluated(&CLOUD_FILTERED.replace(from, to))
    };
    assert_eq!(changed("[isCriticalSystemObject]", "[flag]"), "True");
    assert_eq!(changed("IsPresent([sn]) = False", "IsPresent([none]) = False"), "True");
    assert_eq!(changed("SUPPORT_388945a0", "Smith"), "True");
    assert_eq!(changed("[mailNickname]", "\"SystemMailbox{1f05a927}\""), "True");
    assert_eq!(changed("[mailNickname]", "\"CAS_{1f05a927}\""), "True");
    assert_eq!(changed("[mailNickname]", "\"CAS_1f05a927\""), "Null");
    assert_eq!(changed("\"MSOL_\"", "\"Smith\""), "True");
    assert_eq!(changed("[msExchRecipientTypeDetails]", "&H1000"), "True");
    assert_eq!(changed("[msExchRecipientTypeDetails]", "&H800"), "Null");
    // The DN of a replication conflict, as Active Directory writes it.
    assert_eq!(changed("[dn]", "\"CN=Ann\\\\0ACNF:1f05a927,DC=contoso,DC=com\""), "True");
    assert_eq!(changed("[dn]", "\"CN=Ann 0ACNF:1f05a927,DC=contoso,DC=com\""), "Null");
    check(
        r#"
        Contains([proxyAddresses],"fax:") > 0 && Item([proxyAddresses],Contains([proxyAddresses],"fax:")) = "x"
        Item([proxyAddresses],Contains([proxyAddresses],"fax:")) = "x"
        Switch([sn] = "Smith","here",True,Error("not found"))
        Switch([sn] = "Jones","here",True,Error("not found"))
        Mid("abc",9,1) & Mid("abc",0,1) & Mid("abc",1,-1)
        "#,
        expect![[r#"
            Contains([proxyAddresses],"fax:") > 0 && Item([proxyAddresses],Contains([proxyAddresses],"fax:")) = "x"
            => False
            Item([proxyAddresses],Contains([proxyAddresses],"fax:")) = "x"
            => ! expression-index-out-of-bounds: there is no value number 0; there are 4, counted from 1 at `Item([proxyAddresses],Contains([proxyAddresses],"fax:"))`
            Switch([sn] = "Smith","here",True,Error("not found"))
            => "here"
            Switch([sn] = "Jones","here",True,Error("not found"))
            => ! sync-rule-error-function-triggered: not found at `Error("not found")`
            Mid("abc",9,1) & Mid("abc",0,1) & Mid("abc",1,-1)
            => "abcabcabc"
        "#]],
    );
}

/// Texts of the shipped rules of Azure AD Connect, as administrators copy them.
#[test]
fn shipped_texts() {
    check(
        r#"
        IIF(IsPresent([userPrincipalName]),[userPrincipalName],IIF(IsPresent([sn]),([sn]&"@"&%Domain.FQDN%),Error("AccountName is not present")))
        IIF(IsPresent([msExchRecipientTypeDetails]),IIF([msExchRecipientTypeDetails]=2,NULL,"User"),"User")
        IIF(IsString([objectGUID]),CStr([objectGUID]),ConvertToBase64([objectGUID]))
        IIF(BitAnd([userAccountControl],2)=0,True,False)
        IIF(IsPresent([pwdLastSet]),CStr(FormatDateTime(DateFromNum([pwdLastSet]),"yyyyMMddHHmmss.0Z")),NULL)
        CBool(IIF((BitAnd([groupType],-2147483648) <> 0) || IsPresent([mail]), True, NULL))
        IIF(IsNullOrEmpty([displayName]),Trim([sn]),Trim([displayName]))
        Left(Trim(Item([otherPhone],1)),448)
        "User_" & ConvertToBase64([objectGUID])
        IIF(IsPresent([member]) && ValueCount("member")>50000,Error("too many members"),NULL)
        IIF(InStr([proxyAddresses],"SIP:")=1,NULL,[proxyAddresses])
        IIF(Left([mail],4)="ann@" && (IsNullOrEmpty([none]) || [none]="x"),"yes","no")
        Switch(Left(LCase([department]),3)="hrd","Personnel",Left(LCase([department]),3)="fin","Finance",True,[department])
        "#,
        expect![[r#"
            IIF(IsPresent([userPrincipalName]),[userPrincipalName],IIF(IsPresent([sn]),([sn]&"@"&%Domain.FQDN%),Error("AccountName is not present")))
            => "Smith@contoso.example"
            IIF(IsPresent([msExchRecipientTypeDetails]),IIF([msExchRecipientTypeDetails]=2,NULL,"User"),"User")
            => "User"
            IIF(IsString([objectGUID]),CStr([objectGUID]),ConvertToBase64([objectGUID]))
            => "MyIRAFVEd2aImaq7zN3u/w=="
            IIF(BitAnd([userAccountControl],2)=0,True,False)
            => False
            IIF(IsPresent([pwdLastSet]),CStr(FormatDateTime(DateFromNum([pwdLastSet]),"yyyyMMddHHmmss.0Z")),NULL)
            => "20120101230000.0Z"
            CBool(IIF((BitAnd([groupType],-2147483648) <> 0) || IsPresent([mail]), True, NULL))
            => True
            IIF(IsNullOrEmpty([displayName]),Trim([sn]),Trim([displayName]))
            => "Smith"
            Left(Trim(Item([otherPhone],1)),448)
            => "1-2"
            "User_" & ConvertToBase64([objectGUID])
            => "User_MyIRAFVEd2aImaq7zN3u/w=="
            IIF(IsPresent([member]) && ValueCount("member")>50000,Error("too many members"),NULL)
            => Null
            IIF(InStr([proxyAddresses],"SIP:")=1,NULL,[proxyAddresses])
            => ["SMTP:Ann@x.example", "smtp:ann.smith@x.example", "x500:/o=x"]
            IIF(Left([mail],4)="ann@" && (IsNullOrEmpty([none]) || [none]="x"),"yes","no")
            => "yes"
            Switch(Left(LCase([department]),3)="hrd","Personnel",Left(LCase([department]),3)="fin","Finance",True,[department])
            => "Personnel"
        "#]],
    );
}

#[test]
fn odd_spacing() {
    for text in [
        "IIF(IsPresent([sn]),\"a\",\"b\")",
        "IIF (IsPresent ([sn]) , \"a\" , \"b\")",
        "  IIF(\n\tIsPresent( [sn] ),\r\n\t\"a\",\n\t\"b\"\n)\n",
        "IIF((((IsPresent([sn])))),(\"a\"),(\"b\"))",
        "\u{a0}IIF(IsPresent([sn]),\"a\",\u{3000}\"b\")",
    ] {
        assert_eq!(evaluated(text), "\"a\"", "{text:?}");
    }
    check(
        "
        1-1
        1 -1
        1--1
        -1+2
        - 1
        3&-1
        BitAnd(&hff,&H0F)+1
        \"a\"&\"b\"&CRLF&\"c\"
        ",
        expect![[r#"
            1-1
            => 0
            1 -1
            => 0
            1--1
            => 2
            -1+2
            => 1
            - 1
            => -1
            3&-1
            => !! expression-type-mismatch `3` `&` joins a text or a binary value, and this is a number (convert it: CStr(...))
               !! expression-type-mismatch `-1` `&` joins a text or a binary value, and this is a number (convert it: CStr(...))
            BitAnd(&hff,&H0F)+1
            => 16
            "a"&"b"&CRLF&"c"
            => "ab\r\nc"
        "#]],
    );
}

/// Choices nested ten deep, each in parentheses and on a line of its own, as in the rules of a hybrid Exchange.
#[test]
fn choices_nested_ten_deep() {
    let mut text = "False".to_owned();
    for number in (0..10).rev() {
        let indent = " ".repeat(4 * number);
        text = format!("(\n{indent}IIF([userAccountControl]={},True,{text}))", 505 + number);
    }
    let text = format!("\n  CBool(\n    IIF(IsPresent([userAccountControl]),{text},False))\n  ");
    assert_eq!(evaluated(&text), "True");
    assert_eq!(evaluated(&text.replace("=514", "=515")), "False");
}

/// X2: a name in the wrong case is refused, with the right spelling.
#[test]
fn x2_names_in_the_wrong_case() {
    check(
        r#"
        iif(true,"a","b")
        IIF(TRUE,"a","b")
        IIF(IsPresent([sn]),null,[sn])
        ignoreThisFlow
        AUTHORITATIVENULL
        Crlf
        datefromnum(1) < now()
        Contains([proxyAddresses],"x",caseinsensitive)
        DNComponentRev([dn],1,"dc")
        "#,
        expect![[r#"
            iif(true,"a","b")
            => !! expression-unknown-function `iif` there is no function `iif`; names are case-sensitive (did you mean `IIF`?)
               !! expression-unknown-word `true` `true` is not a value (did you mean `True`? Names are case-sensitive)
            IIF(TRUE,"a","b")
            => !! expression-unknown-word `TRUE` `TRUE` is not a value (did you mean `True`? Names are case-sensitive)
            IIF(IsPresent([sn]),null,[sn])
            => !! expression-unknown-word `null` `null` is not a value (did you mean `NULL`? Names are case-sensitive)
            ignoreThisFlow
            => !! expression-unknown-word `ignoreThisFlow` `ignoreThisFlow` is not a value (did you mean `IgnoreThisFlow`? Names are case-sensitive)
            AUTHORITATIVENULL
            => !! expression-unknown-word `AUTHORITATIVENULL` `AUTHORITATIVENULL` is not a value (did you mean `AuthoritativeNull`? Names are case-sensitive)
            Crlf
            => !! expression-unknown-word `Crlf` `Crlf` is not a value (did you mean `CRLF`? Names are case-sensitive)
            datefromnum(1) < now()
            => !! expression-unknown-function `datefromnum` there is no function `datefromnum`; names are case-sensitive (did you mean `DateFromNum`?)
               !! expression-unknown-function `now` there is no function `now`; names are case-sensitive (did you mean `Now`?)
            Contains([proxyAddresses],"x",caseinsensitive)
            => !! expression-unknown-word `caseinsensitive` `caseinsensitive` is not one of the choices here (did you mean `CaseInsensitive`?)
            DNComponentRev([dn],1,"dc")
            => !! expression-unknown-word `"dc"` `dc` is not one of the choices here (did you mean `DC`?)
        "#]],
    );
}

/// SF27: lengths are UTF-16 units; a surrogate pair, a letter with its marks and an emoji of several parts stay whole.
#[test]
fn sf27_no_character_is_split() {
    check(
        "
        Len(\"e\u{301}\")
        Left(\"e\u{301}x\",1) & \"|\"
        Left(\"e\u{301}x\",2) & \"|\"
        Right(\"xe\u{301}\",1) & \"|\"
        Mid(\"ae\u{301}x\",3) & \"|\"
        Mid(\"ae\u{301}x\",2,1) & \"|\"
        Len(\"\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}\")
        Left(\"a\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}b\",5) & \"|\"
        Left(\"a\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}b\",9) & \"|\"
        Left(\"\u{1F1E9}\u{1F1EA}x\",2) & \"|\"
        Left(\"ä\" & CRLF & \"b\",2) & \"|\"
        Left(\"\u{1F600}\u{1F600}\",3) & \"|\"
        PadLeft(\"\u{1F600}\",4,\".\")
        InStr(\"\u{1F600}e\u{301}x\",\"x\")
        ",
        expect![[r#"
            Len("é")
            => 2
            Left("éx",1) & "|"
            => "|"
            Left("éx",2) & "|"
            => "e\u{301}|"
            Right("xé",1) & "|"
            => "|"
            Mid("aéx",3) & "|"
            => "x|"
            Mid("aéx",2,1) & "|"
            => "|"
            Len("👨‍👩‍👧")
            => 8
            Left("a👨‍👩‍👧b",5) & "|"
            => "a|"
            Left("a👨‍👩‍👧b",9) & "|"
            => "a👨\u{200d}👩\u{200d}👧|"
            Left("🇩🇪x",2) & "|"
            => "|"
            Left("ä" & CRLF & "b",2) & "|"
            => "ä\r|"
            Left("😀😀",3) & "|"
            => "😀|"
            PadLeft("😀",4,".")
            => "..😀"
            InStr("😀éx","x")
            => 5
        "#]],
    );
}
