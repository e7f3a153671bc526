//! How fast changed passwords reach the tenant, beside the least that this can cost: hashing them with the pbkdf2 crate on the same
//! cores, and then posting requests that are already encoded. Judges that every password arrived: each signs in with its owner's new
//! password, none with the old.

use super::http::Http;
use super::process;
use super::report::{Line, Report, median};
use super::stage::{Deployment, Programs, Tenant};
use super::{DriverError, Measured};
use azure_ad_emulator::binary_xml::{self, Element};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md4::{Digest as _, Md4};
use serde_json::{Value, json};
use sha2::Sha256;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Of one request, as the connector has it.
const BATCH: usize = 50;
/// Requests at a time, as the connector has it.
const CONNECTIONS: usize = 2;
const SERVICE: &str = "http://schemas.microsoft.com/online/aws/change/2010/01";
const CREDENTIALS: &str = "http://schemas.datacontract.org/2004/07/Microsoft.Online.Coexistence.Schema";
const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
const PATH: &str = "/provisioningservice.svc";
const SCOPE: &str = "6bf85cfa-ac8a-4be5-b5de-425a0d0dc016%2F.default";
/// The wall time that is aimed at, and the share of the crate's PBKDF2 in the engine's CPU. The engine's own hashing costs half of the
/// crate's, so the share also says what everything else costs.
const MOST_TIMES_THE_LIMIT: f64 = 1.3;
const LEAST_SHARE: f64 = 0.85;
/// Sign-ins that are checked in one request.
const SIGN_INS: usize = 500;
/// 2026-01-01 as a file time, in seconds since 1601.
const NEW_YEAR: u64 = 13_411_699_200;

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub users: usize,
    pub rounds: usize,
    pub cores: usize,
}

/// # Errors
/// When a program fails; passwords that did not arrive are told in the report.
pub fn run(programs: &Programs, plan: Plan, report: &mut Report, tell: &dyn Fn(&str)) -> Measured<()> {
    let tenant = Tenant::start_synchronised(programs)?;
    let people = programs.folder.join("people.ldif");
    write(&people, &people_ldif(plan.users))?;
    let deployment = Deployment::init_with_passwords(programs, &people, &tenant)?;
    let passwords = deployment.folder.join("passwords.ldif");
    write(&passwords, &passwords_ldif(plan.users, 0))?;
    tell("exporting the users");
    deployment.run(&["cycle", "initial"], None)?.expect(&[0, 3, 4])?;
    tell("the first passwords");
    deployment.run(&["passwords", "sync"], None)?.expect(&[0])?;
    judge(&tenant, plan.users, 0, report)?;

    let ids = user_ids(&tenant)?;
    let (mut hashing, mut posting, mut hashing_cpu) = (Vec::new(), Vec::new(), Vec::new());
    let (mut seconds, mut cpu_seconds, mut line) = (Vec::new(), Vec::new(), Line::default());
    for round in 1..=plan.rounds {
        tell(&format!("round {round}: bare, then the engine"));
        // Between two rounds of the engine, so that the machine's moods fall on both.
        let bare = hash_bare(plan, round);
        let (posted, accepted) = post_bare(&tenant, &ids, &bare.credentials)?;
        if accepted != ids.len() {
            return Err(DriverError::Failed(format!("of {} bare credentials {accepted} were taken", ids.len())));
        }
        hashing.push(bare.seconds);
        hashing_cpu.push(bare.cpu_seconds);
        posting.push(posted);
        write(&passwords, &passwords_ldif(plan.users, round))?;
        let engine = deployment.run(&["passwords", "sync"], None)?.expect(&[0])?;
        seconds.push(engine.cost.seconds);
        cpu_seconds.push(engine.cost.cpu_seconds);
        line.cost = engine.cost;
        judge(&tenant, plan.users, round, report)?;
    }
    let users = plan.users as u64;
    report.part(users, "hashing, pbkdf2 crate on all cores", users, median(&hashing));
    report.part(users, "posting encoded requests", users.div_ceil(BATCH as u64), median(&posting));
    let share = median(&hashing_cpu) / median(&cpu_seconds).max(1e-9);
    report.lines.push(Line {
        scenario: "passwords".to_owned(),
        users,
        what: "changed passwords from a file to the tenant".to_owned(),
        seconds,
        limit_seconds: Some(median(&hashing) + median(&posting)),
        goal: Some(MOST_TIMES_THE_LIMIT),
        tenant_rss_bytes: process::peak_rss_bytes(tenant.server.pid()),
        note: format!("the crate's PBKDF2 alone costs {share:.2} of the engine's whole CPU (goal {LEAST_SHARE})"),
        ..line
    });
    Ok(())
}

fn write(file: &Path, text: &str) -> Measured<()> {
    std::fs::write(file, text).map_err(DriverError::io(format!("writing {}", file.display())))
}

fn guid(number: usize) -> [u8; 16] {
    let mut guid = [0x5a; 16];
    guid[..8].copy_from_slice(&(number as u64).to_le_bytes());
    guid
}

fn sign_in_name(number: usize) -> String {
    format!("u{number:06}@contoso.example")
}

/// Made up, and another one in each round.
fn password(number: usize, round: usize) -> String {
    format!("Made-up {round} for {number}!")
}

fn nt_hash(password: &str) -> [u8; 16] {
    let text: Vec<u8> = password.encode_utf16().flat_map(u16::to_le_bytes).collect();
    Md4::digest(text).into()
}

fn hex(bytes: &[u8], upper: bool) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing into a text cannot fail.
        let _written = if upper { write!(text, "{byte:02X}") } else { write!(text, "{byte:02x}") };
    }
    text
}

fn record(number: usize) -> String {
    format!(
        "dn: CN=User {number:06},OU=Staff,DC=corp,DC=example\nobjectClass: top\nobjectClass: person\n\
         objectClass: organizationalPerson\nobjectClass: user\nobjectGUID:: {}\n",
        STANDARD.encode(guid(number))
    )
}

fn people_ldif(users: usize) -> String {
    let mut text = String::new();
    for number in 0..users {
        let name = sign_in_name(number);
        let _written = writeln!(
            text,
            "{}cn: User {number:06}\ndisplayName: User {number:06}\ngivenName: User\nsn: {number:06}\nsAMAccountName: u{number:06}\n\
             userAccountControl: 512\nuserPrincipalName: {name}\nmail: {name}\nproxyAddresses: SMTP:{name}\n",
            record(number)
        );
    }
    text
}

fn passwords_ldif(users: usize, round: usize) -> String {
    let changed = (NEW_YEAR + round as u64 * 86_400) * 10_000_000;
    let mut text = String::new();
    for number in 0..users {
        let hash = hex(&nt_hash(&password(number, round)), true);
        let _written = writeln!(text, "{}ntHash: {hash}\npwdLastSet: {changed}\n", record(number));
    }
    text
}

/// Signs everybody in: with the password of this round, and a few with that of the round before.
fn judge(tenant: &Tenant, users: usize, round: usize, report: &mut Report) -> Measured<()> {
    let mut http = Http::connect(tenant.host())?;
    let mut sign_in = |numbers: &[usize], round: usize| -> Measured<usize> {
        let one = |number: &usize| json!({ "user": sign_in_name(*number), "password": password(*number, round) });
        let body = json!({ "signIns": numbers.iter().map(one).collect::<Vec<_>>() }).to_string();
        let told = http.json("POST", "/_tenant/sign-ins", "content-type: application/json\r\n", body.as_bytes())?;
        let results = told.get("results").and_then(Value::as_array).into_iter().flatten();
        Ok(results.filter(|result| result.get("code") == Some(&json!(0))).count())
    };
    let all: Vec<usize> = (0..users).collect();
    let mut arrived = 0;
    for some in all.chunks(SIGN_INS) {
        arrived += sign_in(some, round)?;
    }
    let what = format!("passwords {users}: in round {round} {arrived} sign in with their new password");
    report.check(what, arrived == users);
    if let Some(before) = round.checked_sub(1) {
        let old = sign_in(&all[..users.min(SIGN_INS)], before)?;
        report.check(format!("passwords {users}: in round {round} {old} sign in with their old one"), old == 0);
    }
    Ok(())
}

/// The object ids of all users.
fn user_ids(tenant: &Tenant) -> Measured<Vec<String>> {
    let headers = tenant.authorization()?;
    let mut http = Http::connect(tenant.host())?;
    let mut path = "/v1.0/users?$select=id&$top=999".to_owned();
    let mut ids = Vec::new();
    loop {
        let page = http.json("GET", &path, &headers, b"")?;
        let rows = page.get("value").and_then(Value::as_array).into_iter().flatten();
        ids.extend(rows.filter_map(|row| Some(row.get("id")?.as_str()?.to_owned())));
        match page.get("@odata.nextLink").and_then(Value::as_str) {
            Some(next) => path = Http::split(next)?.1.to_owned(),
            None => return Ok(ids),
        }
    }
}

struct Hashed {
    credentials: Vec<String>,
    seconds: f64,
    cpu_seconds: f64,
}

/// What a password costs at the least: one derivation by the crate, on all cores.
fn hash_bare(plan: Plan, round: usize) -> Hashed {
    let inputs: Vec<(String, [u8; 10])> = (0..plan.users)
        .map(|number| {
            let mut salt = [round as u8; 10];
            salt[..8].copy_from_slice(&(number as u64).to_le_bytes());
            (hex(&nt_hash(&password(number, round)), true), salt)
        })
        .collect();
    let share = inputs.len().div_ceil(plan.cores.max(1)).max(1);
    let (began, cpu) = (Instant::now(), process::cpu_seconds(std::process::id()));
    let derive = |(digits, salt): &(String, [u8; 10])| {
        let input: Vec<u8> = digits.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut derived = [0u8; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(&input, salt, 1_000, &mut derived);
        format!("v1;PPH1_MD4,{},1000,{};", hex(salt, false), hex(&derived, false))
    };
    let credentials = std::thread::scope(|scope| {
        let threads: Vec<_> = inputs
            .chunks(share)
            .map(|inputs| scope.spawn(move || inputs.iter().map(derive).collect::<Vec<String>>()))
            .collect();
        let joined = threads.into_iter().map(|thread| match thread.join() {
            Ok(credentials) => credentials,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.flatten().collect()
    });
    let seconds = began.elapsed().as_secs_f64();
    Hashed { credentials, seconds, cpu_seconds: process::cpu_seconds(std::process::id()) - cpu }
}

/// Posts them in requests that were encoded before; seconds, and how many were taken.
fn post_bare(tenant: &Tenant, ids: &[String], credentials: &[String]) -> Measured<(f64, usize)> {
    let token = tenant.token(SCOPE)?;
    let items: Vec<(&String, &String)> = ids.iter().zip(credentials).collect();
    let requests: Vec<Vec<u8>> = items.chunks(BATCH).map(|items| binary_xml::encode(&request(&token, items))).collect();
    let next = AtomicUsize::new(0);
    let work = || -> Measured<Vec<Vec<u8>>> {
        let mut http = Http::connect(tenant.host())?;
        let mut replies = Vec::new();
        while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut body = Vec::new();
            let answer = http.send("POST", PATH, "content-type: application/soap+msbin1\r\n", request, &mut body)?;
            if answer.status != 200 {
                return Err(DriverError::Failed(format!("a bare request was refused: {}", answer.status)));
            }
            replies.push(body);
        }
        Ok(replies)
    };
    let began = Instant::now();
    let replies: Vec<Vec<Vec<u8>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(work)).collect();
        let joined = threads.into_iter().map(|thread| match thread.join() {
            Ok(replies) => replies,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.collect::<Measured<_>>()
    })?;
    let seconds = began.elapsed().as_secs_f64();
    Ok((seconds, replies.iter().flatten().map(|reply| accepted(reply)).sum()))
}

/// Entries with the result 0.
fn accepted(reply: &[u8]) -> usize {
    fn count(element: &Element) -> usize {
        let own = element.name == "Result" && element.text() == "0";
        usize::from(own) + element.elements().map(count).sum::<usize>()
    }
    binary_xml::decode(reply).map_or(0, |envelope| count(&envelope))
}

/// `ProvisionCredentials` as the contract has it (entra-protocols B.2, B.6).
fn request(token: &str, items: &[(&String, &String)]) -> Element {
    let a = |name: &str| Element::new("a", name, ADDRESSING);
    let plain = |name: &str, text: &str| Element::new("", name, SERVICE).with_text(text);
    let nil = |element: Element| element.attribute("i", "nil", INSTANCE, "true");
    let b = |name: &str| Element::new("b", name, CREDENTIALS);
    let message = "22222222-3333-4444-8555-666666666666";
    let role = "urn:microsoft.online.administrativeservice";
    let parts = [
        ("ApplicationId", "1651564e-7ce4-4d99-88be-0a65050d8dc3"),
        ("BearerToken", token),
        ("ClientVersion", "8.0"),
        ("DirSyncBuildNumber", "2.5.190.0"),
        ("FIMBuildNumber", "2.5.190.0"),
        ("IsInstalledOnDC", "false"),
        ("IssueDateTime", "0001-01-01T00:00:00"),
        ("LanguageId", "en-US"),
        ("LiveToken", ""),
        ("ProtocolVersion", "2.0"),
        ("RichCoexistenceEnabled", "false"),
        ("TrackingId", message),
    ];
    let sync_token = Element::new("", "SyncToken", role)
        .attribute("s", "role", SOAP, role)
        .with_all(parts.map(|(name, text)| plain(name, text)).to_vec());
    let header = Element::new("s", "Header", SOAP)
        .with(
            a("Action")
                .attribute("s", "mustUnderstand", SOAP, "1")
                .with_text(format!("{SERVICE}/IProvisioningWebService/ProvisionCredentials")),
        )
        .with(sync_token)
        .with(a("MessageID").with_text(format!("urn:uuid:{message}")))
        .with(a("ReplyTo").with(a("Address").with_text("http://www.w3.org/2005/08/addressing/anonymous")))
        .with(
            a("To").attribute("s", "mustUnderstand", SOAP, "1").with_text("http://localhost/provisioningservice.svc"),
        );
    let item = |(id, credential): &(&String, &String)| {
        b("SyncCredentialsChangeItem")
            .with(b("ChangeDate").with_text("2026-01-02T03:04:05Z"))
            .with(b("CloudAnchor").with_text(format!("User_{id}")))
            .with(b("CredentialData").with_text(credential.as_str()))
            .with(b("ForcePasswordChangeOnLogon").with_text("false"))
            .with(nil(b("SourceAnchor")))
            .with(nil(b("WindowsLegacyCredentials")))
            .with(nil(b("WindowsSupplementalCredentials")))
    };
    let items = b("RequestItems").with_all(items.iter().map(item).collect::<Vec<_>>());
    let request = Element::new("", "request", SERVICE).declare("b", CREDENTIALS).with(items);
    let body = Element::new("s", "Body", SOAP).with(Element::new("", "ProvisionCredentials", SERVICE).with(request));
    Element::new("s", "Envelope", SOAP).declare("s", SOAP).declare("a", ADDRESSING).with(header).with(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bare work makes what the contract records (P7): a limit that does less would flatter nobody.
    #[test]
    fn the_bare_hash_is_the_contracts() {
        assert_eq!(hex(&nt_hash("Password1!"), true), "7FACDC498ED1680C4FD1448319A8C04F");
        let made = hash_bare(Plan { users: 3, rounds: 1, cores: 2 }, 1);
        assert_eq!(made.credentials.len(), 3);
        assert!(
            made.credentials.iter().all(|made| made.len() == 12 + 20 + 6 + 64 + 1),
            "{made:?}",
            made = made.credentials
        );
    }

    #[test]
    fn a_file_of_passwords_names_everybody_once_with_another_hash_each_round() {
        let [first, second] = [0, 1].map(|round| passwords_ldif(3, round));
        assert_eq!(first.matches("ntHash: ").count(), 3);
        let hashes = |text: &str| -> Vec<String> {
            text.lines().filter_map(|line| line.strip_prefix("ntHash: ")).map(str::to_owned).collect()
        };
        assert!(hashes(&first).iter().all(|hash| !hashes(&second).contains(hash)));
        let decoded = binary_xml::decode(&binary_xml::encode(&request("t", &[(&"i".to_owned(), &"c".to_owned())])));
        assert!(decoded.is_ok_and(|envelope| envelope.name == "Envelope"));
    }
}
