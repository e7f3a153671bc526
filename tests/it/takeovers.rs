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
        Scene::with_bin(mode, user, &[], change)
    }

    /// The same with users in the recycle bin.
    fn with_bin(mode: Mode, user: &Value, deleted: &[Value], change: impl Fn(String) -> String) -> Scene {
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
            "deletedUsers": deleted,
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
        let folder = self.deployment.folder.display().to_string();
        let _ = writeln!(self.told, "$ metasync {}", masked(&line.replace(&folder, "DIR")));
        for told in ran.out.lines().chain(ran.err.lines().filter(|_| ran.code == 1 || ran.code == 3)) {
            let told = told.replace(&format!(" --deployment {folder}"), "");
            let _ = writeln!(self.told, "{}", masked(&told.trim_end().replace(&folder, "DIR")));
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

    /// Approves the list that `metasync pending cloud` shows, by its digest.
    fn approve_list(&mut self) -> &mut Self {
        let told = self.deployment.run(&["pending", "cloud"]).out;
        let digest = told.split_whitespace().find(|word| word.len() == 32).expect("a list waits").to_owned();
        self.type_in(&format!("approve {digest}"))
    }

    /// Of what a command tells only the lines with one of these words, and its exit code.
    fn type_in_for(&mut self, line: &str, wanted: &[&str]) -> &mut Self {
        let before = self.told.len();
        self.type_in(line);
        let all = self.told.split_off(before);
        for told in all.lines() {
            let is_frame = told.starts_with("$ ") || told.starts_with("exit ") || told.is_empty();
            if is_frame && !told.is_empty() || wanted.iter().any(|word| told.contains(word)) {
                let _ = writeln!(self.told, "{told}");
            }
        }
        self.told.push('\n');
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

/// SF1: addresses that only the existing user has hold the takeover until the operator chooses; and what Active Directory never had is
/// not cleared, neither by the takeover nor later.
#[test]
fn sf01_what_only_the_cloud_knows_is_kept() {
    let addresses = json!({ "proxyAddresses": [format!("SMTP:{MAIL}"), "smtp:one@contoso.example"] });
    let mut scene = Scene::new(Mode::Connect, &addresses, |ldif| ldif);
    scene.cycle("initial").type_in("match list").type_in("match approve person1@contoso.example");
    scene.replace("metasync.toml", "addresses = \"hold\"", "addresses = \"keep-cloud\"");
    scene.cycle("delta").type_in("match sheet").type_in("match approve person1@contoso.example").cycle("delta");
    scene.tenant(&["displayName", "jobTitle", "proxyAddresses"]).cycle("initial");
    scene.tenant(&["jobTitle", "proxyAddresses"]);
    scene.reads(expect![[r#"
        $ metasync cycle initial
        exit 0

        $ metasync match list
        1 pair: 1 held

          pair        person                   existing object           by            state
          96699abf59  Person 1                 Cloud One                 primary-smtp  held: addresses-lost
                      person1@contoso.example  person1@contoso.example
                                               smtp:one@contoso.example
                                               0 licences
        exit 0

        $ metasync match approve person1@contoso.example
        error: Person 1 (person1@contoso.example) = Cloud One (person1@contoso.example) cannot be approved:
        addresses-lost (the takeover would drop smtp:one@contoso.example that only the existing object has)
          what to do: add them to the source account, or choose `addresses = "keep-cloud"` or `"ad-wins"`
          under [matching]
        exit 1

        In metasync.toml: addresses = "hold" becomes addresses = "keep-cloud"

        $ metasync cycle delta
        exit 3

        $ metasync match sheet
        Person 1 (person1@contoso.example) takes over Cloud One (person1@contoso.example) of cloud, by
        primary-smtp
          pair 96699abf59: waiting
          attribute                     holds      will hold                 what
          displayName                   Cloud One  Person 1                  changed
          onPremisesDomainName                     corp.contoso.example      given
          onPremisesImmutableId                    WlpaWlpaWloAAAAAAAAAAQ==  given
          onPremisesSamAccountName                 person1                   given
          onPremisesSecurityIdentifier             S-1-5-21-11-22-33-1001    given
          onPremisesSyncEnabled                    True                      given
          stays as it is: accountEnabled, identityIssuers, jobTitle, mail, mailNickname, proxyAddresses,
          usageLocation, userPrincipalName, userType
        exit 0

        $ metasync match approve person1@contoso.example
        To be taken over: 1 pair
          pair        person                   existing object           by            state
          96699abf59  Person 1                 Cloud One                 primary-smtp  waiting
                      person1@contoso.example  person1@contoso.example
                                               smtp:one@contoso.example
                                               0 licences

        Kept. The next cycle decides by it:
          metasync cycle
        exit 0

        $ metasync cycle delta
        exit 0

        In the tenant: 1 user(s); the existing one
          displayName: "Person 1"
          jobTitle: "Kept by the cloud"
          proxyAddresses: ["SMTP:person1@contoso.example","smtp:one@contoso.example"]

        $ metasync cycle initial
        exit 0

        In the tenant: 1 user(s); the existing one
          jobTitle: "Kept by the cloud"
          proxyAddresses: ["SMTP:person1@contoso.example","smtp:one@contoso.example"]

    "#]]);
}

/// SF2: a takeover never changes a sign-in name by itself; the new name waits for its own approval.
#[test]
fn sf02_a_sign_in_name_waits_for_its_own_word() {
    let mut scene = Scene::new(Mode::Connect, &json!({ "userPrincipalName": "one@contoso.example" }), |ldif| ldif);
    scene.cycle("initial").type_in_for("match sheet", &["userPrincipalName", "pair "]);
    scene.type_in_for("match approve one@contoso.example", &["also held", "Kept"]).cycle("delta");
    scene.tenant(&["userPrincipalName", "displayName"]).type_in_for("pending cloud", &["sign-in", "one@"]);
    scene.approve_list().cycle("delta").tenant(&["userPrincipalName"]);
    scene.reads(expect![[r#"
        $ metasync cycle initial
        exit 3

        $ metasync match sheet
          pair 96699abf59: waiting; also held: signin-name-change
          userPrincipalName          one@contoso.example  one@contoso.example       kept:
        exit 0

        $ metasync match approve one@contoso.example
          96699abf59  Person 1                 Cloud One                primary-smtp  waiting; also held:
        What is also held waits for its own approval or its remedy: `metasync pending` has both.
        Kept. The next cycle decides by it:
        exit 0

        $ metasync cycle delta
        exit 3

        In the tenant: 1 user(s); the existing one
          userPrincipalName: "one@contoso.example"
          displayName: "Person 1"

        $ metasync pending cloud
        Changes of sign-in names, waiting for your approval: 1
          Person 1  Person 1         one@contoso.example -> person1@contoso.example
                                     sign-in name                         the list
        exit 0

        $ metasync approve DIGEST
        approved 1 entry of the list in cloud; the next cycle decides and exports them:
          metasync cycle
        exit 0

        $ metasync cycle delta
        exit 0

        In the tenant: 1 user(s); the existing one
          userPrincipalName: "person1@contoso.example"

    "#]]);
}

/// SF3: a blocked user is not enabled by a takeover, also when the match was approved.
#[test]
fn sf03_a_blocked_user_stays_blocked() {
    let mut scene = Scene::new(Mode::Graph, &json!({ "accountEnabled": false }), |ldif| ldif);
    scene.cycle("initial").type_in("match approve person1@contoso.example").cycle("delta");
    scene.tenant(&["accountEnabled", "onPremisesImmutableId"]).type_in("match list");
    scene.approve_list().cycle("delta").tenant(&["accountEnabled"]);
    scene.reads(expect![[r#"
        $ metasync cycle initial
        exit 3

        $ metasync match approve person1@contoso.example
        To be taken over: 1 pair
          pair        person                   existing object          by            state
          96699abf59  Person 1                 Cloud One                primary-smtp  waiting; also held:
                      person1@contoso.example  person1@contoso.example                would-enable
                                               blocked, 0 licences

        What is also held waits for its own approval or its remedy: `metasync pending` has both.
        Kept. The next cycle decides by it:
          metasync cycle
        exit 0

        $ metasync cycle delta
        exit 3

        In the tenant: 1 user(s); the existing one
          accountEnabled: false
          onPremisesImmutableId: null

        $ metasync match list
        1 pair: 1 approved

          pair        person                   existing object          by            state
          96699abf59  Person 1                 Cloud One                primary-smtp  approved by jo,
                      person1@contoso.example  person1@contoso.example                YYYY-MM-DD; also held:
                                               blocked, 0 licences                    would-enable
        exit 0

        $ metasync approve DIGEST
        approved 1 entry of the list in cloud; the next cycle decides and exports them:
          metasync cycle
        exit 0

        $ metasync cycle delta
        exit 0

        In the tenant: 1 user(s); the existing one
          accountEnabled: true

    "#]]);
}

/// SF4: when the person goes, a user that was taken over in Graph mode is let go of, blocked and without the stamp, and not deleted.
#[test]
fn sf04_what_was_taken_over_is_not_deleted() {
    let mut scene = Scene::new(Mode::Graph, &json!({}), |ldif| ldif);
    scene.cycle("initial").type_in_for("match approve --all --yes", &["Kept"]).cycle("delta");
    scene.tenant(&["accountEnabled", "onPremisesImmutableId"]);
    std::fs::write(scene.deployment.file("people.ldif"), ldif([])).expect("the file is writable");
    scene.told.push_str("Person 1 is deleted in the directory.\n\n");
    scene.cycle("initial").tenant(&["accountEnabled", "onPremisesImmutableId", "jobTitle"]);
    scene.reads(expect![[r#"
        $ metasync cycle initial
        exit 3

        $ metasync match approve --all --yes
        Kept. The next cycle decides by it:
        exit 0

        $ metasync cycle delta
        exit 0

        In the tenant: 1 user(s); the existing one
          accountEnabled: true
          onPremisesImmutableId: "WlpaWlpaWloAAAAAAAAAAQ=="

        Person 1 is deleted in the directory.

        $ metasync cycle initial
        exit 0

        In the tenant: 1 user(s); the existing one
          accountEnabled: false
          onPremisesImmutableId: null
          jobTitle: "Kept by the cloud"

    "#]]);
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

fn with_a_role(user: &Value) -> Scene {
    let mut user = user.clone();
    user["roles"] = json!({ "active": [], "eligible": ["Global Administrator"] });
    let mut scene = Scene::new(Mode::Graph, &user, |ldif| ldif);
    scene.cycle("initial").type_in_for("match list", &["held"]).type_in("match approve person1@contoso.example");
    scene.type_in("match approve --all --yes").cycle("delta").tenant(&["displayName"]);
    scene
}

/// SF6: who holds a role, be it one that is only eligible, is not matched softly, whatever an operator says.
#[test]
fn sf06_who_holds_a_role_is_not_matched_softly() {
    with_a_role(&json!({})).reads(expect![[r#"
        $ metasync cycle initial
        exit 0

        $ metasync match list
        1 pair: 1 held
          96699abf59  Person 1                 Cloud One                primary-smtp  held: privileged
        exit 0

        $ metasync match approve person1@contoso.example
        error: Person 1 (person1@contoso.example) = Cloud One (person1@contoso.example) cannot be approved:
        privileged (the existing account holds Global Administrator)
          what to do: remove the roles from this account for the takeover, or give the person another
          account; privileged accounts are matched neither softly nor hard
        exit 1

        $ metasync match approve --all --yes
        No pair waits: nothing was changed.
        exit 0

        $ metasync cycle delta
        exit 0

        In the tenant: 1 user(s); the existing one
          displayName: "Cloud One"

    "#]]);
}

/// SF6: nor by a stamp that is the person's own.
#[test]
fn sf06_who_holds_a_role_is_not_matched_hard() {
    let stamp = metasync_tests::people::immutable_id(1);
    with_a_role(&json!({ "onPremisesImmutableId": stamp })).reads(expect![[r#"
        $ metasync cycle initial
        exit 0

        $ metasync match list
        1 pair: 1 held
          96699abf59  Person 1                 Cloud One                anchor  held: privileged
        exit 0

        $ metasync match approve person1@contoso.example
        error: Person 1 (person1@contoso.example) = Cloud One (person1@contoso.example) cannot be approved:
        privileged (the existing account holds Global Administrator)
          what to do: remove the roles from this account for the takeover, or give the person another
          account; privileged accounts are matched neither softly nor hard
        exit 1

        $ metasync match approve --all --yes
        No pair waits: nothing was changed.
        exit 0

        $ metasync cycle delta
        exit 0

        In the tenant: 1 user(s); the existing one
          displayName: "Cloud One"

    "#]]);
}

/// SF7: a guest is never matched, and an approval is refused.
#[test]
fn sf07_a_guest_is_not_matched() {
    let mut scene = Scene::new(Mode::Connect, &json!({ "userType": "Guest" }), |ldif| ldif);
    scene.cycle("initial").type_in("match list").type_in("match approve person1@contoso.example");
    scene.cycle("delta").tenant(&["displayName"]);
    scene.reads(expect![[r#"
        $ metasync cycle initial
        exit 0

        $ metasync match list
        1 pair: 1 held

          pair        person                   existing object          by            state
          96699abf59  Person 1                 Cloud One                primary-smtp  held: guest
                      person1@contoso.example  person1@contoso.example
                                               0 licences
        exit 0

        $ metasync match approve person1@contoso.example
        error: Person 1 (person1@contoso.example) = Cloud One (person1@contoso.example) cannot be approved:
        guest (the existing object is never matched: guest)
          what to do: a guest is never matched automatically: invite the person to leave and convert the
          account, or remove the address from the source account
        exit 1

        $ metasync cycle delta
        exit 0

        In the tenant: 1 user(s); the existing one
          displayName: "Cloud One"

    "#]]);
}

/// SF8: a stamp that nobody in the directory carries is a class of its own, with its two ways out, and nobody is created beside it.
#[test]
fn sf08_a_foreign_stamp_is_not_taken_over() {
    let stamp = json!({ "onPremisesImmutableId": "c29tZWJvZHkgZWxzZQ==" });
    let mut scene = Scene::new(Mode::Graph, &stamp, |ldif| ldif);
    scene.cycle("initial").type_in("match list").type_in("match approve person1@contoso.example");
    scene.cycle("delta").tenant(&["displayName", "onPremisesImmutableId"]);
    scene.reads(expect![[r#"
        $ metasync cycle initial
        exit 0

        $ metasync match list
        1 pair: 1 held

          pair        person                   existing object          by            state
          96699abf59  Person 1                 Cloud One                primary-smtp  held: stale-anchor
                      person1@contoso.example  person1@contoso.example
                                               0 licences
        exit 0

        $ metasync match approve person1@contoso.example
        error: Person 1 (person1@contoso.example) = Cloud One (person1@contoso.example) cannot be approved:
        stale-anchor (the existing object carries another anchor in `onPremisesImmutableId`)
          what to do: write that value into mS-DS-ConsistencyGuid of the person's account, or clear it on
          the existing object
        exit 1

        $ metasync cycle delta
        exit 0

        In the tenant: 1 user(s); the existing one
          displayName: "Cloud One"
          onPremisesImmutableId: "c29tZWJvZHkgZWxzZQ=="

    "#]]);
}

/// SF9: before anybody is created the recycle bin is looked through; a user of the same name there holds the create.
#[test]
fn sf09_a_deleted_twin_holds_the_create() {
    let elsewhere = json!({ "userPrincipalName": "other@contoso.example", "mail": "other@contoso.example", "mailNickname": "other" });
    let mut scene = Scene::with_bin(
        Mode::Graph,
        &elsewhere,
        &[json!({ "userPrincipalName": MAIL, "mail": MAIL, "displayName": "One of old", "deletedDaysAgo": 3 })],
        |ldif| ldif,
    );
    scene.cycle("initial").type_in("match list").type_in_for("pending cloud", &["deleted-twin", "recycle bin"]);
    scene
        .type_in_for("match approve person1@contoso.example", &["cannot be approved", "what to do"])
        .tenant(&["userPrincipalName"]);
    scene.reads(expect![[r#"
        $ metasync cycle initial
        exit 0

        $ metasync match list
        1 pair: 1 held

          pair        person                   existing object          state
          81bb0daed2  Person 1                 One of old               held: deleted-twin
                      person1@contoso.example  person1@contoso.example
                                               0 licences
        exit 0

        $ metasync pending cloud
          Person 1  deleted-twin  an object with the same name or address is in the recycle bin: deletedUser
              1  deleted-twin  the recycle bin holds an object with its    restore it, or delete it for good
        exit 0

        $ metasync match approve person1@contoso.example
        error: Person 1 (person1@contoso.example) = One of old (person1@contoso.example) cannot be approved:
          what to do: restore that object in the recycle bin and match it, or delete it for good; nothing is
        exit 1

        In the tenant: 1 user(s); the existing one
          userPrincipalName: "other@contoso.example"

    "#]]);
}

/// SF10: a hit on a secondary address is listed for review and never matched.
#[test]
fn sf10_a_secondary_address_is_listed_and_not_matched() {
    let addresses = json!({ "mail": "one@contoso.example", "userPrincipalName": "one@contoso.example",
        "proxyAddresses": ["SMTP:one@contoso.example", format!("smtp:{MAIL}")] });
    let mut scene = Scene::new(Mode::Connect, &addresses, |ldif| ldif);
    scene.cycle("initial").type_in("match list --kind review").type_in("match approve one@contoso.example");
    scene.cycle("delta").tenant(&["userPrincipalName", "displayName"]);
    scene.reads(expect![[r#"
        $ metasync cycle initial
        exit 0

        $ metasync match list --kind review
        1 pair: 1 held

          pair        person                   existing object               state
          96699abf59  Person 1                 Cloud One                     held: secondary-address-match
                      person1@contoso.example  one@contoso.example
                                               smtp:person1@contoso.example
                                               0 licences
        exit 0

        $ metasync match approve one@contoso.example
        error: Person 1 (person1@contoso.example) = Cloud One (one@contoso.example) cannot be approved:
        secondary-address-match (one of its addresses belongs to an existing object: user
        one@contoso.example (77777771-7777-4777-8777-777777777777))
          what to do: make it the primary address on both sides to match, or remove it on one side
        exit 1

        $ metasync cycle delta
        exit 0

        In the tenant: 1 user(s); the existing one
          userPrincipalName: "one@contoso.example"
          displayName: "Cloud One"

    "#]]);
}

/// SF11: what a takeover makes of each attribute is shown before the first byte, and what was before is kept and shown afterwards.
/// Both sheets say the same, and the tenant holds it.
#[test]
fn sf11_the_sheet_before_and_after() {
    let kept = json!({ "department": "Old", "proxyAddresses": [format!("SMTP:{MAIL}")] });
    let mut scene = Scene::new(Mode::Connect, &kept, |ldif| {
        ldif.replace(
            "userAccountControl: 512\n",
            "userAccountControl: 512\ndepartment: Sales\nproxyAddresses: smtp:p1@contoso.example\n",
        )
    });
    scene.cycle("initial");
    let (writes, before) = (scene.tenant.writes(), scene.existing());
    scene.type_in("match sheet person1@contoso.example");
    let foreseen = scene.deployment.json(&["match", "sheet"], &[0]);
    let named = |words: &[&str]| scene.deployment.json(words, &[0])["result"]["sheets"].as_array().map(Vec::len);
    let both = ["match", "sheet", "person1@contoso.example", "96699abf59"];
    assert_eq!(named(&both), Some(1), "one pair, by two names");
    assert_eq!((scene.tenant.writes(), scene.existing()), (writes, before), "nothing was written");
    scene.type_in_for("match approve --all --yes", &["Kept"]).cycle("delta").type_in("match sheet");
    let seen = scene.deployment.json(&["match", "sheet"], &[0]);
    let line = |sheets: &Value, name: &str| {
        let lines = sheets["result"]["sheets"][0]["lines"].as_array().expect("lines").clone();
        lines
            .into_iter()
            .find(|line| line["attribute"] == name)
            .map(|line| (line["before"].clone(), line["after"].clone()))
    };
    for name in
        ["displayName", "department", "proxyAddresses", "jobTitle", "onPremisesImmutableId", "userPrincipalName"]
    {
        assert_eq!(line(&foreseen, name), line(&seen, name), "{name}");
    }
    scene.tenant(&["displayName", "department", "proxyAddresses", "jobTitle"]);
    scene.type_in("match reject person1@contoso.example");
    scene.reads(expect![[r#"
        $ metasync cycle initial
        exit 3

        $ metasync match sheet person1@contoso.example
        Person 1 (person1@contoso.example) takes over Cloud One (person1@contoso.example) of cloud, by
        primary-smtp
          pair 96699abf59: waiting
          attribute                     holds                         will hold                     what
          department                    Old                           Sales                         changed
          displayName                   Cloud One                     Person 1                      changed
          onPremisesDomainName                                        corp.contoso.example          given
          onPremisesImmutableId                                       WlpaWlpaWloAAAAAAAAAAQ==      given
          onPremisesSamAccountName                                    person1                       given
          onPremisesSecurityIdentifier                                S-1-5-21-11-22-33-1001        given
          onPremisesSyncEnabled                                       True                          given
          proxyAddresses                SMTP:person1@contoso.example  SMTP:person1@contoso.example  added to
                                                                      + smtp:p1@contoso.example
          stays as it is: accountEnabled, identityIssuers, jobTitle, mail, mailNickname, usageLocation,
          userPrincipalName, userType
        exit 0

        $ metasync match approve --all --yes
        Kept. The next cycle decides by it:
        exit 0

        $ metasync cycle delta
        exit 0

        $ metasync match sheet
        Person 1 (person1@contoso.example) takes over Person 1 (person1@contoso.example) of cloud
          pair 96699abf59: taken-over YYYY-MM-DD
          attribute                     held before                   holds now                     what
          department                    Old                           Sales                         changed
          displayName                   Cloud One                     Person 1                      changed
          onPremisesDomainName                                        corp.contoso.example          given
          onPremisesImmutableId                                       WlpaWlpaWloAAAAAAAAAAQ==      given
          onPremisesSamAccountName                                    person1                       given
          onPremisesSecurityIdentifier                                S-1-5-21-11-22-33-1001        given
          onPremisesSyncEnabled                                       True                          given
          onPremisesUserPrincipalName                                 person1@contoso.example       given
          proxyAddresses                SMTP:person1@contoso.example  SMTP:person1@contoso.example  added to
                                                                      + smtp:p1@contoso.example
          stays as it is: accountEnabled, identityIssuers, jobTitle, mail, mailNickname, usageLocation,
          userPrincipalName, userType
        exit 0

        In the tenant: 1 user(s); the existing one
          displayName: "Person 1"
          department: "Sales"
          proxyAddresses: ["SMTP:person1@contoso.example","smtp:p1@contoso.example"]
          jobTitle: "Kept by the cloud"

        $ metasync match reject person1@contoso.example
        error: Person 1 (person1@contoso.example) = Person 1 (person1@contoso.example) was taken over
        already; a rejection alone would leave the existing object as the takeover made it
          what to do: `metasync undo-takeover` gives it back what it held, and rejects the pair
        exit 1

    "#]]);
}

/// The list as a file: all of it or nothing, with what is written into it.
#[test]
fn a_list_is_worked_through_in_a_file() {
    let mut scene = Scene::new(Mode::Graph, &json!({}), |ldif| ldif);
    scene.cycle("initial");
    let list = scene.deployment.run(&["match", "list", "--csv"]).expect(&[3]).out;
    let file = scene.deployment.file("pairs.csv");
    // As a spreadsheet saves it, with something in the last column.
    let with = |decision: &str| {
        let (titles, row) = list.trim_end().split_once('\n').expect("titles and a row");
        format!("{titles}\r\n{row}{decision}\r\n")
    };
    let read = format!("match approve --file \"{}\"", file.display());
    for decision in ["", "perhaps", "approve"] {
        std::fs::write(&file, with(decision)).expect("the file is writable");
        let _ = writeln!(scene.told, "In the column decision: {decision:?}\n");
        scene.type_in_for(&read, &["To be taken over", "does it", "No pair", "what to do"]);
    }
    scene.type_in_for(&format!("{read} --yes"), &["Kept"]).cycle("delta").tenant(&["displayName"]);
    scene.reads(expect![[r#"
        $ metasync cycle initial
        exit 3

        In the column decision: ""

        $ metasync match approve --file "DIR/pairs.csv"
        No pair waits: nothing was changed.
        exit 0

        In the column decision: "perhaps"

        $ metasync match approve --file "DIR/pairs.csv"
          what to do: take the list of `metasync match list --csv` and write approve or reject in its column
        exit 1

        In the column decision: "approve"

        $ metasync match approve --file "DIR/pairs.csv"
        To be taken over: 1 pair
        Nothing was changed; --yes does it.
        exit 0

        $ metasync match approve --file "DIR/pairs.csv" --yes
        Kept. The next cycle decides by it:
        exit 0

        $ metasync cycle delta
        exit 0

        In the tenant: 1 user(s); the existing one
          displayName: "Person 1"

    "#]]);
}
