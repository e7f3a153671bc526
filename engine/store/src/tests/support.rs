//! A store with a source space `ad` and a target space `cloud`, the items to fill it, and a text form to look at it.

use crate::*;
use metaverse_schema::{
    Anchor, Attributes, AttributesDelta, ConnectorSchema, Dn, ObjectType, Plurality, Reference, Value, ValueKind,
    Values,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use sync_kernel::*;
use sync_rules::{Expression, KeyDefinition, KeyId, KeySpace, Matching, MetaverseSchema, RuleSet};

pub(super) const NOW: i64 = 1_700_000_000_000_000;
pub(super) const MAIL_IN_AD: KeyId = KeyId(0);
pub(super) const MAIL_IN_METAVERSE: KeyId = KeyId(1);
pub(super) const MAIL_IN_CLOUD: KeyId = KeyId(2);

pub(super) struct World {
    pub(super) store: Store,
    pub(super) folder: tempfile::TempDir,
}

pub(super) fn key(space: KeySpace, text: &str) -> KeyDefinition {
    let expression = Expression::parse(text).unwrap();
    KeyDefinition { identity: format!("{space:?} * {text}"), space, object_type: None, expression, exact: false }
}

pub(super) fn rules() -> RuleSet {
    RuleSet {
        rules: Vec::new(),
        metaverse: MetaverseSchema::default(),
        deletion: BTreeMap::new(),
        keys: vec![
            key(KeySpace::Connector("ad".into()), "[mail]"),
            key(KeySpace::Metaverse, "[mail]"),
            key(KeySpace::Connector("cloud".into()), "[mail]"),
        ],
        parameters: BTreeMap::new(),
        matching: Matching::Automatic,
        grace_days: 7,
        without_recall: BTreeSet::new(),
        selections: BTreeMap::new(),
        hash: "first".into(),
        text: "the first rules".into(),
        places: Default::default(),
    }
}

pub(super) fn inputs() -> RunInputs {
    RunInputs {
        rules: rules().into(),
        schemas: BTreeMap::new(),
        now: NOW,
        rules_changed: false,
        trace: false,
        own_accounts: Vec::new(),
    }
}

pub(super) fn schema() -> ConnectorSchema {
    ConnectorSchema::default()
        .class("user", true)
        .class("group", true)
        .class("contact", true)
        .container("organizationalUnit")
        .attribute("mail", ValueKind::Text, Plurality::Single, true)
        .attribute("displayName", ValueKind::Text, Plurality::Single, true)
        .attribute("member", ValueKind::Reference, Plurality::Multi, true)
        .attribute("manager", ValueKind::Reference, Plurality::Single, true)
        .attribute("unicodePwd", ValueKind::Secret, Plurality::Single, true)
}

pub(super) fn anchor(text: &str) -> Anchor {
    Anchor::text(text).unwrap()
}

pub(super) fn dn(text: &str) -> Dn {
    text.parse().unwrap()
}

pub(super) fn image(pairs: &[(&str, &str)]) -> Attributes {
    let mut image = Attributes::new();
    for (name, value) in pairs {
        image.add(*name, Value::text(*value));
    }
    image
}

/// `a user cn=Ann,ou=x mail=ann@x`: anchor, type, DN (`-` is none), then attributes; `member>bob` refers by anchor,
/// `member>>cn=Bob` by DN (with `;` for `,`).
pub(super) fn object(text: &str) -> StagedItem {
    let mut words = text.split(' ');
    let (id, object_type, place) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
    let mut attributes = Attributes::new();
    for word in words {
        if let Some((name, target)) = word.split_once(">>") {
            attributes.add(name, Value::Reference(Reference::Dn(dn(&target.replace(';', ",")))));
        } else if let Some((name, target)) = word.split_once('>') {
            attributes.add(name, Value::Reference(Reference::Anchor(anchor(target))));
        } else if let Some((name, value)) = word.split_once('=') {
            attributes.add(name, Value::text(value));
        }
    }
    StagedItem::Object(StagedObject {
        anchor: anchor(id),
        object_type: ObjectType::new(object_type),
        place: (place != "-").then(|| StagedPlace { dn: dn(place), parent: None }),
        attributes,
        print: None,
    })
}

pub(super) fn deleted(id: &str) -> StagedItem {
    StagedItem::Deleted { anchor: anchor(id), cause: DeleteCause::DeletedInSource }
}

pub(super) fn changed(id: &str, object_type: &str, place: Option<&str>, changes: AttributesDelta) -> StagedItem {
    StagedItem::Change(StagedChange {
        anchor: anchor(id),
        object_type: ObjectType::new(object_type),
        place: place.map(|place| StagedPlace { dn: dn(place), parent: None }),
        changes,
        whole_if_new: false,
    })
}

impl World {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::create(&folder.path().join("metasync.db")).unwrap();
        store.register_rules(&rules(), NOW).unwrap();
        World { store, folder }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("metasync.db")
    }

    /// A whole import that ends well.
    pub(super) fn import(
        &mut self,
        connector: &str,
        mode: ImportMode,
        items: Vec<StagedItem>,
    ) -> (StagedPage, ImportSummary) {
        let mut session = self.store.begin_import(connector, mode, &schema(), None).unwrap();
        let page = self.store.stage_page(&mut session, items, NOW).unwrap();
        let ending =
            FinishImport { obsolete: true, cleanup: true, watermark: Some("w".into()), ..FinishImport::default() };
        (page, self.store.finish_import(session, ending, NOW).unwrap())
    }

    pub(super) fn full(&mut self, connector: &str, lines: &[&str]) -> ImportSummary {
        self.import(connector, ImportMode::Full, lines.iter().map(|line| object(line)).collect()).1
    }

    pub(super) fn delta(&mut self, connector: &str, items: Vec<StagedItem>) -> (StagedPage, ImportSummary) {
        self.import(connector, ImportMode::Delta, items)
    }

    pub(super) fn id(&self, connector: &str, text: &str) -> CsId {
        match self.store.find_object(connector, text).unwrap().as_slice() {
            [id] => *id,
            found => panic!("{text} in {connector}: {found:?}"),
        }
    }

    pub(super) fn object(&self, connector: &str, text: &str) -> CsObject {
        self.store.object(self.id(connector, text)).unwrap().unwrap()
    }

    /// Applies one plan in a page of its own.
    pub(super) fn apply(&mut self, plan: &ObjectPlan) -> AppliedPlan {
        let mut page = self.store.begin_page(&inputs(), PageMark { now: NOW, ..PageMark::default() }).unwrap();
        let applied = page.apply(plan).unwrap();
        page.commit().unwrap();
        applied
    }

    /// Promotes everything that is queued and links nothing; removes what was deleted.
    pub(super) fn promote_all(&mut self, connector: &str) {
        for id in self.store.dirty_page(connector, None, 1000).unwrap() {
            let object = self.store.object(id).unwrap().unwrap();
            let plan = ObjectPlan {
                promote: true,
                remove_subject: matches!(object.staged, Some(Staged::Deleted(_))),
                ..plan(Subject::Connector(id))
            };
            self.apply(&plan);
        }
    }

    /// Projects an object into the metaverse with its `mail` and `displayName`, and promotes it.
    pub(super) fn project(&mut self, connector: &str, text: &str) -> MvId {
        let id = self.id(connector, text);
        let object = self.store.object(id).unwrap().unwrap();
        let attributes = object
            .imported()
            .unwrap()
            .iter()
            .map(|(name, values)| {
                (name.clone(), MvValue { values: values.clone(), contributor: id, rule: "in".into() })
            })
            .collect();
        let plan = ObjectPlan {
            promote: true,
            links: vec![LinkChange {
                object: id,
                link: Some((MvRef::New, "in".into(), Ownership::Joined)),
                explicitly: false,
            }],
            metaverse: vec![MetaversePlan {
                object: MvRef::New,
                object_type: "person".into(),
                change: MetaverseChange::Set { attributes, changed: Vec::new() },
                decisions: Vec::new(),
                due: None,
            }],
            ..plan(Subject::Connector(id))
        };
        self.apply(&plan).metaverse.unwrap()
    }

    /// Applies one target of a metaverse object; returns the object it created.
    pub(super) fn target(&mut self, mv: MvId, target: TargetPlan) -> Option<CsId> {
        let links = match (&target.target, &target.link) {
            (Some(TargetRef::Existing(id)), link) => vec![LinkChange {
                object: *id,
                link: link.as_ref().map(|(rule, ownership)| (MvRef::Existing(mv), rule.clone(), *ownership)),
                explicitly: false,
            }],
            _ => Vec::new(),
        };
        let plan = ObjectPlan { links, targets: vec![target], ..plan(Subject::Metaverse(mv)) };
        self.apply(&plan).targets.first().copied()
    }

    /// Projects an object and provisions it in `cloud`, without exporting it.
    pub(super) fn provision(&mut self, text: &str, object_type: &str) -> (MvId, CsId) {
        let mv = self.project("ad", text);
        let attributes = image(&[("displayName", text)]);
        let created = self.target(mv, create(mv, object_type, attributes)).unwrap();
        (mv, created)
    }

    /// Sends everything that can be sent and accepts it, creates with the anchor `c-` and the name.
    pub(super) fn export_all(&mut self) -> Settled {
        let mut total = Settled::default();
        for phase in [ExportPhase::Removals, ExportPhase::Writes] {
            let entries = self.store.export_page("cloud", phase, None, 1000, 1000).unwrap();
            self.store.mark_in_flight(&entries).unwrap();
            let settlements: Vec<Settlement> = entries.into_iter().map(accepted).collect();
            let settled = self.store.settle(&settlements, &PageMark { now: NOW, ..PageMark::default() }).unwrap();
            total.accepted += settled.accepted;
            for (name, count) in settled.counters {
                *total.counters.entry(name).or_default() += count;
            }
        }
        total
    }

    pub(super) fn references(&mut self) -> ReferencePage {
        let mut total = ReferencePage::default();
        loop {
            let page = self.store.settle_references(3).unwrap();
            total.rows += page.rows;
            total.added += page.added;
            total.removed += page.removed;
            total.held += page.held;
            if !page.more {
                return total;
            }
        }
    }

    /// Every object of a space, one line each.
    pub(super) fn show(&self, connector: &str) -> String {
        let db = &self.store.db;
        let id = db.find_connector(connector).unwrap();
        let mut lines = Vec::new();
        for id in db.ids("SELECT id FROM head WHERE connector = ?1 ORDER BY id", [id]).unwrap() {
            let head = db.head(id).unwrap();
            let object = db.view(&head).unwrap();
            let staged = match &object.staged {
                None => String::new(),
                Some(Staged::Image(_)) => " +staged".into(),
                Some(Staged::Deleted(cause)) => format!(" -deleted ({cause})"),
                Some(Staged::Replaced(_)) => " ~replaced".into(),
            };
            let transient = if head.has(crate::head::TRANSIENT) { " transient" } else { "" };
            let counts: Vec<String> =
                object.reference_counts.iter().map(|(name, count)| format!(" {name}:{count}")).collect();
            lines.push(format!(
                "{} {} {:?} [{}]{}{staged}{transient}{}\n",
                object.object_type,
                object.anchor.map_or("-".into(), |anchor| anchor.to_string()),
                object.state,
                object.dn.map_or("-".into(), |dn| dn.to_string()),
                object.link.map_or(String::new(), |link| format!(" -> {}", link.mv)),
                counts.concat(),
            ));
        }
        lines.concat()
    }
}

/// What a create gives its object as a name.
pub(super) fn named(entry: &ExportEntry) -> String {
    let attributes = match entry.pending.as_ref().map(|pending| &pending.operation) {
        Some(PendingOperation::Add { attributes }) => attributes,
        _ => &entry.unanswered,
    };
    let name = ["displayName", "mail", "cn"].iter().find_map(|name| attributes.text(name));
    name.map(str::to_owned)
        .or_else(|| entry.dn.as_ref().map(ToString::to_string))
        .unwrap_or_else(|| entry.id.to_string())
}

pub(super) fn accepted(entry: ExportEntry) -> Settlement {
    let anchor = entry.anchor.is_none().then(|| anchor(&format!("c-{}", named(&entry))));
    Settlement { entry, outcome: SettledOutcome::Accepted { anchor, failed_references: Vec::new() } }
}

pub(super) fn refusal(code: &str, retry: bool) -> Refusal {
    Refusal { code: code.into(), attribute: None, message: format!("no: {code}"), remedy: "mend it".into(), retry }
}

pub(super) fn plan(subject: Subject) -> ObjectPlan {
    ObjectPlan {
        subject,
        counter: None,
        promote: false,
        remove_subject: false,
        state: None,
        links: Vec::new(),
        metaverse: Vec::new(),
        targets: Vec::new(),
        error: None,
        scopes: Vec::new(),
        join: None,
        revisit: BTreeSet::new(),
        rejoin: BTreeSet::new(),
        facts_wanted: BTreeSet::new(),
        reads: ReadSet::default(),
    }
}

pub(super) fn nothing(mv: MvId) -> TargetPlan {
    TargetPlan {
        connector: "cloud".into(),
        mv: MvRef::Existing(mv),
        target: None,
        dropped: Vec::new(),
        link: None,
        pending: None,
        memory: ExportMemory::default(),
        owned: Default::default(),
        contributed: Default::default(),
        references: Vec::new(),
        holds: Vec::new(),
        decisions: Vec::new(),
        counter: None,
        matched_by: None,
    }
}

pub(super) fn create(mv: MvId, object_type: &str, attributes: Attributes) -> TargetPlan {
    TargetPlan {
        target: Some(TargetRef::New { object_type: object_type.into(), dn: None }),
        link: Some(("out".into(), Ownership::Provisioned)),
        pending: Some(PendingExport {
            operation: PendingOperation::Add { attributes },
            state: SentState::Pending,
            grace: None,
        }),
        ..nothing(mv)
    }
}

/// An existing target that stays as it is.
pub(super) fn keep(mv: MvId, id: CsId, ownership: Ownership) -> TargetPlan {
    TargetPlan { target: Some(TargetRef::Existing(id)), link: Some(("out".into(), ownership)), ..nothing(mv) }
}

pub(super) fn update(changes: AttributesDelta) -> PendingExport {
    PendingExport {
        operation: PendingOperation::Update {
            rename: None,
            changes,
            afterwards: AttributesDelta::default(),
            takeover: false,
        },
        state: SentState::Pending,
        grace: None,
    }
}

pub(super) fn member_flow(source: CsId, keep_foreign: bool) -> ReferenceFlow {
    ReferenceFlow {
        target_attribute: "members".into(),
        source,
        source_attribute: "member".into(),
        rule: "out".into(),
        single: false,
        keep_foreign,
    }
}

pub(super) fn set(name: &str, value: &str) -> AttributesDelta {
    let mut delta = AttributesDelta::default();
    delta.set(name, if value.is_empty() { Values::default() } else { Value::text(value).into() });
    delta
}

pub(super) fn hold(code: &str, candidate: Option<CsId>, approvable: Option<ApprovalKind>) -> Hold {
    Hold {
        code: code.into(),
        attribute: None,
        wanted: Some("new".into()),
        present: None,
        message: format!("held: {code}"),
        remedy: "approve it".into(),
        candidate,
        approvable,
    }
}
