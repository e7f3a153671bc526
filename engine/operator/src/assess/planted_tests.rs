//! Fifty thousand people against fifty thousand cloud users, most of them as they should be, and cases planted among them: what
//! is found is what was planted, none missed, none extra.

use super::finding::{Class, Remark};
use super::inventory::{CloudObject, Inventories, Person};
use super::{Options, judge, read};
use base64::Engine as _;
use metaverse_schema::Guid;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Instant;

const PEOPLE: usize = 50_000;
/// People of each case; every case stands this far from the next of its kind.
const EACH: usize = 37;

/// One row of each file, as Get-ADUser and Get-MgUser write them with the commands of the report.
#[derive(Clone)]
struct Pair {
    ad: BTreeMap<&'static str, String>,
    cloud: Option<BTreeMap<&'static str, String>>,
}

fn guid(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

fn immutable_id(number: usize) -> String {
    let guid: Guid = guid(number).parse().unwrap();
    base64::engine::general_purpose::STANDARD.encode(guid.as_directory_bytes())
}

/// A person as it should be: everything agrees, and the cloud user is licensed and unsynchronised.
fn plain(number: usize) -> Pair {
    let mail = format!("person{number}@contoso.com");
    let ad = [
        ("Name", format!("Person {number}")),
        ("SamAccountName", format!("person{number}")),
        ("EmailAddress", mail.clone()),
        ("UserPrincipalName", mail.clone()),
        ("Enabled", "True".to_owned()),
        ("ObjectGUID", guid(number)),
        ("DistinguishedName", format!("CN=Person {number},OU=Staff,DC=contoso,DC=com")),
        ("msExchMailboxGuid", String::new()),
        ("proxyAddresses", format!("SMTP:{mail};smtp:p{number}@contoso.com")),
    ];
    let cloud = [
        ("UserPrincipalName", mail.clone()),
        ("DisplayName", format!("Person {number}")),
        ("Mail", mail.clone()),
        ("AccountEnabled", "True".to_owned()),
        ("OnPremisesImmutableId", String::new()),
        ("OnPremisesSyncEnabled", String::new()),
        ("UserType", "Member".to_owned()),
        ("isLicensed", "True".to_owned()),
        ("ProxyAddresses", format!("SMTP:{mail};smtp:p{number}@contoso.com")),
        ("Roles", String::new()),
        ("ObjectType", "User".to_owned()),
        ("DeletedDateTime", String::new()),
    ];
    Pair { ad: ad.into(), cloud: Some(cloud.into()) }
}

/// What is expected of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Expected {
    Class(Class),
    Remark(Remark),
}

type Plant = fn(&mut Pair, usize);

fn cloud(pair: &mut Pair) -> &mut BTreeMap<&'static str, String> {
    pair.cloud.as_mut().unwrap()
}

/// Every case of the list, each with what it must be found as.
fn cases() -> Vec<(Vec<Expected>, Plant)> {
    use Expected::{Class as Is, Remark as Has};
    vec![
        (vec![Is(Class::StaleAnchor)], |pair, number| {
            cloud(pair).insert("OnPremisesImmutableId", immutable_id(900_000 + number));
        }),
        (vec![Is(Class::HardMatch)], |pair, number| {
            cloud(pair).insert("OnPremisesImmutableId", immutable_id(number));
        }),
        (vec![Is(Class::GuestTwin)], |pair, number| {
            cloud(pair).insert("UserType", "Guest".to_owned());
            cloud(pair).insert("UserPrincipalName", format!("person{number}_contoso.com#EXT#@contoso.onmicrosoft.com"));
        }),
        (vec![Is(Class::DeletedTwin)], |pair, _| {
            cloud(pair).insert("DeletedDateTime", "2026-01-02T03:04:05Z".to_owned());
        }),
        (vec![Has(Remark::AddressesLost)], |pair, number| {
            let more =
                format!("SMTP:person{number}@contoso.com;smtp:p{number}@contoso.com;smtp:old{number}@contoso.com");
            cloud(pair).insert("ProxyAddresses", more);
        }),
        (vec![Has(Remark::WouldEnable)], |pair, _| {
            cloud(pair).insert("AccountEnabled", "False".to_owned());
        }),
        (vec![Has(Remark::WouldDisable)], |pair, _| {
            pair.ad.insert("Enabled", "False".to_owned());
        }),
        (vec![Has(Remark::SignInNameChange)], |pair, number| {
            cloud(pair).insert("UserPrincipalName", format!("other{number}@contoso.com"));
        }),
        (vec![Is(Class::Privileged)], |pair, _| {
            cloud(pair).insert("Roles", "User Administrator".to_owned());
        }),
        (vec![Is(Class::ContactTwin)], |pair, _| {
            cloud(pair).insert("ObjectType", "Contact".to_owned());
            cloud(pair).insert("UserPrincipalName", String::new());
        }),
        (vec![Has(Remark::MailboxGuidLeft)], |pair, number| {
            pair.ad.insert("msExchMailboxGuid", guid(700_000 + number));
        }),
        (vec![Is(Class::SecondaryHit)], |pair, number| {
            let swapped = format!("SMTP:main{number}@contoso.com;smtp:person{number}@contoso.com");
            cloud(pair).insert("ProxyAddresses", swapped);
            cloud(pair).insert("Mail", format!("main{number}@contoso.com"));
            cloud(pair).insert("UserPrincipalName", format!("main{number}@contoso.com"));
        }),
        (vec![Has(Remark::DuplicateAddress)], |pair, number| {
            // Two neighbours share an address that nobody in the cloud has.
            let shared = format!("SMTP:person{number}@contoso.com;smtp:shared{}@contoso.com", number / 2);
            pair.ad.insert("proxyAddresses", shared);
            cloud(pair).insert("ProxyAddresses", format!("SMTP:person{number}@contoso.com"));
        }),
        (vec![Has(Remark::SuffixNotRoutable)], |pair, number| {
            pair.ad.insert("UserPrincipalName", format!("person{number}@contoso.local"));
        }),
        (vec![Has(Remark::SuffixNotVerified)], |pair, number| {
            pair.ad.insert("UserPrincipalName", format!("person{number}@fabrikam.com"));
        }),
        (vec![Has(Remark::InvalidCharacters), Has(Remark::SignInNameChange)], |pair, number| {
            pair.ad.insert("UserPrincipalName", format!("pérson {number}@contoso.com"));
        }),
        (vec![Is(Class::Created)], |pair, _| pair.cloud = None),
        (vec![Has(Remark::MissingMail), Is(Class::UpnMatch)], |pair, _| {
            pair.ad.insert("EmailAddress", String::new());
            pair.ad.insert("proxyAddresses", String::new());
            cloud(pair).insert("ProxyAddresses", String::new());
        }),
        (vec![Has(Remark::FormerSync), Is(Class::HardMatch)], |pair, number| {
            cloud(pair).insert("OnPremisesImmutableId", immutable_id(number));
            cloud(pair).insert("OnPremisesSyncEnabled", "False".to_owned());
        }),
        (vec![Is(Class::Synchronised)], |pair, number| {
            cloud(pair).insert("OnPremisesImmutableId", immutable_id(number));
            cloud(pair).insert("OnPremisesSyncEnabled", "True".to_owned());
        }),
        (vec![Is(Class::DeletedAnchor)], |pair, number| {
            cloud(pair).insert("OnPremisesImmutableId", immutable_id(number));
            cloud(pair).insert("DeletedDateTime", "2026-01-02T03:04:05Z".to_owned());
            cloud(pair).insert("UserPrincipalName", format!("gone{number}@contoso.com"));
            cloud(pair).insert("Mail", String::new());
            cloud(pair).insert("ProxyAddresses", String::new());
        }),
        (vec![Has(Remark::TooLong)], |pair, number| {
            let long = format!("{}{number}@contoso.com", "a".repeat(64));
            pair.ad.insert("UserPrincipalName", long.clone());
            cloud(pair).insert("UserPrincipalName", long);
        }),
        (vec![Has(Remark::NoSignInName)], |pair, _| {
            pair.ad.insert("UserPrincipalName", String::new());
        }),
        (vec![Has(Remark::Unlicensed)], |pair, _| {
            cloud(pair).insert("isLicensed", "False".to_owned());
        }),
    ]
}

fn table(rows: &[&BTreeMap<&'static str, String>]) -> String {
    let titles: Vec<&str> = rows[0].keys().copied().collect();
    let mut text = titles.join(",") + "\r\n";
    for row in rows {
        let fields: Vec<String> =
            titles.iter().map(|title| format!("\"{}\"", row[title].replace('"', "\"\""))).collect();
        let _ = write!(text, "{}\r\n", fields.join(","));
    }
    text
}

/// Issue 7: stale anchor, guest twin, deleted twin, alias loss, would-enable, sign-in name change, role holder, contact twin,
/// mailbox identifier, secondary-address hit, duplicate address, non-routable suffix, invalid characters, and the others.
#[test]
fn what_is_found_among_fifty_thousand_is_what_was_planted() {
    let mut pairs: Vec<Pair> = (0..PEOPLE).map(plain).collect();
    let mut planted: BTreeMap<Expected, BTreeSet<String>> = BTreeMap::new();
    let cases = cases();
    for (case, (expected, plant)) in cases.iter().enumerate() {
        // Pairs of neighbours, so that duplicates stand together; no case touches another's people.
        for number in (0..EACH * 2).map(|at| case * 2_000 + at) {
            plant(&mut pairs[number], number);
            for expected in expected {
                planted.entry(*expected).or_default().insert(format!("person{number}"));
            }
        }
    }
    let ad: Vec<_> = pairs.iter().map(|pair| &pair.ad).collect();
    let cloud: Vec<_> = pairs.iter().filter_map(|pair| pair.cloud.as_ref()).collect();
    let (ad, cloud) = (table(&ad), table(&cloud));
    let begun = Instant::now();
    let directory = read::<Person>(ad.as_bytes()).unwrap();
    let tenant = read::<CloudObject>(cloud.as_bytes()).unwrap();
    assert_eq!((directory.issues.len(), tenant.issues.len()), (0, 0), "{:?} {:?}", directory.issues, tenant.issues);
    let assessment = judge(&Inventories { directory, tenant, ..Inventories::default() }, &Options::default());
    let took = begun.elapsed();
    assert_eq!(assessment.lines.len(), PEOPLE);
    let mut found: BTreeMap<Expected, BTreeSet<String>> = BTreeMap::new();
    for line in &assessment.lines {
        // A soft match without a remark is what everybody is who was left as they were.
        let class = Some(Expected::Class(line.class)).filter(|_| line.class != Class::SoftMatch);
        for expected in class.into_iter().chain(line.remarks.keys().copied().map(Expected::Remark)) {
            found.entry(expected).or_default().insert(line.account.clone());
        }
    }
    assert_eq!(found.keys().collect::<Vec<_>>(), planted.keys().collect::<Vec<_>>());
    for (expected, people) in &planted {
        let (missed, extra) = (
            people.difference(&found[expected]).collect::<Vec<_>>(),
            found[expected].difference(people).collect::<Vec<_>>(),
        );
        assert!(missed.is_empty() && extra.is_empty(), "{expected:?}: missed {missed:?}, extra {extra:?}");
    }
    // Every anchor that was planted as nobody's stands on somebody's cloud user, who is told as such.
    assert!(assessment.cloud_only.iter().all(|object| !object.stale_anchor));
    // Seconds, also without optimisation and beside other tests.
    assert!(took.as_secs() < 60, "{took:?}");
}
