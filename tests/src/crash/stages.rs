//! The steps that are killed, in the order in which one world goes through them. Each begins where the one before ended
//! well, so that a kill costs one step and not a whole cycle.

/// One command of an operator on a world that has come so far.
#[derive(Debug, Clone, Copy)]
pub struct Stage {
    pub name: &'static str,
    pub(super) command: &'static [&'static str],
    /// The generation of the directory from this stage on.
    pub(super) generation: usize,
    /// Share of the kills, in percent.
    pub(super) share: usize,
    /// A fail point that no other stage passes.
    pub(super) own_point: Option<&'static str>,
    /// What follows before anything is compared. The import that ends a cycle may read what the next one reads otherwise, such as a
    /// manager who was deleted in it; a killed cycle reads later.
    pub(super) settled_by: Option<&'static [&'static str]>,
}

const fn stage(name: &'static str, command: &'static [&'static str], generation: usize, share: usize) -> Stage {
    Stage { name, command, generation, share, own_point: None, settled_by: None }
}

/// First everything there is, then what a round of changes leaves to do, then a whole cycle over another one.
pub const STAGES: [Stage; 11] = [
    Stage { own_point: Some("store-layout"), ..stage("first import", &["run", "ad", "full-import"], 0, 8) },
    stage("first import of the target", &["run", "cloud", "full-import"], 0, 6),
    stage("full synchronisation", &["run", "ad", "full-synchronization"], 0, 7),
    stage("full synchronisation of the target", &["run", "cloud", "full-synchronization"], 0, 4),
    stage("first export", &["run", "cloud", "export"], 0, 7),
    stage("confirming import", &["run", "cloud", "delta-import"], 0, 10),
    stage("synchronisation after it", &["run", "cloud", "delta-synchronization"], 0, 9),
    stage("import of changes", &["run", "ad", "full-import"], 1, 9),
    stage("synchronisation of changes", &["run", "ad", "delta-synchronization"], 1, 10),
    stage("export of changes", &["run", "cloud", "export"], 1, 20),
    Stage { settled_by: Some(&["cycle", "delta"]), ..stage("cycle over more changes", &["cycle", "delta"], 2, 10) },
];
