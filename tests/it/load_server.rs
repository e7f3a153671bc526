//! The load server of `benches/` against a real domain controller: both hold the same small world and are asked the same, and
//! their answers are the same text, but for what only a domain controller can know (identities, times, its own counters).

use metasync_benches::bare_client::{BareClient, BareError, Control, Entry, INCREMENTAL, Query};
use metasync_benches::load_server::{LoadServerOptions, RunningLoadServer};
use metasync_benches::world::ldif::{self, Flavour};
use metasync_benches::world::{ATTRIBUTES, DOMAIN, Object, Options, SCOPE, Step, World};
use metasync_tests::lab::DomainController;
use metaverse_schema::Guid;
use std::collections::BTreeMap;

const PASSWORD: &str = "svc-Passw0rd-1";
const ACCOUNT: &str = r#"[{"dn": "CN=svc-load,CN=Users", "class": "user", "enabled": true, "password": "svc-Passw0rd-1",
    "attributes": {"sAMAccountName": "svc-load"}}]"#;

/// The connector's filter.
const CLASSES: &str = "(&(!(objectClass=computer))(|(objectClass=user)(objectClass=group)(objectClass=contact)\
    (objectClass=organizationalUnit)(objectClass=container)(objectClass=builtinDomain)(objectClass=domain)(objectClass=lostAndFound)))";

/// A server, and how it names its objects.
struct Side {
    name: &'static str,
    client: BareClient,
    /// DNs by the identity that this server gave them; tombstones keep the DN of before.
    names: BTreeMap<Vec<u8>, String>,
    cookies: BTreeMap<i64, Vec<u8>>,
}

impl Side {
    fn learn_names(&mut self) {
        let query =
            Query { base: DOMAIN, scope: 2, filter: "(objectClass=*)", attributes: &["objectGUID"], controls: vec![] };
        let deleted = Query { filter: "(isDeleted=TRUE)", controls: vec![Control::ShowDeleted], ..query.clone() };
        let live = self.client.entries(&query).unwrap();
        for entry in live.into_iter().chain(self.client.entries(&deleted).unwrap()) {
            // Some objects of a domain controller show nothing of themselves.
            if let Some(guids) = entry.attributes.get("objectguid") {
                let known = self.names.entry(guids[0].clone()).or_insert_with(|| entry.dn.clone());
                if !entry.dn.contains("0ADEL:") {
                    *known = entry.dn;
                }
            }
        }
    }

    fn named(&self, guid: &[u8]) -> String {
        self.names.get(guid).map_or("nobody".to_owned(), |dn| format!("guid of {dn}"))
    }

    /// A DN with the identity before it, as far as it is that of the object.
    fn dn(&self, text: &str) -> String {
        let mut rest = text;
        let mut out = String::new();
        while let Some((part, after)) = rest.strip_prefix('<').and_then(|rest| rest.split_once(">;")) {
            match part.split_once('=') {
                Some(("GUID", guid)) => {
                    let guid: Guid = guid.parse().unwrap();
                    out.push_str(&format!("<{}>;", self.named(guid.as_directory_bytes())));
                }
                Some((kind, _)) => out.push_str(&format!("<{kind}>;")),
                None => out.push_str(part),
            }
            rest = after;
        }
        out + &without_tombstone_guid(rest)
    }

    fn value(&self, attribute: &str, value: &[u8]) -> String {
        match attribute {
            "objectguid" | "parentguid" => self.named(value),
            "objectsid" => format!("a SID of {} bytes", value.len()),
            "whencreated" | "whenchanged" => format!("a time of {} digits", value.len()),
            "usncreated" | "usnchanged" => "a USN".to_owned(),
            "pwdlastset" | "lastlogontimestamp" | "objectcategory" | "tokengroups" => "its own".to_owned(),
            _ => match std::str::from_utf8(value) {
                Ok(text) => self.dn(text),
                Err(_) => format!("{} bytes {value:02x?}", value.len()),
            },
        }
    }

    /// Entries of the generated part as text, in the order of their names, values in theirs.
    fn text(&self, entries: &[Entry]) -> Vec<String> {
        let mut texts: Vec<String> = entries
            .iter()
            .map(|entry| (self.dn(&entry.dn), entry))
            .filter(|(dn, _)| dn.contains("OU=Corp,DC=") || dn.contains("OU=Outside,DC=") || dn.contains("0ADEL:"))
            .map(|(dn, entry)| {
                let mut text = format!("{dn}\n");
                for (name, values) in &entry.attributes {
                    let plain = name.split(';').next().unwrap_or_default();
                    let mut values: Vec<String> = values.iter().map(|value| self.value(plain, value)).collect();
                    values.sort();
                    text.push_str(&format!("    {name}: {values:?}\n"));
                }
                text
            })
            .collect();
        texts.sort();
        texts
    }

    fn search(&mut self, query: &Query<'_>) -> Result<Vec<String>, BareError> {
        let entries = self.client.entries(query)?;
        Ok(self.text(&entries))
    }

    /// Changes since the last call with these flags.
    fn dirsync(&mut self, flags: i64, attributes: &[&str]) -> Vec<String> {
        let query = Query { base: DOMAIN, scope: 2, filter: CLASSES, attributes, controls: vec![Control::ExtendedDn] };
        let cookie = self.cookies.get(&flags).cloned().unwrap_or_default();
        let mut entries = Vec::new();
        let end = self.client.dirsync(&query, flags, &cookie, |frame| entries.extend(Entry::read(frame))).unwrap();
        self.cookies.insert(flags, end.cookie);
        self.text(&entries)
    }

    fn usn(&mut self) -> u64 {
        let query = Query {
            base: "",
            scope: 0,
            filter: "(objectClass=*)",
            attributes: &["highestCommittedUSN"],
            controls: vec![],
        };
        let mut usn = None;
        self.client
            .search(&query, |frame| {
                let entry = Entry::read(frame).unwrap();
                usn = String::from_utf8(entry.attributes["highestcommittedusn"][0].clone()).unwrap().parse().ok();
            })
            .unwrap();
        usn.unwrap()
    }
}

fn without_tombstone_guid(text: &str) -> String {
    match text.split_once("DEL:") {
        Some((before, after)) if after.len() >= 36 => format!("{before}DEL:{}", &after[36..]),
        _ => text.to_owned(),
    }
}

struct Pair {
    real: Side,
    load: Side,
}

impl Pair {
    #[track_caller]
    fn same(&mut self, what: &str, ask: impl Fn(&mut Side) -> Vec<String>) -> usize {
        let (real, load) = (ask(&mut self.real), ask(&mut self.load));
        let only = |one: &[String], other: &[String]| {
            one.iter().filter(|text| !other.contains(text)).take(4).cloned().collect::<Vec<_>>().concat()
        };
        assert!(
            real == load,
            "{what}: {} answers and {}\n--- only the {}\n{}--- only the {}\n{}",
            real.len(),
            load.len(),
            self.real.name,
            only(&real, &load),
            self.load.name,
            only(&load, &real)
        );
        real.len()
    }

    /// The result codes of a search that is refused.
    #[track_caller]
    fn refused(&mut self, what: &str, ask: impl Fn(&mut Side) -> Result<(), BareError>) {
        let code = |side: &mut Side| match ask(side) {
            Err(BareError::Refused { code, .. }) => code,
            other => panic!("{what}: {}: {other:?}", side.name),
        };
        assert_eq!(code(&mut self.real), code(&mut self.load), "{what}");
    }
}

fn search<'a>(filter: &'a str, attributes: &'a [&'a str]) -> Query<'a> {
    Query { base: DOMAIN, scope: 2, filter, attributes, controls: vec![Control::ExtendedDn] }
}

/// What both must have alike: what was written, and what follows from it.
fn compared() -> Vec<&'static str> {
    let more = [
        "objectGUID",
        "objectSid",
        "parentGUID",
        "name",
        "cn",
        "ou",
        "whenCreated",
        "instanceType",
        "sAMAccountType",
        "primaryGroupID",
        "isDeleted",
        "isRecycled",
        "lastKnownParent",
        "uSNChanged",
    ];
    // The server's own defaults of accounts are none of the world's business.
    let own = ["codePage", "countryCode", "accountExpires", "dSCorePropagationData"];
    let written = ATTRIBUTES.iter().filter(|known| ldif::is_written(known.attribute)).map(|known| known.name);
    more.into_iter().chain(written.filter(|name| !own.contains(name) && !more.contains(name))).collect()
}

#[test]
fn the_load_server_answers_like_a_domain_controller() {
    let mut world = World::new(Options { seed: 7, users: 300, exchange: false, strict: true, ..Options::default() });
    let dc = DomainController::start("the_load_server_answers_like_a_domain_controller", ACCOUNT);
    dc.rights(&["replication", "svc-load"]);
    dc.rights(&["deleted-objects", "svc-load"]);
    let mut written = Vec::new();
    ldif::write(&world, Flavour::DomainController, &mut written).unwrap();
    dc.seed(&String::from_utf8(written).unwrap());
    // The bare client speaks no TLS, and Samba wants it for a simple bind unless told otherwise.
    dc.stop();
    let configuration = dc.folder.join("etc/smb.conf");
    let text = std::fs::read_to_string(&configuration).unwrap();
    std::fs::write(&configuration, text.replacen("[global]", "[global]\n\tldap server require strong auth = no", 1))
        .unwrap();
    dc.launch();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    // Samba has no limit of values in one answer; Windows does (ad-protocols 1.3).
    let options = LoadServerOptions { max_values: None, ..LoadServerOptions::new(world.clone()) };
    let server = runtime.block_on(RunningLoadServer::start(options)).unwrap();
    let side = |name, address: String, user: &str| Side {
        name,
        client: BareClient::connect(address.as_str(), user, PASSWORD).unwrap(),
        names: BTreeMap::new(),
        cookies: BTreeMap::new(),
    };
    let mut pair = Pair {
        real: side("domain controller", format!("{}:389", dc.address), "CORP\\svc-load"),
        load: side("load server", server.ldap().to_string(), "CORP\\svc-load"),
    };
    pair.real.learn_names();
    pair.load.learn_names();
    definitions(&mut pair);
    searches(&mut pair, &world);
    for flags in [INCREMENTAL, 0] {
        let all = pair.same("DirSync of everything", |side| side.dirsync(flags, &compared()));
        assert!(all > 400, "{all}");
    }
    for step in [
        Step::Delta1,
        Step::Users(10),
        Step::Members { group: 0, add: 3, remove: 2 },
        Step::DeltaMs,
        Step::RenameArea(3),
        Step::Delta1,
    ] {
        let before = world.clone();
        let usns = (pair.real.usn(), pair.load.usn());
        world.apply(step);
        server.apply(step);
        let mut changes = Vec::new();
        ldif::write_changes(&before, &world, &mut changes).unwrap();
        dc.seed(&String::from_utf8(changes).unwrap());
        pair.real.learn_names();
        pair.load.learn_names();
        for flags in [INCREMENTAL, 0] {
            let changed = pair.same(&format!("DirSync after {step:?}"), |side| side.dirsync(flags, &compared()));
            assert!(changed > 0, "{step:?}");
            assert_eq!(pair.same("DirSync without a change", |side| side.dirsync(flags, &compared())), 0);
        }
        pair.same(&format!("changes by USN after {step:?}"), |side| {
            let since = if side.name == "load server" { usns.1 } else { usns.0 } + 1;
            let filter = format!("(&(uSNChanged>={since})(|(isDeleted=TRUE){CLASSES}))");
            let mut query = search(&filter, &["objectGUID", "title", "isDeleted"]);
            query.controls.push(Control::ShowDeleted);
            side.search(&query).unwrap()
        });
        searches(&mut pair, &world);
    }
    refusals(&mut pair);
    server.stop();
}

/// The root entry and the definitions of all attributes that the world has.
fn definitions(pair: &mut Pair) {
    let schema = format!("CN=Schema,CN=Configuration,{DOMAIN}");
    for names in ATTRIBUTES.iter().filter(|known| !known.exchange).collect::<Vec<_>>().chunks(60) {
        let terms: String = names.iter().map(|known| format!("(lDAPDisplayName={})", known.name)).collect();
        let filter = format!("(&(objectClass=attributeSchema)(|{terms}))");
        let asked =
            ["lDAPDisplayName", "attributeSyntax", "oMSyntax", "isSingleValued", "linkID", "systemFlags", "systemOnly"];
        let count = pair.same("definitions of attributes", |side| {
            let entries =
                side.client.entries(&Query { base: &schema, controls: vec![], ..search(&filter, &asked) }).unwrap();
            let mut texts: Vec<String> = entries
                .iter()
                .map(|entry| {
                    let text = |values: &Vec<Vec<u8>>| String::from_utf8_lossy(&values.concat()).into_owned();
                    let all: BTreeMap<&String, String> =
                        entry.attributes.iter().map(|(name, values)| (name, text(values))).collect();
                    format!("{all:?}\n")
                })
                .collect();
            texts.sort();
            texts
        });
        assert_eq!(count, names.len());
    }
    pair.same("the root entry", |side| {
        let asked = [
            "dsServiceName",
            "dnsHostName",
            "defaultNamingContext",
            "namingContexts",
            "schemaNamingContext",
            "highestCommittedUSN",
            "currentTime",
            "supportedControl",
            "tokenGroups",
            "domainControllerFunctionality",
        ];
        let mut texts = Vec::new();
        side.client
            .search(
                &Query { base: "", scope: 0, filter: "(objectClass=*)", attributes: &asked, controls: vec![] },
                |frame| {
                    for (name, values) in Entry::read(frame).unwrap().attributes {
                        let values: Vec<String> =
                            values.iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect();
                        match name.as_str() {
                            "defaultnamingcontext" | "namingcontexts" | "schemanamingcontext" => {
                                texts.push(format!("{name} {values:?}"))
                            }
                            "supportedcontrol" => {
                                let ours = [
                                    "1.2.840.113556.1.4.319",
                                    "1.2.840.113556.1.4.841",
                                    "1.2.840.113556.1.4.529",
                                    "1.2.840.113556.1.4.417",
                                    "1.2.840.113556.1.4.2064",
                                ];
                                texts.push(format!(
                                    "{:?}",
                                    ours.map(|control| values.iter().any(|value| value == control))
                                ));
                            }
                            "currenttime" => texts.push(format!("{} digits", values[0].len())),
                            _ => texts.push(name),
                        }
                    }
                },
            )
            .unwrap();
        texts.sort();
        texts
    });
}

/// Searches of every scope and kind, by every form of name.
fn searches(pair: &mut Pair, world: &World) {
    let attributes = compared();
    let all = pair.same("everything, in pages", |side| side.search(&search(CLASSES, &attributes)).unwrap());
    assert!(all > 400, "{all}");
    let plain = Query { controls: vec![], ..search("(objectClass=user)", &attributes) };
    pair.same("without identities", |side| side.search(&plain).unwrap());
    let team = format!("OU=Team 1,{}", world.dn(world.by_dn(&format!("OU=Area 2,{SCOPE}")).unwrap()));
    for (base, scope) in [(SCOPE, 0), (SCOPE, 1), (SCOPE, 2), (team.as_str(), 1), (team.as_str(), 2)] {
        let query = Query { base, scope, ..search("(objectClass=*)", &["objectGUID", "name"]) };
        pair.same(&format!("scope {scope} of {base}"), |side| side.search(&query).unwrap());
    }
    let user = Query { base: &world.dn(Object::User(12)), scope: 0, ..search("(objectClass=*)", &attributes) };
    assert_eq!(pair.same("one user", |side| side.search(&user).unwrap()), 1);
    for filter in [
        "(sAMAccountName=u7)",
        "(&(objectClass=contact)(mail=SUPPLIER0@fabrikam.example))",
        "(displayName=anna*)",
        "(proxyAddresses=smtp:*1.*@contoso.example)",
        "(&(objectClass=user)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))",
        "(&(objectClass=user)(userAccountControl:1.2.840.113556.1.4.804:=3))",
        "(!(mail=*))",
        "(|(objectClass=computer)(objectClass=group))",
    ] {
        pair.same(filter, |side| side.search(&search(filter, &["objectGUID", "mail", "sAMAccountName"])).unwrap());
    }
    pair.same("by GUIDs", |side| {
        let guids: Vec<&Vec<u8>> =
            side.names.iter().filter(|(_, dn)| dn.contains("OU=Team 4")).map(|(guid, _)| guid).collect();
        let escaped = |guid: &&Vec<u8>| guid.iter().map(|byte| format!("\\{byte:02x}")).collect::<String>();
        let terms: String = guids.iter().map(|guid| format!("(objectGUID={})", escaped(guid))).collect();
        let filter = format!("(|{terms})");
        side.search(&search(&filter, &["objectGUID", "objectClass", "parentGUID", "sAMAccountType"])).unwrap()
    });
    pair.same("a base by its GUID", |side| {
        let dn = world.dn(Object::User(12));
        let guid =
            side.names.iter().find(|(_, name)| **name == dn).map(|(guid, _)| Guid::from_slice(guid).unwrap()).unwrap();
        let base = format!("<GUID={guid}>");
        side.search(&Query { base: &base, scope: 0, ..search("(objectClass=*)", &["name"]) }).unwrap()
    });
    let group = world.dn(Object::Group(0));
    for range in ["member;range=0-9", "member;range=10-19", "member;range=140-*", "member;range=0-*"] {
        // Which members come first is the server's choice: their number and the name of the range are not.
        pair.same(range, |side| {
            let asked = [range];
            let query = Query { base: &group, scope: 0, controls: vec![], ..search("(objectClass=*)", &asked) };
            let entry = side.client.entries(&query).unwrap().remove(0);
            entry.attributes.iter().map(|(name, values)| format!("{name}: {}\n", values.len())).collect()
        });
    }
}

fn refusals(pair: &mut Pair) {
    pair.refused("a cookie that is none", |side| {
        side.client.dirsync(&search(CLASSES, &["name"]), INCREMENTAL, b"nonsense", |_| {}).map(|_| ())
    });
    pair.refused("DirSync below the naming context", |side| {
        side.client.dirsync(&Query { base: SCOPE, ..search(CLASSES, &["name"]) }, INCREMENTAL, b"", |_| {}).map(|_| ())
    });
    pair.refused("a base that is not there", |side| {
        let base = format!("OU=Nowhere,{DOMAIN}");
        side.client.entries(&Query { base: &base, ..search(CLASSES, &["name"]) }).map(|_| ())
    });
}
