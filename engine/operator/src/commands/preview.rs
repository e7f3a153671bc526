//! `metasync preview`: the run's own decision about one object, shown and not applied. The store is opened read-only, or
//! as a private copy for other rules; the deployment folder stays as it is.

use crate::cli::PreviewArgs;
use crate::connectors::Connectors;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Report, to_json};
use crate::render::objects::{self, Facts};
use std::time::Duration;
use sync_kernel::Subject;
use sync_runtime::{Preview, Reading, Space};

/// Longest wait for the roles of match candidates.
const PATIENCE: Duration = Duration::from_secs(8);

pub(crate) async fn run(context: &Context, args: &PreviewArgs) -> Result<Report, Failure> {
    let opened = context.open()?;
    let now = context.now();
    let (store, rules) = match &args.rules {
        None => (context.read_store(&opened)?, opened.rules.clone()),
        Some(folder) => {
            let (rules, _) = context.other_rules(folder)?;
            (sync_runtime::scratch_with_rules(&opened.deployment, &rules, now)?, rules)
        }
    };
    let reading = Reading::new(&store, &rules, now);
    let subject = reading.find(&space(&args.connector, &opened.connectors)?, &args.object)?;
    let (preview, facts) = match args.offline {
        true => (reading.preview(subject)?, Facts::AsLastRead),
        false => with_facts(context, &reading, &opened.connectors, subject).await?,
    };
    let exit = if preview.error.is_some() { Exit::ObjectErrors } else { Exit::Success };
    Ok(Report::new(exit, objects::preview(&preview, facts, args.all), to_json(&preview)))
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
