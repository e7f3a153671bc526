//! Gives an object its wanted DN: a new name, a new container, or both. Where the place is taken by another object that is
//! to be renamed by the same batch, that one is set aside first, so that two objects can change places.

use super::refusals::{Failure, failure, problem, refused};
use super::rights::Deed;
use super::{Writer, denied};
use crate::directory::{
    DirectoryError, RC_ACCESS, RC_EXISTS, RC_NO_SUCH_OBJECT, SearchRequest, guid_name, read_object,
};
use crate::entry::Entry;
use connector_contract::{ExportItem, ExportOperation, ExportOutcome, ExportProblem};
use metaverse_schema::{Dn, Guid, Rdn};
use std::collections::BTreeMap;

/// The renames of a batch that are still to come, by the object's identity: who of them may be set aside.
pub(super) struct Awaited(BTreeMap<Guid, Dn>);

impl Awaited {
    pub(super) fn of(items: &[ExportItem]) -> Awaited {
        let rename = |item: &ExportItem| match &item.operation {
            ExportOperation::Update(update) => Some((*update.anchor.as_guid()?, update.dn.clone()?)),
            _ => None,
        };
        Awaited(items.iter().filter_map(rename).collect())
    }
}

/// How an object is called for the moment in which another one takes its name.
fn aside(rdn: &Rdn, guid: &Guid) -> Rdn {
    let attribute = rdn.assertions().first().map_or("CN", |pair| pair.attribute.as_str());
    Rdn::new(attribute, format!("metasync-{guid}"))
}

/// To the wanted DN, if the object is not there yet.
pub(super) async fn rename(
    writer: &Writer<'_>,
    guid: &Guid,
    wanted: &Dn,
    awaited: &mut Awaited,
) -> Result<(), Failure> {
    awaited.0.remove(guid);
    let (Some(rdn), Some(parent)) = (wanted.rdn(), wanted.parent()) else {
        return Err(refused("invalid-dn", format!("`{wanted}` is not a name for an object"), "correct the DN"));
    };
    let Some(entry) = find(writer, &guid_name(guid)).await? else {
        return Err(problem(RC_NO_SUCH_OBJECT, "").into());
    };
    // Byte by byte: a change of case is a rename too (SF27).
    if entry.dn == wanted.to_string() {
        return Ok(());
    }
    let mut error = match writer.writes().rename(&entry.dn, &rdn.to_string(), &parent.to_string()).await {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    if error.code() == Some(RC_EXISTS) && set_aside(writer, wanted, awaited).await? {
        error = match writer.writes().rename(&entry.dn, &rdn.to_string(), &parent.to_string()).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
    }
    let mut failed = explained(writer, &entry, wanted, &parent, error).await;
    if entry.dn.parse::<Dn>().ok().as_ref().and_then(Dn::rdn).is_some_and(|now| *now == aside(rdn, guid))
        && let Failure(ExportOutcome::Refused(problem)) = &mut failed
    {
        problem.message.push_str(&format!("; it stands at {}, because another object has taken its name", entry.dn));
    }
    Err(failed)
}

/// Moves the occupant of a place out of the way when this batch renames it anyway. The occupant's own rename, or the same
/// one of a later export if this process ends in between, brings it from there to where it belongs.
async fn set_aside(writer: &Writer<'_>, place: &Dn, awaited: &Awaited) -> Result<bool, Failure> {
    let Some(occupant) = find(writer, &place.to_string()).await? else {
        return Ok(false);
    };
    let Some(guid) = occupant.object_guid() else {
        return Ok(false);
    };
    let goes_elsewhere = awaited.0.get(&guid).is_some_and(|to| to.normalised() != place.normalised());
    let (Some(rdn), Some(parent)) = (place.rdn(), place.parent()) else {
        return Ok(false);
    };
    if !goes_elsewhere {
        return Ok(false);
    }
    let name = aside(rdn, &guid).to_string();
    writer.writes().rename(&occupant.dn, &name, &parent.to_string()).await.map_err(failure)?;
    Ok(true)
}

async fn explained(writer: &Writer<'_>, entry: &Entry, wanted: &Dn, parent: &Dn, error: DirectoryError) -> Failure {
    match error.code() {
        Some(RC_NO_SUCH_OBJECT) => ExportProblem {
            code: "non-existent-parent".to_owned(),
            attribute: None,
            message: format!("{error}: the container `{parent}` does not exist"),
            remedy: "create the container or correct the DN".to_owned(),
            retry: true,
        }
        .into(),
        Some(RC_EXISTS) => {
            let mut problem = problem(RC_EXISTS, "");
            problem.message = format!("{error}: another object stands at {wanted}");
            problem.remedy =
                "rename or move that object, or correct the DN; it is sent again with every export".to_owned();
            problem.into()
        }
        Some(RC_ACCESS) => match entry.dn.parse::<Dn>() {
            Ok(from) => match denied(writer, error, Deed::Rename { from: &from, to: wanted }).await {
                Ok(problem) => problem.into(),
                Err(lost) => lost,
            },
            Err(_) => failure(error),
        },
        _ => failure(error),
    }
}

async fn find(writer: &Writer<'_>, name: &str) -> Result<Option<Entry>, Failure> {
    read_object(writer.directory(), &SearchRequest::object(name, &["objectGUID"])).await.map_err(failure)
}
