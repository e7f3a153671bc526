//! The server over a real connection, asked by the bare client. Whether its answers are those of a domain controller, a test
//! with a real one decides (`tests/it/load_server.rs`).

use super::*;
use crate::bare_client::{BareClient, BareError, Control, Entry, INCREMENTAL, Query};
use crate::world::{Attribute, DOMAIN, Object, Options, SCOPE};
use std::collections::{BTreeMap, BTreeSet};

/// A server of a small world and a client of it, in the two threads that each needs.
fn with_server(world: World, test: impl FnOnce(&RunningLoadServer, &mut BareClient)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(RunningLoadServer::start(LoadServerOptions::new(world))).unwrap();
    let mut client = BareClient::connect(server.ldap(), "CORP\\svc-load", "any").unwrap();
    test(&server, &mut client);
    server.stop();
}

fn small() -> World {
    World::new(Options { users: 4_000, ..Options::default() })
}

const CLASSES: &str = "(&(!(objectClass=computer))(|(objectClass=user)(objectClass=group)(objectClass=contact)(objectClass=organizationalUnit)))";

fn query<'a>(filter: &'a str, attributes: &'a [&'a str]) -> Query<'a> {
    Query { base: DOMAIN, scope: 2, filter, attributes, controls: vec![Control::ExtendedDn] }
}

fn guid(entry: &Entry) -> [u8; 16] {
    entry.attributes["objectguid"][0].as_slice().try_into().unwrap()
}

fn collect(entries: &mut Vec<Entry>) -> impl FnMut(&[u8]) {
    |frame| entries.extend(Entry::read(frame))
}

#[test]
fn paged_and_dirsync_readings_name_the_same_objects_with_the_same_values() {
    with_server(small(), |server, client| {
        let attributes = ["objectGUID", "displayName", "mail", "proxyAddresses", "whenCreated"];
        let paged = client.entries(&query(CLASSES, &attributes)).unwrap();
        let mut synchronised = Vec::new();
        client.dirsync(&query(CLASSES, &attributes), INCREMENTAL, b"", collect(&mut synchronised)).unwrap();
        let world = server.world();
        let expected = (0..world.len()).filter_map(|at| world.object_at(at)).filter(|object| match object {
            Object::Computer(_) => false,
            Object::Container(at) => world.container(*at).unwrap().classes.contains(&"organizationalUnit"),
            _ => true,
        });
        assert_eq!(paged.len(), expected.count());
        assert_eq!(paged.len(), synchronised.len());
        for (plain, other) in paged.iter().zip(&mut synchronised) {
            other.attributes.remove("instancetype");
            assert_eq!(plain, other);
            let object = world.by_guid(&guid(plain)).unwrap();
            for (name, values) in &plain.attributes {
                assert_eq!(*values, world.values(object, Attribute::find(name).unwrap()), "{}: {name}", plain.dn);
            }
        }
    });
}

#[test]
fn a_base_and_a_scope_bound_what_is_found() {
    with_server(small(), |server, client| {
        let world = server.world();
        let mut count = |base: &str, scope| {
            client
                .entries(&Query { base, scope, controls: vec![], ..query("(objectClass=user)", &["1.1"]) })
                .map(|all| all.len())
        };
        let inside = world.counts().inside as usize + world.counts().computers as usize;
        assert_eq!(count(SCOPE, 2).unwrap(), inside);
        assert_eq!(count(SCOPE, 1).unwrap(), 0);
        let team = format!("OU=Team 3,OU=Area 4,{SCOPE}");
        assert_eq!(count(&team, 1).unwrap(), count(&team, 2).unwrap());
        assert!(count(&team, 1).unwrap() > 10);
        let user = world.dn(Object::User(7));
        assert_eq!((count(&user, 0).unwrap(), count(&user, 1).unwrap(), count(&user, 2).unwrap()), (1, 0, 1));
        assert!(matches!(
            count("OU=Nowhere,DC=corp,DC=contoso,DC=example", 2),
            Err(BareError::Refused { code: 32, .. })
        ));
    });
}

#[test]
fn an_unpaged_search_ends_at_the_page_limit_and_a_larger_page_is_cut() {
    with_server(small(), |_, client| {
        let mut entries = 0;
        let refused = client.search(&query("(objectClass=user)", &["1.1"]), |_| entries += 1);
        assert!(matches!(refused, Err(BareError::Refused { code: SIZE_LIMIT_EXCEEDED, .. })), "{refused:?}");
        assert_eq!(entries, PAGE_LIMIT);
        let mut page = query("(objectClass=user)", &["1.1"]);
        page.controls.push(Control::Paged { size: 5_000, cookie: Vec::new() });
        let end = client.search(&page, |_| {}).unwrap();
        assert_eq!((end.entries, end.cookie.is_empty()), (PAGE_LIMIT, false));
    });
}

#[test]
fn long_groups_come_in_ranges_that_together_are_all_members() {
    with_server(small(), |server, client| {
        let world = server.world();
        let dn = world.dn(Object::Group(0));
        let all = world.values(Object::Group(0), Attribute::Member);
        assert!(all.len() > VALUE_LIMIT as usize);
        let mut ask = |attribute: &str| {
            let found = client.entries(&Query {
                base: &dn,
                scope: 0,
                controls: vec![],
                ..query("(objectClass=*)", &[attribute])
            });
            found.unwrap().remove(0).attributes
        };
        let first = ask("member");
        assert_eq!(first["member"].len(), 0);
        let mut members = first["member;range=0-1499"].clone();
        members.extend(ask("member;range=1500-*")["member;range=1500-*"].clone());
        assert_eq!(members, all);
        assert_eq!(ask("member;range=0-9")["member;range=0-9"], all[..10]);
        assert_eq!(ask(&format!("member;range={}-*", all.len())).values().next().map(Vec::len), Some(0));
    });
}

#[test]
fn dirsync_tells_after_each_step_what_it_changed_and_nothing_else() {
    with_server(small(), |server, client| {
        let attributes =
            ["objectGUID", "objectClass", "parentGUID", "name", "isDeleted", "title", "member", "manager", "sn"];
        let ask = query(CLASSES, &attributes);
        let mut cookie = client.dirsync(&ask, INCREMENTAL, b"", |_| {}).unwrap().cookie;
        let mut delta = |client: &mut BareClient| {
            let mut entries = Vec::new();
            cookie = client.dirsync(&ask, INCREMENTAL, &cookie, collect(&mut entries)).unwrap().cookie;
            let found: BTreeMap<[u8; 16], Entry> = entries.into_iter().map(|entry| (guid(&entry), entry)).collect();
            found
        };
        assert!(delta(client).is_empty());

        assert_eq!(server.apply(Step::Users(100)).modified_users, 100);
        let changed = delta(client);
        assert_eq!(changed.len(), 100);
        let names: BTreeSet<&str> =
            changed.values().flat_map(|entry| entry.attributes.keys().map(String::as_str)).collect();
        assert_eq!(names, BTreeSet::from(["instancetype", "objectguid", "title"]));

        server.apply(Step::Members { group: 0, add: 1, remove: 2 });
        let changed = delta(client);
        let group = changed.values().next().unwrap();
        let sizes = ["member;range=1-1", "member;range=0-0"].map(|name| group.attributes[name].len());
        assert_eq!((changed.len(), sizes), (1, [1, 2]));

        server.apply(Step::RenameArea(2));
        let changed = delta(client);
        let unit = changed.values().next().unwrap();
        assert_eq!((changed.len(), unit.attributes.contains_key("parentguid")), (1, true));
        assert!(unit.dn.contains("OU=Area 2 renamed"), "{}", unit.dn);

        let applied = server.apply(Step::DeltaMs);
        let changed = delta(client);
        let deleted = changed.values().filter(|entry| entry.attributes.contains_key("isdeleted")).count() as u64;
        let created = changed.values().filter(|entry| entry.attributes.contains_key("objectclass")).count() as u64;
        assert_eq!((deleted, created), (applied.deleted, applied.created));
        // Of several steps, each object once.
        server.apply(Step::Delta1);
        server.apply(Step::DeltaMs);
        let mut entries = Vec::new();
        client.dirsync(&ask, INCREMENTAL, b"", collect(&mut entries)).unwrap();
        let tombstones = entries.iter().filter(|entry| entry.attributes.contains_key("isdeleted")).count() as u64;
        assert_eq!(tombstones, (0..4_000).filter(|user| server.world().is_deleted(*user)).count() as u64);
    });
}

#[test]
fn searches_by_usn_name_what_changed_since_and_deleted_objects_show_to_who_asks() {
    with_server(small(), |server, client| {
        let usn = server.world().usn();
        let applied = server.apply(Step::DeltaMs);
        let filter = format!("(&(uSNChanged>={})(|(isDeleted=TRUE){CLASSES}))", usn + 1);
        let mut ask = query(&filter, &["uSNChanged", "objectGUID"]);
        let live = client.entries(&ask).unwrap().len() as u64;
        let changed = applied.created + applied.modified_users + applied.unselected_users + applied.modified_groups;
        assert_eq!(live, changed);
        ask.controls.push(Control::ShowDeleted);
        assert_eq!(client.entries(&ask).unwrap().len() as u64, changed + applied.deleted);
        let mut deleted = query("(isDeleted=TRUE)", &["objectGUID"]);
        deleted.controls.push(Control::ShowDeleted);
        // The container of deleted objects is one itself.
        assert_eq!(client.entries(&deleted).unwrap().len() as u64, applied.deleted + 1);
    });
}

#[test]
fn what_is_refused_says_why() {
    with_server(small(), |server, client| {
        let refused = client.dirsync(&query(CLASSES, &["name"]), INCREMENTAL, b"nonsense", |_| {});
        assert!(matches!(refused, Err(BareError::Refused { code: UNAVAILABLE_CRITICAL_EXTENSION, .. })), "{refused:?}");
        let below = Query { base: SCOPE, ..query(CLASSES, &["name"]) };
        let refused = client.dirsync(&below, INCREMENTAL, b"", |_| {});
        assert!(matches!(refused, Err(BareError::Refused { code: INSUFFICIENT_RIGHTS, .. })), "{refused:?}");
        let nobody = BareClient::connect(server.ldap(), "CORP\\svc-load", "").map(|_| ());
        assert!(matches!(nobody, Err(BareError::Refused { code: INVALID_CREDENTIALS, .. })), "{nobody:?}");
        let mut anonymous = BareClient::connect(server.ldap(), "", "").unwrap();
        assert!(anonymous.entries(&query(CLASSES, &["name"])).is_err());
    });
}
