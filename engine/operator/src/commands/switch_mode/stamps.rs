//! Clears the stamps of Graph mode in the tenant, over Microsoft Graph: only of users that the service can find by their
//! address afterwards. What the tenant refuses is told by name.

use super::names;
use super::people::{People, Stamped};
use crate::failure::Failure;
use crate::text::{counted, paragraph};
use connector_contract::{ExportItem, ExportOperation, ExportOutcome, Exporter, UpdateRequest};
use metaverse_schema::{Anchor, Attributes, AttributesDelta, ObjectType, Values};

#[derive(Debug, Default)]
pub(super) struct Cleared {
    pub(super) done: u64,
    /// `Ann: what the tenant said`.
    pub(super) refused: Vec<String>,
}

impl Cleared {
    pub(super) fn text(&self) -> String {
        let done = format!("{} cleared\n", counted(self.done, "stamp was", "stamps were"));
        match self.refused.is_empty() {
            true => done,
            false => {
                let count = format!("{} not", counted(self.refused.len() as u64, "was", "were"));
                let first: Vec<String> = self.refused.first().cloned().into_iter().collect();
                format!("{done}{}", paragraph(&names(&count, &first), 0))
            }
        }
    }
}

pub(super) async fn clear(exporter: Option<&dyn Exporter>, people: Option<&People>) -> Result<Cleared, Failure> {
    let (Some(exporter), Some(people)) = (exporter, people) else {
        let message = "whose stamps there are is not known before an import";
        return Err(Failure::new(
            "no-store",
            message,
            "run `metasync cycle initial` first, or leave --clear-stamps out",
        ));
    };
    let clearable: Vec<&Stamped> = people.clearable().collect();
    let items: Vec<ExportItem> = clearable.iter().zip(0..).map(|(stamped, id)| item(id, stamped)).collect();
    let mut cleared = Cleared::default();
    for batch in items.chunks(exporter.batch_size().max(1)) {
        for (id, outcome) in exporter.export(batch).await? {
            let name = usize::try_from(id).ok().and_then(|at| clearable.get(at)).map_or("?", |stamped| &stamped.name);
            match outcome {
                ExportOutcome::Accepted { .. } => cleared.done += 1,
                ExportOutcome::Refused(problem) => {
                    cleared.refused.push(format!("{name}: {}; {}", problem.message, problem.remedy));
                }
                ExportOutcome::NotSettled { message, .. } => cleared.refused.push(format!("{name}: {message}")),
            }
        }
    }
    Ok(cleared)
}

fn item(id: i64, stamped: &Stamped) -> ExportItem {
    let mut changes = AttributesDelta::default();
    changes.set("onPremisesImmutableId", Values::default());
    ExportItem {
        id,
        object_type: ObjectType::new("user"),
        operation: ExportOperation::Update(UpdateRequest {
            anchor: Anchor::Text(stamped.anchor.clone()),
            dn: None,
            changes,
            references: Vec::new(),
            afterwards: AttributesDelta::default(),
            reclaims: false,
        }),
        named_by: Attributes::new(),
    }
}
