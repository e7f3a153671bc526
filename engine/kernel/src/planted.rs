//! Faults that the simulation plants in the engine, to see that it notices them. Each stands at the decision it spoils, behind
//! `is_planted`, which is always false unless the feature `planted-faults` is on; an executable with that feature does not build.

/// A mistake that the engine could make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A decided image never becomes the synchronised one.
    SkipPromote,
    /// A refusal that is worth another try is taken for a final one.
    DropRetry,
    /// A value stays when its contributor has gone.
    ForgetRecall,
    /// The watermark moves although not everything was read.
    MoveWatermarkEarly,
    /// What a read with errors did not return counts as deleted.
    ObsoleteAfterErrors,
    /// A changed object is not queued.
    LoseQueueEntry,
    /// A metaverse object that others made due is not queued.
    LoseRevisit,
    /// An export without an answer counts as accepted.
    SettleWithoutAnswer,
    /// A plan is applied although an earlier one changed what it read.
    ApplyStalePlan,
    /// References to an object that gained a link are not decided again.
    SkipReferencesOfNewLink,
    /// No grace period ever ends.
    ForgetGraceDate,
    /// A create that may have arrived is sent again without looking.
    ResendCreate,
    /// Nothing is written down before the first byte leaves.
    SkipSentMark,
    /// A value that came back changed counts as exported.
    CountHeldAsExported,
    /// What time alone changes is not queued.
    IgnoreClock,
    /// Nothing is counted before an export.
    SkipGuard,
}

/// With their names on the command line.
pub const FAULTS: [(&str, Fault); 16] = [
    ("skip-promote", Fault::SkipPromote),
    ("drop-retry", Fault::DropRetry),
    ("forget-recall", Fault::ForgetRecall),
    ("move-watermark-early", Fault::MoveWatermarkEarly),
    ("obsolete-after-errors", Fault::ObsoleteAfterErrors),
    ("lose-queue-entry", Fault::LoseQueueEntry),
    ("lose-revisit", Fault::LoseRevisit),
    ("settle-without-answer", Fault::SettleWithoutAnswer),
    ("apply-stale-plan", Fault::ApplyStalePlan),
    ("skip-references-of-new-link", Fault::SkipReferencesOfNewLink),
    ("forget-grace-date", Fault::ForgetGraceDate),
    ("resend-create", Fault::ResendCreate),
    ("skip-sent-mark", Fault::SkipSentMark),
    ("count-held-as-exported", Fault::CountHeldAsExported),
    ("ignore-clock", Fault::IgnoreClock),
    ("skip-guard", Fault::SkipGuard),
];

/// Whether this build can have planted faults at all.
pub const POSSIBLE: bool = cfg!(feature = "planted-faults");

/// Whether the engine makes this mistake now.
#[cfg(not(feature = "planted-faults"))]
#[inline]
pub const fn is_planted(_fault: Fault) -> bool {
    false
}

#[cfg(feature = "planted-faults")]
thread_local! {
    /// Worlds are simulated one on a thread, with one worker each.
    static PLANTED: std::cell::Cell<Option<Fault>> = const { std::cell::Cell::new(None) };
}

/// Whether the engine makes this mistake now, on this thread.
#[cfg(feature = "planted-faults")]
pub fn is_planted(fault: Fault) -> bool {
    PLANTED.get() == Some(fault)
}

/// Plants one fault on this thread, in the place of any other.
#[cfg(feature = "planted-faults")]
pub fn plant(fault: Option<Fault>) {
    PLANTED.set(fault);
}
