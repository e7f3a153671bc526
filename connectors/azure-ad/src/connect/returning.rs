//! Groups and contacts that come back after directory synchronisation was off. Nothing public says whether the service finds them
//! by the anchor under which it knew them, so one of them is tried before the others. Decides which may follow; reads nothing.

use super::service::Service;
use crate::errors::problem;
use crate::provisioning::{CloudAnchor, SyncObject, SyncOutcome};
use connector_contract::{ConnectorError, ExportOutcome, ExportProblem};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether this tenant was seen to find an object by its former anchor.
#[derive(Debug, Default)]
pub(super) struct Returns(AtomicBool);

/// What the answer for one object tells of the others.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Trial {
    /// It is the same object: the others may follow.
    Found,
    /// Of this one alone; another has to be tried.
    Undecided,
    /// None of the others is sent, for this reason.
    NotSent(ExportOutcome),
}

impl Returns {
    /// Sends one of these objects before the others. None: all may follow, the tried one once more among them: the service takes
    /// that for nothing new, and the second answer is the one that counts. Otherwise the place of the tried one, and why the
    /// others are not sent.
    pub(super) async fn try_one(
        &self,
        service: &dyn Service,
        candidates: &[(usize, &SyncObject, &CloudAnchor)],
    ) -> Result<Option<(usize, ExportOutcome)>, ConnectorError> {
        for (place, object, wanted) in candidates {
            if self.is_proven() {
                break;
            }
            let told = service.provision(std::slice::from_ref(*object)).await?;
            match self.judge(wanted, told.into_iter().next()) {
                Trial::Found => break,
                Trial::Undecided => {}
                Trial::NotSent(outcome) => return Ok(Some((*place, outcome))),
            }
        }
        Ok(None)
    }

    fn is_proven(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn judge(&self, wanted: &CloudAnchor, told: Option<SyncOutcome>) -> Trial {
        match told {
            Some(SyncOutcome::Accepted { cloud_anchor: Some(found) }) if found == *wanted => {
                self.0.store(true, Ordering::Relaxed);
                Trial::Found
            }
            Some(SyncOutcome::Accepted { cloud_anchor }) => {
                Trial::NotSent(ExportOutcome::Refused(not_found_again(wanted, cloud_anchor.as_ref())))
            }
            Some(SyncOutcome::Refused(_)) => Trial::Undecided,
            Some(SyncOutcome::NotSettled { message, .. }) => Trial::NotSent(unsettled(message)),
            None => Trial::NotSent(unsettled("the service gave no result for it".to_owned())),
        }
    }
}

fn unsettled(message: String) -> ExportOutcome {
    ExportOutcome::NotSettled { may_have_arrived: false, message }
}

fn not_found_again(wanted: &CloudAnchor, made: Option<&CloudAnchor>) -> ExportProblem {
    let made = made.map_or_else(|| "did not say what it made".to_owned(), |made| format!("answered with {made}"));
    let message = format!(
        "it was synchronised before synchronisation was off, and the service does not find such objects by their anchor: for {wanted} \
         it {made}"
    );
    let remedy = "give the object a mail address on both sides, or delete it in the cloud so that it is made anew; return_by_anchor = \
                  false in the table `provisioning` spares the trial";
    problem("limitation-takeover", None, message, remedy, false)
}

/// What was synchronised and is an object of the cloud now: the service deletes only what it masters, and Graph no contact.
pub(super) fn not_deletable(class: &str) -> ExportProblem {
    let message = format!(
        "the {class} is no synchronised object any more since synchronisation was off, and the service deletes nothing else"
    );
    let remedy = "delete it in the cloud (Exchange admin center), or bring its object in the directory back";
    problem("DeletingCloudOnlyObjectNotAllowed", None, message, remedy, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provisioning::SyncKind;

    #[test]
    fn one_object_speaks_for_the_others_only_where_it_was_found_or_doubled() {
        let anchor = |id: &str| CloudAnchor::new(SyncKind::Group, id);
        let judged = |told| {
            let returns = Returns::default();
            let trial = match returns.judge(&anchor("a"), told) {
                Trial::NotSent(ExportOutcome::Refused(problem)) => problem.code,
                other => format!("{other:?}").split([' ', '(']).next().unwrap_or_default().to_owned(),
            };
            (trial, returns.is_proven())
        };
        let accepted = |id: Option<&str>| Some(SyncOutcome::Accepted { cloud_anchor: id.map(anchor) });
        assert_eq!(judged(accepted(Some("a"))), ("Found".to_owned(), true));
        assert_eq!(judged(accepted(Some("b"))), ("limitation-takeover".to_owned(), false));
        assert_eq!(judged(accepted(None)), ("limitation-takeover".to_owned(), false));
        let refusal = problem("DataValidationFailed", None, "no", "", false);
        assert_eq!(judged(Some(SyncOutcome::Refused(refusal))), ("Undecided".to_owned(), false));
        assert_eq!(judged(None), ("NotSent".to_owned(), false));
    }
}
