//! Where a tenant's synchronisation stands, on the way included. The tenant shows a switch only once it has arrived, and a
//! switch-off only by what is left of it; so what this deployment asked for is kept in a file of its folder until then.

use crate::failure::Failure;
use crate::text::time;
use connector_azure_ad::Synchronisation;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// A switch that was asked for counts as under way this long: no switch takes longer (A.10).
const LONGEST: i64 = 72 * 3_600 * 1_000_000;
const FILE: &str = "tenant-sync.json";

/// A switch that an administrator asked for through this deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) tenant: String,
    pub(super) on: bool,
    /// Microseconds since 1970-01-01 UTC.
    pub(super) at: i64,
}

impl Asked {
    /// None where nothing was asked, or where the file is none of ours: then the tenant alone tells.
    pub(super) fn read(folder: &Path) -> Option<Asked> {
        serde_json::from_str(&fs::read_to_string(folder.join(FILE)).ok()?).ok()
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), Failure> {
        let path = folder.join(FILE);
        let text = serde_json::to_string(self).map_err(std::io::Error::from);
        text.and_then(|text| fs::write(&path, text)).map_err(|error| Failure::file("cannot write", &path, &error))
    }

    /// It has arrived. A file that stays is of no consequence: what has arrived is believed first.
    pub(super) fn forget(folder: &Path) {
        let _ = fs::remove_file(folder.join(FILE));
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    Never,
    /// Asked for at that time, and the tenant does not show it yet.
    PendingOn {
        since: i64,
    },
    On,
    PendingOff,
    Off,
}

/// What the tenant shows, and what was asked of it.
pub(super) fn standing(shown: Synchronisation, asked: Option<&Asked>, now: i64) -> Standing {
    let under_way = asked.filter(|asked| (0..LONGEST).contains(&now.saturating_sub(asked.at)));
    match (shown, under_way) {
        (Synchronisation::Never | Synchronisation::Off, Some(Asked { on: true, at, .. })) => {
            Standing::PendingOn { since: *at }
        }
        // Some tenants go on to show that they synchronise while they are being switched off.
        (Synchronisation::On, Some(Asked { on: false, .. })) | (Synchronisation::PendingOff, _) => Standing::PendingOff,
        (Synchronisation::Never, _) => Standing::Never,
        (Synchronisation::On, _) => Standing::On,
        (Synchronisation::Off, _) => Standing::Off,
    }
}

impl Standing {
    /// Whether the switch has arrived where it was put.
    pub(super) fn is_there(&self, on: bool) -> bool {
        match self {
            Standing::On => on,
            Standing::Off | Standing::Never => !on,
            Standing::PendingOn { .. } | Standing::PendingOff => false,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Standing::Never => "never",
            Standing::PendingOn { .. } => "pending-on",
            Standing::On => "on",
            Standing::PendingOff => "pending-off",
            Standing::Off => "off",
        }
    }

    pub(super) fn asked_at(&self) -> Option<i64> {
        match self {
            Standing::PendingOn { since } => Some(*since),
            _ => None,
        }
    }

    pub(super) fn explained(&self) -> String {
        match self {
            Standing::Never => "never: the tenant has not taken synchronised objects yet".to_owned(),
            Standing::PendingOn { since } => {
                format!("pending-on: asked for at {}, and the tenant does not show it yet", time(*since))
            }
            Standing::On => "on: the tenant takes synchronised objects".to_owned(),
            Standing::PendingOff => {
                "pending-off: being switched off; this takes up to 72 hours and cannot be taken back".to_owned()
            }
            Standing::Off => "off: what was synchronised is managed in the cloud".to_owned(),
        }
    }

    /// What this deployment does as long as it stands so.
    pub(super) fn meanwhile(&self, connector: &str) -> String {
        match self {
            Standing::Never | Standing::Off => {
                "imports and synchronisations go on; in Connect mode nothing is exported or \
                deprovisioned (no-start-synchronisation-off) until `metasync tenant-sync on`"
                    .to_owned()
            }
            Standing::PendingOn { .. } => format!(
                "imports and synchronisations go on; exports in Connect mode wait. Once it is on, exports stop one more \
                 time (no-start-system-changed) until `metasync pending {connector}` was read and approved"
            ),
            Standing::On => "everything runs".to_owned(),
            Standing::PendingOff => {
                "imports and synchronisations go on; nothing is exported or deprovisioned. What was \
                synchronised becomes cloud objects, its ids, licences and mailboxes stay; `metasync tenant-sync on` is \
                possible once it says off"
                    .to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600 * 1_000_000;

    /// SF25: pending-on and pending-off are told apart, and neither is believed for ever.
    #[test]
    fn sf25_a_switch_on_its_way_is_told_by_its_direction() {
        let asked = |on: bool| Asked { tenant: "t".to_owned(), on, at: 10 * HOUR };
        let told = |shown, asked: Option<Asked>, hours: i64| standing(shown, asked.as_ref(), hours * HOUR).name();
        for (shown, on, at_once, after_four_days) in [
            (Synchronisation::Never, true, "pending-on", "never"),
            (Synchronisation::Off, true, "pending-on", "off"),
            (Synchronisation::On, true, "on", "on"),
            (Synchronisation::PendingOff, true, "pending-off", "pending-off"),
            (Synchronisation::On, false, "pending-off", "on"),
            (Synchronisation::Off, false, "off", "off"),
        ] {
            assert_eq!(told(shown, Some(asked(on)), 11), at_once, "{shown:?}, asked for {on}");
            assert_eq!(told(shown, Some(asked(on)), 106), after_four_days, "{shown:?}, asked for {on}");
        }
        assert_eq!(told(Synchronisation::Off, None, 11), "off");
        // A clock that was put back.
        assert_eq!(told(Synchronisation::Off, Some(asked(true)), 9), "off");
    }

    /// What was asked is kept in the folder until it has arrived, and a file that is not ours says nothing.
    #[test]
    fn what_was_asked_is_kept_until_it_arrives() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Asked::read(folder.path()), None);
        let asked = Asked { tenant: "t".to_owned(), on: true, at: 7 };
        asked.write(folder.path()).unwrap();
        assert_eq!(Asked::read(folder.path()), Some(asked));
        fs::write(folder.path().join(FILE), "{\"on\": 3}").unwrap();
        assert_eq!(Asked::read(folder.path()), None);
        Asked::forget(folder.path());
        assert!(!folder.path().join(FILE).exists());
    }

    #[test]
    fn each_standing_says_what_goes_on_meanwhile() {
        let all =
            [Standing::Never, Standing::PendingOn { since: 0 }, Standing::On, Standing::PendingOff, Standing::Off];
        let mut said: Vec<String> = all.iter().map(|standing| standing.explained()).collect();
        assert!(said[1].contains("1970-01-01 00:00:00Z"), "{}", said[1]);
        said.extend(all.iter().map(|standing| standing.meanwhile("cloud")));
        assert!(said.iter().all(|text| !text.is_empty()));
        assert!(Standing::PendingOn { since: 0 }.meanwhile("cloud").contains("no-start-system-changed"));
        assert!(Standing::PendingOff.meanwhile("cloud").contains("nothing is exported or deprovisioned"));
    }
}
