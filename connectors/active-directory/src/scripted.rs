//! A directory that answers as told, for what the real test servers never do: ranges of 1,500 values, answers in several
//! DirSync pages, a group spread over them, objects that only replication shows.

use crate::controls::{self, Control, ResponseControl};
use crate::directory::{Directory, DirectoryError, DirectoryWrites, EntryStream, Modification, SearchRequest};
use crate::domain_controller::tests::{controller, guid};
use crate::entry::Entry;
use crate::schema::Attributes;
use crate::session::{Session, WritingSession};
use crate::settings::{Settings, View, settings_table};
use crate::tls::CertificateSeen;
use crate::watermark::Mark;
use crate::{delta, export, full};
use async_trait::async_trait;
use connector_contract::{
    ConnectorError, CreateRequest, ExportItem, ExportOperation, ExportOutcome, Held, HeldPrints, HeldSoon, ImportEnd,
    ImportItem, ImportSink, Print, ReferenceChange, UpdateRequest,
};
use expect_test::{Expect, expect};
use metaverse_schema::{AttributeChange, Setting, SettingValue};
use std::path::Path;
use std::sync::{Arc, Mutex};

pub(crate) type Answer = Result<(Vec<Entry>, Vec<ResponseControl>), DirectoryError>;
type Script = dyn Fn(&SearchRequest) -> Answer + Send + Sync;

type ModifyScript = dyn Fn(&[Modification]) -> Result<(), DirectoryError> + Send + Sync;

struct Scripted {
    script: Box<Script>,
    asked: Arc<Mutex<Vec<String>>>,
}

struct Writes {
    modify: Box<ModifyScript>,
}

/// An attribute that a script answers with.
#[derive(Clone)]
struct Given {
    name: String,
    range: Option<(u32, Option<u32>)>,
    values: Vec<Vec<u8>>,
}

struct Entries {
    entries: std::vec::IntoIter<Entry>,
    controls: Vec<ResponseControl>,
}

#[async_trait]
impl Directory for Scripted {
    async fn search(&self, request: &SearchRequest) -> Result<Box<dyn EntryStream>, DirectoryError> {
        let asked = format!("{} {} {}", request.base, request.filter, request.attributes.join(" "));
        self.asked.lock().unwrap().push(asked);
        let (entries, controls) = (self.script)(request)?;
        Ok(Box::new(Entries { entries: entries.into_iter(), controls }))
    }
}

#[async_trait]
impl DirectoryWrites for Writes {
    async fn add(&self, _: &str, _: Vec<(String, Vec<Vec<u8>>)>) -> Result<(), DirectoryError> {
        Err(DirectoryError::Lost("read only".to_owned()))
    }

    async fn modify(&self, _: &str, changes: &[Modification], _: Vec<Control>) -> Result<(), DirectoryError> {
        (self.modify)(changes)
    }

    async fn delete(&self, _: &str) -> Result<(), DirectoryError> {
        Err(DirectoryError::Lost("read only".to_owned()))
    }

    async fn rename(&self, _: &str, _: &str, _: &str) -> Result<(), DirectoryError> {
        Err(DirectoryError::Lost("read only".to_owned()))
    }
}

#[async_trait]
impl EntryStream for Entries {
    async fn next(&mut self) -> Result<Option<Entry>, DirectoryError> {
        Ok(self.entries.next())
    }

    fn end_controls(&self) -> &[ResponseControl] {
        &self.controls
    }
}

fn attribute(name: &str, range: Option<(u32, Option<u32>)>, values: &[&[u8]]) -> Given {
    Given { name: name.to_owned(), range, values: values.iter().map(|value| value.to_vec()).collect() }
}

fn object(number: u8, parent: u8, dn: &str, class: &str, more: Vec<Given>) -> Entry {
    let mut attributes = vec![
        attribute("objectClass", None, &[b"top", class.as_bytes()]),
        attribute("objectGUID", None, &[guid(number).as_directory_bytes()]),
    ];
    if parent != 0 {
        attributes.push(attribute("parentGUID", None, &[guid(parent).as_directory_bytes()]));
    }
    attributes.extend(more);
    attributes.iter().fold(Entry::named(dn).of(guid(number)), |entry, given| {
        let values: Vec<&[u8]> = given.values.iter().map(Vec::as_slice).collect();
        entry.with(&given.name, given.range, &values)
    })
}

fn link(number: u8) -> Vec<u8> {
    format!("<GUID={}>;CN={number},DC=corp,DC=example,DC=com", guid(number)).into_bytes()
}

pub(crate) fn dirsync_end(more: bool, cookie: &[u8]) -> Vec<ResponseControl> {
    use crate::ber::{OCTET_STRING, SEQUENCE, element, integer};
    let content = [integer(i64::from(more)), integer(0), element(OCTET_STRING, cookie)].concat();
    vec![ResponseControl { oid: controls::DIRSYNC.to_owned(), value: element(SEQUENCE, &content) }]
}

/// The cookie of a DirSync request; `None` for any other search.
pub(crate) fn dirsync_cookie(request: &SearchRequest) -> Option<Vec<u8>> {
    let control = request.controls.iter().find(|control| control.oid == controls::DIRSYNC)?;
    Some(controls::parse_dirsync(control.value.as_ref()?).unwrap().cookie)
}

const BASE: &str = "DC=corp,DC=example,DC=com";

fn root() -> Entry {
    object(1, 0, BASE, "domainDNS", vec![])
}

pub(crate) fn session(
    script: impl Fn(&SearchRequest) -> Answer + Send + Sync + 'static,
) -> (Session, Arc<Mutex<Vec<String>>>) {
    let (writing, asked) = writable_session(script, |_| Err(DirectoryError::Lost("read only".to_owned())));
    (writing.session, asked)
}

fn writable_session(
    script: impl Fn(&SearchRequest) -> Answer + Send + Sync + 'static,
    modify: impl Fn(&[Modification]) -> Result<(), DirectoryError> + Send + Sync + 'static,
) -> (WritingSession, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let directory = Scripted { script: Box::new(script), asked: asked.clone() };
    let session = Session {
        directory: Arc::new(directory),
        controller: controller(1, 100, None),
        attributes: Attributes::built_in(&["objectGUID", "cn", "mail", "member"]),
        classes: ["user", "group"].map(str::to_owned).to_vec(),
        page_size: 500,
        certificate: CertificateSeen::default(),
    };
    (WritingSession { session, writes: Box::new(Writes { modify: Box::new(modify) }) }, asked)
}

pub(crate) fn settings(view: &str) -> Settings {
    let text = |value: &str| SettingValue::Text(value.to_owned());
    let list = |values: &[&str]| {
        SettingValue::List(values.iter().map(|value| Setting { value: text(value), span: 0..0 }).collect())
    };
    let entries = [
        ("servers", list(&["dc1"])),
        ("bind_user", text("CORP\\svc")),
        ("password", text("env:X")),
        ("object_classes", list(&["user", "group"])),
        ("view", text(view)),
    ];
    Settings::read(&settings_table(&entries), Path::new("/")).unwrap()
}

async fn collect(
    import: impl AsyncFnOnce(ImportSink) -> Result<ImportEnd, ConnectorError>,
) -> (Vec<ImportItem>, Result<ImportEnd, ConnectorError>) {
    let (sink, mut pages) = ImportSink::new(100);
    let end = import(sink).await;
    let mut items = Vec::new();
    while let Ok(page) = pages.try_recv() {
        items.extend(page.items);
    }
    (items, end)
}

fn check(items: &[ImportItem], expect: Expect) {
    let lines: Vec<String> = items
        .iter()
        .map(|item| match item {
            ImportItem::Object(object) => {
                let members = object.attributes.get("member").map_or(0, |members| members.len());
                format!("{} {} members={members}\n", object.object_type, object.anchor)
            }
            ImportItem::Change(change) => format!("change of {} {:?}\n", change.anchor, change.changes.0),
            other => format!("{other:?}\n"),
        })
        .collect();
    expect.assert_eq(&lines.concat());
}

/// Windows returns at most MaxValRange values; the rest is asked for until the range ends in `*`.
#[tokio::test]
async fn ranges_are_followed_to_their_end() {
    let members = |from: u8, to: u8| (from..=to).map(link).collect::<Vec<_>>();
    let slice = move |from: u8, to: u8, end: Option<u32>| Given {
        name: "member".to_owned(),
        range: Some((u32::from(from) - 10, end)),
        values: members(from, to),
    };
    let (session, asked) = session(move |request| {
        let answer = match request.attributes.first().map(String::as_str) {
            Some("member;range=3-*") => vec![object(2, 1, "", "group", vec![slice(13, 15, Some(5))])],
            Some("member;range=6-*") => vec![object(2, 1, "", "group", vec![slice(16, 17, None)])],
            _ if request.filter.contains("objectClass=group") => {
                let first = vec![attribute("member", None, &[]), slice(10, 12, Some(2))];
                vec![object(2, 1, &format!("CN=g,{BASE}"), "group", first)]
            }
            _ => vec![root()],
        };
        Ok((answer, vec![]))
    });
    let settings = settings("usn");
    let (items, end) =
        collect(async |sink| full::import(&session, &settings, None, HeldSoon::default(), sink).await).await;
    end.unwrap();
    check(
        &items,
        expect![[r#"
            domainDNS 01010101-0101-0101-0101-010101010101 members=0
            group 02020202-0202-0202-0202-020202020202 members=8
        "#]],
    );
    let ranges: Vec<String> = asked.lock().unwrap().iter().filter(|asked| asked.contains(";range=")).cloned().collect();
    assert_eq!(ranges.len(), 2, "{ranges:?}");
}

/// DirSync in several answers, the second with more members of a group of the first: nothing comes twice (R71), and the
/// last cookie is the watermark's.
#[tokio::test]
async fn a_group_over_several_dirsync_answers() {
    let added = |values: Vec<Vec<u8>>| Given { name: "member".to_owned(), range: Some((1, Some(1))), values };
    let (session, _) = session(move |request| {
        let name = format!("CN=g,{BASE}");
        Ok(match dirsync_cookie(request).as_deref() {
            Some(b"") => {
                (vec![root(), object(2, 1, &name, "group", vec![added(vec![link(10)])])], dirsync_end(true, b"one"))
            }
            Some(b"one") => {
                let more = object(2, 1, &name, "group", vec![added(vec![link(11), link(12)])]);
                let more = more.without(&["objectClass"]);
                (vec![more, object(3, 1, &format!("CN=u,{BASE}"), "user", vec![])], dirsync_end(false, b"two"))
            }
            Some(other) => panic!("unexpected cookie {other:?}"),
            None => (vec![root()], vec![]),
        })
    });
    let settings = settings("dirsync");
    let (items, end) =
        collect(async |sink| full::import(&session, &settings, None, HeldSoon::default(), sink).await).await;
    let mark = Mark::decode(&end.unwrap().watermark.unwrap()).unwrap();
    assert_eq!((mark.cookie.as_slice(), mark.view), (&b"two"[..], View::DirSync));
    check(
        &items,
        expect![[r#"
            domainDNS 01010101-0101-0101-0101-010101010101 members=0
            group 02020202-0202-0202-0202-020202020202 members=1
            change of 02020202-0202-0202-0202-020202020202 {member: Update { add: [0b0b0b0b-0b0b-0b0b-0b0b-0b0b0b0b0b0b, 0c0c0c0c-0c0c-0c0c-0c0c-0c0c0c0c0c0c], remove: [] }}
            user 03030303-0303-0303-0303-030303030303 members=0
        "#]],
    );
}

/// Everything is held.
struct All;

impl HeldPrints for All {
    fn holds(&self, _: &Print) -> bool {
        true
    }
}

/// The directory is read while the engine still loads what it holds, and nothing is judged before that is known.
#[tokio::test]
async fn reading_begins_before_the_prints_are_loaded() {
    let (session, asked) = session(|request| {
        let user = |number: u8| object(number, 1, &format!("CN=u{number},{BASE}"), "user", vec![]);
        Ok(match dirsync_cookie(request).as_deref() {
            Some(b"") => (vec![user(2)], dirsync_end(true, b"one")),
            Some(_) => (vec![user(3)], dirsync_end(false, b"two")),
            None => (vec![root()], vec![]),
        })
    });
    let (promise, soon) = HeldSoon::promised();
    let (items, ()) = tokio::join!(
        async {
            let settings = settings("dirsync");
            let (items, end) = collect(async |sink| full::import(&session, &settings, None, soon, sink).await).await;
            assert_eq!(Mark::decode(&end.unwrap().watermark.unwrap()).unwrap().cookie, b"two");
            items
        },
        async {
            // The domain, its containers, and both pages.
            for _ in 0..1_000 {
                tokio::task::yield_now().await;
            }
            assert_eq!(asked.lock().unwrap().len(), 4);
            promise.keep(Held::of(Arc::new(All)));
        }
    );
    let kinds: Vec<bool> = items.iter().map(|item| matches!(item, ImportItem::Same { .. })).collect();
    assert_eq!(kinds, [false, true, true], "{items:?}");
}

/// SF14: on Windows replication shows objects that an ordinary search does not. Their class is then read by replication
/// too, so that the delta import shows what the full import showed.
#[tokio::test]
async fn sf14_what_only_replication_shows_stays_in_the_delta() {
    let hidden = || format!("CN=hidden,{BASE}");
    let (session, asked) = session(move |request| {
        Ok(match dirsync_cookie(request).as_deref() {
            Some(b"") => (vec![object(7, 1, &hidden(), "user", vec![])], dirsync_end(false, b"whole")),
            Some(_) => {
                let mail = vec![attribute("mail", None, &[b"h@x"])];
                let change = object(7, 1, &hidden(), "user", mail).without(&["objectClass", "parentGUID"]);
                (vec![change], dirsync_end(false, b"next"))
            }
            None if request.filter.contains("objectGUID=") => (vec![], vec![]),
            None => (vec![root()], vec![]),
        })
    });
    let settings = settings("dirsync");
    let mark = mark(b"old");
    let (items, end) = collect(async |sink| delta::import(&session, &settings, &mark, sink).await).await;
    assert_eq!(Mark::decode(&end.unwrap().watermark.unwrap()).unwrap().cookie, b"next");
    let [ImportItem::Change(change)] = items.as_slice() else {
        panic!("{items:?}");
    };
    assert!(matches!(change.changes.0.get("mail"), Some(AttributeChange::Replace(values)) if values.len() == 1));
    assert!(asked.lock().unwrap().iter().any(|asked| asked.contains("objectGUID=")));
}

/// SF15: an answer without its control, and a connection that breaks off, are errors: no end, no watermark.
#[tokio::test]
async fn sf15_half_an_answer_is_no_end() {
    for broken in [
        Ok((vec![], vec![])),
        Err(DirectoryError::Lost("reset".to_owned())),
        Err(DirectoryError::Timeout(std::time::Duration::from_secs(1))),
        Err(DirectoryError::Refused { code: 51, text: String::new() }),
    ] {
        let again = broken.clone();
        let (session, _) = session(move |request| match dirsync_cookie(request).as_deref() {
            Some(b"") => Ok((vec![object(3, 1, &format!("CN=u,{BASE}"), "user", vec![])], dirsync_end(true, b"one"))),
            Some(_) => again.clone(),
            None => Ok((vec![root()], vec![])),
        });
        let settings = settings("dirsync");
        let (_, end) =
            collect(async |sink| full::import(&session, &settings, None, HeldSoon::default(), sink).await).await;
        assert!(end.is_err(), "{broken:?}");
    }
}

/// What left the process without an answer is in doubt (O28); what was not sent after it is not.
#[tokio::test]
async fn a_connection_lost_while_writing_leaves_one_object_in_doubt() {
    let (session, _) =
        writable_session(|_| Ok((vec![], vec![])), |_| Err(DirectoryError::Lost("read only".to_owned())));
    let item = |id: i64| {
        let dn = Some(format!("CN=u{id},{BASE}").parse().unwrap());
        let operation = ExportOperation::Create(CreateRequest { dn, ..CreateRequest::default() });
        ExportItem { id, object_type: "user".into(), operation, named_by: metaverse_schema::Attributes::new() }
    };
    let outcomes = export::export(&export::Writer::of(&session, "CORP\\svc"), &[item(1), item(2)]).await;
    let in_doubt: Vec<(i64, bool)> = outcomes
        .iter()
        .map(|(id, outcome)| match outcome {
            ExportOutcome::NotSettled { may_have_arrived, .. } => (*id, *may_have_arrived),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(in_doubt, [(1, true), (2, false)]);
}

/// 2,500 members go in requests of at most 1,000 values; of those that the server refuses, one is already so and one is not
/// there: the second alone is refused, found by halves and not one by one.
#[tokio::test]
async fn members_go_by_thousands_and_one_bad_one_keeps_no_other_out() {
    let member = |number: u16| {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        metaverse_schema::Guid::from_slice(&bytes).unwrap()
    };
    let change = |number: u16| ReferenceChange {
        attribute: "member".into(),
        target: metaverse_schema::Anchor::Guid(member(number)),
        target_dn: None,
        target_type: "user".into(),
        add: true,
    };
    let name = move |number: u16| format!("<GUID={}>", member(number)).into_bytes();
    let (there, missing) = (name(7), name(2_100));
    let sizes: Arc<Mutex<Vec<usize>>> = Arc::default();
    let seen = sizes.clone();
    let already = String::from_utf8(there.clone()).unwrap();
    let (session, asked) = writable_session(
        move |request| {
            let is_member = request.filter.contains(&already);
            let found = is_member.then(|| object(2, 1, &format!("CN=g,{BASE}"), "group", vec![]));
            Ok((found.into_iter().collect(), vec![]))
        },
        move |changes| {
            seen.lock().unwrap().push(changes.iter().map(|change| change.values.len()).sum());
            let holds = |value: &Vec<u8>| changes.iter().any(|change| change.values.contains(value));
            match (holds(&there), holds(&missing)) {
                (true, _) => Err(DirectoryError::Refused { code: 68, text: "already exists".to_owned() }),
                (_, true) => Err(DirectoryError::Refused { code: 32, text: "doesn't exist".to_owned() }),
                _ => Ok(()),
            }
        },
    );
    let update = UpdateRequest {
        anchor: metaverse_schema::Anchor::Guid(guid(2)),
        dn: None,
        changes: metaverse_schema::AttributesDelta::default(),
        references: (1..=2_500).map(change).collect(),
        afterwards: metaverse_schema::AttributesDelta::default(),
        reclaims: false,
    };
    let item = ExportItem {
        id: 1,
        object_type: "group".into(),
        operation: ExportOperation::Update(update),
        named_by: metaverse_schema::Attributes::new(),
    };
    let outcomes = export::export(&export::Writer::of(&session, "CORP\\svc"), &[item]).await;
    let [(1, ExportOutcome::Accepted { failed_references, .. })] = outcomes.as_slice() else {
        panic!("{outcomes:?}");
    };
    let failed: Vec<(String, &str, bool)> = failed_references
        .iter()
        .map(|(change, problem)| (change.target.to_string(), problem.code.as_str(), problem.retry))
        .collect();
    assert_eq!(failed, [(member(2_100).to_string(), "dn-attributes-failure", true)]);
    let sizes = sizes.lock().unwrap();
    assert_eq!((sizes[0], sizes.iter().max()), (1_000, Some(&1_000)));
    assert!(sizes.len() < 60, "two values are found in {} requests", sizes.len());
    assert_eq!(asked.lock().unwrap().len(), 2, "only the two that were refused by themselves are looked at");
}

/// A right is about the attribute: it is asked for once, not for each of a thousand members.
#[tokio::test]
async fn a_missing_right_on_members_is_found_once() {
    let requests: Arc<Mutex<usize>> = Arc::default();
    let counted = requests.clone();
    let (session, _) = writable_session(
        |request| {
            let allowed = attribute("allowedAttributesEffective", None, &[b"description"]);
            Ok(match request.base.starts_with("<GUID=") {
                true => (vec![object(2, 1, &format!("CN=g,OU=Sales,{BASE}"), "group", vec![allowed])], vec![]),
                false => (vec![], vec![]),
            })
        },
        move |_| {
            *counted.lock().unwrap() += 1;
            Err(DirectoryError::Refused { code: 50, text: String::new() })
        },
    );
    let change = |number: u8| ReferenceChange {
        attribute: "member".into(),
        target: metaverse_schema::Anchor::Guid(guid(number)),
        target_dn: None,
        target_type: "user".into(),
        add: true,
    };
    let update = UpdateRequest {
        anchor: metaverse_schema::Anchor::Guid(guid(2)),
        dn: None,
        changes: metaverse_schema::AttributesDelta::default(),
        references: (10..200).map(change).collect(),
        afterwards: metaverse_schema::AttributesDelta::default(),
        reclaims: false,
    };
    let item = ExportItem {
        id: 1,
        object_type: "group".into(),
        operation: ExportOperation::Update(update),
        named_by: metaverse_schema::Attributes::new(),
    };
    let outcomes = export::export(&export::Writer::of(&session, "CORP\\svc"), &[item]).await;
    let [(1, ExportOutcome::Accepted { failed_references, .. })] = outcomes.as_slice() else {
        panic!("{outcomes:?}");
    };
    assert_eq!((failed_references.len(), *requests.lock().unwrap()), (190, 1));
    let problem = &failed_references[0].1;
    expect![[r#"
        permission-issue the account CORP\svc lacks: Write Property member on CN=g,OU=Sales,DC=corp,DC=example,DC=com; the server refused: result 50 (insufficient access rights)
        grant it: Windows: dsacls "OU=Sales,DC=corp,DC=example,DC=com" /I:S /G "CORP\svc:WP;member;group"; Samba: samba-tool dsacl set --objectdn="OU=Sales,DC=corp,DC=example,DC=com" --sddl="(OA;CI;WP;member;;SID)"
    "#]].assert_eq(&format!("{} {}\n{}\n", problem.code, problem.message, problem.remedy));
}

fn mark(cookie: &[u8]) -> Mark {
    Mark {
        invocation: guid(1),
        usn: 90,
        cursors: [(guid(1), 90)].into(),
        cookie: cookie.to_vec(),
        containers: vec![crate::watermark::MarkedContainer {
            configured: BASE.to_owned(),
            include: true,
            guid: guid(1).to_string(),
            dn: BASE.to_owned(),
        }],
        classes: ["user", "group"].map(str::to_owned).to_vec(),
        attributes: ["cn", "mail", "member", "objectGUID"].map(str::to_owned).to_vec(),
        scope: [guid(1)].into(),
        ..crate::watermark::tests::mark()
    }
}
