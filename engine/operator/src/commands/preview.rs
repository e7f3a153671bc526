//! `metasync preview`: the run's own decision about one object, shown and not applied. The store is opened read-only, or
//! as a private copy for other rules; the deployment folder stays as it is.

use crate::cli::PreviewArgs;
use crate::connectors::Connectors;
use crate::context::Context;
use crate::diagnostics;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Report, to_json};
use crate::render::objects::{self, Facts};
use std::path::Path;
use std::time::Duration;
use sync_kernel::Subject;
use sync_rules::{FileContent, FileText, Files, RuleSet, Severity};
use sync_runtime::{Preview, Reading, Space};

/// Longest wait for the roles of match candidates.
const PATIENCE: Duration = Duration::from_secs(8);

pub(crate) async fn run(context: &Context, args: &PreviewArgs) -> Result<Report, Failure> {
    let opened = context.open()?;
    let now = context.now();
    let (store, rules) = match &args.rules {
        None => (context.read_store(&opened)?, opened.rules.clone()),
        Some(folder) => {
            let rules = other_rules(context, folder)?;
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

/// The rules of another folder under this deployment's configuration.
fn other_rules(context: &Context, folder: &Path) -> Result<RuleSet, Failure> {
    let path = context.folder.join(sync_rules::CONFIGURATION_FILE);
    let text = std::fs::read_to_string(&path).map_err(|error| Failure::file("cannot read", &path, &error))?;
    let below = folder.join(sync_rules::RULES_FOLDER);
    let rules = sync_rules::read_rules(if below.is_dir() { &below } else { folder });
    if rules.is_empty() || rules.iter().any(|file| matches!(file.content, FileContent::Missing)) {
        return Err(Failure::new(
            "no-rules",
            format!("there are no rule files (*.toml) in {}", folder.display()),
            "name a folder of rule files, or one with a folder rules/ in it",
        ));
    }
    let files = Files { configuration: FileText::text(sync_rules::CONFIGURATION_FILE, text), rules };
    let loaded = sync_rules::load(&files, context.folder.clone());
    let has_errors = loaded.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    match loaded.rules {
        Some(rules) if !has_errors => Ok(rules),
        _ => Err(crate::context::mistakes(diagnostics::draw(&loaded.diagnostics, &loaded.sources, context.colour()))),
    }
}
