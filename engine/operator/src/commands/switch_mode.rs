//! `metasync switch-mode connect`: takes a deployment from Graph mode to Connect mode. Shows first which files change, who is
//! matched by what, and which switches of the tenant stand in the way; changes the folder whole or not at all, and clears
//! stamps in the tenant only where it was asked to.

mod folder;
mod people;
mod plan;
mod stamps;

use crate::cli::SwitchModeArgs;
use crate::connectors::build_connectors;
use crate::context::{Context, Opened, mistakes};
use crate::diagnostics;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::init::CloudMode;
use crate::output::{Report, to_json};
use crate::text::{Table, counted, paragraph};
use connector_contract::{CheckFinding, Severity};
use metaverse_schema::SettingValue;
use people::People;
use plan::Plan;
use serde_json::json;
use sync_rules::{CONFIGURATION_FILE, FileContent, FileText, Files, RULES_FOLDER};

/// Where the files of Graph mode are kept.
pub(super) const KEPT: &str = "before-connect-mode";
/// Names of each list that are shown; `--json` has them all.
const SHOWN: usize = 10;

pub(crate) async fn run(context: &Context, args: &SwitchModeArgs) -> Result<Report, Failure> {
    let opened = context.open()?;
    let connector = graph_connector(&opened, args.connector.as_deref())?;
    let sources: Vec<&str> =
        opened.deployment.connectors.iter().map(|config| &*config.name).filter(|name| *name != connector).collect();
    let CloudMode::Connect { machine_id } = CloudMode::connect()? else {
        return Err(Failure::new("mode-unknown", "there is no id for Connect mode", ""));
    };
    let plan = Plan::read(&context.folder, &connector, &sources, &machine_id)?;
    let findings = judge(context, &plan, &connector, args.offline).await?;
    let people = match context.read_store(&opened) {
        Ok(store) => Some(People::read(&store, &connector)?),
        Err(failure) if failure.code == "no-store" => None,
        Err(failure) => return Err(failure),
    };
    let mut text = shown(&plan, &findings, people.as_ref(), args.clear_stamps);
    let agreed = args.yes
        || (context.output.is_interactive() && context.confirm(&text, "Change the deployment's folder like this?")?);
    let mut cleared = stamps::Cleared::default();
    if agreed {
        if !plan.own.is_empty() && !args.replace_changed {
            return Err(Failure::new(
                "rules-changed",
                format!("{} of the rules that are exchanged are yours: {}", plan.own.len(), plan.own.join(", ")),
                format!(
                    "move them into a file of your own, or give --replace-changed and take them over from {KEPT}/ afterwards"
                ),
            ));
        }
        // No run meanwhile: it would export by half of the files.
        let lock = match people {
            Some(_) => Some(context.engine(context.open()?)?),
            None => None,
        };
        if args.clear_stamps {
            let exporter = opened.connectors.get(connector.as_str()).and_then(|connector| connector.exporter());
            cleared = stamps::clear(exporter, people.as_ref()).await?;
            text.push_str(&cleared.text());
            if !cleared.refused.is_empty() {
                return Err(Failure::new(
                    "stamps-not-cleared",
                    format!("{}; the folder was not changed", cleared.text().trim_end()),
                    "mend what the tenant says, or leave --clear-stamps out",
                ));
            }
        }
        folder::change(&context.folder, &plan)?;
        if let Some(engine) = lock {
            engine.close()?;
        }
        text.push_str(&next_steps(&context.option(), &connector));
    } else {
        text.push_str("nothing was changed; --yes does it\n");
    }
    let json = json!({
        "connector": connector,
        "done": agreed,
        "files": plan.changes.iter().map(|change| &change.name).collect::<Vec<_>>(),
        "kept_in": KEPT,
        "own_rules": plan.own,
        "tests_left": plan.tests_left,
        "findings": to_json(&findings),
        "people": people.as_ref().map(People::json),
        "stamps_cleared": cleared.done,
    });
    Ok(Report::new(Exit::Success, text, json))
}

/// The connector to be switched: Azure AD in Graph mode.
fn graph_connector(opened: &Opened, wanted: Option<&str>) -> Result<String, Failure> {
    let mut tenants = opened
        .deployment
        .connectors
        .iter()
        .filter(|config| config.kind == "azure-ad" && wanted.is_none_or(|wanted| wanted == &*config.name));
    let (Some(config), None) = (tenants.next(), tenants.next()) else {
        let message = "this deployment has not exactly one Azure AD connector of that name";
        return Err(Failure::new("connector-unknown", message, "name it with --connector"));
    };
    match config.settings.entries.get("mode").map(|mode| &mode.value) {
        Some(SettingValue::Text(mode)) if mode == "connect" => Err(Failure::new(
            "mode-already",
            format!("`{}` is in Connect mode already", config.name),
            "nothing is left to do; `metasync check` says whether all is well",
        )),
        _ => Ok(config.name.to_string()),
    }
}

/// Holds the folder as it would be against `check`: its files, and, unless offline, what the tenant says to Connect mode.
async fn judge(context: &Context, plan: &Plan, connector: &str, offline: bool) -> Result<Vec<CheckFinding>, Failure> {
    let mut rules = sync_rules::read_rules(&context.folder.join(RULES_FOLDER));
    for change in plan.changes.iter().filter(|change| change.name.starts_with("rules/")) {
        match rules.iter_mut().find(|file| *file.name == *change.name) {
            Some(file) => file.content = FileContent::Text(change.after.clone()),
            None => rules.push(FileText::text(change.name.as_str(), change.after.as_str())),
        }
    }
    let configuration = plan.after(CONFIGURATION_FILE).unwrap_or_default();
    let files = Files { configuration: FileText::text(CONFIGURATION_FILE, configuration), rules };
    let loaded = sync_rules::load(&files, context.folder.clone());
    let (connectors, problems) = build_connectors(&loaded.connectors, &context.folder);
    let errors: Vec<_> = loaded
        .diagnostics
        .into_iter()
        .chain(problems)
        .filter(|found| found.severity == sync_rules::Severity::Error)
        .collect();
    if !errors.is_empty() {
        let mut failure = mistakes(diagnostics::draw(&errors, &loaded.sources, context.colour()));
        failure.message = "in Connect mode the folder would have mistakes; nothing was changed".to_owned();
        failure.remedy =
            "mend what the places show; a rule of your own may ask for what only Graph mode has".to_owned();
        return Err(failure);
    }
    match connectors.get(connector).filter(|_| !offline) {
        Some(connector) => {
            let found = connector.check().await.findings;
            Ok(found.into_iter().filter(|finding| finding.severity != Severity::Ok).collect())
        }
        None => Ok(Vec::new()),
    }
}

fn shown(plan: &Plan, findings: &[CheckFinding], people: Option<&People>, clear_stamps: bool) -> String {
    let mut text =
        String::from("From Graph mode to Connect mode\n\nFiles that change (as they are now, they are kept in ");
    text.push_str(&format!("{KEPT}/)\n"));
    for change in &plan.changes {
        text.push_str(&format!("  {}  {}\n", change.name, change.what));
    }
    for (title, names) in [
        ("Rules of yours in these files, which would be gone from them", &plan.own),
        ("Rule tests of yours that stay as they are, and may fail now", &plan.tests_left),
    ] {
        if !names.is_empty() {
            text.push_str(&format!("\n{title}\n  {}\n", names.join("\n  ")));
        }
    }
    text.push_str("\nIn the tenant\n");
    if findings.is_empty() {
        text.push_str("  nothing is known to stand in the way\n");
    }
    let mut table = Table::new(&["", "", ""]);
    for finding in findings {
        let mark = if finding.severity == Severity::Error { "error" } else { "warning" };
        let remedy =
            if finding.remedy.is_empty() { String::new() } else { format!("\nwhat to do: {}", finding.remedy) };
        table.row([mark.to_owned(), finding.code.clone(), format!("{}{remedy}", finding.message)]);
    }
    text.push_str(&table.render());
    match people {
        Some(people) => text.push_str(&people.text(clear_stamps)),
        None => text.push_str("\nNothing was imported yet, so nobody is known who would be matched.\n"),
    }
    text.push('\n');
    text
}

fn next_steps(option: &str, connector: &str) -> String {
    let meaning = "The deployment is in Connect mode and in staging mode: a cycle decides and exports nothing until you have \
        looked and written `staging = false`. The files of Graph mode are kept";
    format!(
        "{}  metasync{option} check
  metasync{option} tenant-sync status
  metasync{option} cycle initial
  metasync{option} pending {connector}
      every takeover, by what it is matched, and what is held
",
        paragraph(&format!("{meaning} in {KEPT}/. Next:"), 0)
    )
}

/// `3 users: Ann, Bob, Carla`, cut where there are many.
fn names(count: &str, all: &[String]) -> String {
    let more = all.len().saturating_sub(SHOWN);
    let shown: Vec<&str> = all.iter().take(SHOWN).map(String::as_str).collect();
    let rest = if more > 0 { format!(" and {}", counted(more as u64, "other", "others")) } else { String::new() };
    if all.is_empty() { count.to_owned() } else { format!("{count}: {}{rest}", shown.join(", ")) }
}
