//! What only the provisioning service tells of an object: the source anchor of groups and contacts, whether the cloud
//! masters it again (SF30), and those attributes of contacts that Graph has no property for. Read by ReadBack and laid over
//! what Graph tells of the same object; decides nothing.

use super::service::Service;
use super::words::class_of;
use crate::provisioning::{SyncKind, SyncObject, SyncOperation, SyncValue};
use crate::schema::{CLOUD_MASTERED, Class, SOURCE_ANCHOR, USER};
use connector_contract::{ConnectorError, ErrorKind, ImportItem, ImportedChange};
use metaverse_schema::{Anchor, AttributesDelta, Guid, ObjectType, Value, Values};
use std::collections::{BTreeMap, HashMap};

/// Pages that one reading may have at most: a service that never ends is not followed for ever.
const MOST_PAGES: usize = 1_000_000;

/// What ReadBack tells of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Overlay {
    kind: SyncKind,
    /// Of groups and contacts; users tell it over Graph.
    source_anchor: Option<Box<str>>,
    cloud_mastered: bool,
    /// Attributes that were sent and that Graph does not tell; of contacts alone.
    more: Box<[(&'static str, Values)]>,
}

impl Overlay {
    fn of(object: &SyncObject, kind: SyncKind) -> Overlay {
        let gone = object.operation == SyncOperation::Delete;
        let anchor = object.source_anchor().filter(|_| kind != SyncKind::User && !gone);
        Overlay {
            kind,
            source_anchor: anchor.map(Into::into),
            cloud_mastered: object.boolean(CLOUD_MASTERED) == Some(true) && !gone,
            more: if gone { Box::default() } else { more(object, kind) },
        }
    }

    fn is_empty(&self) -> bool {
        self.source_anchor.is_none() && !self.cloud_mastered && self.more.is_empty()
    }

    /// The values of the class's attributes that Graph does not tell.
    fn values(&self, class: &Class) -> Vec<(&'static str, Values)> {
        let value = |name: &str| match name {
            SOURCE_ANCHOR => self.source_anchor.as_deref().map(|anchor| Value::text(anchor).into()),
            CLOUD_MASTERED => self.cloud_mastered.then(|| Value::Boolean(true).into()),
            other => self.more.iter().find(|(known, _)| *known == other).map(|(_, values)| values.clone()),
        };
        class.read_back.iter().map(|property| (property.name, value(property.name).unwrap_or_default())).collect()
    }
}

/// What the class's own read-back attributes hold. The service's names differ in case between the directions.
fn more(object: &SyncObject, kind: SyncKind) -> Box<[(&'static str, Values)]> {
    let read_back = class_of(kind).map_or(&[][..], |class| class.read_back);
    let held = read_back.iter().filter_map(|property| {
        let values = told(object.value(property.synced?)?);
        (!values.is_empty()).then_some((property.name, values))
    });
    held.collect()
}

/// A property as attribute values; an empty text is no value.
fn told(value: &SyncValue) -> Values {
    let text = |text: &String| (!text.is_empty()).then(|| Value::text(text.as_str()));
    match value {
        SyncValue::Text(one) => text(one).into_iter().collect(),
        SyncValue::Texts(several) => several.iter().filter_map(text).collect(),
        SyncValue::Boolean(truth) => Value::Boolean(*truth).into(),
        SyncValue::Long(number) => Value::text(number.to_string()).into(),
        SyncValue::Nil | SyncValue::Binary(_) | SyncValue::Binaries(_) | SyncValue::References(_) => Values::default(),
    }
}

/// Overlays by object id.
#[derive(Debug, Default)]
pub(crate) struct Overlays(HashMap<Guid, Overlay>);

impl Overlays {
    pub(crate) fn insert(&mut self, id: Guid, overlay: Overlay) {
        if overlay.is_empty() {
            self.0.remove(&id);
        } else {
            self.0.insert(id, overlay);
        }
    }

    /// Whether something is known of the object. Of one that is not synchronised there is nothing to know.
    pub(crate) fn knows(&self, anchor: &Anchor) -> bool {
        object_id(anchor).is_some_and(|id| self.0.contains_key(&id))
    }

    /// The object that carries this source anchor.
    pub(crate) fn holder(&self, kind: SyncKind, source_anchor: &str) -> Option<Guid> {
        let carries =
            |overlay: &Overlay| overlay.kind == kind && overlay.source_anchor.as_deref() == Some(source_anchor);
        self.0.iter().find(|(_, overlay)| carries(overlay)).map(|(id, _)| *id)
    }

    /// Completes a whole object; what is not one stays as it is.
    pub(crate) fn lay_over(&self, item: &mut ImportItem) {
        let ImportItem::Object(object) = item else { return };
        let Some(overlay) = object_id(&object.anchor).and_then(|id| self.0.get(&id)) else { return };
        let Some(class) = Class::named(object.object_type.as_str()) else { return };
        for (name, values) in overlay.values(class) {
            object.attributes.set(name, values);
        }
    }
}

fn object_id(anchor: &Anchor) -> Option<Guid> {
    anchor.to_string().parse().ok()
}

/// One change that ReadBack tells, for the import stream.
pub(crate) fn change(id: Guid, overlay: &Overlay) -> Option<ImportItem> {
    let class = class_of(overlay.kind)?;
    let mut changes = AttributesDelta::default();
    for (name, values) in overlay.values(class) {
        changes.set(name, values);
    }
    Some(ImportItem::Change(ImportedChange {
        anchor: Anchor::Text(id.to_string()),
        object_type: ObjectType::new(class.name),
        place: None,
        changes,
        whole_if_new: false,
    }))
}

/// Adds what ReadBack told of an object to a change of it, and takes it from the list of what is left to tell.
pub(crate) fn add_to_change(item: &mut ImportItem, left: &mut BTreeMap<Guid, Overlay>) {
    let ImportItem::Change(told) = item else { return };
    let Some(id) = object_id(&told.anchor) else { return };
    let is_same = |overlay: &Overlay| class_of(overlay.kind).is_some_and(|class| told.object_type == class.name);
    if !left.get(&id).is_some_and(is_same) {
        return;
    }
    if let Some(overlay) = left.remove(&id)
        && let Some(class) = class_of(overlay.kind)
    {
        for (name, values) in overlay.values(class) {
            told.changes.set(name, values);
        }
    }
}

/// What one reading gave, in the order of the ids, and where the next delta begins.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) overlays: BTreeMap<Guid, Overlay>,
    pub(crate) cookie: Option<String>,
}

impl Reading {
    /// Everything that is synchronised. Of users only those that the cloud masters again are kept.
    pub(crate) async fn whole(service: &dyn Service) -> Result<Reading, ConnectorError> {
        read(service, None, true, |overlay| !overlay.is_empty()).await
    }

    /// What changed since the cookie; an object that is synchronised no longer has an empty overlay.
    pub(crate) async fn since(service: &dyn Service, cookie: &str) -> Result<Reading, ConnectorError> {
        read(service, Some(cookie.to_owned()), false, |_| true).await
    }
}

async fn read(
    service: &dyn Service,
    mut cookie: Option<String>,
    full: bool,
    keeps: impl Fn(&Overlay) -> bool,
) -> Result<Reading, ConnectorError> {
    let attempted = "reading synchronised objects back";
    let broken = |problem: &str| ConnectorError::new(ErrorKind::Protocol, attempted, problem, "");
    let mut reading = Reading::default();
    for _ in 0..MOST_PAGES {
        let page = service.read_back(cookie.as_deref(), full).await?;
        for object in &page.objects {
            let Some(anchor) = object.cloud_anchor() else { continue };
            let Ok(id) = anchor.object_id.parse::<Guid>() else { continue };
            let overlay = Overlay::of(object, anchor.kind);
            if keeps(&overlay) {
                reading.overlays.insert(id, overlay);
            } else {
                reading.overlays.remove(&id);
            }
        }
        if !page.more {
            reading.cookie = page.cookie;
            return Ok(reading);
        }
        if page.cookie.is_none() || page.cookie == cookie {
            return Err(broken("there is more, and the service does not say where"));
        }
        cookie = page.cookie;
    }
    Err(broken("the service goes on without end"))
}

/// Whether overlays of this class differ from what a Graph-only reading gives.
pub(crate) fn is_anchored(class: &Class) -> bool {
    class.name != USER.name && class.read_back.iter().any(|property| property.name == SOURCE_ANCHOR)
}

#[cfg(test)]
mod tests {
    use super::super::scripted::{Scripted, contact, group, page, user};
    use super::*;
    use connector_contract::ImportedObject;
    use metaverse_schema::Attributes;

    const G: &str = "00000000-0000-4000-8000-0000000000a1";
    const C: &str = "00000000-0000-4000-8000-0000000000c1";
    const U: &str = "00000000-0000-4000-8000-0000000000b1";

    fn object(class: &str, id: &str) -> ImportItem {
        ImportItem::Object(ImportedObject {
            anchor: Anchor::Text(id.to_owned()),
            object_type: ObjectType::new(class),
            place: None,
            attributes: Attributes::new(),
            print: None,
        })
    }

    fn shown(overlays: &Overlays, class: &str, id: &str) -> String {
        let mut item = object(class, id);
        overlays.lay_over(&mut item);
        let ImportItem::Object(object) = item else { unreachable!("it was an object") };
        format!("{:?}", object.attributes)
    }

    /// Groups and contacts get their anchor, whoever the cloud masters is marked, and nobody else gets anything.
    #[tokio::test]
    async fn a_whole_reading_is_laid_over_what_graph_tells() {
        let service = Scripted::reading(vec![
            page(vec![group(G, "anchor-g"), user(U, "anchor-u")], Some("1"), true),
            page(
                vec![contact(C, "anchor-c").with(CLOUD_MASTERED, crate::provisioning::SyncValue::Boolean(true))],
                Some("2"),
                false,
            ),
        ]);
        let reading = Reading::whole(&service).await.unwrap();
        assert_eq!(reading.cookie.as_deref(), Some("2"));
        assert_eq!(service.asked(), ["full from the beginning", "full from 1"]);
        let mut overlays = Overlays::default();
        reading.overlays.into_iter().for_each(|(id, overlay)| overlays.insert(id, overlay));
        assert_eq!(shown(&overlays, "group", G), r#"{sourceAnchor: "anchor-g"}"#);
        assert_eq!(shown(&overlays, "contact", C), r#"{blockOnPremisesSync: True, sourceAnchor: "anchor-c"}"#);
        assert_eq!(shown(&overlays, "user", U), "{}");
        assert_eq!(overlays.holder(SyncKind::Group, "anchor-g"), G.parse().ok());
        assert_eq!(overlays.holder(SyncKind::Contact, "anchor-g"), None);
    }

    /// A delta tells what changed; an object that is synchronised no longer loses what only ReadBack gave it.
    #[tokio::test]
    async fn a_delta_tells_changes() {
        let gone = SyncObject { operation: SyncOperation::Delete, ..group(G, "anchor-g") };
        let service = Scripted::reading(vec![page(vec![gone, contact(C, "anchor-c")], Some("9"), false)]);
        let reading = Reading::since(&service, "2").await.unwrap();
        assert_eq!(service.asked(), ["changes from 2"]);
        let told: Vec<String> = reading
            .overlays
            .iter()
            .filter_map(|(id, overlay)| change(*id, overlay))
            .map(|item| match item {
                ImportItem::Change(change) => format!("{} {:?}", change.object_type, change.changes),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(
            told,
            [
                "group AttributesDelta({blockOnPremisesSync: Replace([]), sourceAnchor: Replace([])})",
                r#"contact AttributesDelta({blockOnPremisesSync: Replace([]), businessPhones: Replace([]), city: Replace([]), country: Replace([]), description: Replace([]), faxNumber: Replace([]), homePhone: Replace([]), info: Replace([]), ipPhone: Replace([]), mobilePhone: Replace([]), officeLocation: Replace([]), pager: Replace([]), postalCode: Replace([]), sourceAnchor: Replace("anchor-c"), state: Replace([]), streetAddress: Replace([])})"#
            ]
        );
    }

    /// D39: what Graph has no property for comes from ReadBack, in whatever case the service spells it.
    #[tokio::test]
    async fn d39_a_contacts_other_attributes_are_read_back() {
        let text = |text: &str| SyncValue::Text(text.to_owned());
        let full = contact(C, "anchor-c")
            .with("TelephoneNumber", text("+49 1"))
            .with("physicalDeliveryOfficeName", text("B 12"))
            .with("HomePhone", text(""))
            .with("UserCertificate", SyncValue::Binaries(vec![vec![1]]));
        let reading = Reading::whole(&Scripted::reading(vec![page(vec![full], Some("1"), false)])).await.unwrap();
        let mut overlays = Overlays::default();
        reading.overlays.into_iter().for_each(|(id, overlay)| overlays.insert(id, overlay));
        assert_eq!(
            shown(&overlays, "contact", C),
            r#"{businessPhones: "+49 1", officeLocation: "B 12", sourceAnchor: "anchor-c"}"#
        );
    }

    /// What Graph tells of a group and what ReadBack tells of it come as one item: told after the other, the first would be an
    /// import that lacks what was exported.
    #[test]
    fn both_tell_of_an_object_in_one_item() {
        let overlay = Overlay::of(&group(G, "anchor-g"), SyncKind::Group);
        let mut left = BTreeMap::from([(G.parse::<Guid>().unwrap(), overlay)]);
        let told = |class: &str| {
            let mut changes = AttributesDelta::default();
            changes.set("displayName", Value::text("Crew"));
            let (anchor, object_type) = (Anchor::Text(G.to_owned()), ObjectType::new(class));
            ImportItem::Change(ImportedChange { anchor, object_type, place: None, changes, whole_if_new: true })
        };
        let shown = |item: &ImportItem| match item {
            ImportItem::Change(change) => format!("{:?}", change.changes),
            other => panic!("{other:?}"),
        };
        let mut other = told("user");
        add_to_change(&mut other, &mut left);
        assert_eq!(left.len(), 1, "another class is another object");
        let (mut first, mut second) = (told("group"), told("group"));
        add_to_change(&mut first, &mut left);
        add_to_change(&mut second, &mut left);
        assert!(left.is_empty() && shown(&first).contains("anchor-g") && !shown(&second).contains("anchor-g"));
    }

    /// SF15: a reading that does not end is none.
    #[tokio::test]
    async fn a_reading_that_does_not_go_on_is_refused() {
        let service = Scripted::reading(vec![page(vec![group(G, "a")], None, true)]);
        assert_eq!(Reading::whole(&service).await.unwrap_err().kind, ErrorKind::Protocol);
        let service = Scripted::reading(vec![page(vec![], Some("1"), true), page(vec![], Some("1"), true)]);
        assert_eq!(Reading::whole(&service).await.unwrap_err().kind, ErrorKind::Protocol);
    }
}
