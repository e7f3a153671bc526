//! Judges two inventories: for each person of the directory what would become of it and what else is to be known, as the
//! shipped rules and the kernel would decide (matching order of section 6, SF1-SF10). Pure: reads no file, asks nobody.

use super::columns::{Column, NotInFile, not_in_file};
use super::finding::{Class, Remark, Weight};
use super::inventory::{CloudKind, CloudObject, Inventories, Person, address, all_addresses, primary};
use super::names;
use super::tenant_index::{TenantIndex, addresses_of, primary_of};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// Verified domains of the tenant; none: the domains of its users' sign-in names.
    pub(crate) verified_domains: Vec<String>,
    /// The suffix that sign-in names should get; none: the verified domain that most users have.
    pub(crate) suffix: Option<String>,
}

/// One person of the directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) account: String,
    pub(crate) mail: String,
    pub(crate) class: Class,
    /// What was looked at, or who else matches.
    pub(crate) because: String,
    /// The object of the tenant, as the operator knows it.
    pub(crate) cloud: Option<String>,
    pub(crate) signs_in_today_as: Option<String>,
    pub(crate) will_sign_in_as: Option<String>,
    pub(crate) licensed: Option<bool>,
    pub(crate) remarks: BTreeMap<Remark, String>,
    /// What the directory should hold instead (the fix file).
    pub(crate) fixes: Vec<Fix>,
    pub(crate) dn: String,
}

/// A change in the directory that would mend something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fix {
    SignInName { from: String, to: String },
    Mail { to: String },
    AddAddresses { add: Vec<String> },
}

/// The whole report.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Assessment {
    pub(crate) lines: Vec<Line>,
    /// Users of the tenant that nobody in the directory is, with a remark where there is one.
    pub(crate) cloud_only: Vec<CloudOnly>,
    pub(crate) verified_domains: Vec<String>,
    /// They were not given but inferred.
    pub(crate) domains_inferred: bool,
    /// The suffix that sign-in names get in the fix file.
    pub(crate) suffix: Option<String>,
    /// The tenant's file has no addresses: sign-in names stood for them.
    pub(crate) addresses_assumed: bool,
    pub(crate) not_in_file: Vec<NotInFile>,
    pub(crate) issues: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct CloudOnly {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) licensed: Option<bool>,
    /// Carries an anchor that nobody in the directory has (SF8).
    pub(crate) stale_anchor: bool,
}

impl Line {
    pub(crate) fn weight(&self) -> Weight {
        self.remarks.keys().map(|remark| remark.weight()).chain([self.class.weight()]).max().unwrap_or(Weight::Fine)
    }
}

impl Assessment {
    pub(crate) fn of_class(&self, class: Class) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(move |line| line.class == class)
    }

    pub(crate) fn with_remark(&self, remark: Remark) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(move |line| line.remarks.contains_key(&remark))
    }

    /// Whether somebody has to mend or decide something before the first export.
    pub(crate) fn weight(&self) -> Weight {
        self.lines.iter().map(Line::weight).max().unwrap_or(Weight::Fine)
    }
}

pub(crate) fn judge(inventories: &Inventories, options: &Options) -> Assessment {
    let Inventories { directory, tenant } = inventories;
    let index = TenantIndex::of(tenant);
    let (verified_domains, domains_inferred) = domains(&tenant.objects, options);
    let suffix = options
        .suffix
        .clone()
        .map(|suffix| suffix.to_lowercase())
        .or_else(|| usual(&tenant.objects, &verified_domains));
    let world = World { inventories, index, people: PeopleIndex::of(&directory.objects), verified_domains, suffix };
    let decided: Vec<Decided> = directory.objects.iter().map(|person| world.decide(person)).collect();
    let mut claims: HashMap<usize, usize> = HashMap::new();
    for decided in decided.iter().filter(|decided| decided.class.claims()) {
        if let Some(at) = decided.cloud {
            *claims.entry(at).or_default() += 1;
        }
    }
    let mut touched = BTreeSet::new();
    let lines = directory.objects.iter().zip(decided).map(|(person, mut decided)| {
        touched.extend(decided.cloud);
        // One cloud object that two people claim belongs to neither by itself.
        if decided.class.claims() && decided.cloud.is_some_and(|at| claims.get(&at).is_some_and(|claims| *claims > 1)) {
            decided.class = Class::Ambiguous;
            decided.because = "somebody else in the directory matches the same cloud user".to_owned();
        }
        world.line(person, decided)
    });
    let lines: Vec<Line> = lines.collect();
    let cloud_only = tenant.objects.iter().enumerate().filter(|(at, object)| {
        !touched.contains(at) && !object.deleted && matches!(object.kind, CloudKind::User | CloudKind::Guest)
    });
    let cloud_only = cloud_only.map(|(_, object)| CloudOnly {
        name: object.name().to_owned(),
        kind: if object.kind == CloudKind::Guest { "guest" } else { "user" },
        licensed: object.licensed,
        stale_anchor: world.knows_anchors()
            && !object.anchor.is_empty()
            && !world.people.by_anchor.contains_key(&object.anchor),
    });
    let cloud_only = cloud_only.collect();
    let issue = |side: &str, text: &String| format!("{side}: {text}");
    Assessment {
        cloud_only,
        lines,
        domains_inferred,
        suffix: world.suffix.clone(),
        addresses_assumed: !world.knows_cloud_addresses(),
        verified_domains: world.verified_domains.into_iter().collect(),
        not_in_file: not_in_file(|column| directory.has(column), |column| tenant.has(column)),
        issues: directory
            .issues
            .iter()
            .map(|text| issue("directory", text))
            .chain(tenant.issues.iter().map(|text| issue("tenant", text)))
            .collect(),
    }
}

/// A user whose sign-in name has a domain shows that the tenant has verified it.
fn domains(objects: &[CloudObject], options: &Options) -> (BTreeSet<String>, bool) {
    if !options.verified_domains.is_empty() {
        return (options.verified_domains.iter().map(|domain| domain.to_lowercase()).collect(), false);
    }
    let users = objects.iter().filter(|object| object.kind == CloudKind::User && !object.deleted);
    (users.filter_map(|object| names::suffix(&object.sign_in_name)).collect(), true)
}

/// The verified domain of most users, those of onmicrosoft.com last.
fn usual(objects: &[CloudObject], verified: &BTreeSet<String>) -> Option<String> {
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for domain in objects.iter().filter_map(|object| names::suffix(&object.sign_in_name)) {
        if verified.contains(&domain) {
            *uses.entry(domain).or_default() += 1;
        }
    }
    let own = |domain: &str| !domain.ends_with(".onmicrosoft.com");
    let most = uses.into_iter().max_by_key(|(domain, uses)| (own(domain), *uses)).map(|(domain, _)| domain);
    most.or_else(|| verified.iter().find(|domain| own(domain)).or(verified.first()).cloned())
}

/// Who in the directory has a key.
#[derive(Debug, Default)]
struct PeopleIndex {
    by_anchor: HashMap<String, usize>,
    /// Addresses and sign-in names, with how many have them.
    uses: HashMap<String, usize>,
}

impl PeopleIndex {
    fn of(people: &[Person]) -> PeopleIndex {
        let mut index = PeopleIndex::default();
        for (at, person) in people.iter().enumerate() {
            if !person.anchor.is_empty() {
                index.by_anchor.entry(person.anchor.clone()).or_insert(at);
            }
            for key in keys(person) {
                *index.uses.entry(key).or_default() += 1;
            }
        }
        index
    }
}

/// What must be one person's alone.
fn keys(person: &Person) -> BTreeSet<String> {
    let mut keys = all_addresses(&person.addresses, &person.mail);
    keys.extend((!person.sign_in_name.is_empty()).then(|| person.sign_in_name.to_lowercase()));
    keys
}

struct World<'a> {
    inventories: &'a Inventories,
    index: TenantIndex,
    people: PeopleIndex,
    verified_domains: BTreeSet<String>,
    suffix: Option<String>,
}

/// What was decided about one person.
struct Decided {
    class: Class,
    because: String,
    cloud: Option<usize>,
}

impl Class {
    /// The person would be joined to the cloud object, now or after a decision.
    fn claims(self) -> bool {
        matches!(self, Class::Synchronised | Class::HardMatch | Class::SoftMatch | Class::UpnMatch)
    }
}

impl World<'_> {
    fn knows_cloud_addresses(&self) -> bool {
        let tenant = &self.inventories.tenant;
        tenant.has(Column::Addresses) || tenant.has(Column::Mail)
    }

    fn knows_anchors(&self) -> bool {
        let directory = &self.inventories.directory;
        directory.has(Column::ObjectGuid) || directory.has(Column::ConsistencyGuid)
    }

    fn object(&self, at: usize) -> Option<&CloudObject> {
        self.inventories.tenant.objects.get(at)
    }

    /// Those of the positions that are of this kind and not in the recycle bin.
    fn live(&self, positions: &[usize], kinds: &[CloudKind]) -> Vec<usize> {
        let is = |at: &&usize| self.object(**at).is_some_and(|object| !object.deleted && kinds.contains(&object.kind));
        positions.iter().filter(is).copied().collect()
    }

    /// In the order in which the engine looks: anchor, primary address, sign-in name, any address, the recycle bin.
    fn decide(&self, person: &Person) -> Decided {
        let at = |class, because: String, cloud| Decided { class, because, cloud: Some(cloud) };
        let by_anchor =
            TenantIndex::all(&self.index.by_anchor, Some(&person.anchor).filter(|anchor| !anchor.is_empty()));
        if let [cloud] = self.live(&by_anchor, &[CloudKind::User])[..] {
            let synchronised = self.object(cloud).is_some_and(|object| object.synchronised == Some(true));
            let class = if synchronised { Class::Synchronised } else { Class::HardMatch };
            return self.unless_privileged(at(class, format!("the same anchor {}", person.anchor), cloud));
        }
        let primary = primary(&person.addresses, &person.mail);
        let found = TenantIndex::all(&self.index.by_primary, primary.as_ref());
        let address = primary.clone().unwrap_or_default();
        match self.live(&found, &[CloudKind::User])[..] {
            [] => {}
            [cloud] => {
                let what = if self.knows_cloud_addresses() { "primary address" } else { "address as sign-in name" };
                return self.matched(person, at(Class::SoftMatch, format!("the same {what} {address}"), cloud));
            }
            [first, ..] => {
                return at(Class::Ambiguous, format!("several cloud users have the primary address {address}"), first);
            }
        }
        if let Some(twin) = self.twin(&found, &address) {
            return twin;
        }
        let sign_in_name = Some(person.sign_in_name.to_lowercase()).filter(|name| !name.is_empty());
        let by_name = TenantIndex::all(&self.index.by_sign_in_name, sign_in_name.iter().chain(&primary));
        match self.live(&by_name, &[CloudKind::User])[..] {
            [] => {}
            [cloud] => {
                let name = self.object(cloud).map_or("", |object| object.sign_in_name.as_str());
                return self.matched(person, at(Class::UpnMatch, format!("the sign-in name {name}"), cloud));
            }
            [first, ..] => return at(Class::Ambiguous, "several cloud users have the sign-in name".to_owned(), first),
        }
        let all = all_addresses(&person.addresses, &person.mail);
        let by_address = TenantIndex::all(&self.index.by_address, &all);
        match self.live(&by_address, &[CloudKind::User])[..] {
            [] => {}
            [cloud] => {
                let common = self.object(cloud).map(|object| addresses_of(object).intersection(&all).next().cloned());
                let common = common.flatten().unwrap_or_default();
                return at(Class::SecondaryHit, format!("the address {common} in common"), cloud);
            }
            [first, ..] => {
                return at(Class::Ambiguous, "several cloud users have one of the addresses".to_owned(), first);
            }
        }
        if let Some(twin) = self.twin(&by_address, &address).or_else(|| self.twin(&by_name, &address)) {
            return twin;
        }
        let in_bin = |positions: &[usize]| {
            positions
                .iter()
                .copied()
                .find(|at| self.object(*at).is_some_and(|object| object.deleted && object.kind == CloudKind::User))
        };
        if let Some(cloud) = in_bin(&by_anchor) {
            return at(Class::DeletedAnchor, "its anchor is in the recycle bin".to_owned(), cloud);
        }
        if let Some(cloud) = in_bin(&by_name).or_else(|| in_bin(&found)) {
            return at(Class::DeletedTwin, "its name or address is in the recycle bin".to_owned(), cloud);
        }
        let because = match (&primary, &sign_in_name) {
            (None, None) => "there is nothing to look for: neither mail nor sign-in name".to_owned(),
            (Some(address), _) => format!("nobody has {address}"),
            (None, Some(name)) => format!("nobody has {name}"),
        };
        Decided { class: Class::Created, because, cloud: None }
    }

    /// A guest, contact or group that stands in the way.
    fn twin(&self, positions: &[usize], address: &str) -> Option<Decided> {
        let first = |kinds: &[CloudKind]| self.live(positions, kinds).first().copied();
        let guest = first(&[CloudKind::Guest]).map(|cloud| Decided {
            class: Class::GuestTwin,
            because: "a guest has the address or name".to_owned(),
            cloud: Some(cloud),
        });
        guest.or_else(|| {
            first(&[CloudKind::Contact, CloudKind::Group]).map(|cloud| Decided {
                class: Class::ContactTwin,
                because: format!("a contact or group has the address {address}"),
                cloud: Some(cloud),
            })
        })
    }

    /// A candidate by address or name: another's anchor and a role are in the way (SF6, SF8).
    fn matched(&self, person: &Person, decided: Decided) -> Decided {
        let Some(object) = decided.cloud.and_then(|at| self.object(at)) else { return decided };
        if !object.anchor.is_empty() && self.knows_anchors() && object.anchor != person.anchor {
            let class = match self.people.by_anchor.contains_key(&object.anchor) {
                true => Class::AnchorOfAnother,
                false => Class::StaleAnchor,
            };
            let because = format!("{}, and it carries the anchor {}", decided.because, object.anchor);
            return Decided { class, because, ..decided };
        }
        self.unless_privileged(decided)
    }

    fn unless_privileged(&self, decided: Decided) -> Decided {
        match decided.cloud.and_then(|at| self.object(at)) {
            Some(object) if !object.roles.is_empty() && decided.class != Class::Synchronised => {
                let because = format!("{}, and it is {}", decided.because, object.roles.join(", "));
                Decided { class: Class::Privileged, because, ..decided }
            }
            _ => decided,
        }
    }

    fn line(&self, person: &Person, decided: Decided) -> Line {
        let object = decided.cloud.and_then(|at| self.object(at));
        let theirs = object.filter(|_| decided.class.claims());
        let mut remarks = BTreeMap::new();
        let mut fixes = Vec::new();
        self.of_person(person, theirs, &mut remarks, &mut fixes);
        if let Some(object) = theirs {
            self.of_takeover(person, object, decided.class, &mut remarks, &mut fixes);
        }
        let wanted = fixes.iter().find_map(|fix| match fix {
            Fix::SignInName { to, .. } => Some(to.clone()),
            _ => None,
        });
        let said = Some(person.sign_in_name.clone()).filter(|name| !name.is_empty());
        Line {
            name: if person.name.is_empty() { person.display_name.clone() } else { person.name.clone() },
            account: person.account.clone(),
            mail: person.mail.clone(),
            class: decided.class,
            because: decided.because,
            cloud: object.map(|object| object.name().to_owned()),
            signs_in_today_as: theirs.map(|object| object.sign_in_name.clone()),
            // What the takeover leaves alone stays as it is today (SF2).
            will_sign_in_as: wanted.or(said).or_else(|| theirs.map(|object| object.sign_in_name.clone())),
            licensed: object.and_then(|object| object.licensed),
            remarks,
            fixes,
            dn: person.dn.clone(),
        }
    }

    /// What is to be said of the person alone.
    fn of_person(
        &self,
        person: &Person,
        theirs: Option<&CloudObject>,
        remarks: &mut BTreeMap<Remark, String>,
        fixes: &mut Vec<Fix>,
    ) {
        let directory = &self.inventories.directory;
        let knows_mail = directory.has(Column::Mail) || directory.has(Column::Addresses);
        if knows_mail && primary(&person.addresses, &person.mail).is_none() && person.mail.is_empty() {
            remarks.insert(Remark::MissingMail, String::new());
            let cloud = theirs.and_then(|object| primary_of(object, self.knows_cloud_addresses()));
            fixes.extend(cloud.map(|to| Fix::Mail { to }));
        }
        if directory.has(Column::SignInName) {
            self.of_sign_in_name(person, theirs, remarks, fixes);
        }
        let shared: Vec<String> =
            keys(person).into_iter().filter(|key| self.people.uses.get(key).is_some_and(|uses| *uses > 1)).collect();
        if !shared.is_empty() {
            remarks.insert(Remark::DuplicateAddress, shared.join(", "));
        }
        if let Some(told) = names::invalid_characters(&person.sign_in_name, &person.mail, &person.alias) {
            remarks.insert(Remark::InvalidCharacters, told);
        }
        if let Some(told) = names::too_long(&person.sign_in_name, &person.display_name, &person.alias) {
            remarks.insert(Remark::TooLong, told);
        }
    }

    fn of_sign_in_name(
        &self,
        person: &Person,
        theirs: Option<&CloudObject>,
        remarks: &mut BTreeMap<Remark, String>,
        fixes: &mut Vec<Fix>,
    ) {
        let Some((local, _)) = person.sign_in_name.rsplit_once('@') else {
            if person.sign_in_name.is_empty() {
                remarks.insert(Remark::NoSignInName, String::new());
            }
            return;
        };
        let suffix = names::suffix(&person.sign_in_name).unwrap_or_default();
        let remark = match (names::is_routable(&suffix), self.verified_domains.contains(&suffix)) {
            (_, true) => return,
            (false, false) => Remark::SuffixNotRoutable,
            (true, false) => Remark::SuffixNotVerified,
        };
        // The name that the person has in the cloud already is the one that changes nothing there.
        let today = theirs.map(|object| object.sign_in_name.clone());
        let today =
            today.filter(|name| names::suffix(name).is_some_and(|suffix| self.verified_domains.contains(&suffix)));
        let to = today.or_else(|| self.suffix.as_ref().map(|suffix| format!("{local}@{suffix}")));
        remarks.insert(remark, to.as_ref().map_or_else(|| suffix.clone(), |to| format!("{suffix}: {to} instead")));
        fixes.extend(to.map(|to| Fix::SignInName { from: person.sign_in_name.clone(), to }));
    }

    /// What the takeover of this cloud user would do.
    fn of_takeover(
        &self,
        person: &Person,
        object: &CloudObject,
        class: Class,
        remarks: &mut BTreeMap<Remark, String>,
        fixes: &mut Vec<Fix>,
    ) {
        let fixed = fixes
            .iter()
            .any(|fix| matches!(fix, Fix::SignInName { to, .. } if to.eq_ignore_ascii_case(&object.sign_in_name)));
        let wanted = &person.sign_in_name;
        if !wanted.is_empty() && !fixed && !wanted.eq_ignore_ascii_case(&object.sign_in_name) {
            remarks.insert(Remark::SignInNameChange, format!("{} -> {wanted}", object.sign_in_name));
        }
        match (person.enabled, object.enabled) {
            (Some(true), Some(false)) => drop(remarks.insert(Remark::WouldEnable, String::new())),
            (Some(false), Some(true)) => drop(remarks.insert(Remark::WouldDisable, String::new())),
            _ => {}
        }
        let (directory, tenant) = (&self.inventories.directory, &self.inventories.tenant);
        if directory.has(Column::Addresses) && tenant.has(Column::Addresses) {
            let ours = all_addresses(&person.addresses, &person.mail);
            let lost: Vec<String> = object
                .addresses
                .iter()
                .filter(|value| value.get(..5).is_some_and(|kind| kind.eq_ignore_ascii_case("smtp:")))
                .filter_map(|value| address(value))
                .filter(|address| !ours.contains(address))
                .collect();
            if !lost.is_empty() {
                remarks.insert(Remark::AddressesLost, lost.join(", "));
                fixes.push(Fix::AddAddresses { add: missing_addresses(person, object, &lost) });
            }
        }
        if object.synchronised == Some(false) {
            remarks.insert(Remark::FormerSync, String::new());
        }
        if !object.anchor.is_empty() && !self.knows_anchors() {
            remarks.insert(Remark::AnchorUnknown, object.anchor.clone());
        }
        if person.has_mailbox_guid && object.licensed != Some(false) && class != Class::Synchronised {
            remarks.insert(Remark::MailboxGuidLeft, String::new());
        }
        if object.licensed == Some(false) {
            remarks.insert(Remark::Unlicensed, String::new());
        }
    }
}

/// The addresses that the directory lacks. A list without a primary address would leave the person without one, so the one that
/// the person has, or has in the cloud, goes with it.
fn missing_addresses(person: &Person, object: &CloudObject, lost: &[String]) -> Vec<String> {
    let has_primary = person.addresses.iter().any(|value| value.starts_with("SMTP:"));
    let main = address(&person.mail).or_else(|| primary(&object.addresses, &object.mail)).filter(|_| !has_primary);
    let others = lost.iter().filter(|address| main.as_ref() != Some(address)).map(|address| format!("smtp:{address}"));
    main.iter().map(|main| format!("SMTP:{main}")).chain(others).collect()
}
