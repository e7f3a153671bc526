//! `metasync passwords`: one pass, the two-minute loop, and how passwords stand. The engine decides; what is printed holds
//! names, times and reasons, never anything of a password.

use crate::cli::{PasswordsArgs, PasswordsCommand, PasswordsStatusArgs, PasswordsSyncArgs, PasswordsWatchArgs};
use crate::context::{Context, Opened};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Report, to_json};
use crate::render::passwords;
use metaverse_schema::Anchor;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use sync_kernel::{CsId, Subject, has_password};
use sync_rules::ConnectorName;
use sync_runtime::{
    PassKind, PasswordLimits, PasswordParts, PasswordReport, Reading, Space, SystemClock, Watch, password_status,
    synchronise_passwords, user_passwords, watch_passwords,
};
use sync_store::Store;

pub(crate) async fn run(context: &Context, args: &PasswordsArgs) -> Result<Report, Failure> {
    match &args.command {
        PasswordsCommand::Sync(args) => sync(context, args).await,
        PasswordsCommand::Status(args) => status(context, args),
        PasswordsCommand::Watch(args) => watch(context, args).await,
        PasswordsCommand::SwitchOn => switch_on(context).await,
    }
}

pub(crate) async fn sync(context: &Context, args: &PasswordsSyncArgs) -> Result<Report, Failure> {
    no_core_dumps()?;
    let opened = context.open()?;
    require_on(&opened)?;
    let kind = match (&args.object, args.full) {
        (Some(object), _) => {
            let (source, anchor) = account(context, &opened, object)?;
            PassKind::User { source, anchor }
        }
        (None, true) => PassKind::Full,
        (None, false) => PassKind::Changes,
    };
    let report = synchronise_passwords(&parts(context, opened), &kind).await?;
    Ok(Report::new(exit_of(&report), passwords::pass(&report, &context.option()), to_json(&report)))
}

async fn watch(context: &Context, args: &PasswordsWatchArgs) -> Result<Report, Failure> {
    no_core_dumps()?;
    let opened = context.open()?;
    require_on(&opened)?;
    let output = context.output;
    let option = context.option();
    let mut passes = 0u64;
    let told = |pass: Result<&PasswordReport, &sync_runtime::EngineError>| {
        passes += 1;
        match pass {
            // One document a line: the stream of a service.
            Ok(report) if output.json => {
                output.data(&format!("{}\n", json!({ "pass": passes, "result": to_json(report) })));
            }
            Ok(report) if passwords::is_news(report) => {
                output.data(&passwords::pass(report, &option));
            }
            Ok(_) => {}
            Err(error) => output.complain(&format!("a pass was left out: {error}")),
        }
    };
    let every = Watch { every: Duration::from_secs(args.every_seconds.max(1)) };
    watch_passwords(&parts(context, opened), every, told).await?;
    let text = format!("stopped after {}\n", crate::text::counted(passes, "pass", "passes"));
    Ok(Report::new(Exit::Success, text, json!({ "passes": passes })))
}

/// What no pass does by itself: a switch of the whole tenant. Staging writes nothing, this neither.
pub(crate) async fn switch_on(context: &Context) -> Result<Report, Failure> {
    let opened = context.open()?;
    require_on(&opened)?;
    if opened.deployment.staging {
        let message = "nothing was switched: the deployment is in staging mode";
        return Err(
            Failure::new("staging", message, "switch staging off in metasync.toml first").with_exit(Exit::Waiting)
        );
    }
    let (mut text, mut switched) = (String::new(), Vec::new());
    for name in &opened.deployment.passwords.to {
        let connector = opened.connectors.get(name);
        let Some(target) = connector.as_ref().and_then(|connector| connector.password_target()) else {
            let message = format!("`{name}` takes no password hashes");
            let remedy = "Azure AD takes them in Connect mode only; or take it out of `to` in [passwords]";
            return Err(Failure::new("passwords-no-target", message, remedy).with_exit(Exit::Configuration));
        };
        let was_off = target.switch_on().await?;
        let told = if was_off { "takes password hashes now" } else { "took password hashes already" };
        text.push_str(&format!("{name} {told}\n"));
        switched.push(json!({ "connector": name.to_string(), "was_off": was_off }));
    }
    Ok(Report::new(Exit::Success, text, json!({ "switched": switched })))
}

pub(crate) fn status(context: &Context, args: &PasswordsStatusArgs) -> Result<Report, Failure> {
    let opened = context.open()?;
    let now = context.now();
    let (store, applied) = sync_runtime::open_as_applied(&opened.deployment, &opened.rules, now)?;
    let reading = Reading::new(&store, &applied.rules, now);
    let Some(object) = &args.object else {
        let status = password_status(&reading, &opened.deployment, args.limit)?;
        return Ok(Report::new(Exit::Success, passwords::status(&status, &context.option()), to_json(&status)));
    };
    require_on(&opened)?;
    let (source, anchor) = account_in(&reading, &store, &opened, object)?;
    let users = user_passwords(&reading, &opened.deployment, &source, &anchor)?;
    Ok(Report::new(Exit::Success, passwords::users(&users), json!({ "passwords": to_json(&users) })))
}

/// What is known of the passwords of the account or person that an explanation is about; nothing where `[passwords]` is off.
pub(crate) fn of_subject(
    reading: &Reading<'_>,
    deployment: &sync_rules::Deployment,
    subject: Subject,
) -> Result<Vec<sync_runtime::UserPassword>, Failure> {
    let mut found = Vec::new();
    for id in accounts_of(reading.store, subject)? {
        let Some(object) = reading.store.object(id)? else { continue };
        let is_told = deployment.passwords.from.contains(&object.connector) && has_password(&object.object_type);
        let Some(anchor) = object.anchor.filter(|_| is_told) else { continue };
        found.extend(user_passwords(reading, deployment, &object.connector, &anchor)?);
    }
    Ok(found)
}

fn accounts_of(store: &Store, subject: Subject) -> Result<Vec<CsId>, Failure> {
    let mv = match subject {
        Subject::Metaverse(mv) => Some(mv),
        Subject::Connector(id) => match store.object(id)?.and_then(|object| object.link) {
            Some(link) => Some(link.mv),
            None => return Ok(vec![id]),
        },
    };
    let linked = mv.map(|mv| store.metaverse(mv)).transpose()?.flatten();
    Ok(linked.map(|person| person.links).unwrap_or_default())
}

fn account(context: &Context, opened: &Opened, text: &str) -> Result<(ConnectorName, Anchor), Failure> {
    let (store, applied) = sync_runtime::open_as_applied(&opened.deployment, &opened.rules, context.now())?;
    let reading = Reading::new(&store, &applied.rules, context.now());
    account_in(&reading, &store, opened, text)
}

/// The account that an operator names: in a source's space, or a person who has one there.
fn account_in(
    reading: &Reading<'_>,
    store: &Store,
    opened: &Opened,
    text: &str,
) -> Result<(ConnectorName, Anchor), Failure> {
    let sources = &opened.deployment.passwords.from;
    for source in sources {
        let name = text.strip_prefix(&format!("{source}:")).unwrap_or(text);
        let found = match reading.find(&Space::Connector(source.clone()), name) {
            Ok(Subject::Connector(id)) => store.object(id)?,
            Ok(Subject::Metaverse(_)) | Err(sync_runtime::EngineError::NotFound { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        if let Some(anchor) = found.and_then(|object| object.anchor) {
            return Ok((source.clone(), anchor));
        }
    }
    for id in accounts_of(store, reading.find_anywhere(text)?)? {
        if let Some(object) = store.object(id)?.filter(|object| sources.contains(&object.connector))
            && let Some(anchor) = object.anchor
        {
            return Ok((object.connector, anchor));
        }
    }
    Err(Failure::new(
        "not-found",
        format!("`{text}` has no account in {}", sources.iter().map(|name| &**name).collect::<Vec<_>>().join(", ")),
        "name an account of a connector that [passwords] reads from",
    ))
}

fn require_on(opened: &Opened) -> Result<(), Failure> {
    if opened.deployment.passwords.is_on() {
        return Ok(());
    }
    Err(Failure::new(
        "passwords-off",
        "password synchronisation is off: metasync.toml has no [passwords] with `from` and `to`",
        "read the chapter on passwords in the operator guide first; then name both sides, such as from = [\"ad\"], to = [\"cloud\"]",
    )
    .with_exit(Exit::Configuration))
}

fn parts(context: &Context, opened: Opened) -> PasswordParts {
    PasswordParts {
        deployment: opened.deployment,
        rules: opened.rules,
        connectors: opened.connectors,
        clock: Arc::new(SystemClock),
        stop: context.stop.clone(),
        limits: PasswordLimits::default(),
    }
}

fn exit_of(report: &PasswordReport) -> Exit {
    let in_staging = report.sources.iter().any(|source| {
        source.paused.as_ref().is_some_and(|paused| paused.status == sync_runtime::status::NO_START_STAGING_MODE)
    });
    if in_staging { Exit::Waiting } else { Exit::of_run(report.severity, false) }
}

/// What a crash leaves behind must not hold a hash. A system that refuses this is told of, and nothing is read.
fn no_core_dumps() -> Result<(), Failure> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).map_err(|error| {
        Failure::new(
            "core-dumps",
            format!("core dumps of this process cannot be switched off: {error}"),
            "a core dump could hold password hashes; see why the system refuses setrlimit(RLIMIT_CORE)",
        )
    })?;
    match getrlimit(Resource::Core) == none {
        true => Ok(()),
        false => Err(Failure::new("core-dumps", "core dumps of this process are still on", "")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P8: a core dump would hold hashes.
    #[test]
    fn p8_a_process_that_handles_passwords_leaves_no_core_dump() {
        no_core_dumps().unwrap();
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    }
}
