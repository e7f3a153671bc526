//! Files as people have them, and what the report says of a small company, as text.

use super::finding::{Class, Remark};
use super::inventory::{CloudObject, Inventories, Person};
use super::judge::Assessment;
use super::surroundings::{HeldOther, System, SystemFinding};
use super::{Options, Weight, csv, judge, ldif, page, powershell, read, text};
use expect_test::{Expect, expect};

/// Exactly the columns of the customer's document.
const AD: &str = "Name,SamAccountName,EmailAddress\nAnn Archer,ann,ann@contoso.com\nBob Jones,bob,bob@contoso.com\n\
    New Hire,new,new@contoso.com\nNo Mail,nomail,\nTwin One,twin1,twin@contoso.com\nTwin Two,twin2,Twin@contoso.com\n";
const CLOUD: &str = "userprincipalname,displayname,islicensed\nann@contoso.com,Ann Archer,True\nBOB@contoso.com,Bob,False\n\
    twin@contoso.com,Twin,True\nonly@contoso.com,Only Cloud,True\n\
    pat_partner.com#EXT#@contoso.onmicrosoft.com,Pat,False\n";

fn assessed(ad: &str, cloud: &str, options: &Options) -> Assessment {
    let directory = read::<Person>(ad.as_bytes()).unwrap();
    let tenant = read::<CloudObject>(cloud.as_bytes()).unwrap();
    judge(&Inventories { directory, tenant, ..Inventories::default() }, options)
}

fn check(ad: &str, cloud: &str, expected: Expect) {
    let assessment = assessed(ad, cloud, &Options::default());
    let mut lines = String::new();
    for line in &assessment.lines {
        let remarks: Vec<String> =
            line.remarks.iter().map(|(remark, said)| format!("{} {said}", remark.code())).collect();
        lines.push_str(&format!(
            "{} {} <{}> {} | {}\n",
            line.account,
            line.class.code(),
            line.cloud.as_deref().unwrap_or("-"),
            line.because,
            remarks.join("; ")
        ));
    }
    for object in &assessment.cloud_only {
        lines.push_str(&format!("only in the tenant: {} {} {}\n", object.kind, object.name, object.stale_anchor));
    }
    expected.assert_eq(&lines);
}

/// The customer's two files: what they can answer, and the rest by name.
#[test]
fn the_columns_of_the_customers_document() {
    check(
        AD,
        CLOUD,
        expect![[r#"
            ann soft-match <ann@contoso.com> the same address as sign-in name ann@contoso.com | 
            bob soft-match <BOB@contoso.com> the same address as sign-in name bob@contoso.com | unlicensed 
            new created <-> nobody has new@contoso.com | 
            nomail created <-> there is nothing to look for: neither mail nor sign-in name | missing-mail 
            twin1 ambiguous <twin@contoso.com> somebody else in the directory has the primary address twin@contoso.com | duplicate-address twin@contoso.com
            twin2 ambiguous <twin@contoso.com> somebody else in the directory has the primary address twin@contoso.com | duplicate-address twin@contoso.com
            only in the tenant: user only@contoso.com false
            only in the tenant: guest pat_partner.com#EXT#@contoso.onmicrosoft.com false
        "#]],
    );
    let assessment = assessed(AD, CLOUD, &Options::default());
    expect![[r#"
        Readiness: 6 people of the directory against the tenant
        verified domains of the tenant: contoso.com (taken from its sign-in names; --verified-domain names
        others)
        the tenant's file has no addresses: the sign-in name of a cloud user counts as its primary address

        What would become of them
          2  soft-match  the cloud user has this person's primary address
          2  ambiguous   several match: nobody is joined, nobody is created            mend
          2  created     nobody in the tenant is this person: a user would be created

        ambiguous
          what to do: leave the address or sign-in name with one of them
          Twin One  twin1  twin@contoso.com  somebody else in the directory has the primary address
                                             twin@contoso.com
          Twin Two  twin2  twin@contoso.com  somebody else in the directory has the primary address
                                             twin@contoso.com

        What else is to be known
          1  unlicensed         the cloud user has no licence                                        look
          1  missing-mail       has no mail address: nothing to be matched by                        look
          2  duplicate-address  somebody else in the directory has the same address or sign-in name  mend

        unlicensed
          what to do: license it afterwards, if it needs one
          Bob Jones  bob  BOB@contoso.com

        missing-mail
          what to do: fill in mail (the fix file proposes it where the cloud user is known)
          No Mail  nomail

        duplicate-address
          what to do: leave it with one of them
          Twin One  twin1  twin@contoso.com  twin@contoso.com
          Twin Two  twin2  twin@contoso.com  twin@contoso.com

        The tenant
          1 user that nobody of the directory is: left as they are

        Not in the files
          directory: sign-in names: by which they match, how they change, suffixes that the tenant has not
          verified
          directory: further addresses: hits on secondary addresses, addresses that would be lost,
          duplicates among them
          directory: who is disabled: blocked in the cloud and enabled in the directory, and the reverse
          directory: anchors: hard matches, and anchors of the tenant that nobody carries
          directory: mailbox identifiers that a former mailbox left behind
          directory: distinguished names: without them there is no LDIF to mend by
            this adds it: Get-ADUser -Filter * -Properties EmailAddress,proxyAddresses,DisplayName,mailNickname,msExchMailboxGuid,mS-DS-ConsistencyGuid | Select-Object Name,SamAccountName,EmailAddress,UserPrincipalName,Enabled,ObjectGUID,DistinguishedName,DisplayName,mailNickname,@{n='mS-DS-ConsistencyGuid';e={if($_.'mS-DS-ConsistencyGuid'){[guid]$_.'mS-DS-ConsistencyGuid'}}},@{n='msExchMailboxGuid';e={if($_.msExchMailboxGuid){[guid]$_.msExchMailboxGuid}}},@{n='proxyAddresses';e={$_.proxyAddresses -join ';'}} | Export-Csv ad.csv -NoTypeInformation -Encoding UTF8
          tenant: addresses of the tenant: until then a sign-in name counts as the primary address
          tenant: further addresses of the tenant: hits on secondary addresses, addresses that would be lost
          tenant: who is blocked from signing in
          tenant: immutable ids: hard matches, and anchors that nobody carries
          tenant: guests, other than by #EXT# in their sign-in name
          tenant: who is synchronised, or was
            this adds it: Get-MgUser -All -Property UserPrincipalName,DisplayName,Mail,ProxyAddresses,AccountEnabled,OnPremisesImmutableId,OnPremisesSyncEnabled,UserType,AssignedLicenses | Select-Object UserPrincipalName,DisplayName,Mail,AccountEnabled,OnPremisesImmutableId,OnPremisesSyncEnabled,UserType,@{n='isLicensed';e={$_.AssignedLicenses.Count -gt 0}},@{n='ProxyAddresses';e={$_.ProxyAddresses -join ';'}} | Export-Csv cloud.csv -NoTypeInformation -Encoding UTF8
          tenant: who holds a directory role: such accounts are never taken over
            this adds it: Get-MgDirectoryRole -All | % { $role=$_; Get-MgDirectoryRoleMember -DirectoryRoleId $role.Id -All | % { [pscustomobject]@{Role=$role.DisplayName;UserPrincipalName=$_.AdditionalProperties.userPrincipalName} } } (write the roles of a user, joined by ';', into a column Roles of cloud.csv)
          tenant: the recycle bin: who would be created a second time
            this adds it: Get-MgDirectoryDeletedItemAsUser -All -Property UserPrincipalName,DisplayName,Mail,OnPremisesImmutableId,DeletedDateTime | Select-Object UserPrincipalName,DisplayName,Mail,OnPremisesImmutableId,DeletedDateTime (append the rows to cloud.csv, which then has a column DeletedDateTime)
          tenant: contacts and groups that have a person's address
            this adds it: Get-MgContact -All | Select-Object DisplayName,Mail,@{n='ObjectType';e={'Contact'}} and Get-MgGroup -All | Select-Object DisplayName,Mail,@{n='ObjectType';e={'Group'}} (append the rows to cloud.csv, which then has a column ObjectType)
          directory: groups that are too large or of a kind that is not synchronised
          directory: the state of the domain controller, its clock, and what the account may read
          tenant: the tenant's state, its verified domains and clock, and certificates and secrets that are
          about to expire
            this adds it: metasync init, then metasync assess in its folder, without files
    "#]].assert_eq(&text(&assessment));
}

/// Whatever program wrote a file, it is the same file.
#[test]
fn a_file_is_read_whatever_wrote_it() {
    let expected = read::<Person>(AD.as_bytes()).unwrap().objects;
    let utf16 = |text: &str, big: bool| -> Vec<u8> {
        let units = text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() });
        units.collect()
    };
    let quoted: String = AD.lines().map(|line| format!("\"{}\"\r\n", line.replace(',', "\",\""))).collect();
    let typed = format!("#TYPE Microsoft.ActiveDirectory.Management.ADUser\r\n{quoted}");
    for (what, bytes) in [
        ("a byte order mark", [b"\xef\xbb\xbf", AD.as_bytes()].concat()),
        ("UTF-16, little-endian", [b"\xff\xfe", utf16(AD, false).as_slice()].concat()),
        ("UTF-16, big-endian", [b"\xfe\xff", utf16(AD, true).as_slice()].concat()),
        ("UTF-16 without a mark", utf16(AD, false)),
        ("semicolons", AD.replace(',', ";").into_bytes()),
        ("tabs", AD.replace(',', "\t").into_bytes()),
        ("a separator that is named", format!("sep=;\r\n{}", AD.replace(',', ";")).into_bytes()),
        ("quotes", quoted.clone().into_bytes()),
    ] {
        let read = read::<Person>(&bytes).unwrap_or_else(|problem| panic!("{what}: {problem}"));
        // The line with the separator is a line.
        let mut wanted = expected.clone();
        wanted.iter_mut().for_each(|person| person.line += usize::from(what.contains("named")));
        assert_eq!(read.objects, wanted, "{what}");
    }
    assert_eq!(read::<Person>(typed.as_bytes()).unwrap().objects.len(), expected.len());
    let latin = b"Name,SamAccountName,EmailAddress\nJ\xfcrgen,j,j@contoso.com\n";
    assert_eq!(read::<Person>(latin).unwrap().objects[0].name, "Jürgen");
}

/// Richer exports of the three cmdlets, by their own titles.
#[test]
fn exports_of_the_three_cmdlets() {
    let ad = "\"DistinguishedName\",\"Enabled\",\"Name\",\"ObjectGUID\",\"SamAccountName\",\"UserPrincipalName\",\"mail\",\"proxyAddresses\"\n\
        \"CN=Ann,DC=x\",\"True\",\"Ann\",\"00000000-0000-4000-8000-0000000000a1\",\"ann\",\"ann@contoso.local\",\"ann@contoso.com\",\"SMTP:ann@contoso.com;smtp:a@contoso.com\"\n";
    let msol = "UserPrincipalName,DisplayName,isLicensed,ImmutableId,ProxyAddresses,BlockCredential,UserType,LastDirSyncTime\n\
        ann@contoso.com,Ann,True,,\"{SMTP:ann@contoso.com, smtp:old@contoso.com}\",True,Member,\n";
    check(
        ad,
        msol,
        expect![[r#"
        ann soft-match <ann@contoso.com> the same primary address ann@contoso.com | would-enable ; addresses-lost old@contoso.com; suffix-not-routable contoso.local: ann@contoso.com instead
    "#]],
    );
    let mg = "\"UserPrincipalName\";\"DisplayName\";\"AccountEnabled\";\"OnPremisesImmutableId\";\"AssignedLicenses\"\n\
        \"ann@contoso.com\";\"Ann\";\"True\";\"AAAAAAAAAECAAAAAAAAAoQ==\";\"Microsoft.Graph.PowerShell.Models.IMicrosoftGraphAssignedLicense[]\"\n";
    check(
        ad,
        mg,
        expect![[r#"
        ann hard-match <ann@contoso.com> the same anchor AAAAAAAAAECAAAAAAAAAoQ== | suffix-not-routable contoso.local: ann@contoso.com instead
    "#]],
    );
}

/// A cloud user that carries the anchor of somebody else is that person's, whoever has its address.
#[test]
fn an_anchor_is_stronger_than_an_address() {
    let ad = "Name,SamAccountName,EmailAddress,ObjectGUID\nAnn,ann,ann@contoso.com,00000000-0000-4000-8000-0000000000a1\n\
        Bea,bea,bea@contoso.com,00000000-0000-4000-8000-0000000000b2\n";
    let cloud =
        "userprincipalname,displayname,islicensed,immutableid\nbea@contoso.com,Bea,True,AAAAAAAAAECAAAAAAAAAoQ==\n";
    check(
        ad,
        cloud,
        expect![[r#"
        ann hard-match <bea@contoso.com> the same anchor AAAAAAAAAECAAAAAAAAAoQ== | 
        bea anchor-of-another <bea@contoso.com> the same address as sign-in name bea@contoso.com, and it carries the anchor AAAAAAAAAECAAAAAAAAAoQ== | 
    "#]],
    );
}

/// What is wrong with a file is said with what to do; what is wrong with a line costs the line.
#[test]
fn bad_files_and_bad_lines() {
    let refused = |text: &str| read::<Person>(text.as_bytes()).map(drop).unwrap_err();
    for (text, code) in [
        ("", "file-empty"),
        ("Name,Title\nAnn,x\n", "column-missing"),
        ("SamAccountName,EmailAddress\n\"ann,x\n", "quotation-open"),
    ] {
        let problem = refused(text);
        assert_eq!(problem.code, code, "{text}");
        assert!(!problem.remedy.is_empty());
    }
    let read = read::<Person>(b"SamAccountName,EmailAddress\nann,a@x.com\nbob\n,\ncarl,c@x.com,more\n").unwrap();
    assert_eq!(read.objects.len(), 1);
    assert_eq!(
        read.issues,
        ["line 3: 1 fields where the title line has 2", "line 5: 3 fields where the title line has 2"]
    );
}

/// Files that are none, that are cut off, or of the other side: told as what they are, and nothing panics.
#[test]
fn files_that_are_none() {
    let told = |bytes: &[u8]| match read::<Person>(bytes) {
        Ok(read) => format!("{} people {}", read.objects.len(), read.issues.join("; ")),
        Err(problem) => format!("{}: {} -- {}", problem.code, problem.message, problem.remedy),
    };
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(AD.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let wide = |text: &str| text.replace("Ann Archer", &"x".repeat(1 << 20));
    let cases: [(&str, Vec<u8>); 13] = [
        ("empty", Vec::new()),
        ("spaces", b" \r\n\t\r\n".to_vec()),
        ("the tenant's file with addresses", CLOUD.replace("displayname", "mail").into_bytes()),
        ("a byte order mark alone", b"\xef\xbb\xbf".to_vec()),
        ("titles alone", b"Name,SamAccountName,EmailAddress\r\n".to_vec()),
        ("titles without an end", b"Name,SamAccountName,EmailAddress".to_vec()),
        ("no CSV", b"\x7fELF\x02\x01\x01\0\0\0\0".to_vec()),
        ("zeros in a name", AD.replace("Ann Archer", "Ann\0Archer").into_bytes()),
        ("the tenant's file", CLOUD.as_bytes().to_vec()),
        ("UTF-16 that is cut off within a character", utf16[..utf16.len() - 1].to_vec()),
        ("a cell of a megabyte", wide(AD).into_bytes()),
        ("the same lines twice", [AD, &AD[AD.find('\n').unwrap() + 1..]].concat().into_bytes()),
        ("a quotation that is cut off", format!("{AD}\"Ann").into_bytes()),
    ];
    let lines: Vec<String> = cases.iter().map(|(what, bytes)| format!("{what}: {}", told(bytes))).collect();
    expect![[r#"
        empty: file-empty: the file is empty -- export it again; `metasync assess --help` shows the commands
        spaces: file-empty: the file is empty -- export it again; `metasync assess --help` shows the commands
        the tenant's file with addresses: files-swapped: by its columns it is an inventory of the tenant -- give it with --cloud, and the other file in its place
        a byte order mark alone: file-empty: the file is empty -- export it again; `metasync assess --help` shows the commands
        titles alone: 0 people there is no line below the titles: nobody is in it
        titles without an end: 0 people there is no line below the titles: nobody is in it
        no CSV: file-not-text: the file is no text: there is a zero byte in line 1 -- save it as CSV in UTF-8; a workbook is none
        zeros in a name: file-not-text: the file is no text: there is a zero byte in line 2 -- save it as CSV in UTF-8; a workbook is none
        the tenant's file: files-swapped: by its columns it is an inventory of the tenant -- give it with --cloud, and the other file in its place
        UTF-16 that is cut off within a character: file-cut-off: the file is UTF-16 text that ends within a character: it is cut off -- export it again
        a cell of a megabyte: 6 people 
        the same lines twice: 12 people 
        a quotation that is cut off: quotation-open: a quotation in the file is never closed -- export it again: it is cut off or was edited"#]].assert_eq(&lines.join("\n"));
    let rich = "Name,SamAccountName,EmailAddress,UserPrincipalName\nAnn,ann,ann@contoso.com,ann@contoso.com\n";
    let tenant = [AD, rich, "displayname\nAnn\n"].map(|text| {
        let problem = read::<CloudObject>(text.as_bytes()).map(drop).unwrap_err();
        format!("{}: {} -- {}", problem.code, problem.message, problem.remedy)
    });
    expect![[r#"
        files-swapped: by its columns it is an inventory of the directory -- give it with --ad, and the other file in its place
        files-swapped: by its columns it is an inventory of the directory -- give it with --ad, and the other file in its place
        column-missing: the file has no column userPrincipalName -- export it with the column userPrincipalName; `metasync assess --help` shows the commands"#]].assert_eq(&tenant.join("\n"));
}

/// SF7: a guest's sign-in name tells the address of home, also where the file has no addresses.
#[test]
fn sf07_a_guest_is_known_by_the_home_address() {
    let ad = "Name,SamAccountName,EmailAddress\nPat,pat,pat_a@partner.com\n";
    let cloud = "userprincipalname,displayname,islicensed\npat_a_partner.com#EXT#@contoso.onmicrosoft.com,Pat,False\n";
    check(
        ad,
        cloud,
        expect![[r#"
        pat guest-twin <pat_a_partner.com#EXT#@contoso.onmicrosoft.com> a guest, or an account of another issuer, has the address or name | 
    "#]],
    );
}

/// A person who stands in the file twice is one who shares an address: neither is matched.
#[test]
fn a_line_twice_is_told() {
    let twice = [AD, "Ann Archer,ann,ann@contoso.com\n"].concat();
    let assessment = assessed(&twice, CLOUD, &Options::default());
    let ann = assessment.lines.iter().filter(|line| line.account == "ann");
    let told: Vec<String> = ann.map(|line| format!("{} {}", line.class.code(), line.because)).collect();
    expect![[r#"
        ambiguous somebody else in the directory has the primary address ann@contoso.com
        ambiguous somebody else in the directory has the primary address ann@contoso.com"#]]
    .assert_eq(&told.join("\n"));
}

/// The fix file: names cannot become commands, and what has no plain text is base64.
#[test]
fn fixes_are_quoted() {
    let ad = "Name,SamAccountName,EmailAddress,UserPrincipalName,DistinguishedName,proxyAddresses\n\
        O'Neil $(x),o'neil,o@contoso.com,o@corp.local,\"CN=Ó,DC=x\",SMTP:o@contoso.com\n\
        No Mail,nomail,,n@contoso.com,\"CN=N,DC=x\",\n";
    let cloud = "userprincipalname,displayname,islicensed,proxyaddresses\n\
        o@contoso.com,O,True,SMTP:o@contoso.com;smtp:old@contoso.com\nn@contoso.com,N,True,SMTP:n2@contoso.com\n";
    let assessment = assessed(ad, cloud, &Options::default());
    expect![[r#"
        # Changes in Active Directory that metasync assess proposes. Read them, delete what is not meant, then run the file.
        # With $WhatIfPreference = $true in front it shows what it would do.
        #Requires -Modules ActiveDirectory

        # The suffixes that sign-in names get; a suffix that is there already stays as it is.
        Get-ADForest | Set-ADForest -UPNSuffixes @{Add='contoso.com'}

        # O'Neil $(x): o@corp.local
        Set-ADUser -Identity 'o''neil' -UserPrincipalName 'o@contoso.com'
        # O'Neil $(x)
        Set-ADUser -Identity 'o''neil' -Add @{proxyAddresses='smtp:old@contoso.com'}
        # No Mail
        Set-ADUser -Identity 'nomail' -EmailAddress 'n2@contoso.com'
        # No Mail
        Set-ADUser -Identity 'nomail' -Add @{proxyAddresses='SMTP:n2@contoso.com'}
    "#]].assert_eq(&powershell(&assessment));
    expect![[r#"
        # Changes in Active Directory that metasync assess proposes.

        dn:: Q049w5MsREM9eA==
        changetype: modify
        replace: userPrincipalName
        userPrincipalName: o@contoso.com
        -

        dn:: Q049w5MsREM9eA==
        changetype: modify
        add: proxyAddresses
        proxyAddresses: smtp:old@contoso.com
        -

        dn: CN=N,DC=x
        changetype: modify
        replace: mail
        mail: n2@contoso.com
        -

        dn: CN=N,DC=x
        changetype: modify
        add: proxyAddresses
        proxyAddresses: SMTP:n2@contoso.com
        -
    "#]]
    .assert_eq(&ldif(&assessment));
}

/// The page loads nothing, has no script, and takes nothing from a file for markup.
#[test]
fn the_page_loads_nothing_and_escapes_everything() {
    let ad = AD.replace("Ann Archer", "<img src=http://evil.example/x onerror=alert(1)>");
    let page = page(&assessed(&ad, CLOUD, &Options::default()));
    assert!(page.contains("&lt;img src=http://evil.example/x onerror=alert(1)&gt;"));
    assert!(!page.contains("<img") && !page.contains("<script") && !page.contains("<link") && !page.contains("url("));
    for loading in
        ["src=\"", "href=\"", "@import", "http-equiv=\"refresh", "<form", "<base", "<object", "<iframe", "<svg"]
    {
        assert!(!page.contains(loading), "{loading}");
    }
    assert!(
        page.contains("default-src 'none'") && page.contains("class=\"chart\"") && page.ends_with("</body></html>\n")
    );
}

/// Every element that is opened is closed, in order; attributes are quoted.
fn is_well_formed(page: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let body = page.strip_prefix("<!doctype html>").ok_or("no doctype")?;
    for (at, _) in body.match_indices('<') {
        let tag = body[at + 1..].split_once('>').ok_or("a tag that does not end")?.0;
        let name = tag.split_whitespace().next().unwrap_or_default();
        if tag.matches('"').count() % 2 == 1 || tag.contains('<') {
            return Err(format!("<{tag}>"));
        }
        match name.strip_prefix('/') {
            Some(name) if open.last() == Some(&name) => drop(open.pop()),
            Some(name) => return Err(format!("</{name}> closes {:?}", open.last())),
            None if name == "meta" || name == "wbr" => {}
            None => open.push(name),
        }
    }
    if open.is_empty() { Ok(()) } else { Err(format!("never closed: {open:?}")) }
}

/// Of everybody whom the page may show, with all that can stand in it.
#[test]
fn the_page_is_well_formed() {
    assert!(is_well_formed("<!doctype html><p><b></p></b>").is_err());
    for (ad, cloud) in [(AD, CLOUD), ("Name,SamAccountName,EmailAddress\n", "userprincipalname,displayname\n")] {
        let ad = ad.replace("Ann Archer", "\"</td>\"\"'<b>&amp;\"");
        let mut assessment = assessed(&ad, cloud, &Options::default());
        assert_eq!(is_well_formed(&page(&assessment)), Ok(()));
        let told = || "<i>\"&'".to_owned();
        let finding = SystemFinding { weight: Weight::Look, code: told(), message: told(), remedy: told() };
        assessment.systems = vec![System { name: told(), kind: told(), objects: 2, findings: vec![finding; 2] }];
        assessment.others.counts = [(told(), [(told(), 3)].into())].into();
        let held = HeldOther {
            weight: Weight::Mend,
            object_type: told(),
            name: told(),
            code: told(),
            message: told(),
            remedy: told(),
        };
        assessment.others.held = vec![held; 501];
        let page = page(&assessment);
        assert_eq!(is_well_formed(&page), Ok(()));
        assert!(page.contains("1 more are in the JSON") && !page.contains("<i>\""));
    }
}

/// A name that begins like a formula is a text to a spreadsheet.
#[test]
fn the_table_is_safe_for_a_spreadsheet() {
    let ad = AD.replace("Ann Archer", "=cmd|x");
    let table = csv(&assessed(&ad, CLOUD, &Options::default())).unwrap();
    let lines: Vec<&str> = table.lines().take(2).collect();
    expect![[r#"
        Name,SamAccountName,EmailAddress,Class,Weight,Because,CloudUser,SignsInTodayAs,WillSignInAs,Licensed,Remarks,WhatToDo,Engine
        '=cmd|x,ann,ann@contoso.com,soft-match,,the same address as sign-in name ann@contoso.com,ann@contoso.com,ann@contoso.com,ann@contoso.com,true,,,"#]].assert_eq(&lines.join("\n"));
}

/// The guide has every class and remark with its meaning and remedy.
#[test]
fn the_guide_has_every_word_of_the_report() {
    let guide = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operator-guide.md"));
    let classes = Class::ALL.map(|class| (class.code(), class.meaning(), class.remedy()));
    let remarks = Remark::ALL.map(|remark| (remark.code(), remark.meaning(), remark.remedy()));
    let missing: Vec<String> = classes
        .into_iter()
        .chain(remarks)
        .map(|(code, meaning, remedy)| format!("| `{code}` | {meaning} | {remedy} |"))
        .filter(|row| !guide.contains(row))
        .collect();
    assert!(missing.is_empty(), "docs/operator-guide.md lacks these lines:\n{}", missing.join("\n"));
}
