//! Lexical rules, tiers, laziness, the null family, lists, and what the parser says about mistakes (X1-X17).

use super::{check, evaluated, object};
use crate::expression::{Expression, Kinds, Lookup, MAX_EXPRESSION_DEPTH, Outcome};
use expect_test::expect;
use metaverse_schema::{Plurality, ValueKind};

#[test]
fn literals_and_tiers_of_x7() {
    check(
        r#"
        1 + 2 * 3
        2 - -3
        -9223372036854775808
        &HFF
        &hF7 + 1
        "a"&HFF
        "a" & "b" & "c"
        1 + 1 = 2
        IsPresent([sn]) || IsPresent([none]) = False || [sn] = "X"
        IsPresent([none]) || IsPresent([sn]) = False || [sn] = "X"
        True || False && False
        (True || False) && False
        "it ""is"" so"
        "\\0ACNF: \t."
        %Domain.FQDN%
        [rdn] & CRLF
        "#,
        expect![[r#"
            1 + 2 * 3
            => 9
            2 - -3
            => 5
            -9223372036854775808
            => -9223372036854775808
            &HFF
            => 255
            &hF7 + 1
            => 248
            "a"&HFF
            => !! expression-unknown-word `HFF` `HFF` is not a value (an attribute is written `[HFF]`, a text `"HFF"`)
            "a" & "b" & "c"
            => "abc"
            1 + 1 = 2
            => True
            IsPresent([sn]) || IsPresent([none]) = False || [sn] = "X"
            => True
            IsPresent([none]) || IsPresent([sn]) = False || [sn] = "X"
            => False
            True || False && False
            => True
            (True || False) && False
            => False
            "it ""is"" so"
            => "it \"is\" so"
            "\\0ACNF: \t."
            => "\\0ACNF: \t."
            %Domain.FQDN%
            => "contoso.example"
            [rdn] & CRLF
            => "CN=Ann\r\n"
        "#]],
    );
}

#[test]
fn short_circuit_and_laziness_of_x8_and_x9() {
    check(
        r#"
        Contains([proxyAddresses],"fax:") > 0 && Item([proxyAddresses],Contains([proxyAddresses],"fax:")) = "x"
        True || Error("not reached")
        IIF(True,"yes",Error("not reached"))
        IIF(False,"yes",Error("reached"))
        Switch([sn] = "Smith","S",True,Error("Unknown"))
        Switch([sn] = "Other","O",[sn] = "None","N")
        Switch([sn] = "Smith",NULL,True,"later")
        "#,
        expect![[r#"
            Contains([proxyAddresses],"fax:") > 0 && Item([proxyAddresses],Contains([proxyAddresses],"fax:")) = "x"
            => False
            True || Error("not reached")
            => True
            IIF(True,"yes",Error("not reached"))
            => "yes"
            IIF(False,"yes",Error("reached"))
            => ! sync-rule-error-function-triggered: reached at `Error("reached")`
            Switch([sn] = "Smith","S",True,Error("Unknown"))
            => "S"
            Switch([sn] = "Other","O",[sn] = "None","N")
            => Null
            Switch([sn] = "Smith",NULL,True,"later")
            => Null
        "#]],
    );
}

#[test]
fn the_null_family() {
    check(
        r#"
        NULL
        AuthoritativeNull
        IgnoreThisFlow
        [none]
        [empty]
        IsNull([empty])
        IsEmpty([empty])
        IsNullOrEmpty([empty])
        IsPresent([empty])
        IsNull([none])
        [none] = "x"
        [none] <> "x"
        [none] & "x"
        [none] & [nothing]
        BitAnd([none],2) = 0
        IIF(IsPresent([none]),[none],IgnoreThisFlow)
        IIF([none],"set","not set")
        Trim(IIF([flag],IgnoreThisFlow,"x"))
        "#,
        expect![[r#"
            NULL
            => Null
            AuthoritativeNull
            => AuthoritativeNull
            IgnoreThisFlow
            => IgnoreThisFlow
            [none]
            => Null
            [empty]
            => Null
            IsNull([empty])
            => False
            IsEmpty([empty])
            => True
            IsNullOrEmpty([empty])
            => True
            IsPresent([empty])
            => False
            IsNull([none])
            => True
            [none] = "x"
            => False
            [none] <> "x"
            => True
            [none] & "x"
            => "x"
            [none] & [nothing]
            => Null
            BitAnd([none],2) = 0
            => False
            IIF(IsPresent([none]),[none],IgnoreThisFlow)
            => IgnoreThisFlow
            IIF([none],"set","not set")
            => "not set"
            Trim(IIF([flag],IgnoreThisFlow,"x"))
            => ! expression-type-mismatch: IgnoreThisFlow is a result of a flow and no argument at `IIF([flag],IgnoreThisFlow,"x")`
        "#]],
    );
}

#[test]
fn lists_value_by_value_x13() {
    check(
        r#"
        LCase([proxyAddresses])
        IIF(InStr([proxyAddresses],"SIP:")=1,NULL,[proxyAddresses])
        IIF(InStr([proxyAddresses],"SIP:")=1 || InStr([proxyAddresses],"x500:")=1,NULL,Mid([proxyAddresses],6))
        Left([otherPhone],Len([otherPhone])-1)
        [otherPhone] & [otherList]
        "+" & [otherPhone]
        [otherPhone] = "5"
        [otherPhone] = "5" && True
        Select($item,[otherPhone],Replace($item,"-",""))
        Where($item,[proxyAddresses],InStr($item,"smtp:",1,vbTextCompare)=1)
        With($v,Trim([givenName]),$v & "-" & $v)
        ImportedValue("proxyAddresses")
        RemoveDuplicates(Trim(ImportedValue("proxyAddresses")))
        "#,
        expect![[r#"
            LCase([proxyAddresses])
            => ["sip:ann@x.example", "smtp:ann.smith@x.example", "smtp:ann@x.example", "x500:/o=x"]
            IIF(InStr([proxyAddresses],"SIP:")=1,NULL,[proxyAddresses])
            => ["SMTP:Ann@x.example", "smtp:ann.smith@x.example", "x500:/o=x"]
            IIF(InStr([proxyAddresses],"SIP:")=1 || InStr([proxyAddresses],"x500:")=1,NULL,Mid([proxyAddresses],6))
            => ["Ann@x.example", "ann.smith@x.example"]
            Left([otherPhone],Len([otherPhone])-1)
            => ["1-", "3-"]
            [otherPhone] & [otherList]
            => ! expression-several-lists: two lists of different origin meet where values are taken one by one at `[otherPhone] & [otherList]`
            "+" & [otherPhone]
            => ["+1-2", "+3-4", "+5"]
            [otherPhone] = "5"
            => [False, True]
            [otherPhone] = "5" && True
            => ! expression-type-mismatch: True or False is wanted, and there are 3 values; use Contains, Count or Where at `[otherPhone] = "5"`
            Select($item,[otherPhone],Replace($item,"-",""))
            => ["12", "34", "5"]
            Where($item,[proxyAddresses],InStr($item,"smtp:",1,vbTextCompare)=1)
            => ["SMTP:Ann@x.example", "smtp:ann.smith@x.example"]
            With($v,Trim([givenName]),$v & "-" & $v)
            => "Ann-Ann"
            ImportedValue("proxyAddresses")
            => "SMTP:Ann@x.example"
            RemoveDuplicates(Trim(ImportedValue("proxyAddresses")))
            => "SMTP:Ann@x.example"
        "#]],
    );
}

#[test]
fn mistakes_are_all_named_with_their_place() {
    check(
        r#"
        trim([sn]) & isPresent([sn])
        Foo([sn],Bar(1))
        Left([sn])
        Switch(True,"a",False)
        BitAnd("a",1)
        1 & "a"
        "a" + 1
        [sn] = NULL
        [sn] == "a"
        sn
        “x”
        "open
        [open
        %x
        1.5
        99999999999999999999
        "bad \0 escape"
        InStr([sn],"a",1,vbTextcompare)
        $x
        Select([sn],[sn],1)
        ValueCount([member])
        Trim([sn]))
        IIF(,1,2)
        IgnoreThisFlow & "x"
        Now()
        [sn] ? 2
        "#,
        expect![[r#"
            trim([sn]) & isPresent([sn])
            => !! expression-unknown-function `trim` there is no function `trim`; names are case-sensitive (did you mean `Trim`?)
               !! expression-unknown-function `isPresent` there is no function `isPresent`; names are case-sensitive (did you mean `IsPresent`?)
            Foo([sn],Bar(1))
            => !! expression-unknown-function `Foo` there is no function `Foo`; names are case-sensitive (there are 90 to choose from; none is similar)
               !! expression-unknown-function `Bar` there is no function `Bar`; names are case-sensitive (there are 90 to choose from; none is similar)
            Left([sn])
            => !! expression-argument-count `Left([sn])` `Left` takes 2 arguments, and 1 are given (write Left(text, count))
            Switch(True,"a",False)
            => !! expression-argument-count `Switch(True,"a",False)` `Switch` takes 2 or more, in steps of 2 arguments, and 3 are given (write Switch(condition, value, ...))
            BitAnd("a",1)
            => !! expression-type-mismatch `"a"` `BitAnd` takes as `value` a number, and this is a text (convert it: CNum(...))
            1 & "a"
            => !! expression-type-mismatch `1` `&` joins a text or a binary value, and this is a number (convert it: CStr(...))
            "a" + 1
            => !! expression-type-mismatch `"a"` `+`, `-` and `*` take a number, and this is a text (convert it: CNum(...))
            [sn] = NULL
            => !! expression-compares-null `[sn] = NULL` nothing is ever equal to NULL (use IsNull(...) or IsPresent(...))
            [sn] == "a"
            => !! expression-syntax `==` there is no operator `==` (write `=`)
            sn
            => !! expression-unknown-word `sn` `sn` is not a value (an attribute is written `[sn]`, a text `"sn"`)
            “x”
            => !! expression-syntax `“` `“` does not quote a text (write straight double quotes: "text")
               !! expression-syntax `”` `”` does not quote a text (write straight double quotes: "text")
            "open
            => !! expression-syntax `"open` this text is not closed (close it with a double quote)
            [open
            => !! expression-syntax `[open` the bracket of this attribute is not closed (write `[name]`)
            %x
            => !! expression-syntax `%x` this is not a parameter (write for example `%Domain.FQDN%`)
            1.5
            => !! expression-syntax `1.5` `1.5` is not a whole number of at most 64 bits (numbers are whole: 512 or &H200)
            99999999999999999999
            => !! expression-syntax `99999999999999999999` `99999999999999999999` is not a whole number of at most 64 bits (numbers are whole: 512 or &H200)
            "bad \0 escape"
            => !! expression-syntax `\0` there is no escape `\0` (a backslash itself is written twice; the others are \n \r \t \")
            InStr([sn],"a",1,vbTextcompare)
            => !! expression-unknown-word `vbTextcompare` `vbTextcompare` is not one of the choices here (did you mean `vbTextCompare`?)
            $x
            => !! expression-unknown-variable `$x` the variable `$x` is not declared here (With, Select and Where declare a variable as their first argument)
            Select([sn],[sn],1)
            => !! expression-type-mismatch `[sn]` a variable is expected here (the first argument declares a variable, for example `$item`)
            ValueCount([member])
            => !! expression-type-mismatch `[member]` an attribute name in quotes is expected here (write the attribute's name as a text: "member")
            Trim([sn]))
            => !! expression-syntax `)` this does not fit here; an operator or the end is expected (write an operator or the end)
            IIF(,1,2)
            => !! expression-syntax `,` this does not fit here; a value is expected (write a value)
            IgnoreThisFlow & "x"
            => !! expression-type-mismatch `IgnoreThisFlow` IgnoreThisFlow is a result of a flow and no operand (use it as a branch of IIF or Switch, or as the whole expression)
            Now()
            => !! expression-type-mismatch `Now()` a date cannot be stored (write FormatDateTime(..., "yyyyMMddHHmmss.0Z"))
            [sn] ? 2
            => !! expression-syntax `?` `?` has no meaning here (operators are < <= = <> >= > + - * & && ||; texts stand in double quotes, attributes in [brackets])
        "#]],
    );
    expect![[r#"!! expression-syntax `` the expression is empty (write an attribute in [brackets], a text in "quotes" or a function; for no value write NULL)"#]].assert_eq(&evaluated(""));
}

#[test]
fn runtime_faults_have_place_and_code() {
    check(
        r#"
        Error("AccountName is not present")
        Item([otherPhone],4)
        CNum("12a")
        [userAccountControl] & "x"
        9223372036854775807 + 1
        -[sn]
        %Unknown%
        With($a,$a,1)
        IIF([sn],1,2)
        Select($i,[otherPhone],IgnoreThisFlow)
        "#,
        expect![[r#"
            Error("AccountName is not present")
            => ! sync-rule-error-function-triggered: AccountName is not present at `Error("AccountName is not present")`
            Item([otherPhone],4)
            => ! expression-index-out-of-bounds: there is no value number 4; there are 3, counted from 1 at `Item([otherPhone],4)`
            CNum("12a")
            => ! expression-conversion-failed: `CNum`: `12a` is not a whole number of at most 64 bits at `CNum("12a")`
            [userAccountControl] & "x"
            => ! expression-type-mismatch: `&` takes texts, and this is a number at `[userAccountControl] & "x"`
            9223372036854775807 + 1
            => ! expression-overflow: the result does not fit into a 64-bit number at `9223372036854775807 + 1`
            -[sn]
            => ! expression-type-mismatch: `-` takes a number, and this is a text at `-[sn]`
            %Unknown%
            => ! expression-unknown-parameter: the parameter %Unknown% has no value here at `%Unknown%`
            With($a,$a,1)
            => ! expression-unknown-variable: the variable $a has no value here at `$a`
            IIF([sn],1,2)
            => ! expression-type-mismatch: True or False is wanted, and this is a text at `[sn]`
            Select($i,[otherPhone],IgnoreThisFlow)
            => !! expression-type-mismatch `IgnoreThisFlow` IgnoreThisFlow is a result of a flow and no operand (use it as a branch of IIF or Switch, or as the whole expression)
        "#]],
    );
}

#[test]
fn nesting_and_work_are_bounded() {
    let deep = |depth: usize| format!("{}1{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Expression::parse(&deep(MAX_EXPRESSION_DEPTH)).is_ok());
    assert_eq!(Expression::parse(&deep(MAX_EXPRESSION_DEPTH + 1)).unwrap_err()[0].code, "expression-too-deep");
    assert_eq!(Expression::parse(&"-".repeat(60_000)).unwrap_err()[0].code, "expression-too-deep");
    assert_eq!(Expression::parse(&"(".repeat(60_000)).unwrap_err()[0].code, "expression-too-deep");
    let chain = vec!["1"; 20_000].join("+");
    assert_eq!(evaluated(&chain), "20000");
    assert_eq!(Expression::parse(&" ".repeat(70_000)).unwrap_err()[0].code, "expression-too-long");

    let mut doubling = "$v".to_owned();
    for _ in 0..40 {
        doubling = format!("With($v,$v & $v,{doubling})");
    }
    let doubling = format!("With($v,\"0123456789\",{doubling})");
    let error = Expression::parse(&doubling).unwrap().evaluate(&object()).unwrap_err();
    assert_eq!(error.code, "expression-too-much-work");
    for big in [
        "PadLeft(\"x\",9223372036854775807,\"y\")",
        "Replace(PadLeft(\"x\",1000000,\"x\"),\"x\",PadLeft(\"\",100000,\"y\"))",
    ] {
        let error = Expression::parse(big).unwrap().evaluate(&object()).unwrap_err();
        assert_eq!(error.code, "expression-too-much-work", "{big}");
    }
}

struct Schema;

impl Kinds for Schema {
    fn attribute(&self, name: &str) -> Lookup {
        match name {
            "sn" => Lookup::Known(ValueKind::Text, Plurality::Single),
            "proxyAddresses" => Lookup::Known(ValueKind::Text, Plurality::Multi),
            "userAccountControl" => Lookup::Known(ValueKind::Integer, Plurality::Single),
            "objectGUID" => Lookup::Known(ValueKind::Binary, Plurality::Single),
            "member" => Lookup::Known(ValueKind::Reference, Plurality::Multi),
            _ => Lookup::Missing { help: "did you mean `sn`?".to_owned() },
        }
    }

    fn parameter(&self, _: &str) -> Lookup {
        Lookup::Known(ValueKind::Text, Plurality::Single)
    }
}

#[test]
fn kinds_are_checked_against_a_schema() {
    let check = |text: &str| match Expression::parse(text).unwrap().check(&Schema) {
        Ok(known) => format!("{:?} {:?}", known.kind, known.plurality),
        Err(found) => super::problems(text, &found),
    };
    let table = [
        "Trim([sn])",
        "LCase([proxyAddresses])",
        "IIF(IsPresent([sn]),Left([sn],448),NULL)",
        "IIF(InStr([proxyAddresses],\"x\")=1,NULL,[proxyAddresses])",
        "Item([proxyAddresses],1)",
        "CBool(BitAnd([userAccountControl],2))",
        "ValueCount(\"member\") > 5",
        "Select($i,[proxyAddresses],Len($i))",
        "With($v,[userAccountControl],$v + 1)",
        "Trim([userAccountControl]) & [snn]",
        "Count([member])",
        "[sn] = [userAccountControl]",
        "IIF([userAccountControl],1,2)",
        "ConvertToUTF8Hex([objectGUID])",
        "Where($i,[proxyAddresses],$i = 5)",
        "CStr([objectGUID])",
        "IIF(IsString([objectGUID]),CStr([objectGUID]),ConvertToBase64([objectGUID]))",
        "IIF(IsString([sn]),CStr([objectGUID]),\"\")",
        "Trim(IIF(IsString([objectGUID]),\"\",\"\")) & CStr([objectGUID])",
        "Left([objectGUID],4) & [sn]",
        "Mid([objectGUID],1,4) & Left([objectGUID],1)",
    ];
    let seen: Vec<String> = table.iter().map(|text| format!("{text}\n=> {}\n", check(text))).collect();
    expect![[r#"
        Trim([sn])
        => Some(Text) Some(Single)
        LCase([proxyAddresses])
        => Some(Text) Some(Multi)
        IIF(IsPresent([sn]),Left([sn],448),NULL)
        => Some(Text) Some(Single)
        IIF(InStr([proxyAddresses],"x")=1,NULL,[proxyAddresses])
        => Some(Text) Some(Multi)
        Item([proxyAddresses],1)
        => Some(Text) Some(Single)
        CBool(BitAnd([userAccountControl],2))
        => Some(Boolean) Some(Single)
        ValueCount("member") > 5
        => Some(Boolean) Some(Single)
        Select($i,[proxyAddresses],Len($i))
        => Some(Integer) Some(Multi)
        With($v,[userAccountControl],$v + 1)
        => Some(Integer) Some(Single)
        Trim([userAccountControl]) & [snn]
        => !! expression-type-mismatch `[userAccountControl]` `Trim` takes as `text` a text, and this is a number (convert it: CStr(...))
           !! expression-unknown-attribute `[snn]` there is no attribute `snn` here (did you mean `sn`?)
        Count([member])
        => !! expression-needs-all-members `[member]` `member` holds many references, which an expression cannot read (flow it directly: { direct = "member" }; count it with ValueCount("member"))
        [sn] = [userAccountControl]
        => !! expression-type-mismatch `[sn] = [userAccountControl]` a text is never compared with a number (convert one side: CStr, CNum, CBool, StringFromGuid, StringFromSid)
        IIF([userAccountControl],1,2)
        => !! expression-type-mismatch `[userAccountControl]` `IIF` takes as `condition` True or False, and this is a number (convert it: CBool(...), or compare it)
        ConvertToUTF8Hex([objectGUID])
        => !! expression-type-mismatch `[objectGUID]` `ConvertToUTF8Hex` takes as `text` a text, and this is a binary value (convert it: ConvertToBase64, StringFromGuid or StringFromSid)
        Where($i,[proxyAddresses],$i = 5)
        => !! expression-type-mismatch `$i = 5` a text is never compared with a number (convert one side: CStr, CNum, CBool, StringFromGuid, StringFromSid)
        CStr([objectGUID])
        => !! expression-type-mismatch `[objectGUID]` `CStr` takes as `value` a text or a number or True or False or a reference, and this is a binary value (convert it: ConvertToBase64, StringFromGuid or StringFromSid)
        IIF(IsString([objectGUID]),CStr([objectGUID]),ConvertToBase64([objectGUID]))
        => Some(Text) Some(Single)
        IIF(IsString([sn]),CStr([objectGUID]),"")
        => !! expression-type-mismatch `[objectGUID]` `CStr` takes as `value` a text or a number or True or False or a reference, and this is a binary value (convert it: ConvertToBase64, StringFromGuid or StringFromSid)
        Trim(IIF(IsString([objectGUID]),"","")) & CStr([objectGUID])
        => !! expression-type-mismatch `[objectGUID]` `CStr` takes as `value` a text or a number or True or False or a reference, and this is a binary value (convert it: ConvertToBase64, StringFromGuid or StringFromSid)
        Left([objectGUID],4) & [sn]
        => !! expression-type-mismatch `Left([objectGUID],4) & [sn]` a binary value and a text are never joined (convert one side: ConvertToBase64, StringFromGuid or StringFromSid)
        Mid([objectGUID],1,4) & Left([objectGUID],1)
        => Some(Binary) Some(Single)
    "#]].assert_eq(&seen.concat());
}

#[test]
fn what_an_expression_reads_is_known() {
    let parse = |text: &str| Expression::parse(text).unwrap();
    let expression = parse("IIF(ValueCount(\"member\") > 1, ImportedValue(\"mail\"), [cn] & [cn] & %X%)");
    let names: Vec<String> = expression.attributes().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["cn", "mail", "member"]);
    assert_eq!(&*expression.parameters()[0].0, "X");
    assert!(expression.as_direct().is_none());
    assert_eq!(parse(" [cn] ").as_direct().unwrap().as_str(), "cn");
    assert!(!expression.uses_now());
    assert!(parse("DateFromNum([pwdLastSet]) < Now()").uses_now());
    assert_eq!(parse("[none]").evaluate(&object()), Ok(Outcome::Null));
}

/// What an expression reads as it stands: `ValueCount` counts what is there, `ImportedValue` reads only what an import confirmed.
#[test]
fn what_only_imported_value_reads_is_not_live() {
    for (text, live) in [
        ("[b]&ImportedValue(\"a\")", "b"),
        ("ImportedValue(\"a\")", ""),
        ("ValueCount(\"c\")", "c"),
        ("IIF(ValueCount(\"c\")>1,[b],ImportedValue(\"b\"))", "b c"),
        ("Left([b],ValueCount(\"c\"))&[b]", "b c"),
    ] {
        let attributes = Expression::parse(text).unwrap().live_attributes();
        let names: Vec<&str> = attributes.iter().map(|name| name.as_str()).collect();
        assert_eq!(names.join(" "), live, "{text}");
    }
}

/// A variable is declared by the first argument of the functions that declare one. What a surplus argument of another function
/// names is told; in a call of a function that does not exist nobody knows.
#[test]
fn a_variable_is_only_declared_where_one_is() {
    check(
        r#"
        Trim([sn],$x)
        Trim($x)
        Thrim($x,$x&[sn])
        Thrim($x)&$x
        With($x,[sn],$x)&$x
        With($x,[sn],With($y,$x,$x&$y))
        With($x,"a",With($x,$x&"b",$x))
        "#,
        expect![[r#"
            Trim([sn],$x)
            => !! expression-argument-count `Trim([sn],$x)` `Trim` takes 1 arguments, and 2 are given (write Trim(text))
               !! expression-unknown-variable `$x` the variable `$x` is not declared here (With, Select and Where declare a variable as their first argument)
            Trim($x)
            => !! expression-unknown-variable `$x` the variable `$x` is not declared here (With, Select and Where declare a variable as their first argument)
            Thrim($x,$x&[sn])
            => !! expression-unknown-function `Thrim` there is no function `Thrim`; names are case-sensitive (did you mean `Trim`?)
            Thrim($x)&$x
            => !! expression-unknown-function `Thrim` there is no function `Thrim`; names are case-sensitive (did you mean `Trim`?)
               !! expression-unknown-variable `$x` the variable `$x` is not declared here (With, Select and Where declare a variable as their first argument)
            With($x,[sn],$x)&$x
            => !! expression-unknown-variable `$x` the variable `$x` is not declared here (With, Select and Where declare a variable as their first argument)
            With($x,[sn],With($y,$x,$x&$y))
            => "SmithSmith"
            With($x,"a",With($x,$x&"b",$x))
            => "ab"
        "#]],
    );
}
