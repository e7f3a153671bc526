//! Which containers are in scope: the selected ones, found again by GUID (SF13), and everything below them. Decides for
//! an object by the chain of its parents' GUIDs; DNs are for people, as those of children change without notice.

use crate::directory::{Directory, DirectoryError, SearchRequest, guid_name, read_all, read_object};
use crate::entry::Entry;
use crate::errors::{self, NOT_CONFIGURED};
use crate::settings::{ConfiguredContainer, ContainerName};
use crate::watermark::{Mark, MarkedContainer};
use connector_contract::{ConnectorError, ImportNote};
use metaverse_schema::{Dn, Guid};
use std::collections::{BTreeSet, HashMap};

/// Classes whose objects hold others. `domain` includes `domainDNS`.
pub(crate) const CONTAINER_FILTER: &str = "(objectClass=organizationalUnit)(objectClass=container)\
     (objectClass=builtinDomain)(objectClass=domain)(objectClass=lostAndFound)(objectClass=organization)\
     (objectClass=locality)(objectClass=country)(objectClass=msExchSystemObjectsContainer)";

/// A selected container as it stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SelectedContainer {
    pub(crate) configured: String,
    pub(crate) include: bool,
    pub(crate) guid: Guid,
    pub(crate) dn: Dn,
}

/// Finds the selected containers. One that the last import knew is looked for by its GUID, wherever it is now and
/// whatever stands under its old name; one that is not found ends the step, and nothing is obsoleted (SF13).
pub(crate) async fn resolve(
    directory: &dyn Directory,
    naming_context: &Dn,
    configured: &[ConfiguredContainer],
    previous: Option<&Mark>,
) -> Result<(Vec<SelectedContainer>, Vec<ImportNote>), ConnectorError> {
    let whole_domain = ConfiguredContainer {
        configured: naming_context.to_string(),
        name: ContainerName::Dn(naming_context.clone()),
        include: true,
    };
    let mut wanted: Vec<&ConfiguredContainer> = configured.iter().collect();
    if !wanted.iter().any(|container| container.include) {
        wanted.insert(0, &whole_domain);
    }
    let mut selected = Vec::new();
    let mut notes = Vec::new();
    for container in wanted {
        let known = previous.and_then(|mark| {
            mark.containers
                .iter()
                .find(|known| known.configured == container.configured && known.include == container.include)
        });
        let found = resolve_one(directory, container, known).await?;
        if !found.dn.is_within(naming_context) {
            return Err(not_found(container, known, &format!("it is not in {naming_context}, but at {}", found.dn)));
        }
        if let Some(known) = known.filter(|known| known.dn != found.dn.to_string()) {
            notes.push(ImportNote {
                code: "container-moved",
                message: format!(
                    "the selected container `{}` was `{}` and is now `{}`; it was followed",
                    container.configured, known.dn, found.dn
                ),
            });
        }
        selected.push(found);
    }
    Ok((selected, notes))
}

async fn resolve_one(
    directory: &dyn Directory,
    container: &ConfiguredContainer,
    known: Option<&MarkedContainer>,
) -> Result<SelectedContainer, ConnectorError> {
    let name = match (known.and_then(MarkedContainer::guid), &container.name) {
        (Some(guid), _) => guid_name(&guid),
        (None, ContainerName::Guid(guid)) => guid_name(guid),
        (None, ContainerName::Dn(dn)) => dn.to_string(),
    };
    let attempted = format!("looking for the container `{}`", container.configured);
    let found = read_object(directory, &SearchRequest::object(name, &["objectGUID"]))
        .await
        .map_err(|error| errors::step_error(&attempted, &error))?;
    let Some((entry, guid)) = found.and_then(|entry| entry.object_guid().map(|guid| (entry, guid))) else {
        return Err(not_found(container, known, "there is no such object, or the account may not see it"));
    };
    match entry.dn.parse() {
        Ok(dn) => {
            Ok(SelectedContainer { configured: container.configured.clone(), include: container.include, guid, dn })
        }
        Err(error) => Err(not_found(container, known, &format!("{error}"))),
    }
}

fn not_found(container: &ConfiguredContainer, known: Option<&MarkedContainer>, why: &str) -> ConnectorError {
    let was =
        known.map_or_else(String::new, |known| format!(" (last seen as `{}`, objectGUID {})", known.dn, known.guid));
    let list = if container.include { "include_containers" } else { "exclude_containers" };
    ConnectorError::new(
        NOT_CONFIGURED,
        format!("looking for the container `{}`{was}", container.configured),
        why,
        format!("correct `{list}`; nothing was read and nothing will be deleted because of this"),
    )
}

/// One container of the domain.
#[derive(Debug, Clone)]
struct Node {
    parent: Option<Guid>,
    entry: Entry,
}

/// The containers of the domain as read at the start of a step, and what the selection makes of them.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    nodes: HashMap<Guid, Node>,
    /// Selected containers: true to include, false to leave out.
    rules: HashMap<Guid, bool>,
    /// Parents learnt after the tree was read.
    learnt: HashMap<Guid, Option<Guid>>,
    selected: Vec<SelectedContainer>,
    naming_context: Dn,
}

/// How deep containers may nest; a loop in what a server says ends here.
const MAX_DEPTH: usize = 256;

impl Scope {
    /// Reads the container tree of the domain with the attributes that are imported.
    pub(crate) async fn read(
        directory: &dyn Directory,
        naming_context: &Dn,
        selected: Vec<SelectedContainer>,
        attributes: &[String],
        page_size: u32,
    ) -> Result<Scope, DirectoryError> {
        let mut asked: Vec<String> =
            ["objectGUID", "parentGUID", "objectClass", "name", "uSNCreated"].map(str::to_owned).to_vec();
        // A container's own links are of no use to anyone, and long.
        asked.extend(attributes.iter().filter(|name| !name.eq_ignore_ascii_case("member")).cloned());
        let filter = format!("(|{CONTAINER_FILTER})");
        let request = SearchRequest::subtree(naming_context.to_string(), filter, asked);
        let entries = read_all(directory, request, page_size).await?;
        Ok(Scope::from_entries(naming_context.clone(), selected, entries))
    }

    pub(crate) fn from_entries(naming_context: Dn, selected: Vec<SelectedContainer>, entries: Vec<Entry>) -> Scope {
        let nodes = entries
            .into_iter()
            .filter_map(|entry| {
                let parent = entry.first_guid("parentGUID");
                entry.object_guid().map(|guid| (guid, Node { parent, entry }))
            })
            .collect();
        Scope {
            nodes,
            rules: selected.iter().map(|container| (container.guid, container.include)).collect(),
            learnt: HashMap::new(),
            selected,
            naming_context,
        }
    }

    pub(crate) fn entry(&self, container: &Guid) -> Option<&Entry> {
        self.nodes.get(container).map(|node| &node.entry)
    }

    fn parent(&self, container: &Guid) -> Option<Option<Guid>> {
        match self.nodes.get(container) {
            Some(node) => Some(node.parent),
            None => self.learnt.get(container).copied(),
        }
    }

    /// Whether a container is in scope: the nearest selected container at or above it decides. `Err` names the first
    /// container of the chain that is not known.
    pub(crate) fn contains(&self, container: Guid) -> Result<bool, Guid> {
        let mut at = container;
        for _ in 0..MAX_DEPTH {
            if let Some(include) = self.rules.get(&at) {
                return Ok(*include);
            }
            match self.parent(&at) {
                Some(Some(parent)) => at = parent,
                Some(None) => return Ok(false),
                None => return Err(at),
            }
        }
        Ok(false)
    }

    /// The same, asking for containers that the tree lacks: created since it was read, of another class, or hidden.
    /// A chain that cannot be followed is decided by the DN, the same way in full and delta imports.
    pub(crate) async fn decide(
        &mut self,
        directory: &dyn Directory,
        parent: Option<Guid>,
        dn: &Dn,
    ) -> Result<bool, DirectoryError> {
        let Some(parent) = parent else {
            return Ok(self.contains_by_name(dn));
        };
        for _ in 0..MAX_DEPTH {
            let unknown = match self.contains(parent) {
                Ok(decided) => return Ok(decided),
                Err(unknown) => unknown,
            };
            let request = SearchRequest::object(guid_name(&unknown), &["objectGUID", "parentGUID"]);
            match read_object(directory, &request).await? {
                Some(entry) if !self.learnt.contains_key(&unknown) => {
                    self.learnt.insert(unknown, entry.first_guid("parentGUID"));
                }
                _ => return Ok(self.contains_by_name(dn)),
            }
        }
        Ok(self.contains_by_name(dn))
    }

    fn contains_by_name(&self, dn: &Dn) -> bool {
        self.selected
            .iter()
            .filter(|container| dn.is_within(&container.dn))
            .max_by_key(|container| container.dn.rdns().len())
            .is_some_and(|container| container.include)
    }

    /// Every known container in scope.
    pub(crate) fn in_scope(&self) -> BTreeSet<Guid> {
        self.nodes.keys().filter(|container| self.contains(**container) == Ok(true)).copied().collect()
    }

    /// Containers in scope and, for their names, those above them; parents before children.
    pub(crate) fn with_ancestors(&self) -> Vec<Guid> {
        let mut needed = self.in_scope();
        for container in self.selected.iter().filter(|container| container.include) {
            let mut at = container.guid;
            for _ in 0..MAX_DEPTH {
                needed.insert(at);
                match self.parent(&at) {
                    Some(Some(parent)) => at = parent,
                    _ => break,
                }
            }
        }
        needed.retain(|container| self.nodes.contains_key(container));
        self.parents_first(needed)
    }

    /// Containers above the included ones that are not in scope themselves.
    pub(crate) fn is_ancestor_only(&self, container: &Guid) -> bool {
        self.contains(*container) != Ok(true)
            && self.selected.iter().filter(|selected| selected.include).any(|selected| {
                let mut at = selected.guid;
                for _ in 0..MAX_DEPTH {
                    match self.parent(&at) {
                        Some(Some(parent)) if parent == *container => return true,
                        Some(Some(parent)) => at = parent,
                        _ => return false,
                    }
                }
                false
            })
    }

    fn parents_first(&self, containers: impl IntoIterator<Item = Guid>) -> Vec<Guid> {
        let mut sorted: Vec<(usize, Guid)> =
            containers.into_iter().map(|container| (self.depth(container), container)).collect();
        sorted.sort();
        sorted.into_iter().map(|(_, container)| container).collect()
    }

    fn depth(&self, container: Guid) -> usize {
        let mut at = container;
        (0..MAX_DEPTH)
            .take_while(|_| match self.parent(&at) {
                Some(Some(parent)) => {
                    at = parent;
                    true
                }
                _ => false,
            })
            .count()
    }

    /// Of these containers, those that have no other one of them above: the roots of what moved.
    pub(crate) fn topmost(&self, containers: &BTreeSet<Guid>) -> Vec<Guid> {
        let roots = containers.iter().copied().filter(|container| {
            let mut at = *container;
            for _ in 0..MAX_DEPTH {
                match self.parent(&at) {
                    Some(Some(parent)) if containers.contains(&parent) => return false,
                    Some(Some(parent)) => at = parent,
                    _ => return true,
                }
            }
            true
        });
        self.parents_first(roots.collect::<Vec<_>>())
    }

    /// Whether the container did not exist on this domain controller when it was at `usn`.
    pub(crate) fn is_created_after(&self, container: &Guid, usn: u64) -> bool {
        self.entry(container)
            .and_then(|entry| entry.first_text("uSNCreated"))
            .and_then(|text| text.parse::<u64>().ok())
            .is_some_and(|created| created > usn)
    }

    pub(crate) fn knows(&self, container: &Guid) -> bool {
        self.nodes.contains_key(container)
    }

    /// The selected containers that are included.
    pub(crate) fn included(&self) -> Vec<Dn> {
        self.selected.iter().filter(|selected| selected.include).map(|selected| selected.dn.clone()).collect()
    }

    /// Organizational units and plain containers in scope, parents first, at most so many.
    pub(crate) fn places(&self, most: usize) -> Vec<Dn> {
        let holds_objects = |entry: &Entry| {
            let class = entry.texts("objectClass").last().map(|class| class.to_ascii_lowercase());
            matches!(class.as_deref(), Some("organizationalunit" | "container" | "domaindns"))
        };
        self.parents_first(self.in_scope())
            .iter()
            .filter_map(|container| self.entry(container).filter(|entry| holds_objects(entry))?.dn.parse().ok())
            .take(most)
            .collect()
    }

    pub(crate) fn naming_context(&self) -> &Dn {
        &self.naming_context
    }

    /// As the next watermark keeps them.
    pub(crate) fn marked(&self) -> Vec<MarkedContainer> {
        self.selected
            .iter()
            .map(|container| MarkedContainer {
                configured: container.configured.clone(),
                include: container.include,
                guid: container.guid.to_string(),
                dn: container.dn.to_string(),
            })
            .collect()
    }
}

/// A container for an operator who chooses (`metasync scope`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerInfo {
    pub dn: String,
    pub guid: Guid,
    pub parent: Option<Guid>,
    /// Whether the settings as they are include it.
    pub in_scope: bool,
}

impl Scope {
    /// All containers, parents first, then by name.
    pub(crate) fn list(&self) -> Vec<ContainerInfo> {
        let mut list: Vec<(usize, ContainerInfo)> = self
            .nodes
            .iter()
            .map(|(guid, node)| {
                let info = ContainerInfo {
                    dn: node.entry.dn.clone(),
                    guid: *guid,
                    parent: node.parent,
                    in_scope: self.contains(*guid) == Ok(true),
                };
                (self.depth(*guid), info)
            })
            .collect();
        list.sort_by(|a, b| (a.0, &a.1.dn).cmp(&(b.0, &b.1.dn)));
        list.into_iter().map(|(_, info)| info).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::domain_controller::tests::guid;

    fn node(number: u8, parent: u8, dn: &str) -> Entry {
        let entry = Entry::named(dn).of(guid(number));
        match parent {
            0 => entry,
            parent => entry.with("parentGUID", None, &[guid(parent).as_directory_bytes()]),
        }
    }

    fn select(number: u8, include: bool, dn: &str) -> SelectedContainer {
        SelectedContainer { configured: dn.to_owned(), include, guid: guid(number), dn: dn.parse().unwrap() }
    }

    /// 1 is the domain; 2 included; 3 below 2; 4 below 3 left out; 5 below 4 included again; 6 beside 2.
    fn tree() -> Scope {
        Scope::from_entries(
            "DC=x".parse().unwrap(),
            vec![
                select(2, true, "OU=b,DC=x"),
                select(4, false, "OU=d,OU=c,OU=b,DC=x"),
                select(5, true, "OU=e,OU=d,OU=c,OU=b,DC=x"),
            ],
            vec![
                node(5, 4, "OU=e,OU=d,OU=c,OU=b,DC=x"),
                node(4, 3, "OU=d,OU=c,OU=b,DC=x"),
                node(3, 2, "OU=c,OU=b,DC=x"),
                node(2, 1, "OU=b,DC=x"),
                node(6, 1, "OU=f,DC=x"),
                node(1, 0, "DC=x"),
            ],
        )
    }

    /// SF13: a new sibling is not included, a new child is; the nearest selected container decides.
    #[test]
    fn the_nearest_selected_container_decides() {
        let scope = tree();
        let decided: Vec<_> = (1..=6).map(|number| scope.contains(guid(number)).unwrap()).collect();
        assert_eq!(decided, [false, true, true, false, true, false]);
        assert_eq!(scope.contains(guid(9)), Err(guid(9)));
        assert_eq!(scope.in_scope(), [guid(2), guid(3), guid(5)].into());
    }

    #[test]
    fn names_need_the_containers_above_and_parents_come_first() {
        let scope = tree();
        assert_eq!(scope.with_ancestors(), [1, 2, 3, 4, 5].map(guid));
        assert!(scope.is_ancestor_only(&guid(1)) && scope.is_ancestor_only(&guid(4)));
        assert!(!scope.is_ancestor_only(&guid(2)) && !scope.is_ancestor_only(&guid(6)));
    }

    #[test]
    fn only_the_root_of_what_left_is_named() {
        let scope = tree();
        assert_eq!(scope.topmost(&[guid(3), guid(5), guid(6)].into()), [guid(6), guid(3)]);
    }

    #[test]
    fn a_hidden_chain_is_decided_by_name() {
        let scope = tree();
        let by_name = |dn: &str| scope.contains_by_name(&dn.parse().unwrap());
        assert!(by_name("CN=u,OU=new,OU=B,DC=X"));
        assert!(!by_name("CN=u,OU=d,OU=c,OU=b,DC=x"));
        assert!(by_name("CN=u,OU=e,OU=d,OU=c,OU=b,DC=x"));
        assert!(!by_name("CN=u,OU=f,DC=x"));
    }

    #[test]
    fn a_loop_ends() {
        let scope = Scope::from_entries(
            "DC=x".parse().unwrap(),
            vec![select(9, true, "OU=z,DC=x")],
            vec![node(1, 2, "OU=a,DC=x"), node(2, 1, "OU=b,DC=x")],
        );
        assert_eq!(scope.contains(guid(1)), Ok(false));
        assert_eq!(scope.list().len(), 2);
    }
}
