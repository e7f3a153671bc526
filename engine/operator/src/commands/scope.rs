//! `metasync scope`: which containers a source connector reads. A change is tried out first: the directory is read as it
//! would be, who comes and who goes is shown, and only then the one setting in `metasync.toml` is changed. Nothing is
//! synchronised.

mod edit;
mod trial;

use crate::cli::{ScopeAction, ScopeArgs, ScopeChange};
use crate::connectors;
use crate::context::{Context, Opened};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Report;
use crate::text::{Table, count, counted};
use connector_active_directory::ActiveDirectory;
use edit::Direction;
use metaverse_schema::Dn;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use sync_rules::{CONFIGURATION_FILE, ConnectorConfig, FileText, Files, RULES_FOLDER};
use sync_store::Store;
use trial::{Person, Trial};

/// Names of one list that are shown; `--json` has all.
const SHOWN: usize = 20;
const PAGE: usize = 1_000;

pub(crate) async fn run(context: &Context, args: &ScopeArgs) -> Result<Report, Failure> {
    match &args.action {
        ScopeAction::List { connector, offline, all } => list(context, connector, *offline, *all).await,
        ScopeAction::Add(change) => save(context, change, Direction::Add).await,
        ScopeAction::Remove(change) => save(context, change, Direction::Remove).await,
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
    Ok(Report::new(Exit::Success, text, json!({ "connector": connector, "containers": json })))
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

async fn save(context: &Context, change: &ScopeChange, direction: Direction) -> Result<Report, Failure> {
    let opened = context.open()?;
    let config = config(&opened, &change.connector)?;
    if config.kind != "active-directory" {
        return Err(Failure::new(
            "no-containers",
            format!("`{}` is a {} connector, which reads no containers", change.connector, config.kind),
            "limit what is synchronised by the scope of the rules in rules/",
        ));
    }
    let path = context.folder.join(CONFIGURATION_FILE);
    let before = std::fs::read_to_string(&path).map_err(|error| Failure::file("cannot read", &path, &error))?;
    let dn = canonical(&directory(&opened, config)?, &change.container).await?;
    let after = edit::change(&before, &change.connector, &dn, direction)?;
    let new_config = reread(context, &after, &change.connector)?;
    context.output.talk("reading the directory as it would be read; nothing is changed yet");
    let connector = directory(&opened, &new_config)?;
    let store = store(context, &opened)?;
    let trial = trial::run(&connector, store.as_ref(), &change.connector).await?;
    let mut text = render(&trial, &change.connector);
    let saved = change.yes || (context.output.is_interactive() && context.confirm(&text, "save this?")?);
    if saved {
        replace(&path, &before, &after)?;
        text.push_str(&format!("saved in {}; the next cycle reads {} in full\n", path.display(), change.connector));
    } else {
        text.push_str("not saved; --yes saves it\n");
    }
    let people = |list: &[Person]| -> Value { list.iter().map(Person::json).collect() };
    let json = json!({
        "connector": change.connector,
        "container": dn,
        "saved": saved,
        "comes": people(&trial.comes),
        "goes": people(&trial.goes),
        "stays": trial.stays,
    });
    Ok(Report::new(Exit::Success, text, json))
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

/// The connector as the changed text configures it.
fn reread(context: &Context, text: &str, connector: &str) -> Result<ConnectorConfig, Failure> {
    let files = Files {
        configuration: FileText::text(CONFIGURATION_FILE, text),
        rules: sync_rules::read_rules(&context.folder.join(RULES_FOLDER)),
    };
    let loaded = sync_rules::load(&files, context.folder.clone());
    let config = loaded
        .deployment
        .and_then(|deployment| deployment.connectors.into_iter().find(|config| &*config.name == connector));
    config.ok_or_else(|| {
        Failure::new(
            "edit-failed",
            "the changed metasync.toml could not be read again; it was not saved",
            "edit it by hand",
        )
    })
}

/// Whole or not at all, and not over somebody else's change.
pub(crate) fn replace(path: &Path, before: &str, after: &str) -> Result<(), Failure> {
    let now = std::fs::read_to_string(path).map_err(|error| Failure::file("cannot read", path, &error))?;
    if now != before {
        return Err(Failure::new(
            "changed-meanwhile",
            format!("{} was changed by somebody else meanwhile; it was left alone", path.display()),
            "run the command again",
        ));
    }
    let write = || -> std::io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(after.as_bytes())?;
        file.as_file().set_permissions(std::fs::metadata(path)?.permissions())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|error| Failure::file("cannot write", path, &error))
}

fn render(trial: &Trial, connector: &str) -> String {
    let mut text = format!(
        "{connector}: {} {}, {}\n",
        counted(trial.stays, "object stays,", "objects stay,"),
        counted(trial.comes.len() as u64, "comes", "come"),
        counted(trial.goes.len() as u64, "goes", "go"),
    );
    for (title, people) in [("Comes", &trial.comes), ("Goes", &trial.goes)] {
        if people.is_empty() {
            continue;
        }
        text.push_str(&format!("{title}\n"));
        let mut table = Table::new(&["", "", "", ""]);
        for person in people.iter().take(SHOWN) {
            table.row([person.name.clone(), person.object_type.clone(), person.exported_to(), person.dn.clone()]);
        }
        text.push_str(&table.render());
        if people.len() > SHOWN {
            text.push_str(&format!("  and {} more\n", count((people.len() - SHOWN) as u64)));
        }
    }
    let exported = trial.goes.iter().filter(|person| !person.exported.is_empty()).count();
    if exported > 0 {
        text.push_str(&format!(
            "{} in a target: it stays as it is for the grace period of metasync.toml ([leaving]), then it is deleted there or detached, after the guard\n",
            counted(exported as u64, "of those that go has an object", "of those that go have an object")
        ));
    }
    text
}
