//! Judges two inventories: for each person of the directory what would become of it and what else is to be known, as the
//! shipped rules and the kernel would decide (matching order of section 6, SF1-SF10). Pure: reads no file, asks nobody.

use super::columns::{Column, NotInFile, not_in_file};
use super::finding::{Class, Remark, Weight};
use super::inventory::{CloudKind, CloudObject, Inventories, Person, address, all_addresses, primary};
use super::names;
use super::people_index::PeopleIndex;
use super::surroundings::{Others, System};
use super::tenant_index::{TenantIndex, addresses_of, primary_of};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// Verified domains of the tenant; none: the domains of its users' sign-in names.
    pub(crate) verified_domains: Vec<String>,
    /// The suffix that sign-in names should get; none: the verified domain that most users have.
    pub(crate) suffix: Option<String>,
    /// `user_principal_name = true` under [matching]: the same sign-in name is a match.
    pub(crate) match_by_sign_in_name: bool,
    /// Addresses that only the cloud knows stay, by what stands under [matching] or because the mode writes none.
    pub(crate) keeps_addresses: bool,
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
    /// Its position in the inventory.
    #[serde(skip)]
    pub(crate) cloud_at: Option<usize>,
    pub(crate) signs_in_today_as: Option<String>,
    pub(crate) will_sign_in_as: Option<String>,
    pub(crate) licensed: Option<bool>,
    pub(crate) remarks: BTreeMap<Remark, String>,
    /// What the directory should hold instead (the fix file).
    pub(crate) fixes: Vec<Fix>,
    pub(crate) dn: String,
    /// What the deployment's engine decides about it; none of a file.
    pub(crate) engine: Option<String>,
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
    /// Read from the systems themselves.
    pub(crate) live: bool,
    /// The connected systems as a whole, and what is not a person; of files nothing is known of either.
    pub(crate) systems: Vec<System>,
    pub(crate) others: Others,
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
        let people = self.lines.iter().map(Line::weight);
        let systems = self.systems.iter().flat_map(|system| &system.findings).map(|finding| finding.weight);
        people.chain(systems).chain(self.others.held.iter().map(|held| held.weight)).max().unwrap_or(Weight::Fine)
    }
}

pub(crate) fn judge(inventories: &Inventories, options: &Options) -> Assessment {
    let Inventories { directory, tenant, .. } = inventories;
    let index = TenantIndex::of(tenant);
    let (verified_domains, domains_inferred) = domains(&tenant.objects, options);
    let suffix = options
        .suffix
        .clone()
        .map(|suffix| suffix.to_lowercase())
        .or_else(|| usual(&tenant.objects, &verified_domains));
    let people = PeopleIndex::of(&directory.objects, &inventories.other_holders);
    let world = World { inventories, index, people, verified_domains, suffix, options };
    let decided: Vec<Decided> = directory.objects.iter().map(|person| world.decide(person)).collect();
    let mut claims: HashMap<usize, usize> = HashMap::new();
    for decided in decided.iter().filter(|decided| world.claims(decided.class)) {
        if let Some(at) = decided.cloud {
            *claims.entry(at).or_default() += 1;
        }
    }
    let mut touched = BTreeSet::new();
    let lines = directory.objects.iter().zip(decided).map(|(person, mut decided)| {
        touched.extend(decided.cloud);
        // One cloud object that two people claim belongs to neither by itself.
        if world.claims(decided.class)
            && decided.cloud.is_some_and(|at| claims.get(&at).is_some_and(|claims| *claims > 1))
        {
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
        stale_anchor: world.knows_anchors() && !object.anchor.is_empty() && !world.people.has_anchor(&object.anchor),
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
        not_in_file: match inventories.live {
            true => Vec::new(),
            false => not_in_file(|column| directory.has(column), |column| tenant.has(column)),
        },
        live: inventories.live,
        systems: Vec::new(),
        others: Others::default(),
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

struct World<'a> {
    inventories: &'a Inventories,
    index: TenantIndex,
    people: PeopleIndex,
    verified_domains: BTreeSet<String>,
    suffix: Option<String>,
    options: &'a Options,
}

/// What was decided about one person.
struct Decided {
    class: Class,
    because: String,
    cloud: Option<usize>,
}

impl Class {
    /// The cloud object is taken for the person's own, whether they are joined already or may never be.
    fn is_theirs(self) -> bool {
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

    /// The person would be joined to the cloud object, now or after a decision.
    fn claims(&self, class: Class) -> bool {
        class.is_theirs() && (class != Class::UpnMatch || self.options.match_by_sign_in_name)
    }

    /// In the order in which the shipped rules look: anchor, primary address, sign-in name where that matches, the recycle bin,
    /// and what is only listed: sign-in name, any address.
    fn decide(&self, person: &Person) -> Decided {
        if let Some(because) = &person.left_out {
            return Decided { class: Class::LeftOut, because: because.clone(), cloud: None };
        }
        let by_anchor =
            TenantIndex::all(&self.index.by_anchor, Some(&person.anchor).filter(|anchor| !anchor.is_empty()));
        if let Some(decided) = self.by_anchor(person, &by_anchor) {
            return decided;
        }
        let primary = primary(&person.addresses, &person.mail);
        let by_primary = TenantIndex::all(&self.index.by_primary, primary.as_ref());
        if let Some(decided) = primary.as_ref().and_then(|primary| self.by_primary(person, primary, &by_primary)) {
            return decided;
        }
        let sign_in_name = Some(person.sign_in_name.to_lowercase()).filter(|name| !name.is_empty());
        // An address is looked for among sign-in names where those of the directory are not known, too.
        let as_name = primary
            .as_ref()
            .filter(|_| self.options.match_by_sign_in_name || !self.inventories.directory.has(Column::SignInName));
        let by_name = TenantIndex::all(&self.index.by_sign_in_name, sign_in_name.iter().chain(as_name));
        let is_match = self.options.match_by_sign_in_name;
        if let Some(decided) = self.by_sign_in_name(person, &by_name).filter(|_| is_match) {
            return decided;
        }
        if let Some(decided) = self.in_recycle_bin(&by_anchor, &by_name, &by_primary) {
            return decided;
        }
        if let Some(decided) = self.by_sign_in_name(person, &by_name) {
            return decided;
        }
        if let Some(decided) = self.by_any_address(person) {
            return decided;
        }
        let because = match (&primary, &sign_in_name) {
            (None, None) => "there is nothing to look for: neither mail nor sign-in name".to_owned(),
            (Some(address), _) => format!("nobody has {address}"),
            (None, Some(name)) => format!("nobody has {name}"),
        };
        Decided { class: Class::Created, because, cloud: None }
    }

    fn by_anchor(&self, person: &Person, positions: &[usize]) -> Option<Decided> {
        let because = format!("the same anchor {}", person.anchor);
        match self.live(positions, &[CloudKind::User, CloudKind::Guest])[..] {
            [] => None,
            [cloud] => Some(self.unless_guest(cloud, |object| {
                let class = match object.ours || object.synchronised == Some(true) {
                    true => Class::Synchronised,
                    false => Class::HardMatch,
                };
                self.unless_privileged(Decided { class, because, cloud: Some(cloud) })
            })),
            [first, ..] => {
                Some(ambiguous(format!("several cloud users carry the anchor {}", person.anchor), Some(first)))
            }
        }
    }

    fn by_primary(&self, person: &Person, address: &str, positions: &[usize]) -> Option<Decided> {
        let found = self.live(positions, &[CloudKind::User, CloudKind::Guest]);
        if self.people.shares_primary(address) {
            let because = format!("somebody else in the directory has the primary address {address}");
            return Some(ambiguous(because, found.first().copied()));
        }
        match found[..] {
            [] => None,
            [cloud] => Some(self.unless_guest(cloud, |_| {
                let what = if self.knows_cloud_addresses() { "primary address" } else { "address as sign-in name" };
                let because = format!("the same {what} {address}");
                self.matched(person, Decided { class: Class::SoftMatch, because, cloud: Some(cloud) })
            })),
            [first, ..] => {
                Some(ambiguous(format!("several cloud users have the primary address {address}"), Some(first)))
            }
        }
    }

    fn by_sign_in_name(&self, person: &Person, positions: &[usize]) -> Option<Decided> {
        let is_match = self.options.match_by_sign_in_name;
        if is_match && self.people.shares_sign_in_name(&person.sign_in_name.to_lowercase()) {
            let because = format!("somebody else in the directory has the sign-in name {}", person.sign_in_name);
            return Some(ambiguous(because, positions.first().copied()));
        }
        match self.live(positions, &[CloudKind::User, CloudKind::Guest])[..] {
            [] => None,
            [cloud] => Some(self.unless_guest(cloud, |object| {
                let because = format!("the sign-in name {}", object.sign_in_name);
                let decided = Decided { class: Class::UpnMatch, because, cloud: Some(cloud) };
                if is_match { self.matched(person, decided) } else { decided }
            })),
            [first, ..] => Some(ambiguous("several cloud users have the sign-in name".to_owned(), Some(first))),
        }
    }

    fn in_recycle_bin(&self, by_anchor: &[usize], by_name: &[usize], by_primary: &[usize]) -> Option<Decided> {
        let in_bin = |positions: &[usize]| {
            let is =
                |at: &usize| self.object(*at).is_some_and(|object| object.deleted && object.kind == CloudKind::User);
            positions.iter().copied().find(is)
        };
        let decided = |class, because: &str, cloud| Decided { class, because: because.to_owned(), cloud: Some(cloud) };
        let anchor = in_bin(by_anchor);
        let restored = anchor.map(|cloud| decided(Class::DeletedAnchor, "its anchor is in the recycle bin", cloud));
        restored.or_else(|| {
            let twin = in_bin(by_name).or_else(|| in_bin(by_primary))?;
            Some(decided(Class::DeletedTwin, "its name or address is in the recycle bin", twin))
        })
    }

    /// What is only listed: an address in common, whoever has it.
    fn by_any_address(&self, person: &Person) -> Option<Decided> {
        let all = all_addresses(&person.addresses, &person.mail);
        let positions = TenantIndex::all(&self.index.by_address, &all);
        if let [cloud, others @ ..] = &self.live(&positions, &[CloudKind::User])[..] {
            let common = self.object(*cloud).map(|object| addresses_of(object).intersection(&all).next().cloned());
            let common = common.flatten().unwrap_or_default();
            let because = match others {
                [] => format!("the address {common} in common"),
                others => format!("the address {common} in common, and others with {} more", others.len()),
            };
            return Some(Decided { class: Class::SecondaryHit, because, cloud: Some(*cloud) });
        }
        let first = |kinds: &[CloudKind]| self.live(&positions, kinds).first().copied();
        first(&[CloudKind::Guest]).map(guest).or_else(|| {
            let cloud = first(&[CloudKind::Contact, CloudKind::Group])?;
            let address = self.object(cloud).map(|object| addresses_of(object).intersection(&all).next().cloned());
            let because = format!("a contact or group has the address {}", address.flatten().unwrap_or_default());
            Some(Decided { class: Class::ContactTwin, because, cloud: Some(cloud) })
        })
    }

    /// SF7.
    fn unless_guest(&self, cloud: usize, otherwise: impl FnOnce(&CloudObject) -> Decided) -> Decided {
        match self.object(cloud) {
            Some(object) if object.kind != CloudKind::Guest => otherwise(object),
            _ => guest(cloud),
        }
    }

    /// A candidate by address or name: another's anchor and a role are in the way (SF6, SF8).
    fn matched(&self, person: &Person, decided: Decided) -> Decided {
        let Some(object) = decided.cloud.and_then(|at| self.object(at)) else { return decided };
        if !object.anchor.is_empty() && self.knows_anchors() && object.anchor != person.anchor {
            let class = match self.people.has_anchor(&object.anchor) {
                true => Class::AnchorOfAnother,
                false => Class::StaleAnchor,
            };
            let because = format!("{}, and it carries the anchor {}", decided.because, object.anchor);
            return Decided { class, because, ..decided };
        }
        self.unless_privileged(decided)
    }

    /// SF6: a role that cannot be read counts as one.
    fn unless_privileged(&self, decided: Decided) -> Decided {
        let Some(object) = decided.cloud.and_then(|at| self.object(at)) else { return decided };
        let why = match &object.roles_unreadable {
            _ if decided.class == Class::Synchronised => None,
            _ if !object.roles.is_empty() => Some(format!("it is {}", object.roles.join(", "))),
            Some(reason) => Some(format!("its roles cannot be read, so it counts as one that holds some: {reason}")),
            None => None,
        };
        match why {
            Some(why) => {
                Decided { class: Class::Privileged, because: format!("{}, and {why}", decided.because), ..decided }
            }
            None => decided,
        }
    }

    fn line(&self, person: &Person, decided: Decided) -> Line {
        let object = decided.cloud.and_then(|at| self.object(at));
        let theirs = object.filter(|_| decided.class.is_theirs());
        let mut remarks = BTreeMap::new();
        let mut fixes = Vec::new();
        if decided.class != Class::LeftOut {
            self.of_person(person, theirs, &mut remarks, &mut fixes);
        }
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
            cloud_at: decided.cloud,
            signs_in_today_as: theirs.map(|object| object.sign_in_name.clone()),
            // What the takeover leaves alone stays as it is today (SF2).
            will_sign_in_as: wanted.or(said).or_else(|| theirs.map(|object| object.sign_in_name.clone())),
            licensed: object.and_then(|object| object.licensed),
            remarks,
            fixes,
            dn: person.dn.clone(),
            engine: None,
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
        let shared = self.people.shared(person);
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
        let to = to.filter(|_| !person.signs_in_by_another);
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
        // What follows a takeover is no takeover any more: there the directory rules.
        let is_takeover = class != Class::Synchronised;
        match (person.enabled, object.enabled) {
            _ if !is_takeover => {}
            (Some(true), Some(false)) => drop(remarks.insert(Remark::WouldEnable, String::new())),
            (Some(false), Some(true)) => drop(remarks.insert(Remark::WouldDisable, String::new())),
            _ => {}
        }
        let (directory, tenant) = (&self.inventories.directory, &self.inventories.tenant);
        let compares = directory.has(Column::Addresses) && tenant.has(Column::Addresses);
        if compares && is_takeover && !self.options.keeps_addresses {
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
        if person.has_mailbox_guid && object.licensed != Some(false) && is_takeover {
            remarks.insert(Remark::MailboxGuidLeft, String::new());
        }
        if object.licensed == Some(false) {
            remarks.insert(Remark::Unlicensed, String::new());
        }
    }
}

fn ambiguous(because: String, cloud: Option<usize>) -> Decided {
    Decided { class: Class::Ambiguous, because, cloud }
}

fn guest(cloud: usize) -> Decided {
    let because = "a guest, or an account of another issuer, has the address or name".to_owned();
    Decided { class: Class::GuestTwin, because, cloud: Some(cloud) }
}

/// The addresses that the directory lacks. A list without a primary address would leave the person without one, so the one that
/// the person has, or has in the cloud, goes with it.
fn missing_addresses(person: &Person, object: &CloudObject, lost: &[String]) -> Vec<String> {
    let has_primary = person.addresses.iter().any(|value| value.starts_with("SMTP:"));
    let main = address(&person.mail).or_else(|| primary(&object.addresses, &object.mail)).filter(|_| !has_primary);
    let others = lost.iter().filter(|address| main.as_ref() != Some(address)).map(|address| format!("smtp:{address}"));
    main.iter().map(|main| format!("SMTP:{main}")).chain(others).collect()
}
