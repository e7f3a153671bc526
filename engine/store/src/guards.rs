//! Gathers what an export would do, line by line, for the guard stage (SF12). Judges nothing; the kernel counts the lines
//! against their limits.

use crate::codes;
use crate::db::Db;
use crate::error::Inner;
use crate::export::{REFERENCES_TO_SEND, can_be_sent};
use crate::head::Head;
use crate::{Store, StoreError};
use metaverse_schema::{AttributeName, Attributes, AttributesDelta, Value, Values};
use std::collections::{BTreeMap, BTreeSet};
use sync_kernel::{GuardCounts, GuardKind, GuardLine, PendingOperation, overlay};

/// Which attributes of a connector's objects play a part in the guard stage, and the size below which a group is not counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GuardRoles {
    /// Says whether an account is enabled: a truth value, or `userAccountControl` (0x2: disabled).
    pub enabled: Option<AttributeName>,
    pub sign_in_name: Option<AttributeName>,
    /// All addresses; the one with `SMTP:` in capitals is the primary one.
    pub addresses: Option<AttributeName>,
    pub mail: Option<AttributeName>,
    /// Carries the anchor of the source object.
    pub stamp: Option<AttributeName>,
    /// Up to so many removals from one group are never `group-emptied`; they still count as `member-remove`
    /// (`Guards::at_least`).
    pub small_group: u64,
}

impl Store {
    /// How much of each kind an export of this connector would do now. Holds no line in memory.
    pub fn guard_counts(&self, connector: &str, roles: &GuardRoles) -> Result<GuardCounts, StoreError> {
        let mut counts = GuardCounts::default();
        self.each_guard_line(connector, roles, Texts::Left, &mut |line| counts.add(&line))?;
        Ok(counts)
    }

    /// Everything of these kinds that an export would do now, in a fixed order.
    pub fn guard_lines(
        &self,
        connector: &str,
        roles: &GuardRoles,
        kinds: &BTreeSet<GuardKind>,
    ) -> Result<Vec<GuardLine>, StoreError> {
        let mut lines = Vec::new();
        self.each_guard_line(connector, roles, Texts::Told, &mut |line| {
            if kinds.contains(&line.kind) {
                lines.push(line);
            }
        })?;
        lines.sort();
        Ok(lines)
    }

    fn each_guard_line(
        &self,
        connector: &str,
        roles: &GuardRoles,
        texts: Texts,
        visit: &mut dyn FnMut(GuardLine),
    ) -> Result<(), StoreError> {
        self.db.read("gathering what the export would do", |db| {
            let Some(connector) = db.find_connector(connector) else { return Ok(()) };
            db.object_lines(connector, roles, texts, visit)?;
            db.member_lines(connector, roles, texts, visit)
        })
    }

    /// Number of objects that the connected system holds as far as is known: what percentages are taken of.
    pub fn space_size(&self, connector: &str) -> Result<u64, StoreError> {
        self.db.read("counting the connector space", |db| {
            let Some(connector) = db.find_connector(connector) else { return Ok(0) };
            // The table in its own order: by an index it would be gone through in random order.
            db.count(
                "SELECT count(*) FROM head NOT INDEXED WHERE connector = ?1 AND anchor IS NOT NULL AND state NOT IN (5, 6)",
                [connector],
            )
        })
    }
}

/// Whether a line says which object it is about, and what happens to it. Counting needs neither, and a first load has as many
/// lines as the directory has objects and members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Texts {
    Told,
    Left,
}

/// A line of which only the kind counts.
fn bare(kind: GuardKind) -> GuardLine {
    GuardLine { kind, counted_by: String::new(), object: String::new(), name: String::new(), detail: String::new() }
}

/// One object's export, before and after.
struct Change<'a> {
    roles: &'a GuardRoles,
    object: String,
    name: String,
    before: Attributes,
    after: Attributes,
}

impl Change<'_> {
    fn line(&self, kind: GuardKind, counted_by: &str, detail: impl Into<String>) -> GuardLine {
        GuardLine {
            kind,
            counted_by: counted_by.to_owned(),
            object: self.object.clone(),
            name: self.name.clone(),
            detail: detail.into(),
        }
    }

    fn values(&self, role: Option<&AttributeName>) -> Option<(Values, Values)> {
        let role = role?;
        let of = |image: &Attributes| image.get(role.as_str()).cloned().unwrap_or_default();
        Some((of(&self.before), of(&self.after)))
    }

    /// Lines for what an update changes.
    fn lines(&self) -> Vec<GuardLine> {
        let mut lines = Vec::new();
        if let Some((before, after)) = self.values(self.roles.enabled.as_ref()) {
            match (is_enabled(&before), is_enabled(&after)) {
                (Some(false), Some(true)) => lines.push(self.line(GuardKind::Enable, "", "")),
                (Some(true), Some(false)) => lines.push(self.line(GuardKind::Disable, "", "")),
                _ => {}
            }
        }
        if let Some((before, after)) = self.values(self.roles.sign_in_name.as_ref())
            && !before.is_empty()
            && text(&before).to_lowercase() != text(&after).to_lowercase()
        {
            lines.push(self.line(GuardKind::SignInNameChange, "", arrow(&text(&before), &text(&after))));
        }
        let (before, after) = (self.primary_address(&self.before), self.primary_address(&self.after));
        if let Some(before) = before.filter(|before| after.as_ref() != Some(before)) {
            lines.push(self.line(GuardKind::PrimaryAddressChange, "", arrow(&before, &after.unwrap_or_default())));
        }
        if let Some((before, after)) = self.values(self.roles.stamp.as_ref())
            && before != after
        {
            lines.push(self.line(GuardKind::AnchorWrite, "", arrow(&text(&before), &text(&after))));
        }
        for (name, values) in self.before.iter() {
            if self.after.get(name.as_str()).is_none() && self.roles.stamp.as_ref() != Some(name) {
                lines.push(self.line(GuardKind::AttributeWipe, name.as_str(), text(values)));
            }
        }
        lines
    }

    /// The primary address, in lower case: of all addresses, or `mail`.
    fn primary_address(&self, image: &Attributes) -> Option<String> {
        let listed = self.roles.addresses.as_ref().and_then(|name| image.get(name.as_str())).and_then(|values| {
            values
                .iter()
                .filter_map(Value::as_text)
                .find_map(|address| address.strip_prefix("SMTP:").map(str::to_lowercase))
        });
        listed.or_else(|| self.roles.mail.as_ref().and_then(|name| image.text(name.as_str())).map(str::to_lowercase))
    }
}

fn is_enabled(values: &Values) -> Option<bool> {
    match values.first()? {
        Value::Boolean(enabled) => Some(*enabled),
        Value::Integer(control) => Some(control & 0x2 == 0),
        _ => None,
    }
}

fn text(values: &Values) -> String {
    values.iter().map(Value::to_string).collect::<Vec<_>>().join(", ")
}

fn arrow(before: &str, after: &str) -> String {
    format!(
        "{} -> {}",
        if before.is_empty() { "(none)" } else { before },
        if after.is_empty() { "(none)" } else { after }
    )
}

impl Db {
    fn object_lines(
        &self,
        connector: i64,
        roles: &GuardRoles,
        texts: Texts,
        visit: &mut dyn FnMut(GuardLine),
    ) -> Inner<()> {
        // What is deleted comes first: what replaces it is told by it.
        let mut deleted: BTreeMap<String, String> = BTreeMap::new();
        let sendable = "SELECT object, operation FROM pending_export \
                        WHERE connector = ?1 AND to_send = 1 AND not_before IS NULL AND operation";
        let mut pending: Vec<(i64, i64)> = Vec::new();
        for removed in ["= 3", "<> 3"] {
            pending
                .extend(self.all(&format!("{sendable} {removed}"), [connector], |row| Ok((row.get(0)?, row.get(1)?)))?);
        }
        for (id, operation) in pending {
            if texts == Texts::Left && operation == codes::ADD && deleted.is_empty() {
                visit(bare(GuardKind::Add));
                continue;
            }
            let head = self.head(id)?;
            let Some(pending) = self.load_pending(id, connector)?.filter(|pending| can_be_sent(&pending.state)) else {
                continue;
            };
            let before = overlay(&self.imported_image(&head)?.unwrap_or_default(), &self.memory(&head)?);
            let after = after_export(&before, &pending.operation);
            let stamped =
                |image: &Attributes| roles.stamp.as_ref().and_then(|stamp| image.get(stamp.as_str())).map(text);
            let change = Change {
                roles,
                object: self.guard_object(&head, stamped(&after))?,
                name: self.told_name(id, texts)?,
                before,
                after,
            };
            match &pending.operation {
                PendingOperation::Delete { cause, .. } => {
                    if let Some(stamp) = stamped(&change.before) {
                        deleted.insert(stamp, change.object.clone());
                    }
                    visit(change.line(GuardKind::Delete, "", cause.to_string()));
                }
                PendingOperation::Detach { cause, .. } => {
                    // SF4: the sign-in is blocked and the stamp cleared.
                    visit(change.line(GuardKind::Disable, "", format!("let go: {cause}")));
                    if let Some(stamp) = stamped(&change.before) {
                        visit(change.line(GuardKind::AnchorWrite, "", arrow(&stamp, "")));
                    }
                }
                PendingOperation::Add { .. } => {
                    visit(change.line(GuardKind::Add, "", "created"));
                    // The same source object, deleted as one thing and created as another (T32).
                    if !deleted.is_empty()
                        && let Some(gone) = stamped(&change.after).and_then(|stamp| deleted.get(&stamp))
                    {
                        visit(change.line(GuardKind::DeleteAdd, "", format!("replaces {gone}")));
                    }
                }
                PendingOperation::Restore { .. } => {
                    visit(change.line(GuardKind::Add, "", "brought back from the recycle bin"));
                    change.lines().into_iter().for_each(&mut *visit);
                }
                PendingOperation::Update { takeover, .. } => {
                    if *takeover {
                        visit(change.line(GuardKind::Takeover, "", "taken over"));
                    }
                    change.lines().into_iter().for_each(&mut *visit);
                }
            }
        }
        Ok(())
    }

    fn told_name(&self, object: i64, texts: Texts) -> Inner<String> {
        match texts {
            Texts::Told => self.label(object),
            Texts::Left => Ok(String::new()),
        }
    }

    /// Stable between runs and stores: the anchor, or the source's anchor, or the DN.
    fn guard_object(&self, head: &Head, stamp: Option<String>) -> Inner<String> {
        if let Some(anchor) = head.anchor()? {
            return Ok(anchor.to_string());
        }
        if let Some(stamp) = stamp {
            return Ok(stamp);
        }
        match self.dn(head.id)? {
            Some(dn) => Ok(dn.to_string()),
            None => self.label(head.id),
        }
    }

    fn member_lines(
        &self,
        connector: i64,
        roles: &GuardRoles,
        texts: Texts,
        visit: &mut dyn FnMut(GuardLine),
    ) -> Inner<()> {
        let owners: Vec<(i64, i64)> = self.all(
            &format!(
                "SELECT DISTINCT object, attribute FROM pending_reference WHERE connector = ?1 AND {REFERENCES_TO_SEND} \
                 ORDER BY object, attribute"
            ),
            [connector],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        for (object, attribute) in owners {
            let rows: Vec<(i64, bool)> = self.all(
                "SELECT member, adds FROM pending_reference WHERE object = ?1 AND attribute = ?2 \
                 AND (state IN (0, 1) OR (state = 3 AND retry = 1)) ORDER BY member",
                (object, attribute),
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            let only_adds = rows.iter().all(|(_, adds)| *adds);
            let is_single = self.is_single(object, attribute)?;
            if is_single && only_adds {
                continue;
            }
            let Some(sendable) = self.sendable_owner(object, roles, texts)? else { continue };
            let name = self.attribute_name(attribute)?;
            if is_single {
                // A reference of one value, such as a manager: only its loss counts, as that of any other attribute.
                if rows.iter().all(|(_, adds)| !adds) {
                    visit(sendable.line(GuardKind::AttributeWipe, name.as_str(), "the reference is removed"));
                }
                continue;
            }
            let mut removed = 0u64;
            for (member, adds) in &rows {
                let kind = if *adds { GuardKind::MemberAdd } else { GuardKind::MemberRemove };
                removed += u64::from(!adds);
                if texts == Texts::Left {
                    visit(bare(kind));
                    continue;
                }
                let head = self.head(*member)?;
                // The anchor, and not a name that may change, is what is approved; the name is for who reads it.
                let line = sendable.line(kind, "", format!("{name}: {}", self.member_text(&head)?));
                visit(GuardLine { name: format!("{}: {}", line.name, self.label(*member)?), ..line });
            }
            let total = u64::try_from(self.total(object, attribute)?.count).unwrap_or(0);
            if removed > roles.small_group && removed * 2 > total {
                visit(sendable.line(
                    GuardKind::GroupEmptied,
                    &sendable.object,
                    format!("{name}: {removed} of {total}"),
                ));
            }
        }
        Ok(())
    }

    fn member_text(&self, head: &Head) -> Inner<String> {
        match head.anchor()? {
            Some(anchor) => Ok(anchor.to_string()),
            None => self.label(head.id),
        }
    }

    /// The object whose references are to be changed, if this export can reach it.
    fn sendable_owner<'r>(&self, object: i64, roles: &'r GuardRoles, texts: Texts) -> Inner<Option<Change<'r>>> {
        let head = self.head(object)?;
        let pending = self.load_pending(object, head.connector)?;
        let reachable = match &pending {
            Some(pending)
                if matches!(pending.operation, PendingOperation::Delete { .. } | PendingOperation::Detach { .. }) =>
            {
                false
            }
            Some(pending) => head.anchor.is_some() || can_be_sent(&pending.state),
            None => head.anchor.is_some(),
        };
        if !reachable {
            return Ok(None);
        }
        let stamp = match pending.map(|pending| pending.operation) {
            Some(PendingOperation::Add { attributes }) => {
                roles.stamp.as_ref().and_then(|stamp| attributes.get(stamp.as_str())).map(text)
            }
            _ => None,
        };
        let (object, name) = (self.guard_object(&head, stamp)?, self.told_name(head.id, texts)?);
        Ok(Some(Change { roles, object, name, before: Attributes::new(), after: Attributes::new() }))
    }

    pub(crate) fn is_single(&self, object: i64, attribute: i64) -> Inner<bool> {
        self.exists(
            "SELECT 1 FROM reference_flow WHERE object = ?1 AND attribute = ?2 AND single = 1",
            (object, attribute),
        )
    }
}

fn after_export(before: &Attributes, operation: &PendingOperation) -> Attributes {
    let apply = |deltas: [&AttributesDelta; 2]| {
        let mut after = before.clone();
        deltas.into_iter().for_each(|delta| delta.apply(&mut after));
        after
    };
    match operation {
        PendingOperation::Add { attributes } => attributes.clone(),
        PendingOperation::Update { changes, afterwards, .. } | PendingOperation::Restore { changes, afterwards } => {
            apply([changes, afterwards])
        }
        PendingOperation::Delete { .. } | PendingOperation::Detach { .. } => before.clone(),
    }
}
