//! `metasync init --add-source NAME`: one more source for a deployment that exists. Adds a connector to metasync.toml and
//! rule files beside those that are there; changes no other line, and takes everything back if `check` would refuse it.

use super::answers::{Ask, SourceAnswers, rules, source};
use super::{Written, below, template};
use crate::cli::InitArgs;
use crate::context::{Context, Opened, shown};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::files::replace;
use crate::output::Report;
use metaverse_schema::SettingValue;
use serde_json::json;
use std::fs;
use std::path::Path;
use sync_rules::shipped::CloudSchema;
use sync_rules::{CONFIGURATION_FILE, ConnectorConfig, ShippedOptions, shipped_rules_for_another, shipped_tests};

pub(super) fn run(context: &Context, args: &InitArgs, name: &str, ask: &mut dyn Ask) -> Result<Report, Failure> {
    let examined = context.examine()?;
    let Some(opened) = examined.opened else {
        return Err(crate::context::mistakes(examined.drawn));
    };
    refuse_name(name, &opened)?;
    let source = source(args, &context.folder, ask)?;
    let options = ShippedOptions { cloud: cloud_of(&opened), ..rules(args, &source, ask)? };
    let mut written = Written::default();
    let path = context.folder.join(CONFIGURATION_FILE);
    let before = fs::read_to_string(&path).map_err(|error| Failure::file("cannot read", &path, &error))?;
    let gap = if before.ends_with('\n') { "\n" } else { "\n\n" };
    let after = format!("{before}{gap}{}", template::source(&source, &options, name));
    let result = replace(&path, &before, &after)
        .and_then(|()| write_files(&context.folder, name, &opened, &source, &options, &mut written))
        .and_then(|()| {
            let examined = context.examine()?;
            match examined.opened {
                Some(_) => Ok(examined.drawn),
                None => Err(crate::context::mistakes(examined.drawn)),
            }
        });
    let drawn = match result {
        Ok(drawn) => drawn,
        Err(mut failure) => {
            written.undo();
            if fs::read_to_string(&path).is_ok_and(|now| now == after) {
                replace(&path, &after, &before)?;
            }
            failure.message = format!("nothing was changed: {}", failure.message);
            return Err(failure);
        }
    };
    let files: Vec<String> = written.files.iter().map(|file| below(&context.folder, file)).collect();
    let mut text = format!("added the source `{name}` to {}\n\n  {CONFIGURATION_FILE}\n", shown(&context.folder));
    for file in &files {
        text.push_str(&format!("  {file}\n"));
    }
    text.push_str(&drawn.text);
    text.push_str(&next_steps(&context.option()));
    let json = json!({
        "folder": context.folder,
        "source": name,
        "files": files,
        "staging": opened.deployment.staging,
        "notes": [],
        "diagnostics": drawn.json,
    });
    Ok(Report::new(Exit::Success, text, json))
}

/// What the rules that are there are written for: the mode of the cloud's connector.
fn cloud_of(opened: &Opened) -> CloudSchema {
    let mode = |connector: &ConnectorConfig| match connector.settings.entries.get("mode").map(|mode| &mode.value) {
        Some(SettingValue::Text(mode)) => mode == "connect",
        _ => false,
    };
    let connectors = &opened.deployment.connectors;
    match connectors.iter().any(|connector| connector.kind == "azure-ad" && mode(connector)) {
        true => CloudSchema::Connect,
        false => CloudSchema::Graph,
    }
}

fn next_steps(option: &str) -> String {
    format!(
        "
Its rules stand behind those of the sources that are there: for a person with objects in several forests the first one
decides as before. Nothing was read or written outside this folder. Next:

  metasync{option} check
  metasync{option} test
  metasync{option} cycle initial
      read all sides and decide; with `staging = true` in metasync.toml nothing is exported before you have looked
"
    )
}

fn refuse_name(name: &str, opened: &Opened) -> Result<(), Failure> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.is_empty() || name == "mv" || !name.chars().all(known) {
        return Err(Failure::new(
            "connector-name-invalid",
            format!("a connector cannot be called `{name}`"),
            "use letters, digits, `-` and `_`; `mv` means the metaverse",
        ));
    }
    if opened.deployment.connectors.iter().any(|connector| *connector.name == *name) {
        return Err(Failure::new(
            "connector-exists",
            format!("there is a connector `{name}` already"),
            "give the new source another name",
        ));
    }
    Ok(())
}

fn write_files(
    folder: &Path,
    name: &str,
    opened: &Opened,
    source: &SourceAnswers,
    options: &ShippedOptions,
    written: &mut Written,
) -> Result<(), Failure> {
    let mut files = shipped_rules_for_another(name, &opened.rules, options);
    let connectors = &opened.deployment.connectors;
    let cloud = connectors.iter().find(|connector| connector.kind == "azure-ad");
    let first = connectors.iter().find(|connector| connector.kind != "azure-ad");
    let has_anchor = !matches!(source, SourceAnswers::Csv(table) if table.anchor != "objectGUID");
    if let Some(cloud) = cloud.filter(|_| has_anchor) {
        files.extend(shipped_tests(&[(name, &cloud.name)], options));
        // What holds between the first source and this one.
        if let Some(first) = first {
            let of_one = |file: &str| [name, &*first.name].iter().any(|source| file.contains(&format!("-{source}-")));
            let pairs = [(&*first.name, &*cloud.name), (name, &*cloud.name)];
            files.extend(shipped_tests(&pairs, options).into_iter().filter(|(file, _)| !of_one(file)));
        }
    }
    for (file, text) in files {
        let path = folder.join(&file);
        // What a package declares for the metaverse serves all sources.
        let is_shared = !file.contains(&format!("-{name}-"));
        if is_shared && path.exists() {
            continue;
        }
        written.folder(path.parent().unwrap_or(folder))?;
        written.file(path, &text)?;
    }
    Ok(())
}
