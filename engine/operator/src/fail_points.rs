//! The fail points of a test build (feature `fail-points`): the process dies, as if by power or a kill signal, at the
//! n-th passage of the named one. Arms them from the environment; in a shipped build neither this file nor they exist.
//!
//! | variable | meaning |
//! |---|---|
//! | `METASYNC_FAIL_POINT` | `NAME:COUNT`: die at the COUNT-th passage of NAME; `NAME:COUNT:panic`: panic there; `list`: print the names and end |
//! | `METASYNC_FAIL_TRACE` | file to which each passage appends `NAME COUNT BYTES` |
//! | `METASYNC_FAIL_LOG` | the store's write-ahead log, whose length is BYTES (0 where it is not there) |

use crate::exit::Exit;
use crate::output::Output;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// All of them, with what has and has not happened when the process dies there.
const FAIL_POINTS: &[(&str, &str)] = &[
    ("store-layout", "the store is open, the next part of its layout is not applied"),
    ("store-commit", "a transaction is complete and not committed"),
    ("store-committed", "a transaction is committed and synced, and nobody knows it yet"),
    ("store-close", "all is committed, the log is not yet moved into the file"),
    ("store-settled", "the log is in the file and not yet switched off"),
    ("import-page", "a page of an import was read and is not staged"),
    ("import-end", "all pages are staged, nothing is obsoleted, the watermark stands where it stood"),
    ("sync-page", "a page is decided and not applied"),
    ("references-page", "a page of references is due and not settled"),
    ("export-marked", "exports are marked as sent, and none of them has left"),
    ("export-outcomes", "outcomes of exports are known and not kept"),
    ("graph-send", "a request to the tenant is ready, no byte has left"),
    ("graph-answered", "the tenant has carried a request out, its reply is not read"),
    ("graph-reply", "a reply of the tenant is read, nothing came of it yet"),
    ("graph-page", "a page of the tenant is read and not handed over"),
    ("provisioning-send", "a request to the provisioning service is ready, no byte has left"),
    ("provisioning-answered", "the provisioning service has carried a request out, its reply is not read"),
    ("provisioning-reply", "a reply of the provisioning service is read, nothing came of it yet"),
    ("ldap-send", "a request to the directory is ready, no byte has left"),
    ("ldap-reply", "the directory has answered a write, nothing came of it yet"),
    ("ldap-page", "a page of the directory is read to its end and not handed over whole"),
];

/// Arms the fail points; a way to end at once where only the list is asked for or the variable is wrong.
pub(crate) fn arm(output: Output) -> Option<Exit> {
    let wanted = std::env::var("METASYNC_FAIL_POINT").ok();
    if wanted.as_deref() == Some("list") {
        let lines: Vec<String> = FAIL_POINTS.iter().map(|(name, what)| format!("{name}\t{what}\n")).collect();
        output.data(&lines.concat());
        return Some(Exit::Success);
    }
    let deadly = match wanted.as_deref().map(parse) {
        None => None,
        Some(Some(deadly)) => Some(deadly),
        Some(None) => {
            output.complain(
                "error: METASYNC_FAIL_POINT is NAME:COUNT or NAME:COUNT:panic with a name of METASYNC_FAIL_POINT=list",
            );
            return Some(Exit::Failed);
        }
    };
    let trace = std::env::var_os("METASYNC_FAIL_TRACE").map(PathBuf::from);
    let log = std::env::var_os("METASYNC_FAIL_LOG").map(PathBuf::from);
    let passages = Arc::new(Passages { deadly, trace, log, counts: Mutex::default() });
    for (name, _) in FAIL_POINTS {
        let passages = Arc::clone(&passages);
        if let Err(error) = fail::cfg_callback(*name, move || passages.pass(name)) {
            output.complain(&format!("error: the fail point {name} cannot be armed: {error}"));
            return Some(Exit::Failed);
        }
    }
    None
}

/// What happens at which passage of which point.
#[derive(Clone, Copy)]
struct Deadly {
    point: &'static str,
    count: u64,
    /// What is printed then is looked through for secrets.
    panics: bool,
}

fn parse(text: &str) -> Option<Deadly> {
    let mut parts = text.split(':');
    let name = parts.next()?;
    let (point, _) = FAIL_POINTS.iter().find(|(known, _)| *known == name)?;
    let count = parts.next()?.parse().ok().filter(|count| *count > 0)?;
    let panics = match (parts.next(), parts.next()) {
        (None, _) => false,
        (Some("panic"), None) => true,
        _ => return None,
    };
    Some(Deadly { point, count, panics })
}

struct Passages {
    deadly: Option<Deadly>,
    trace: Option<PathBuf>,
    log: Option<PathBuf>,
    counts: Mutex<BTreeMap<&'static str, u64>>,
}

impl Passages {
    fn pass(&self, name: &'static str) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(name).or_default();
        *count += 1;
        if let Some(trace) = &self.trace {
            let bytes = self.log.as_ref().and_then(|log| log.metadata().ok()).map_or(0, |log| log.len());
            let opened = OpenOptions::new().append(true).create(true).open(trace);
            // A trace that cannot be written shows as missing passages in the harness.
            let _written = opened.and_then(|mut file| file.write_all(format!("{name} {count} {bytes}\n").as_bytes()));
        }
        let Some(deadly) = self.deadly.filter(|deadly| (deadly.point, deadly.count) == (name, *count)) else { return };
        if !deadly.panics {
            std::process::abort();
        }
        drop(counts);
        #[expect(clippy::panic, reason = "that is what was asked for")]
        {
            panic!("the fail point {name}");
        }
    }
}
