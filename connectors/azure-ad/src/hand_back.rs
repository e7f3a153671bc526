//! Giving objects of a tenant back to the tenant's own administration (SF11): what of each class can be put back in which
//! mode, and, in Graph mode, doing it. There objects stayed the cloud's all the time, so that values and the anchor stamp are
//! all there is to give back.

use crate::export::{ExportDesk, Outcomes};
use crate::schema::{CONTACT, Class, EXTENSION_NAMES, GROUP, IMMUTABLE_ID, SYNC_ENABLED, USER};
use crate::settings::Mode;
use connector_contract::{ConnectorError, ExportItem, ExportOperation, HandBackReach, HandBackRequest, UpdateRequest};
use metaverse_schema::ObjectType;

/// Written on synchronised users by others than the engine (A.3).
const NOT_MASTERED: [&str; 2] = ["usageLocation", "otherMails"];

const FACTS_REMEDY: &str = "what the tenant notes of the directory an object came from; nobody writes it over Graph v1.0, and nothing is \
     decided by it";

pub(crate) fn class_of(object_type: &ObjectType) -> Option<&'static Class> {
    [USER, GROUP, CONTACT].into_iter().find(|class| class.name == object_type.as_str())
}

pub(crate) fn reach(mode: Mode, object_type: &ObjectType) -> Option<HandBackReach> {
    let class = class_of(object_type)?;
    match mode {
        Mode::Graph if class.name == CONTACT.name => None,
        Mode::Graph => Some(over_graph(class)),
        Mode::Connect => Some(by_synchronisation(class)),
    }
}

fn over_graph(class: &'static Class) -> HandBackReach {
    let mut reach = HandBackReach::default();
    for property in class.properties.iter().filter(|property| property.writable && property.name != IMMUTABLE_ID) {
        reach.afterwards.insert(property.name.into());
    }
    // An alternate key, immutable once set (H).
    reach.afterwards.remove("uniqueName");
    extensions(class, &mut reach.afterwards);
    links(class, &mut reach);
    if class.name == USER.name {
        reach.stamp = Some(IMMUTABLE_ID.into());
        let reason = "Graph takes no addresses: they follow `mail` as far as the service lets them; change what is left in Exchange Online";
        reach.never.insert("proxyAddresses".into(), reason.to_owned());
        reach.stays.push(("time stamps".to_owned(), "they tell when the tenant was written to".to_owned()));
    } else {
        let told = "the group's alternate key cannot be changed once it is set; it ties the group to nothing while no rule matches it";
        reach.never.insert("uniqueName".into(), told.to_owned());
    }
    reach
}

fn by_synchronisation(class: &'static Class) -> HandBackReach {
    let mut reach = HandBackReach { authority: Some("isCloudManaged".to_owned()), ..HandBackReach::default() };
    for property in class.properties.iter().chain(class.read_back) {
        let name = property.name;
        if name == IMMUTABLE_ID || name == SYNC_ENABLED {
            continue;
        }
        if name.starts_with("onPremises") {
            reach.never.insert(name.into(), FACTS_REMEDY.to_owned());
        } else if property.synced.is_some() {
            reach.first.insert(name.into());
        } else if property.writable && class.name == USER.name {
            reach.afterwards.insert(name.into());
        }
    }
    extensions(class, &mut reach.first);
    reach.mastered = reach.first.clone();
    NOT_MASTERED.iter().for_each(|name| {
        reach.mastered.remove(*name);
    });
    reach.never.insert(SYNC_ENABLED.into(), "the tenant sets it itself when an object changes hands".to_owned());
    if class.name == USER.name {
        // Whom the directory does not know has no anchor that the service could be told (B.5): Graph takes any user.
        links(class, &mut reach);
        reach.stamp = Some(IMMUTABLE_ID.into());
        let told = "the last one stays in force: set a new one, or have the person reset it; the directory's is no longer pushed";
        reach.stays.push(("password".to_owned(), told.to_owned()));
    } else {
        let told = "the service remembers it; while the object is the cloud's it decides nothing";
        reach.stays.push(("source anchor".to_owned(), told.to_owned()));
    }
    let told = "true from now on: nothing that any tool synchronises reaches the object";
    reach.stays.push(("isCloudManaged".to_owned(), told.to_owned()));
    reach.stays.push(("time stamps".to_owned(), "they tell when the tenant was written to".to_owned()));
    reach
}

fn extensions(class: &Class, into: &mut std::collections::BTreeSet<metaverse_schema::AttributeName>) {
    if class.extensions {
        into.extend(EXTENSION_NAMES.iter().map(|name| (*name).into()));
    }
}

/// Of references only a manager is put back: whoever is a member of a group stays that.
fn links(class: &Class, reach: &mut HandBackReach) {
    if class.name == USER.name {
        reach.afterwards.extend(class.link.as_ref().map(|link| link.attribute.into()));
    }
}

/// Graph mode: the values, then the stamp, as any update is written: what another tool synchronises, and what somebody moved
/// to the cloud, is refused by name.
pub(crate) async fn over_graph_mode(
    desk: &ExportDesk,
    requests: &[HandBackRequest],
) -> Result<Outcomes, ConnectorError> {
    let items: Vec<ExportItem> = requests.iter().map(item).collect();
    desk.export(&items).await
}

/// What is written over Graph of an object that is the cloud's.
pub(crate) fn item(request: &HandBackRequest) -> ExportItem {
    let update = UpdateRequest {
        anchor: request.anchor.clone(),
        dn: None,
        changes: request.afterwards.clone(),
        references: request.references.clone(),
        afterwards: request.stamp.clone(),
        reclaims: false,
    };
    ExportItem {
        id: request.id,
        object_type: request.object_type.clone(),
        operation: ExportOperation::Update(update),
        named_by: request.named_by.clone(),
    }
}
