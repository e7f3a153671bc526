//! `metasync scope`: which containers a source connector reads, and who of all that is read is synchronised. A change is tried out
//! first, on a copy: who comes and who goes is shown, and whether the guard would let the export pass, and only then the one
//! setting in `metasync.toml` is changed. Nothing is synchronised.

mod choice;
mod edit;
mod effect;
mod listing;
mod selecting;
mod text;
mod trial;

use crate::cli::{ScopeAction, ScopeArgs, ScopeContainer, ScopeSave};
use crate::connectors;
use crate::context::{Context, Opened};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::files::replace;
use crate::output::Report;
use crate::text::{Table, count, counted};
use choice::Choice;
use connector_active_directory::ActiveDirectory;
use connector_contract::Connector;
use edit::Direction;
use metaverse_schema::Dn;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use sync_rules::{CONFIGURATION_FILE, ConnectorConfig, Deployment, FileText, Files, RULES_FOLDER, RuleSet};
use sync_store::Store;

const PAGE: usize = 1_000;

pub(crate) async fn run(context: &Context, args: &ScopeArgs) -> Result<Report, Failure> {
    match &args.action {
        ScopeAction::List { connector, offline, all } => list(context, connector, *offline, *all).await,
        ScopeAction::AddOu(change) => save(context, change, Direction::Add).await,
        ScopeAction::RemoveOu(change) => save(context, change, Direction::Remove).await,
        ScopeAction::AddUser { change, only } => {
            selecting::run(context, &change.connector, &change.names, Choice::AddUser { only: *only }, &change.save)
                .await
        }
        ScopeAction::RemoveUser { change } => {
            selecting::run(context, &change.connector, &change.names, Choice::RemoveUser, &change.save).await
        }
        ScopeAction::AddGroup { change, nested } => {
            let choice = Choice::AddGroup { nested: *nested };
            selecting::run(context, &change.connector, &change.names, choice, &change.save).await
        }
        ScopeAction::RemoveGroup { change } => {
            selecting::run(context, &change.connector, &change.names, Choice::RemoveGroup, &change.save).await
        }
        ScopeAction::Everybody { connector, save } => {
            selecting::run(context, connector, &[], Choice::Everybody, save).await
        }
    }
}

fn config<'a>(opened: &'a Opened, connector: &str) -> Result<&'a ConnectorConfig, Failure> {
    opened.deployment.connectors.iter().find(|config| &*config.name == connector).ok_or_else(|| {
        let known: Vec<&str> = opened.connectors.keys().map(|name| &**name).collect();
        Failure::new(
            "connector-unknown",
            format!("there is no connector `{connector}`"),
            format!("this deployment has {}", known.join(", ")),
        )
    })
}

/// The store, where something was imported already.
fn store(context: &Context, opened: &Opened) -> Result<Option<Store>, Failure> {
    match context.read_store(opened) {
        Ok(store) => Ok(Some(store)),
        Err(failure) if failure.code == "no-store" => Ok(None),
        Err(failure) => Err(failure),
    }
}

async fn list(context: &Context, connector: &str, offline: bool, all: bool) -> Result<Report, Failure> {
    let opened = context.open()?;
    let config = config(&opened, connector)?;
    let store = store(context, &opened)?;
    let mut containers: BTreeMap<String, Container> = BTreeMap::new();
    if let Some(store) = &store {
        for (dn, objects) in imported_containers(store, connector)? {
            let entry = containers.entry(dn.to_lowercase()).or_insert_with(|| Container::new(dn));
            entry.in_scope = Some(true);
            entry.objects = Some(objects);
        }
    }
    if config.kind == "active-directory" && !offline {
        for found in directory(&opened, config)?.containers().await? {
            let entry = containers.entry(found.dn.to_lowercase()).or_insert_with(|| Container::new(found.dn));
            entry.in_scope = Some(found.in_scope);
        }
    }
    let containers = in_tree_order(containers);
    let (shown, hidden): (Vec<&Container>, Vec<&Container>) =
        containers.iter().partition(|container| all || container.is_read() || !container.is_system());
    let mut table = Table::new(&["read", ">objects", "container"]).indent(0);
    for container in shown {
        let read = match container.in_scope {
            Some(true) => "yes",
            Some(false) => "no",
            None => "?",
        };
        let objects = container.objects.map_or(String::new(), count);
        table.row([read.to_owned(), objects, container.dn.clone()]);
    }
    let mut text = table.render();
    if containers.is_empty() {
        text.push_str(&format!("no container of {connector} is known yet; import first\n"));
    }
    if !hidden.is_empty() {
        text.push_str(&format!(
            "and {} of the directory itself (--all)\n",
            counted(hidden.len() as u64, "container", "containers")
        ));
    }
    let json: Vec<Value> = containers
        .iter()
        .map(|container| json!({ "dn": container.dn, "in_scope": container.in_scope, "objects": container.objects }))
        .collect();
    let selection = listing::of(&opened, store.as_ref(), connector)?;
    text.push_str(&selection.text);
    let document = json!({ "connector": connector, "containers": json, "selection": selection.json, "filters": selection.filters });
    Ok(Report::new(Exit::Success, text, document))
}

/// The containers that imported objects stand in, with how many.
fn imported_containers(store: &Store, connector: &str) -> Result<BTreeMap<String, u64>, Failure> {
    let mut counts = BTreeMap::new();
    let mut after = None;
    loop {
        let page = store.list_objects(connector, after, PAGE)?;
        let Some(last) = page.last().map(|object| object.id) else {
            return Ok(counts);
        };
        after = Some(last);
        for dn in page.into_iter().filter_map(|object| object.dn?.parse::<Dn>().ok()?.parent()) {
            *counts.entry(dn.to_string()).or_default() += 1;
        }
    }
}

struct Container {
    dn: String,
    in_scope: Option<bool>,
    /// Directly in it, as imported.
    objects: Option<u64>,
}

/// Containers at the top of a domain that hold nobody an operator would choose.
const SYSTEM: [&str; 3] = ["cn=system", "cn=program data", "cn=lostandfound"];

impl Container {
    fn is_read(&self) -> bool {
        self.in_scope == Some(true)
    }

    fn is_system(&self) -> bool {
        edit::rdns(&self.dn).iter().any(|rdn| SYSTEM.contains(&rdn.to_lowercase().as_str()))
    }

    fn new(dn: String) -> Self {
        Container { dn, in_scope: None, objects: None }
    }
}

/// Parents before children.
fn in_tree_order(containers: BTreeMap<String, Container>) -> Vec<Container> {
    let path = |container: &Container| -> Vec<String> { edit::rdns(&container.dn).into_iter().rev().collect() };
    let mut ordered: Vec<Container> = containers.into_values().collect();
    ordered.sort_by_cached_key(path);
    ordered
}

fn directory(opened: &Opened, config: &ConnectorConfig) -> Result<ActiveDirectory, Failure> {
    connectors::active_directory(&config.settings, &opened.deployment.folder).map_err(|problems| {
        let messages: Vec<String> = problems.into_iter().map(|problem| problem.message).collect();
        Failure::new("configuration", messages.join("; "), "see `metasync check`").with_exit(Exit::Configuration)
    })
}

async fn save(context: &Context, change: &ScopeContainer, direction: Direction) -> Result<Report, Failure> {
    let opened = context.open()?;
    let config = config(&opened, &change.connector)?;
    if config.kind != "active-directory" {
        return Err(Failure::new(
            "no-containers",
            format!("`{}` is a {} connector, which reads no containers", change.connector, config.kind),
            "limit what is synchronised by pilot group or by name (`metasync scope --help`), or by the scope of the rules in rules/",
        ));
    }
    let path = context.folder.join(CONFIGURATION_FILE);
    let before = std::fs::read_to_string(&path).map_err(|error| Failure::file("cannot read", &path, &error))?;
    let dn = canonical(&directory(&opened, config)?, &change.container).await?;
    let after = edit::change(&before, &change.connector, &dn, direction)?;
    let new = reread(context, &after)?;
    let new_config =
        new.0.connectors.iter().find(|config| *config.name == *change.connector).ok_or_else(cannot_reread)?;
    context.output.talk("reading the directory as it would be read; nothing is changed yet");
    let connector = directory(&opened, new_config)?;
    let effect = match store(context, &opened)? {
        Some(_) => {
            let reads = Some((new_config.name.clone(), Arc::new(connector) as Arc<dyn Connector>));
            effect::of(context, &opened, &new.1, &change.connector, reads, change.save.offline).await?
        }
        // Before the first import there is nothing to compare with, and nothing to export.
        None => effect::of_nothing(trial::run(&connector, &change.connector).await?),
    };
    let mut text = effect.text(&change.connector);
    let saved = agreed(context, &change.save, &text)?;
    if saved {
        replace(&path, &before, &after)?;
        text.push_str(&format!("saved in {}; the next cycle reads {} in full\n", path.display(), change.connector));
    } else {
        text.push_str("not saved; --yes saves it\n");
    }
    let mut json = effect.json(&change.connector, saved);
    json["container"] = json!(dn);
    Ok(Report::new(Exit::Success, text, json))
}

/// Whether what was shown is saved: `--yes`, or the operator says so.
fn agreed(context: &Context, save: &ScopeSave, shown: &str) -> Result<bool, Failure> {
    Ok(save.yes || (!save.dry_run && context.output.is_interactive() && context.confirm(shown, "save this?")?))
}

/// The container as the directory writes it; one that does not exist is refused.
async fn canonical(directory: &ActiveDirectory, wanted: &str) -> Result<String, Failure> {
    let wanted_rdns = edit::rdns(wanted);
    let containers = directory.containers().await?;
    containers.into_iter().map(|container| container.dn).find(|dn| edit::rdns(dn) == wanted_rdns).ok_or_else(|| {
        Failure::new(
            "container-unknown",
            format!("the directory has no container {wanted}"),
            "`metasync scope list CONNECTOR` lists them",
        )
    })
}

/// The deployment and the rules as the changed text has them.
fn reread(context: &Context, text: &str) -> Result<(Deployment, RuleSet), Failure> {
    let files = Files {
        configuration: FileText::text(CONFIGURATION_FILE, text),
        rules: sync_rules::read_rules(&context.folder.join(RULES_FOLDER)),
    };
    let loaded = sync_rules::load(&files, context.folder.clone());
    if loaded.has_errors() {
        let drawn = crate::diagnostics::draw(&loaded.diagnostics, &loaded.sources, context.colour());
        return Err(crate::context::mistakes(drawn));
    }
    loaded.deployment.zip(loaded.rules).ok_or_else(cannot_reread)
}

fn cannot_reread() -> Failure {
    Failure::new(
        "edit-failed",
        "the changed metasync.toml could not be read again; it was not saved",
        "edit it by hand",
    )
}
