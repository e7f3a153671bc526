//! Taking over existing users, as an operator types it (SF1-SF11): each test is a transcript on the rehearsal tenant, from the list of
//! candidates to what the tenant holds in the end. Each reads as documentation; what decides is tested in the kernel.

use expect_test::{Expect, expect};
use metasync_tests::crash::{Mode, deployment};
use metasync_tests::operator::Deployment;
use metasync_tests::people::ldif;
use metasync_tests::tenant::Tenant;
use serde_json::{Value, json};
use std::fmt::Write as _;

const ID: &str = "77777771-7777-4777-8777-777777777777";
const MAIL: &str = "person1@contoso.example";

/// A tenant with one existing user, a directory with one person, and what was typed and told so far.
struct Scene {
    tenant: Tenant,
    deployment: Deployment,
    told: String,
}

impl Scene {
    /// The existing user has these properties; the directory's LDIF is changed by `change`. Matching is under review.
    fn new(mode: Mode, user: &Value, change: impl Fn(String) -> String) -> Scene {
        let mut existing = json!({ "id": ID, "userPrincipalName": MAIL, "mail": MAIL, "displayName": "Cloud One",
            "mailNickname": "person1", "accountEnabled": true, "jobTitle": "Kept by the cloud", "usageLocation": "DE" });
        for (name, value) in user.as_object().expect("properties") {
            existing[name] = value.clone();
        }
        let synchronised = if mode == Mode::Connect { Value::Bool(true) } else { Value::Null };
        let tenant = Tenant::start(json!({
            "tenant": { "onPremisesSyncEnabled": synchronised },
            "domains": [{ "name": "contoso.onmicrosoft.com", "initial": true }, { "name": "contoso.example", "default": true }],
            "users": [existing],
        }));
        let mut deployment = deployment(&tenant, mode, &change(ldif(1..=1)));
        deployment.variable("USER", "jo").variable("SUDO_USER", "");
        deployment.replace("metasync.toml", "mode = \"automatic\"", "mode = \"review\"");
        Scene { tenant, deployment, told: String::new() }
    }

    /// Types a command and keeps what it told, without what differs from day to day.
    fn type_in(&mut self, line: &str) -> &mut Self {
        let arguments = words(line);
        let ran = self.deployment.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let _ = writeln!(self.told, "$ metasync {line}");
        let folder = self.deployment.folder.display().to_string();
        for told in ran.out.lines().chain(ran.err.lines().filter(|_| ran.code == 1 || ran.code == 3)) {
            let told = told.replace(&format!(" --deployment {folder}"), "").replace(&folder, "DIR");
            let _ = writeln!(self.told, "{}", masked(told.trim_end()));
        }
        let _ = writeln!(self.told, "exit {}\n", ran.code);
        self
    }

    /// Runs a cycle; of what it tells only its exit code is kept.
    fn cycle(&mut self, kind: &str) -> &mut Self {
        let ran = self.deployment.run(&["cycle", kind]).expect(&[0, 3]);
        let _ = writeln!(self.told, "$ metasync cycle {kind}\nexit {}\n", ran.code);
        self
    }

    fn existing(&self) -> Value {
        let snapshot = self.tenant.running.snapshot();
        let users = snapshot["users"].as_array().cloned().unwrap_or_default();
        users.into_iter().find(|user| user["id"] == ID).expect("the existing user is there")
    }

    /// What the tenant holds of the existing user, and how many users there are.
    fn tenant(&mut self, names: &[&str]) -> &mut Self {
        let user = self.existing();
        let _ = writeln!(self.told, "In the tenant: {} user(s); the existing one", self.tenant.users().len());
        for name in names {
            let _ = writeln!(self.told, "  {name}: {}", user[name]);
        }
        self.told.push('\n');
        self
    }

    fn replace(&mut self, file: &str, from: &str, to: &str) -> &mut Self {
        self.deployment.replace(file, from, to);
        let _ = writeln!(self.told, "In {file}: {} becomes {}\n", from.trim_end(), to.trim_end());
        self
    }

    #[track_caller]
    fn reads(self, expect: Expect) {
        expect.assert_eq(&self.told);
        self.tenant.stop();
    }
}

/// Words of a line; quotes keep several together.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in line.split('"').enumerate() {
        match at % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

/// Digests and days have a name instead.
fn masked(line: &str) -> String {
    let is_digest = |word: &str| word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_day = |word: &str| {
        word.len() == 10
            && word
                .bytes()
                .enumerate()
                .all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() })
    };
    let mut masked = line.to_owned();
    for word in line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')) {
        if is_digest(word) {
            masked = masked.replace(word, "DIGEST");
        } else if is_day(word) {
            masked = masked.replace(word, "YYYY-MM-DD");
        }
    }
    masked
}

/// SF5: matching is a window. Candidates are listed and nobody is joined without a word; a rejected pair is never matched again, and
/// nobody is created beside it, until it is approved; closed, a new match is an error on its object.
#[test]
fn sf05_matching_is_a_window() {
    let mut scene = Scene::new(Mode::Graph, &json!({}), |ldif| ldif);
    scene.cycle("initial").type_in("match list").tenant(&["displayName"]);
    scene.type_in("match reject person1@contoso.example --note \"another person of the same name\"");
    scene.cycle("delta").type_in("match list").tenant(&["displayName"]);
    scene.cycle("initial").type_in("explain person1@contoso.example");
    scene.type_in("match close --yes");
    scene.type_in("match approve person1@contoso.example").cycle("delta").type_in("match list");
    scene.replace("metasync.toml", "mode = \"closed\"", "mode = \"review\"");
    scene
        .cycle("delta")
        .tenant(&["displayName", "jobTitle", "onPremisesImmutableId"])
        .type_in("match list --state taken-over");
    scene.reads(expect![[r#"
        $ metasync cycle initial
        exit 3

        $ metasync match list
        1 pair: 1 waiting

          pair        person                   existing object          by            state
          96699abf59  Person 1                 Cloud One                primary-smtp  waiting
                      person1@contoso.example  person1@contoso.example
                                               0 licences

        What becomes of each: metasync match sheet
        Let some be taken over: metasync match approve PAIR...; all that wait: metasync match approve --all
        Exactly 1 pair that waits as listed now in cloud: metasync approve DIGEST
        exit 3

        In the tenant: 1 user(s); the existing one
          displayName: "Cloud One"

        $ metasync match reject person1@contoso.example --note "another person of the same name"
        Never to be matched: 1 pair
          pair        person                   existing object          by            state
          96699abf59  Person 1                 Cloud One                primary-smtp  waiting
                      person1@contoso.example  person1@contoso.example
                                               0 licences

        Kept. The next cycle decides by it:
          metasync cycle
        exit 0

        $ metasync cycle delta
        exit 0

        $ metasync match list
        1 pair: 1 rejected

          pair        person                   existing object          by            state
          96699abf59  Person 1                 Cloud One                primary-smtp  rejected by jo,
                      person1@contoso.example  person1@contoso.example                YYYY-MM-DD: another
                                               0 licences                             person of the same
                                                                                      name
        exit 0

        In the tenant: 1 user(s); the existing one
          displayName: "Cloud One"

        $ metasync cycle initial
        exit 0

        $ metasync explain person1@contoso.example
        metaverse: Person 1 (person)

        Linked
          ad: Person 1 (user, CN=Person 1,OU=People,DC=corp,DC=contoso,DC=example); joined, by In from ad -
          User Join (in-from-ad-user-join)

        Metaverse attributes
          attribute                  value                             from  rule
          accountEnabled             True                              ad    In from ad - User
                                                                             AccountEnabled
          accountName                person1                           ad    In from ad - User
                                                                             AccountEnabled
          cn                         Person 1                          ad    In from ad - User Common
          contributingConnectorUser  ad                                ad    In from ad - User
                                                                             AccountEnabled
          displayName                Person 1                          ad    In from ad - User Common
          domainFQDN                 corp.contoso.example              ad    In from ad - User
                                                                             AccountEnabled
          mail                       person1@contoso.example           ad    In from ad - User Common
          objectSid                  AQUAAAAAAAUVAAAACwAAABYAAAAhAAAA  ad    In from ad - User
                                     6QMAAA==                                AccountEnabled
          objectSidString            S-1-5-21-11-22-33-1001            ad    In from ad - User
                                                                             AccountEnabled
          primarySmtp                person1@contoso.example           ad    In from ad - User Common
          proxyAddresses             SMTP:person1@contoso.example      ad    In from ad - User Common
          sourceAnchor               WlpaWlpaWloAAAAAAAAAAQ==          ad    In from ad - User
                                                                             AccountEnabled
          sourceAnchorBinary         WlpaWlpaWloAAAAAAAAAAQ==          ad    In from ad - User
                                                                             AccountEnabled
          sourceObjectType           User                              ad    In from ad - User Common
          userPrincipalName          person1@contoso.example           ad    In from ad - User
                                                                             AccountEnabled

        cloud: no object; held, nothing is sent
          held (match-rejected): the match with user person1@contoso.example
          (77777771-7777-4777-8777-777777777777) was rejected by an operator
            what to do: `metasync match approve` takes that back; if they are two people, give each its own
            address and sign-in name
        exit 0

        $ metasync match close --yes
        Closed: who matches an existing object from then on is held as `matching-closed`, neither joined nor
        created. Whoever was taken over stays so, and who matches nobody is created as before. To open the
        window again, write mode = "review" under [matching].
        Saved: mode = "closed" in metasync.toml.
        exit 0

        $ metasync match approve person1@contoso.example
        To be taken over: 1 pair
          pair        person                   existing object          by            state
          96699abf59  Person 1                 Cloud One                primary-smtp  rejected by jo,
                      person1@contoso.example  person1@contoso.example                YYYY-MM-DD: another
                                               0 licences                             person of the same
                                                                                      name

        Matching is closed: nothing is matched until `mode = "review"` stands under [matching].
        Kept. The next cycle decides by it:
          metasync cycle
        exit 0

        $ metasync cycle delta
        exit 0

        $ metasync match list
        1 pair: 1 closed

          pair        person                   existing object          by            state
          96699abf59  Person 1                 Cloud One                primary-smtp  closed
                      person1@contoso.example  person1@contoso.example
                                               0 licences
        exit 0

        In metasync.toml: mode = "closed" becomes mode = "review"

        $ metasync cycle delta
        exit 0

        In the tenant: 1 user(s); the existing one
          displayName: "Person 1"
          jobTitle: "Kept by the cloud"
          onPremisesImmutableId: "WlpaWlpaWloAAAAAAAAAAQ=="

        $ metasync match list --state taken-over
        1 pair: 1 taken-over

          pair        person                   existing object          state
          96699abf59  Person 1                 Person 1                 taken-over YYYY-MM-DD
                      person1@contoso.example  person1@contoso.example
                                               0 licences
        exit 0

    "#]]);
}
