//! The guard stage (SF12): counts each guarded kind by itself before the first byte of an export leaves.
//! Judges a list; the list is gathered from the store by the runtime, and approvals are looked up there.

use crate::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use sync_rules::Guards;

/// What is counted. One export line can be of several kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuardKind {
    Delete,
    DeleteAdd,
    Takeover,
    Disable,
    Enable,
    SignInNameChange,
    PrimaryAddressChange,
    AnchorWrite,
    MemberAdd,
    MemberRemove,
    /// More than half of one group's members, or all of them.
    GroupEmptied,
    AttributeWipe,
    Add,
    /// The first password that a user of the target is given.
    FirstPassword,
}

/// One thing an export would do, as the operator approves it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GuardLine {
    pub kind: GuardKind,
    /// Kinds that are counted per attribute or per group name it here; others leave it empty.
    pub counted_by: String,
    /// The object as the operator knows it, stable between runs: anchor or source anchor.
    pub object: String,
    pub name: String,
    /// Old and new values, or the cause.
    pub detail: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GuardVerdict {
    pub kind: GuardKind,
    pub counted_by: String,
    pub count: u64,
    pub limit: u64,
    pub stopped: bool,
}

/// A list that waits for an operator, with the digest that lets exactly it through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApprovalList {
    pub digest: Digest,
    pub lines: Vec<GuardLine>,
    pub verdicts: Vec<GuardVerdict>,
}

/// Number of lines by kind, and by attribute or group where a kind is counted so.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GuardCounts(BTreeMap<(GuardKind, String), u64>);

impl GuardCounts {
    pub fn add(&mut self, line: &GuardLine) {
        *self.0.entry((line.kind, line.counted_by.clone())).or_default() += 1;
    }

    /// Each count against the limit of a space that holds `held` objects. A limit never falls when a space grows: what passes
    /// with `held` 0 passes in any space.
    pub fn verdicts(&self, held: u64, guards: &Guards) -> Vec<GuardVerdict> {
        let limit = guards.limit(held);
        let verdict = |((kind, counted_by), count): (&(GuardKind, String), &u64)| {
            // A group that loses more than half of its members stops by itself, whatever the size of the space.
            let limit = if *kind == GuardKind::GroupEmptied { 0 } else { limit };
            GuardVerdict { kind: *kind, counted_by: counted_by.clone(), count: *count, limit, stopped: *count > limit }
        };
        self.0.iter().map(verdict).collect()
    }
}

/// Counts the lines by kind against the limit of a space that holds `held` objects. Returns the verdicts of all kinds that
/// occur, and, when any is over its limit, the list of exactly those kinds' lines.
pub fn judge(
    connector: &str,
    lines: &[GuardLine],
    held: u64,
    guards: &Guards,
) -> (Vec<GuardVerdict>, Option<ApprovalList>) {
    let mut counts = GuardCounts::default();
    lines.iter().for_each(|line| counts.add(line));
    let verdicts = counts.verdicts(held, guards);
    let over: Vec<(GuardKind, &str)> = verdicts
        .iter()
        .filter(|verdict| verdict.stopped)
        .map(|verdict| (verdict.kind, verdict.counted_by.as_str()))
        .collect();
    if over.is_empty() {
        return (verdicts, None);
    }
    let mut listed: Vec<GuardLine> =
        lines.iter().filter(|line| over.contains(&(line.kind, line.counted_by.as_str()))).cloned().collect();
    listed.sort();
    let digest = Digest::of_lines(
        &format!("guard {connector}"),
        listed.iter().map(|line| format!("{:?}|{}|{}|{}", line.kind, line.counted_by, line.object, line.detail)),
    );
    let stopped = verdicts.iter().filter(|verdict| verdict.stopped).cloned().collect();
    (verdicts.clone(), Some(ApprovalList { digest, lines: listed, verdicts: stopped }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deletes(count: usize) -> Vec<GuardLine> {
        (0..count)
            .map(|n| GuardLine {
                kind: GuardKind::Delete,
                counted_by: String::new(),
                object: format!("o{n}"),
                name: format!("User {n}"),
                detail: "deleted in the source directory".into(),
            })
            .collect()
    }

    /// G3, SF12: more than the limit stops, the limit itself passes; never below five.
    #[test]
    fn limits_are_the_smaller_of_count_and_share_but_never_below_five() {
        let stopped = |count, held| judge("cloud", &deletes(count), held, &Guards::default()).1.is_some();
        assert!(!stopped(500, 10_000));
        assert!(stopped(501, 10_000));
        assert!(!stopped(5, 31));
        assert!(stopped(6, 31));
        assert!(!stopped(10, 100));
        assert!(stopped(11, 100));
        assert!(stopped(501, 1_000_000));
    }

    /// Approval is bound to exactly that list, in any order.
    #[test]
    fn a_digest_is_of_the_list_and_not_of_its_order() {
        let digest = |lines: &[GuardLine]| judge("cloud", lines, 10, &Guards::default()).1.unwrap().digest;
        let mut lines = deletes(7);
        let before = digest(&lines);
        lines.reverse();
        assert_eq!(digest(&lines), before);
        lines[0].object = "another".into();
        assert_ne!(digest(&lines), before);
    }

    #[test]
    fn kinds_are_counted_by_themselves() {
        let mut lines = deletes(5);
        lines.extend(deletes(5).into_iter().map(|line| GuardLine { kind: GuardKind::Add, ..line }));
        assert!(judge("cloud", &lines, 10, &Guards::default()).1.is_none());
    }

    /// SF12: attribute by attribute and group by group; the list holds the lines of what is over its limit and no other, and a
    /// group that loses most of its members stops alone.
    #[test]
    fn sf12_only_what_is_over_its_limit_is_listed() {
        let of = |kind: GuardKind, counted_by: &str, count: usize| {
            let counted_by = counted_by.to_owned();
            deletes(count).into_iter().map(move |line| GuardLine { kind, counted_by: counted_by.clone(), ..line })
        };
        let lines: Vec<GuardLine> = of(GuardKind::AttributeWipe, "mail", 6)
            .chain(of(GuardKind::AttributeWipe, "title", 5))
            .chain(of(GuardKind::GroupEmptied, "Sales", 1))
            .collect();
        let (verdicts, list) = judge("cloud", &lines, 10, &Guards::default());
        let told = |verdicts: &[GuardVerdict]| {
            let told = verdicts.iter().map(|verdict| {
                let GuardVerdict { kind, counted_by, count, limit, stopped } = verdict;
                format!("{kind:?} {counted_by} {count} of {limit}{}", if *stopped { " stopped" } else { "" })
            });
            told.collect::<Vec<_>>()
        };
        let stopped = ["GroupEmptied Sales 1 of 0 stopped", "AttributeWipe mail 6 of 5 stopped"];
        assert_eq!(told(&verdicts), [stopped[0], stopped[1], "AttributeWipe title 5 of 5"]);
        let list = list.unwrap();
        assert_eq!(told(&list.verdicts), stopped);
        assert_eq!(list.lines.len(), 7);
        assert!(list.lines.iter().all(|line| line.counted_by != "title"));
    }

    /// SF12: an approval is for what would be done, and to whom; how the object is called meanwhile does not matter.
    #[test]
    fn sf12_a_digest_is_of_what_would_be_done() {
        let digest = |connector: &str, change: &dyn Fn(&mut GuardLine)| {
            let mut lines = deletes(7);
            change(&mut lines[3]);
            judge(connector, &lines, 10, &Guards::default()).1.unwrap().digest
        };
        let plain = digest("cloud", &|_| {});
        assert_eq!(digest("cloud", &|line| line.name = "renamed".into()), plain);
        assert_ne!(digest("other", &|_| {}), plain);
        assert_ne!(digest("cloud", &|line| line.detail = "left scope".into()), plain);
        assert_ne!(digest("cloud", &|line| line.object = "another".into()), plain);
    }
}
