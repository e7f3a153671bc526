//! `metasync preview`: the run's own decision about one object, or what other rules would change over the whole metaverse;
//! shown and not applied. The store is opened read-only, or copied into a temporary folder for other rules and other
//! values; the deployment folder stays as it is.

mod rule_change;

use crate::cli::PreviewArgs;
use crate::connectors::Connectors;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Report, to_json};
use crate::render::objects::{self, Facts};
use serde_json::json;
use std::time::Duration;
use sync_kernel::Subject;
use sync_runtime::{Preview, Reading, Space};

/// Longest wait for the roles of match candidates.
const PATIENCE: Duration = Duration::from_secs(8);

pub(crate) async fn run(context: &Context, args: &PreviewArgs) -> Result<Report, Failure> {
    let (Some(connector), Some(object)) = (&args.connector, &args.object) else {
        return rule_change::run(context, args).await;
    };
    let opened = context.open()?;
    let now = context.now();
    let rules = match &args.rules {
        None => opened.rules.clone(),
        Some(folder) => context.other_rules(folder)?.0,
    };
    let space = space(connector, &opened.connectors)?;
    let mut store = match &args.rules {
        None => context.read_store(&opened)?,
        Some(_) => sync_runtime::scratch_with_rules(&opened.deployment, &rules, now)?,
    };
    let subject = Reading::new(&store, &rules, now).find(&space, object)?;
    if !args.set.is_empty() {
        let Subject::Connector(id) = subject else { return Err(set_on_metaverse()) };
        store = sync_runtime::scratch_with_values(&opened.deployment, &rules, now, id, &args.set)?;
    }
    let reading = Reading::new(&store, &rules, now);
    let is_due = store.awaits_synchronisation(subject, now)?;
    let (mut preview, facts) = match args.offline || !(args.full || is_due) {
        true => (reading.preview(subject)?, Facts::AsLastRead),
        false => with_facts(context, &reading, &opened.connectors, subject).await?,
    };
    let passed_over = !args.full && !is_due;
    let exit = if preview.error.is_some() && !passed_over { Exit::ObjectErrors } else { Exit::Success };
    if passed_over {
        pass_over(&mut preview);
    }
    let mut text = String::new();
    for assignment in &args.set {
        text.push_str(&format!("as if it had been imported with {assignment}\n"));
    }
    text.push_str(&match passed_over {
        true => objects::passed_over(&preview),
        false => objects::preview(&preview, facts, args.all),
    });
    let mut document = to_json(&preview);
    if let Some(fields) = document.as_object_mut() {
        fields.insert("mode".to_owned(), json!(if args.full { "full" } else { "delta" }));
        fields.insert("due".to_owned(), json!(is_due));
        fields.insert("set".to_owned(), json!(args.set));
    }
    Ok(Report::new(exit, text, document))
}

/// A delta does not look at the object: nothing of the plan happens.
fn pass_over(preview: &mut Preview) {
    preview.digest.clear();
    preview.scopes.clear();
    preview.metaverse.clear();
    preview.targets.clear();
    preview.facts_wanted.clear();
    preview.error = None;
}

fn set_on_metaverse() -> Failure {
    Failure::new(
        "set-on-metaverse",
        "a metaverse object has no values of its own: its connectors contribute them",
        "name the connector and its object, such as `metasync preview ad NAME --set title=Buyer`",
    )
}

/// A target that does not answer in time is not waited for as a run would: the roles are then those last read.
async fn with_facts(
    context: &Context,
    reading: &Reading<'_>,
    connectors: &Connectors,
    subject: Subject,
) -> Result<(Preview, Facts), Failure> {
    match tokio::time::timeout(PATIENCE, reading.preview_with_facts(connectors, subject)).await {
        Ok(preview) => Ok((preview?, Facts::ReadNow)),
        Err(_) => {
            context.output.talk("a target does not answer; the roles of match candidates are those last read");
            Ok((reading.preview(subject)?, Facts::AsLastRead))
        }
    }
}

/// `mv`, or a connector of the deployment.
pub(crate) fn space(name: &str, connectors: &Connectors) -> Result<Space, Failure> {
    if name == "mv" {
        return Ok(Space::Metaverse);
    }
    match connectors.get_key_value(name) {
        Some((name, _)) => Ok(Space::Connector(name.clone())),
        None => {
            let known: Vec<&str> = connectors.keys().map(|name| &**name).collect();
            Err(Failure::new(
                "connector-unknown",
                format!("there is no connector `{name}`"),
                format!("this deployment has {}, and `mv` is the metaverse", known.join(", ")),
            ))
        }
    }
}
