//! `scope add-user`, `remove-user`, `add-group`, `remove-group`, `everybody`: finds who is meant, tries the new `[scope]` on a copy,
//! shows it, and saves what the operator agrees to.

use super::choice::{Choice, Named, choose, open};
use super::{agreed, config, effect, replace, reread, text};
use crate::cli::ScopeSave;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Report;
use serde_json::json;
use sync_kernel::{ConnectorState, CsObject, Subject};
use sync_rules::{CONFIGURATION_FILE, Listed, RuleSet, Selection};
use sync_runtime::{EngineError, Reading, Space};

pub(crate) async fn run(
    context: &Context,
    connector: &str,
    names: &[String],
    choice: Choice,
    save: &ScopeSave,
) -> Result<Report, Failure> {
    let opened = context.open()?;
    config(&opened, connector)?;
    let store = context.read_store(&opened).map_err(|failure| match failure.code {
        "no-store" => Failure::new(
            "no-store",
            format!("nothing of {connector} was imported yet, so nobody can be named"),
            format!("`metasync run {connector} full-import` first; it exports nothing"),
        ),
        _ => failure,
    })?;
    let before = opened.rules.selections.get(connector).cloned().unwrap_or_else(open);
    let reading = Reading::new(&store, &opened.rules, context.now());
    let named: Vec<Named> =
        names.iter().map(|name| find(&reading, connector, name, choice, &before)).collect::<Result<_, _>>()?;
    drop(store);
    let after = choose(&before, choice, &named, connector)?;
    let path = context.folder.join(CONFIGURATION_FILE);
    let old = std::fs::read_to_string(&path).map_err(|error| Failure::file("cannot read", &path, &error))?;
    let new = text::change(&old, connector, &before, &after)?;
    let (_, rules) = reread(context, &new)?;
    says(&rules, connector, &after)?;
    context.output.talk("trying it on a copy; nothing is changed yet");
    let effect = effect::of(context, &opened, &rules, connector, None, save.offline).await?;
    let mut shown = effect.text(connector);
    let saved = agreed(context, save, &shown)?;
    if saved {
        replace(&path, &old, &new)?;
        shown.push_str(&format!("saved in {}; the next cycle synchronises in full\n", path.display()));
    } else {
        shown.push_str("not saved; --yes saves it\n");
    }
    let mut json = effect.json(connector, saved);
    json["named"] = named.iter().map(|named| json!({ "id": named.anchor, "name": named.name })).collect();
    Ok(Report::new(Exit::Success, shown, json))
}

/// What was written is read as it was meant, or nothing is saved.
fn says(rules: &RuleSet, connector: &str, wanted: &Selection) -> Result<(), Failure> {
    let ids = |selection: &Selection| {
        let list = |listed: &Listed| listed.keys().cloned().collect::<Vec<_>>();
        let lists = [list(&selection.groups), list(&selection.users), list(&selection.without)];
        (selection.everybody, selection.nested, lists)
    };
    let read = rules.selections.get(connector).map(ids);
    match read == Some(ids(wanted)) {
        true => Ok(()),
        false => Err(super::cannot_reread()),
    }
}

/// Who is meant: an imported object, or for removing one that is listed and no longer there.
fn find(
    reading: &Reading<'_>,
    connector: &str,
    text: &str,
    choice: Choice,
    before: &Selection,
) -> Result<Named, Failure> {
    let listed = match choice {
        Choice::RemoveGroup => before.groups.iter().find(|(id, name)| is_called(id, name, text)),
        Choice::RemoveUser => before.users.iter().find(|(id, name)| is_called(id, name, text)),
        _ => None,
    };
    let by_anchor = listed.map(|(id, _)| id.as_str()).unwrap_or(text);
    let subject = match reading.find(&Space::Connector(connector.into()), by_anchor) {
        Ok(subject) => subject,
        Err(EngineError::NotFound { .. }) => {
            return listed
                .map(|(id, name)| Named { anchor: id.clone(), name: name.clone(), is_member: false })
                .ok_or_else(|| unknown(connector, text));
        }
        Err(error) => return Err(error.into()),
    };
    let object = match subject {
        Subject::Connector(id) => reading.store.object(id)?,
        Subject::Metaverse(_) => None,
    };
    let object = object.filter(|object| &*object.connector == connector).ok_or_else(|| unknown(connector, text))?;
    let name = reading.name(subject)?;
    if matches!(object.state, ConnectorState::Container | ConnectorState::Placeholder) {
        return Err(Failure::new(
            "scope-not-an-object",
            format!("{} is a container, or was not imported itself", name.name),
            format!("containers are chosen by `metasync scope add-ou {connector}`"),
        ));
    }
    let Some(anchor) = object.anchor.as_ref().map(ToString::to_string) else {
        return Err(unknown(connector, text));
    };
    if let Choice::AddGroup { .. } = choice {
        has_members(&object, reading, &name.name)?;
    }
    let known_as = match choice {
        Choice::AddGroup { .. } => name.dn.unwrap_or(name.name),
        _ => name.name,
    };
    Ok(Named { anchor, name: known_as, is_member: !object.selected_by.is_empty() })
}

fn is_called(id: &str, name: &str, text: &str) -> bool {
    id.eq_ignore_ascii_case(text) || name.eq_ignore_ascii_case(text)
}

fn unknown(connector: &str, text: &str) -> Failure {
    Failure::new(
        "not-found",
        format!("nothing that was imported from {connector} is called `{text}`"),
        format!(
            "`metasync search {connector} TEXT` looks for parts of names; who stands in a container that is not read is imported after `metasync scope add-ou`"
        ),
    )
}

/// A group without members selects nobody, and a person has none.
fn has_members(object: &CsObject, reading: &Reading<'_>, name: &str) -> Result<(), Failure> {
    let attribute = reading.rules.member_attribute(&object.connector);
    if object.reference_counts.get(&attribute).is_some_and(|members| *members > 0) {
        return Ok(());
    }
    Err(Failure::new(
        "scope-group-empty",
        format!("{name} ({}) has no member, as it was imported", object.object_type),
        "give it members and import them first; a single person is added with `scope add-user`",
    ))
}
