//! Ends an import: what a complete full import did not return is obsolete (R6, R7), the watermark moves, placeholders that
//! nothing needs go (O19).

use super::{FinishImport, ImportMode, ImportSession, ImportSummary};
use crate::codes;
use crate::db::Db;
use crate::error::Inner;
use crate::errors::{ErrorPhase, ErrorSubject, Problem};
use crate::head::MISSED;
use crate::history::PageMark;
use sync_kernel::{CsId, DeleteCause};

impl Db {
    pub(crate) fn finish_import(
        &self,
        session: ImportSession,
        ending: &FinishImport,
        now: i64,
    ) -> Inner<ImportSummary> {
        let mut summary = ImportSummary {
            counters: session.counters,
            contradictions: session.contradictions,
            ..ImportSummary::default()
        };
        let complete = ending.obsolete && session.mode == ImportMode::Full;
        if session.mode == ImportMode::Full {
            self.count_recent_keys()?;
        }
        if complete {
            self.obsolete(&session, ending.absence, &mut summary, now)?;
            self.run(
                "INSERT INTO connector_flags (connector, read_whole) VALUES (?1, 1) \
                 ON CONFLICT (connector) DO UPDATE SET full_import_required = NULL, read_whole = 1 \
                 WHERE read_whole = 0 OR full_import_required IS NOT NULL",
                [session.connector],
            )?;
        }
        if let Some(watermark) = &ending.watermark {
            self.run(
                "INSERT INTO watermark (connector, value, committed) VALUES (?1, ?2, ?3) ON CONFLICT (connector) DO UPDATE \
                 SET value = excluded.value, committed = excluded.committed",
                (session.connector, watermark, now),
            )?;
        }
        if ending.cleanup {
            summary.placeholders_removed = self.clean_placeholders(session.connector)?;
        }
        // A never-sync group may have been imported by this very step, and may have moved to another DN, or away from it.
        self.refresh_never_sync_if_moved()?;
        // The same is true of a group that a scope clause names.
        self.refresh_watched_if_moved()?;
        summary.transient =
            self.count("SELECT count(*) FROM head WHERE connector = ?1 AND (flags & 1) <> 0", [session.connector])?;
        if let Some(step) = session.step {
            self.save_progress(step, &summary.counters.step_counters())?;
        }
        Ok(summary)
    }

    /// Stages the deletion of every object that was not returned. One that this engine created and that was never imported is
    /// given one more chance: the system may be slow to show it, and deleting it here would create it twice.
    fn obsolete(
        &self,
        session: &ImportSession,
        absence: DeleteCause,
        summary: &mut ImportSummary,
        now: i64,
    ) -> Inner<()> {
        let mut after = 0;
        loop {
            // Through the table from where the page before ended: by an index, each page would sort all that is left.
            let page = self.ids(
                "SELECT id FROM head NOT INDEXED WHERE connector = ?1 AND id > ?2 AND anchor IS NOT NULL AND state <> 5 \
                 AND staged <> 2 ORDER BY id LIMIT 1000",
                (session.connector, after),
            )?;
            let Some(last) = page.last().copied() else { return Ok(()) };
            for id in page.into_iter().filter(|id| !session.seen.contains(*id)) {
                let mut head = self.head(id)?;
                let never_imported = head.synchronised_body.is_none() && head.staged == codes::STAGED_NONE;
                if never_imported && !head.has(MISSED) {
                    head.flags |= MISSED;
                    self.save_head(&mut head)?;
                    summary.missed += 1;
                    summary.contradictions += 1;
                    let message = "the object was created and this full import did not return it; if the next one does not either, it counts as deleted";
                    let subject = ErrorSubject::Object(CsId(id));
                    let problem = Problem::new("exported-change-not-reimported", message);
                    self.raise(
                        subject,
                        head.connector,
                        ErrorPhase::Import,
                        &problem,
                        &PageMark { run: None, step: session.step, now },
                    )?;
                    continue;
                }
                self.stage_delete(head, absence)?;
                summary.counters.delete += 1;
            }
            after = last;
        }
    }
}
