//! Whether the account may write what the rules intend, container by container, from what the domain controller says
//! itself about this account. Writes nothing. Whether it may delete is not shown by any server and not tried.

use crate::connector::scope;
use crate::directory::{DirectoryError, PagedSearch, SearchRequest};
use crate::errors;
use crate::export::rights::{Deed, MissingRight, grants, missing};
use crate::session::Session;
use crate::settings::Settings;
use connector_contract::{Check, ConnectorError, IntendedExport, Severity};
use metaverse_schema::Dn;
use std::collections::BTreeMap;

/// Containers that are asked about, and objects of one type, each of another container.
const CONTAINERS: usize = 50;
const SAMPLES: usize = 20;
/// Objects of one type that are read to find those.
const SEARCHED: usize = 2_000;
/// Containers that one line names.
const NAMED: usize = 5;

pub(crate) async fn check_rights(settings: &Settings, intended: &[IntendedExport]) -> Check {
    let mut check = Check::default();
    let outcome = async {
        let session = Session::open(settings, None).await?;
        let scope = scope(&session, settings, None).await?;
        let containers = Containers { selected: scope.included(), all: scope.places(CONTAINERS) };
        for intended in intended {
            about(&mut check, settings, &session, &containers, intended)
                .await
                .map_err(|error| errors::step_error("asking for the account's rights", &error))?;
        }
        Ok::<(), ConnectorError>(())
    };
    if let Err(error) = outcome.await {
        let message = format!("{}: {}", error.attempted, error.message);
        check.add(Severity::Error, "rights-unreadable", message, error.remedy);
    }
    check
}

/// Where objects may stand.
struct Containers {
    selected: Vec<Dn>,
    /// The selected ones and some of those below, parents first.
    all: Vec<Dn>,
}

/// One type of objects.
async fn about(
    check: &mut Check,
    settings: &Settings,
    session: &Session,
    containers: &Containers,
    intended: &IntendedExport,
) -> Result<(), DirectoryError> {
    let class = intended.object_type.as_str();
    if intended.creates {
        creating(check, settings, session, containers, class).await?;
    }
    let mut attributes: Vec<String> = intended.attributes.iter().map(ToString::to_string).collect();
    if intended.renames {
        attributes.push(if class == "organizationalUnit" { "ou" } else { "cn" }.to_owned());
    }
    if attributes.is_empty() {
        return Ok(());
    }
    let (mut seen, mut lacking) = (0, Vec::new());
    for container in &containers.selected {
        for name in samples(session, class, container).await? {
            seen += 1;
            lacking.extend(missing(session, Deed::Write { name: &name, attributes: &attributes }).await?);
        }
    }
    if seen > 0 && lacking.is_empty() {
        let message =
            format!("{} may write {} of {class} objects ({seen} looked at)", settings.bind_user, attributes.join(", "));
        check.add(Severity::Ok, "right-write", message, "");
    }
    // Objects that the directory protects (adminCount) lack rights that all others have: a warning, and the export names
    // each.
    tell(check, settings, session, Severity::Warning, lacking).await
}

/// Where objects of a class may be created. Rules may fill only some of the containers that are read, so it is an error
/// only when none of them may be filled.
async fn creating(
    check: &mut Check,
    settings: &Settings,
    session: &Session,
    containers: &Containers,
    class: &str,
) -> Result<(), DirectoryError> {
    let (mut allowed, mut refused, mut rights) = (Vec::new(), Vec::new(), Vec::new());
    for container in &containers.all {
        match missing(session, Deed::Create { class, container }).await?.pop() {
            None => allowed.push(container.to_string()),
            Some(right) => {
                refused.push(container.to_string());
                if containers.selected.contains(container) {
                    rights.push(right);
                }
            }
        }
    }
    if allowed.is_empty() {
        return tell(check, settings, session, Severity::Error, rights).await;
    }
    let message = format!("{} may create {class} objects in {}", settings.bind_user, some_of(&allowed));
    check.add(Severity::Ok, "right-create", message, "");
    if !refused.is_empty() {
        let message = format!("{} may not create {class} objects in {}", settings.bind_user, some_of(&refused));
        check.add(Severity::Ok, "right-create-elsewhere", message, "");
    }
    Ok(())
}

fn some_of(names: &[String]) -> String {
    let named = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join("; ");
    match names.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named}; and {more} more"),
    }
}

async fn tell(
    check: &mut Check,
    settings: &Settings,
    session: &Session,
    severity: Severity,
    rights: Vec<MissingRight>,
) -> Result<(), DirectoryError> {
    // One right lacks on every object of a container alike: the first is named for all.
    let mut told: Vec<(String, MissingRight)> = Vec::new();
    for right in rights {
        let grant = right.grant_text();
        if !told.iter().any(|(known, _)| *known == grant) {
            told.push((grant, right));
        }
    }
    for (_, right) in told {
        let remedy = grants(session, &settings.bind_user, std::slice::from_ref(&right)).await?;
        let message = format!("the account {} lacks: {}", settings.bind_user, right.right);
        check.add(severity, "right-missing", message, remedy);
    }
    Ok(())
}

/// The DNs of some objects of exactly this class below a container, each of another container.
async fn samples(session: &Session, class: &str, container: &Dn) -> Result<Vec<String>, DirectoryError> {
    let request = SearchRequest::subtree(
        container.to_string(),
        format!("(objectClass={})", ldap3::ldap_escape(class)),
        vec!["objectClass".to_owned()],
    );
    let mut search = PagedSearch::new(request, session.page_size);
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut read = 0;
    while let Some(entry) = search.next(session.directory.as_ref()).await? {
        read += 1;
        if read > SEARCHED || names.len() >= SAMPLES {
            break;
        }
        let exactly = entry.texts("objectClass").last().is_some_and(|last| last.eq_ignore_ascii_case(class));
        let parent = entry.dn.parse::<Dn>().ok().and_then(|dn| dn.parent()).filter(|_| exactly);
        if let Some(parent) = parent.filter(|parent| parent.is_within(container)) {
            names.entry(parent.normalised()).or_insert(entry.dn);
        }
    }
    Ok(names.into_values().collect())
}
