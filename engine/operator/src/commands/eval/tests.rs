//! The bench through its command line, and what it prints for people and for programs.

use super::answer;
use crate::cli::{Cli, Command, EvalArgs};
use crate::exit::Exit;
use clap::Parser as _;
use expect_test::{Expect, expect};
use std::fmt::Write as _;

/// 2026-03-10 08:30:15.25 UTC.
const NOW: i64 = 1_773_131_415_250_000;

fn arguments(words: &[&str]) -> EvalArgs {
    match Cli::try_parse_from(["metasync", "eval"].iter().chain(words)) {
        Ok(Cli { command: Command::Eval(args), .. }) => args,
        Ok(other) => panic!("{words:?} is {}", other.command.name()),
        Err(error) => panic!("{words:?}: {error}"),
    }
}

/// One command line in each row, its words parted by ` ## `; behind it the JSON and the exit code.
fn check_json(table: &str, expect: Expect) {
    let mut seen = String::new();
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split(" ## ").collect();
        let report = answer(&arguments(&words), NOW, b"seed", false);
        let _ = writeln!(seen, "{line}\n=> {} {}", report.exit.code(), report.json);
    }
    expect.assert_eq(&seen);
}

fn check_text(words: &[&str], expect: Expect) {
    expect.assert_eq(&answer(&arguments(words), NOW, b"seed", false).text);
}

#[test]
fn values_and_their_types() {
    check_json(
        r#"
        "a" & "b"
        1 + 2
        -1
        -2147483648
        1 = 1
        NULL
        AuthoritativeNull
        IgnoreThisFlow
        Left("John",0)
        CDate("2013-01-10 4:00 PM -8")
        DateFromNum(129699324000000000)
        Now()
        DateFromNum(9223372036854775807)
        CGuid("00112233-4455-6677-8899-aabbccddeeff")
        CRef("CN=Ann,DC=x")
        Split("b,a,b",",")
        Select($i,Split("a,b",","),CDate("2013-01-10"))
        IIF(True,Split("a",","),NULL)
        [none]
        Error("no name")
        trim("a")
        Left("a"
        Foo([x],Bar())
        %Domain.FQDN%
        Item(Split("a,b",","),3)
        "#,
        expect![[r#"
            "a" & "b"
            => 0 {"value":"ab","type":"text"}
            1 + 2
            => 0 {"value":3,"type":"integer"}
            -1
            => 0 {"value":-1,"type":"integer"}
            -2147483648
            => 0 {"value":-2147483648,"type":"integer"}
            1 = 1
            => 0 {"value":true,"type":"boolean"}
            NULL
            => 0 {"value":null,"type":"null"}
            AuthoritativeNull
            => 0 {"value":null,"type":"authoritative-null"}
            IgnoreThisFlow
            => 0 {"value":null,"type":"ignore-this-flow"}
            Left("John",0)
            => 0 {"value":"","type":"text"}
            CDate("2013-01-10 4:00 PM -8")
            => 0 {"value":"2013-01-11T00:00:00Z","type":"date"}
            DateFromNum(129699324000000000)
            => 0 {"value":"2012-01-01T23:00:00Z","type":"date"}
            Now()
            => 0 {"value":"2026-03-10T08:30:15.250000Z","type":"date"}
            DateFromNum(9223372036854775807)
            => 1 {"error":{"code":"expression-conversion-failed","message":"the result is a date outside the years 1 to 9999, which cannot be written (compare it with Now(), or leave out 9223372036854775807, which means never)"}}
            CGuid("00112233-4455-6677-8899-aabbccddeeff")
            => 0 {"value":{"binary":"MyIRAFVEd2aImaq7zN3u/w=="},"type":"binary"}
            CRef("CN=Ann,DC=x")
            => 0 {"value":"CN=Ann,DC=x","type":"reference"}
            Split("b,a,b",",")
            => 0 {"value":["b","a","b"],"type":"multi text"}
            Select($i,Split("a,b",","),CDate("2013-01-10"))
            => 0 {"value":["2013-01-10T00:00:00Z","2013-01-10T00:00:00Z"],"type":"multi date"}
            IIF(True,Split("a",","),NULL)
            => 0 {"value":"a","type":"text"}
            [none]
            => 0 {"value":null,"type":"null"}
            Error("no name")
            => 1 {"error":{"code":"sync-rule-error-function-triggered","message":"no name"}}
            trim("a")
            => 1 {"error":{"code":"expression-unknown-function","message":"there is no function `trim`; names are case-sensitive (did you mean `Trim`?)"}}
            Left("a"
            => 1 {"error":{"code":"expression-syntax","message":"the expression ends here; `,` or `)` is expected (write `,` or `)`)"}}
            Foo([x],Bar())
            => 1 {"error":{"code":"expression-unknown-function","message":"there is no function `Foo`; names are case-sensitive (there are 90 to choose from; none is similar); there is no function `Bar`; names are case-sensitive (there are 90 to choose from; none is similar)"}}
            %Domain.FQDN%
            => 1 {"error":{"code":"expression-unknown-parameter","message":"the parameter %Domain.FQDN% has no value here (give it a value: --param NAME=VALUE)"}}
            Item(Split("a,b",","),3)
            => 1 {"error":{"code":"expression-index-out-of-bounds","message":"there is no value number 3; there are 2, counted from 1 (ItemOrNull gives NULL instead)"}}
        "#]],
    );
}

#[test]
fn attributes_have_their_kind() {
    check_json(
        r#"
        BitAnd([userAccountControl],2) ## --attr ## userAccountControl=514
        [employeeNumber] ## --attr ## employeeNumber=514
        [shoeSize] ## --attr ## shoeSize=44
        [shoeSize] + 1 ## --attr ## shoeSize:integer=44
        [wears] ## --attr ## wears=True
        [wears] ## --attr ## wears:boolean=true
        [isCriticalSystemObject] ## --attr ## isCriticalSystemObject=TRUE
        StringFromGuid([objectGUID]) ## --attr ## objectGUID=MyIRAFVEd2aImaq7zN3u/w==
        ConvertToBase64([objectGUID]) ## --attr ## objectGUID=00112233-4455-6677-8899-aabbccddeeff
        StringFromSid([objectSid]) ## --attr ## objectSid=S-1-5-21-1-2-3-1104
        DNComponent(CRef([dn]),1) & [rdn] ## --attr ## dn=CN=Joe,OU=US,DC=contoso,DC=com
        DNComponent([manager],1) ## --attr ## manager=CN=Boss,DC=x
        [proxyAddresses] ## --attr ## proxyAddresses=smtp:b ## --attr ## proxyAddresses=SMTP:a
        Count([proxyAddresses]) ## --attr ## proxyAddresses=smtp:b
        IsEmpty([sn]) ## --attr ## sn=
        [a] ## --attr ## a==b=c
        ValueCount("member") ## --attr ## member=CN=a,DC=x ## --attr ## member=CN=b,DC=x
        [member] ## --attr ## member=CN=a,DC=x
        Trim([Department]) ## --attr ## department=x
        [displayname]
        [SHOESIZE] ## --attr ## shoeSize=44
        [sn] & "@" & %Domain.FQDN% ## --attr ## sn=Smith ## --param ## Domain.FQDN=contoso.com
        IIF(%Hybrid%,%Limit% + 1,0) ## --param ## Hybrid=True ## --param ## Limit=50000
        %Limit% ## --param ## Limit:text=50000
        CDate("2026-04-01") < Now() ## --now ## 2026-05-01
        "#,
        expect![[r#"
            BitAnd([userAccountControl],2) ## --attr ## userAccountControl=514
            => 0 {"value":2,"type":"integer"}
            [employeeNumber] ## --attr ## employeeNumber=514
            => 0 {"value":"514","type":"text"}
            [shoeSize] ## --attr ## shoeSize=44
            => 0 {"value":"44","type":"text"}
            [shoeSize] + 1 ## --attr ## shoeSize:integer=44
            => 0 {"value":45,"type":"integer"}
            [wears] ## --attr ## wears=True
            => 0 {"value":"True","type":"text"}
            [wears] ## --attr ## wears:boolean=true
            => 0 {"value":true,"type":"boolean"}
            [isCriticalSystemObject] ## --attr ## isCriticalSystemObject=TRUE
            => 0 {"value":true,"type":"boolean"}
            StringFromGuid([objectGUID]) ## --attr ## objectGUID=MyIRAFVEd2aImaq7zN3u/w==
            => 0 {"value":"00112233-4455-6677-8899-aabbccddeeff","type":"text"}
            ConvertToBase64([objectGUID]) ## --attr ## objectGUID=00112233-4455-6677-8899-aabbccddeeff
            => 0 {"value":"MyIRAFVEd2aImaq7zN3u/w==","type":"text"}
            StringFromSid([objectSid]) ## --attr ## objectSid=S-1-5-21-1-2-3-1104
            => 0 {"value":"S-1-5-21-1-2-3-1104","type":"text"}
            DNComponent(CRef([dn]),1) & [rdn] ## --attr ## dn=CN=Joe,OU=US,DC=contoso,DC=com
            => 0 {"value":"JoeCN=Joe","type":"text"}
            DNComponent([manager],1) ## --attr ## manager=CN=Boss,DC=x
            => 0 {"value":"Boss","type":"text"}
            [proxyAddresses] ## --attr ## proxyAddresses=smtp:b ## --attr ## proxyAddresses=SMTP:a
            => 0 {"value":["SMTP:a","smtp:b"],"type":"multi text"}
            Count([proxyAddresses]) ## --attr ## proxyAddresses=smtp:b
            => 0 {"value":1,"type":"integer"}
            IsEmpty([sn]) ## --attr ## sn=
            => 0 {"value":true,"type":"boolean"}
            [a] ## --attr ## a==b=c
            => 0 {"value":"=b=c","type":"text"}
            ValueCount("member") ## --attr ## member=CN=a,DC=x ## --attr ## member=CN=b,DC=x
            => 0 {"value":2,"type":"integer"}
            [member] ## --attr ## member=CN=a,DC=x
            => 1 {"error":{"code":"expression-needs-all-members","message":"`member` holds many references, which an expression cannot read (flow it directly: { direct = \"member\" }; count it with ValueCount(\"member\"))"}}
            Trim([Department]) ## --attr ## department=x
            => 1 {"error":{"code":"expression-unknown-attribute","message":"there is no attribute `Department` here (did you mean `[department]`? Names are case-sensitive; one of your own is given with --attr Department=...)"}}
            [displayname]
            => 1 {"error":{"code":"expression-unknown-attribute","message":"there is no attribute `displayname` here (did you mean `[displayName]`? Names are case-sensitive; one of your own is given with --attr displayname=...)"}}
            [SHOESIZE] ## --attr ## shoeSize=44
            => 1 {"error":{"code":"expression-unknown-attribute","message":"there is no attribute `SHOESIZE` here (did you mean `[shoeSize]`? Names are case-sensitive; one of your own is given with --attr SHOESIZE=...)"}}
            [sn] & "@" & %Domain.FQDN% ## --attr ## sn=Smith ## --param ## Domain.FQDN=contoso.com
            => 0 {"value":"Smith@contoso.com","type":"text"}
            IIF(%Hybrid%,%Limit% + 1,0) ## --param ## Hybrid=True ## --param ## Limit=50000
            => 0 {"value":50001,"type":"integer"}
            %Limit% ## --param ## Limit:text=50000
            => 0 {"value":"50000","type":"text"}
            CDate("2026-04-01") < Now() ## --now ## 2026-05-01
            => 0 {"value":true,"type":"boolean"}
        "#]],
    );
}

#[test]
fn bad_arguments_are_answers() {
    check_json(
        r#"
        1 ## --attr ## sn
        1 ## --attr ## =x
        1 ## --attr ## sn:number=x
        1 ## --attr ## userAccountControl=many
        1 ## --attr ## objectGUID=?
        1 ## --attr ## manager=boss
        1 ## --attr ## isDeleted=yes
        1 ## --attr ## unicodePwd=Made-up-1
        1 ## --param ## x
        1 ## --now ## noon
        1 ## --attrs ## /does/not/exist.json
        trim(1) ## --attr ## sn ## --now ## noon
        "#,
        expect![[r#"
            1 ## --attr ## sn
            => 1 {"error":{"code":"argument-invalid","message":"`sn` is not NAME=VALUE (write --attr NAME=VALUE; NAME= is the empty text)"}}
            1 ## --attr ## =x
            => 1 {"error":{"code":"argument-invalid","message":"a name is missing before `=` (write --attr NAME=VALUE)"}}
            1 ## --attr ## sn:number=x
            => 1 {"error":{"code":"argument-invalid","message":"`number` is not a kind of value (text, integer, boolean, binary or reference)"}}
            1 ## --attr ## userAccountControl=many
            => 1 {"error":{"code":"argument-invalid","message":"`userAccountControl`: `many` is not a whole number of at most 64 bits (write userAccountControl:text=... to give it as a text)"}}
            1 ## --attr ## objectGUID=?
            => 1 {"error":{"code":"argument-invalid","message":"`objectGUID`: `?` is not base64, a GUID or a SID (write objectGUID:text=... to give it as a text)"}}
            1 ## --attr ## manager=boss
            => 1 {"error":{"code":"argument-invalid","message":"`manager`: `boss` is not a DN (write manager:text=... to give it as a text)"}}
            1 ## --attr ## isDeleted=yes
            => 1 {"error":{"code":"argument-invalid","message":"`isDeleted`: `yes` is not True or False (write isDeleted:text=... to give it as a text)"}}
            1 ## --attr ## unicodePwd=Made-up-1
            => 1 {"error":{"code":"argument-invalid","message":"`unicodePwd`: it is a secret, which no expression reads (leave it out)"}}
            1 ## --param ## x
            => 1 {"error":{"code":"argument-invalid","message":"`x` is not NAME=VALUE (write --param NAME=VALUE; NAME= is the empty text)"}}
            1 ## --now ## noon
            => 1 {"error":{"code":"argument-invalid","message":"`noon` is not a date (write for example 2026-04-01T00:00:00Z)"}}
            1 ## --attrs ## /does/not/exist.json
            => 1 {"error":{"code":"file-unreadable","message":"/does/not/exist.json cannot be read: No such file or directory (os error 2) (check the path and the rights of this user)"}}
            trim(1) ## --attr ## sn ## --now ## noon
            => 1 {"error":{"code":"argument-invalid","message":"`sn` is not NAME=VALUE (write --attr NAME=VALUE; NAME= is the empty text); `noon` is not a date (write for example 2026-04-01T00:00:00Z); there is no function `trim`; names are case-sensitive (did you mean `Trim`?)"}}
        "#]],
    );
}

/// The file's own types count; only a reference needs Active Directory to be known as one.
#[test]
fn a_file_of_attributes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.json");
    let path = file.display().to_string();
    let with = |json: &str, expression: &str, more: &[&str]| {
        std::fs::write(&file, json).unwrap();
        let report = answer(&arguments(&[&[expression, "--attrs", &path], more].concat()), NOW, b"seed", false);
        assert_eq!(report.exit == Exit::Success, report.json.get("error").is_none());
        report.json.to_string().replace(&path, "a.json")
    };
    let all = r#"{"sn": "Smith", "n": 5, "t": true, "no": null, "many": ["b", "a", "b"], "none": [],
        "bin": {"binary": "AAE="}, "manager": "CN=Boss,DC=x", "ref": {"reference": "CN=A,DC=x"}, "number": "5"}"#;
    let mut seen = String::new();
    for expression in [
        "[sn]",
        "[n] + 1",
        "[t]",
        "IsNull([no]) && IsNull([none])",
        "[many]",
        "[bin]",
        "DNComponent([manager],1)",
        "[ref]",
        "[number]",
    ] {
        let _ = writeln!(seen, "{expression} {}", with(all, expression, &[]));
    }
    let _ = writeln!(seen, "{}", with(all, "[many] & [sn]", &["--attr", "many=x"]));
    for json in [
        "",
        "[]",
        "{",
        "{\"a\": 1.5}",
        "{\"a\": [[1]]}",
        "{\"a\": {\"binary\": 5}}",
        "{\"a\": {\"binary\": \"?\"}}",
        "{\"manager\": \"boss\"}",
        "{\"unicodePwd\": \"x\"}",
        "\u{0}",
        "{\"ä\": 99999999999999999999}",
    ] {
        let _ = writeln!(seen, "{json:?} {}", with(json, "1", &[]));
    }
    expect![[r#"
        [sn] {"value":"Smith","type":"text"}
        [n] + 1 {"value":6,"type":"integer"}
        [t] {"value":true,"type":"boolean"}
        IsNull([no]) && IsNull([none]) {"value":true,"type":"boolean"}
        [many] {"value":["a","b"],"type":"multi text"}
        [bin] {"value":{"binary":"AAE="},"type":"binary"}
        DNComponent([manager],1) {"value":"Boss","type":"text"}
        [ref] {"value":"CN=A,DC=x","type":"reference"}
        [number] {"value":"5","type":"text"}
        {"value":"xSmith","type":"text"}
        "" {"error":{"code":"attrs-invalid","message":"the attributes are not JSON: EOF while parsing a value at line 1 column 0 (a backslash is written twice in JSON)"}}
        "[]" {"error":{"code":"attrs-invalid","message":"the attributes are not one JSON object (write {\"sn\": \"Smith\", \"description\": [\"a\", \"b\"]})"}}
        "{" {"error":{"code":"attrs-invalid","message":"the attributes are not JSON: EOF while parsing an object at line 1 column 1 (a backslash is written twice in JSON)"}}
        "{\"a\": 1.5}" {"error":{"code":"attrs-invalid","message":"`a`: `1.5` is not a whole number of at most 64 bits (strings, whole numbers, true, false, null, arrays of them, {\"binary\": base64} and {\"reference\": DN})"}}
        "{\"a\": [[1]]}" {"error":{"code":"attrs-invalid","message":"`a`: `[1]` is not a value (strings, whole numbers, true, false, null, arrays of them, {\"binary\": base64} and {\"reference\": DN})"}}
        "{\"a\": {\"binary\": 5}}" {"error":{"code":"attrs-invalid","message":"`a`: `{\"binary\":5}` is not a value (strings, whole numbers, true, false, null, arrays of them, {\"binary\": base64} and {\"reference\": DN})"}}
        "{\"a\": {\"binary\": \"?\"}}" {"error":{"code":"attrs-invalid","message":"`a`: `{\"binary\":\"?\"}` is not base64 (strings, whole numbers, true, false, null, arrays of them, {\"binary\": base64} and {\"reference\": DN})"}}
        "{\"manager\": \"boss\"}" {"error":{"code":"attrs-invalid","message":"`manager`: `boss` is not a DN (strings, whole numbers, true, false, null, arrays of them, {\"binary\": base64} and {\"reference\": DN})"}}
        "{\"unicodePwd\": \"x\"}" {"error":{"code":"attrs-invalid","message":"`unicodePwd`: it is a secret, which no expression reads (leave it out)"}}
        "\0" {"error":{"code":"attrs-invalid","message":"the attributes are not JSON: expected value at line 1 column 1 (a backslash is written twice in JSON)"}}
        "{\"ä\": 99999999999999999999}" {"error":{"code":"attrs-invalid","message":"`ä`: `1e+20` is not a whole number of at most 64 bits (strings, whole numbers, true, false, null, arrays of them, {\"binary\": base64} and {\"reference\": DN})"}}
    "#]].assert_eq(&seen);
}

#[test]
fn what_people_read() {
    check_text(
        &["Trim([sn])", "--attr", "sn= Smith "],
        expect![[r#"
        value   Smith
        type    text
    "#]],
    );
    check_text(
        &["Split(\"b,a\",\",\")"],
        expect![[r#"
        value   b
                a
        type    multi text
    "#]],
    );
    check_text(
        &["\"a\" & CRLF"],
        expect![[r#"
        value   "a\r\n"
        type    text
    "#]],
    );
    check_text(
        &["\"\""],
        expect![[r#"
        value   "" (the empty text, which a flow takes for no value)
        type    text
    "#]],
    );
    check_text(
        &["CDate(\"2026-04-01\") < Now()"],
        expect![[r#"
        value   False
        type    boolean
        until   2026-04-01 00:00:00Z, when the answer may be another one
    "#]],
    );
    check_text(
        &["IIF(ispresent([sn]),\n    null,\n    [sn])"],
        expect![[r#"
        expression-unknown-function

          × there is no function `ispresent`; names are case-sensitive
           ╭─[expression:1:5]
         1 │ IIF(ispresent([sn]),
           ·     ────┬────
           ·         ╰── here
         2 │     null,
           ╰────
          help: did you mean `IsPresent`?

        expression-unknown-word

          × `null` is not a value
           ╭─[expression:2:5]
         1 │ IIF(ispresent([sn]),
         2 │     null,
           ·     ──┬─
           ·       ╰── here
         3 │     [sn])
           ╰────
          help: did you mean `NULL`? Names are case-sensitive

    "#]],
    );
    check_text(
        &["1 + CNum(\"x\")", "--attr", "sn"],
        expect![[r#"
        argument-invalid

          × `sn` is not NAME=VALUE
           ╭─[--attr 1:1:1]
         1 │ sn
           · ─┬
           ·  ╰── here
           ╰────
          help: write --attr NAME=VALUE; NAME= is the empty text

    "#]],
    );
    check_text(
        &["1 + CNum(\"x\")"],
        expect![[r#"
        expression-conversion-failed

          × `CNum`: `x` is not a whole number of at most 64 bits
           ╭─[expression:1:5]
         1 │ 1 + CNum("x")
           ·     ────┬────
           ·         ╰── here
           ╰────
          help: guard it with IsNumeric, IsDate, IsGuid or IsCert

    "#]],
    );
}

/// A secret is refused without being repeated.
#[test]
fn a_secret_is_not_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.json");
    std::fs::write(&file, "{\"sn\": 1.5,\n\"unicodePwd\": \"Made-up-1\"}").unwrap();
    for words in [["1", "--attr", "unicodePwd=Made-up-1"], ["1", "--attrs", &file.display().to_string()]] {
        let report = answer(&arguments(&words), NOW, b"seed", false);
        assert!(report.text.contains("secret") && !report.text.contains("Made-up"), "{}", report.text);
        assert!(!report.json.to_string().contains("Made-up"));
    }
}

/// No text on the command line ends with a panic.
#[test]
fn any_text_is_answered() {
    let texts = [
        "",
        " ",
        "\"",
        "\\",
        "[",
        "$x",
        "%",
        "&H",
        "\u{1F600}",
        "é",
        "1/0",
        "((((",
        "Now",
        "\u{0}",
        "IIF(",
        "'x'",
        "“x”",
        "1)",
    ];
    for text in texts {
        for argument in texts {
            let report =
                answer(&arguments(&["--attr", argument, "--param", argument, "--", text]), NOW, b"seed", false);
            assert_eq!(report.exit, Exit::Failed, "{text:?} {argument:?}");
            let error = report.json.get("error").unwrap();
            assert!(error["code"].as_str().is_some_and(|code| !code.is_empty()), "{text:?} {argument:?}");
            assert_eq!(error.as_object().unwrap().len(), 2);
        }
    }
}

/// A drawn value is new with each call of the bench, and the same within the seed.
#[test]
fn drawn_values_come_from_the_seed() {
    let guid = |seed: &[u8]| answer(&arguments(&["Guid()"]), NOW, seed, false).json;
    assert_eq!(guid(b"a"), guid(b"a"));
    assert_ne!(guid(b"a"), guid(b"b"));
}
