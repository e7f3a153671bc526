//! The same work with nothing around it, which is the limit that the engine is measured against: reading the directory, writing
//! the same bytes into plain SQLite, sending the same batches, reading the tenant's changes. Keeps no object.

use super::http::Http;
use super::recorded::{Batch, Recorded};
use super::stage::Tenant;
use super::{DriverError, Measured};
use crate::bare_client::{BareClient, Control, End, INCREMENTAL, Query, decode};
use crate::world::{ATTRIBUTES, DOMAIN, World};
use rusqlite::Connection;
use serde_json::Value;
use std::collections::HashSet;
use std::fs::File;
use std::hash::{Hash as _, Hasher as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

/// As the connector's.
const CLASSES: &str = "(&(!(objectClass=computer))(|(objectClass=user)(objectClass=group)(objectClass=contact)\
    (objectClass=organizationalUnit)(objectClass=container)(objectClass=builtinDomain)(objectClass=domain)(objectClass=lostAndFound)))";
/// What the connector asks for with every object.
const INTERNAL: [&str; 7] =
    ["objectGUID", "objectClass", "parentGUID", "name", "isDeleted", "whenCreated", "sAMAccountType"];
/// Known to the shipped rules, and not imported unless an operator asks for it.
const NOT_IMPORTED: [&str; 6] =
    ["distinguishedName", "memberOf", "directReports", "uSNChanged", "uSNCreated", "instanceType"];
/// Rows of one transaction, as in the engine's pages at their largest.
const ROWS: u64 = 10_000;
/// Connections that send at a time; the connector's default.
const CONNECTIONS: usize = 4;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Drained {
    pub entries: u64,
    pub bytes: u64,
    pub seconds: f64,
    /// Where the next reading of changes continues.
    pub cookie: Vec<u8>,
}

/// Reads the directory's content, or what changed since a cookie, and copies every value. The query is the connector's.
///
/// # Errors
/// When the server refuses.
pub fn drain(address: &str, cookie: &[u8]) -> Measured<Drained> {
    let known = metaverse_schema::active_directory::schema();
    let selected = ATTRIBUTES.iter().filter(|one| one.is_replicated() && !NOT_IMPORTED.contains(&one.name));
    let mut attributes = INTERNAL.to_vec();
    attributes.extend(
        selected
            .map(|one| one.name)
            .filter(|name| {
                known.attributes.values().any(|attribute| attribute.name.as_str().eq_ignore_ascii_case(name))
            })
            .filter(|name| !INTERNAL.contains(name)),
    );
    let began = Instant::now();
    let mut client = BareClient::connect(address, "CORP\\svc-load", "any")?;
    let query =
        Query { base: DOMAIN, scope: 2, filter: CLASSES, attributes: &attributes, controls: vec![Control::ExtendedDn] };
    let mut malformed = 0u64;
    let end: End =
        client.dirsync(&query, INCREMENTAL, cookie, |frame| malformed += u64::from(decode(frame).is_err()))?;
    if malformed > 0 {
        return Err(DriverError::Failed(format!("{malformed} entries could not be read")));
    }
    Ok(Drained { entries: end.entries, bytes: end.bytes, seconds: began.elapsed().as_secs_f64(), cookie: end.cookie })
}

/// Writes images into a plain table, one row each, with an index made at the end.
pub struct PlainTable {
    sql: Connection,
    pending: Vec<Vec<u8>>,
    pub rows: u64,
    pub seconds: f64,
}

impl PlainTable {
    /// # Errors
    /// When the file cannot be made.
    pub fn create(file: &Path) -> Measured<PlainTable> {
        for ending in ["", "-wal", "-shm"] {
            let mut name = file.as_os_str().to_owned();
            name.push(ending);
            // One that is not there need not be removed.
            let _absent = std::fs::remove_file(name);
        }
        let sql = Connection::open(file)?;
        sql.pragma_update(None, "page_size", 8192)?;
        sql.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        sql.pragma_update(None, "synchronous", "FULL")?;
        sql.pragma_update(None, "cache_size", -64 * 1024)?;
        sql.execute_batch(
            "CREATE TABLE plain (id INTEGER PRIMARY KEY, anchor BLOB NOT NULL, image BLOB NOT NULL) STRICT",
        )?;
        Ok(PlainTable { sql, pending: Vec::new(), rows: 0, seconds: 0.0 })
    }

    /// Takes a row; a full transaction of them is written. Only the writing is timed.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub fn put(&mut self, image: &[u8]) -> Measured<()> {
        self.pending.push(image.to_vec());
        if self.pending.len() as u64 >= ROWS { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Measured<()> {
        let began = Instant::now();
        let transaction = self.sql.transaction()?;
        {
            let mut insert = transaction.prepare_cached("INSERT INTO plain (anchor, image) VALUES (?1, ?2)")?;
            for image in &self.pending {
                // As random as a GUID: a sorted key would flatter the index.
                let anchor = (u128::from(self.rows) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
                insert.execute((anchor.to_be_bytes().as_slice(), image))?;
                self.rows += 1;
            }
        }
        transaction.commit()?;
        self.seconds += began.elapsed().as_secs_f64();
        self.pending.clear();
        Ok(())
    }

    /// Makes the index and leaves one file, as the engine does at its end.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub fn finish(mut self) -> Measured<(u64, f64)> {
        self.write()?;
        let began = Instant::now();
        self.sql.execute_batch("CREATE UNIQUE INDEX plain_by_anchor ON plain (anchor)")?;
        self.sql.pragma_update_and_check(None, "wal_checkpoint", "TRUNCATE", |_| Ok(()))?;
        Ok((self.rows, self.seconds + began.elapsed().as_secs_f64()))
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Posted {
    pub writes: u64,
    pub refused: u64,
    pub seconds: f64,
}

/// Sends recorded batches to a tenant, as many at a time as the connector does, and reads the answers.
///
/// # Errors
/// When the tenant is gone or refuses a batch as a whole.
pub fn post(tenant: &Tenant, recorded: &Recorded) -> Measured<Posted> {
    let headers = format!("{}content-type: application/json\r\n", tenant.authorization()?);
    let file = File::open(&recorded.file).map_err(DriverError::io("opening the batches"))?;
    let (writes, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    let began = Instant::now();
    for stretch in recorded.batches.chunk_by(|one, next| one.kind == next.kind) {
        let next = AtomicUsize::new(0);
        let work = || -> Measured<()> {
            let mut http = Http::connect(tenant.host())?;
            let (mut content, mut body) = (Vec::new(), Vec::new());
            while let Some(batch) = stretch.get(next.fetch_add(1, Ordering::Relaxed)) {
                send(&mut http, &file, batch, &headers, &mut content, &mut body)?;
                writes.fetch_add(u64::from(batch.requests), Ordering::Relaxed);
                refused.fetch_add(refusals(&body), Ordering::Relaxed);
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..CONNECTIONS.min(stretch.len())).map(|_| scope.spawn(work)).collect();
            threads.into_iter().try_for_each(|thread| match thread.join() {
                Ok(outcome) => outcome,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })?;
    }
    Ok(Posted { writes: writes.into_inner(), refused: refused.into_inner(), seconds: began.elapsed().as_secs_f64() })
}

fn send(
    http: &mut Http,
    file: &File,
    batch: &Batch,
    headers: &str,
    content: &mut Vec<u8>,
    body: &mut Vec<u8>,
) -> Measured<()> {
    content.resize(batch.length as usize, 0);
    file.read_exact_at(content, batch.offset).map_err(DriverError::io("reading a batch"))?;
    let answer = http.send("POST", "/v1.0/$batch", headers, content, body)?;
    if answer.status != 200 {
        let text = String::from_utf8_lossy(body);
        return Err(DriverError::Failed(format!("a batch was refused: {} {text}", answer.status)));
    }
    Ok(())
}

/// Items that were answered with 400 or more.
fn refusals(body: &[u8]) -> u64 {
    const STATUS: &[u8] = b"\"status\":";
    let statuses = body.windows(STATUS.len() + 1).filter(|window| window.starts_with(STATUS));
    statuses.filter(|window| matches!(window.last(), Some(b'4' | b'5'))).count() as u64
}

/// The tenant's changes of users, contacts and groups, read bare.
pub struct TenantDelta {
    authorization: String,
    links: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct TenantRead {
    pub pages: u64,
    pub bytes: u64,
    pub seconds: f64,
}

impl TenantDelta {
    /// Begins where the connector begins.
    ///
    /// # Errors
    /// When the tenant refuses the application.
    pub fn begin(tenant: &Tenant, recorded: &Recorded) -> Measured<TenantDelta> {
        Ok(TenantDelta { authorization: tenant.authorization()?, links: recorded.deltas.clone() })
    }

    /// Reads to the end of each, and keeps where the next reading begins.
    ///
    /// # Errors
    /// When the tenant refuses, or a page leads nowhere.
    pub fn drain(&mut self, tenant: &Tenant, mut page: impl FnMut(&[u8])) -> Measured<TenantRead> {
        let mut http = Http::connect(tenant.host())?;
        let mut read = TenantRead::default();
        let mut body = Vec::new();
        let began = Instant::now();
        for link in &mut self.links {
            loop {
                let path = link.strip_prefix("http://").and_then(|rest| rest.find('/').map(|at| &rest[at..]));
                let answer = http.send("GET", path.unwrap_or(link), &self.authorization, b"", &mut body)?;
                read.pages += 1;
                read.bytes += body.len() as u64;
                page(&body);
                let (next, more) = match (link_of(&body, "@odata.nextLink"), link_of(&body, "@odata.deltaLink")) {
                    (Some(next), _) => (next, true),
                    (None, Some(last)) => (last, false),
                    _ => return Err(DriverError::Failed(format!("{link}: {} and no link", answer.status))),
                };
                *link = next;
                if !more {
                    break;
                }
            }
        }
        read.seconds = began.elapsed().as_secs_f64();
        Ok(read)
    }
}

/// A link in a page, found without taking the page apart.
fn link_of(body: &[u8], name: &str) -> Option<String> {
    let key = format!("\"{name}\":\"");
    // It stands before or behind the values, never within them: the ends are looked at first.
    let find = |part: &[u8]| part.windows(key.len()).position(|window| window == key.as_bytes());
    let edge = body.len().min(8_192);
    let at = find(&body[..edge]).or_else(|| find(&body[body.len() - edge..]).map(|at| body.len() - edge + at))?;
    let rest = &body[at + key.len()..];
    let end = rest.iter().position(|byte| *byte == b'"')?;
    std::str::from_utf8(&rest[..end]).ok().map(str::to_owned)
}

/// What a tenant holds, without what it made up itself: the same for two tenants to which the same was written. Of two people
/// who claim one name or address, whoever comes first is created, and stands in groups: who that is, several connections
/// decide. Such people are counted, and not looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Contents {
    pub users: u64,
    pub groups: u64,
    pub members: u64,
    pub digest: u64,
}

impl std::fmt::Display for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Contents { users, groups, members, digest } = self;
        write!(f, "{users} users, {groups} groups, {members} members, {digest:016x}")
    }
}

/// Contents, and which of the people who claim the same are there, by a hash of what is held of them.
#[derive(Debug, Clone, Default)]
pub struct Held {
    pub contents: Contents,
    pub first_come: HashSet<u64>,
}

/// Writes that can hang on one person's being there: own manager, that of eight reports, a request of each group.
const WRITES_OF_ONE: u64 = 30;

impl Held {
    /// How many writes more or fewer another load may take: none, where the same people came first in both.
    pub fn writes_apart(&self, other: &Held) -> u64 {
        WRITES_OF_ONE * self.first_come.symmetric_difference(&other.first_come).count() as u64
    }
}

/// # Errors
/// When the tenant cannot be read.
pub fn contents(tenant: &Tenant, recorded: &Recorded, world: &World) -> Measured<Held> {
    let mut contents = Contents::default();
    let mut groups = HashSet::new();
    let mut contested = HashSet::new();
    let mut first_come = HashSet::new();
    let mut wrong = None;
    let mut delta = TenantDelta::begin(tenant, recorded)?;
    // People before the groups that they stand in.
    delta.links.sort_by_key(|link| !link.contains("/users/"));
    delta.drain(tenant, |page| {
        let page: Value = match serde_json::from_slice(page) {
            Ok(page) => page,
            Err(error) => return wrong = Some(error),
        };
        for entry in page.get("value").and_then(Value::as_array).into_iter().flatten() {
            let mut entry = entry.as_object().cloned().unwrap_or_default();
            let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
            let name = entry.get("userPrincipalName").and_then(Value::as_str);
            let is_user = name.is_some();
            let is_contested = name.is_some_and(|name| world.is_contested(name));
            if is_contested {
                contested.insert(text(entry.get("id")));
            }
            let members = entry.get("members@delta").and_then(Value::as_array).into_iter().flatten();
            contents.members += members.filter(|member| !contested.contains(&text(member.get("id")))).count() as u64;
            entry.retain(|name, _| {
                !matches!(name.as_str(), "id" | "securityIdentifier" | "createdDateTime") && !name.contains('@')
            });
            let mut hasher = std::hash::DefaultHasher::new();
            Value::Object(entry).to_string().hash(&mut hasher);
            let hash = hasher.finish();
            if is_contested {
                contents.users += 1;
                first_come.insert(hash);
                continue;
            }
            if is_user {
                contents.users += 1;
                contents.digest = contents.digest.wrapping_add(hash);
            } else if groups.insert(hash) {
                // A large group comes again on each page that has some of its members.
                contents.groups += 1;
                contents.digest = contents.digest.wrapping_add(hash);
            }
        }
    })?;
    match wrong {
        Some(error) => Err(error.into()),
        None => Ok(Held { contents, first_come }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Options;

    #[test]
    fn as_many_writes_are_sent_where_the_same_people_came_first() {
        let held = |first_come: &[u64]| Held { first_come: first_come.iter().copied().collect(), ..Held::default() };
        assert_eq!(held(&[1, 3]).writes_apart(&held(&[3, 1])), 0);
        assert_eq!(held(&[1, 3]).writes_apart(&held(&[2, 3])), 2 * WRITES_OF_ONE);
    }

    #[test]
    fn who_shares_a_name_or_an_address_is_contested() {
        let world = World::new(Options { users: 20_000, ..Options::default() });
        let shares = |number: u64| {
            let dirt = world.person(number).dirt;
            dirt.duplicate_upn || dirt.duplicate_mail || dirt.duplicate_proxy
        };
        for number in 1..20_000 {
            let mut name = Vec::new();
            world.person(number).write_upn(&world, &mut name);
            let name = String::from_utf8(name).unwrap();
            let claims = number - u64::from(world.person(number).dirt.duplicate_upn);
            assert_eq!(world.is_contested(&name), shares(claims) || shares(claims + 1), "{name}");
        }
        assert!(!world.is_contested("admin@contoso.example"));
    }

    #[test]
    fn refused_items_and_links_are_found_in_the_bytes() {
        let body = br#"{"responses":[{"id":"0","status":201},{"id":"1","status":404},{"id":"2","status":503}]}"#;
        assert_eq!(refusals(body), 2);
        let page = br#"{"@odata.nextLink":"http://h/v1.0/users/delta?$skiptoken=a","value":[]}"#;
        assert_eq!(link_of(page, "@odata.nextLink").as_deref(), Some("http://h/v1.0/users/delta?$skiptoken=a"));
        assert_eq!(link_of(page, "@odata.deltaLink"), None);
    }
}
