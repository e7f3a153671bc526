//! Password synchronisation as text: what a pass did, how passwords stand, and one user's. Names, times and reasons alone.

use crate::text::{Table, count, counted, paragraph, time};
use sync_runtime::{PasswordReport, PasswordStatus, SourceReport, TargetReport, UserPassword};

/// Users of a guarded list in a summary.
const SHOWN_USERS: usize = 5;

/// Whether a pass of the loop is worth a line: something was pushed, failed or waits.
pub(crate) fn is_news(report: &PasswordReport) -> bool {
    report.sources.iter().any(|source| {
        source.paused.is_some()
            || source.full_because.is_some()
            || source
                .targets
                .iter()
                .any(|target| target.paused.is_some() || target.guard.is_some() || !target.states.is_empty())
    })
}

pub(crate) fn pass(report: &PasswordReport, option: &str) -> String {
    let mut text = format!("passwords: {}, {}\n", report.status, time(report.ended));
    for source in &report.sources {
        text.push_str(&of_source(source, option));
    }
    text
}

fn of_source(source: &SourceReport, option: &str) -> String {
    let mut text = format!("\n{}", source.source);
    if let Some(from) = &source.read_from {
        text.push_str(&format!(", read from {from}"));
    }
    text.push_str(&format!(": {} read, {} opened\n", count(source.read), counted(source.opened, "hash", "hashes")));
    if let Some(why) = &source.full_because {
        text.push_str(&paragraph(&format!("everything was read: {why}"), 2));
    }
    if let Some(paused) = &source.paused {
        text.push_str(&stopped(&paused.status, &paused.message, &paused.remedy));
    }
    for target in &source.targets {
        text.push_str(&of_target(target, option));
    }
    text
}

fn stopped(status: &str, message: &str, remedy: &str) -> String {
    let mut text = paragraph(&format!("{status}: {message}"), 2);
    if !remedy.is_empty() {
        text.push_str(&paragraph(&format!("what to do: {remedy}"), 4));
    }
    text
}

fn of_target(target: &TargetReport, option: &str) -> String {
    let mut text = String::new();
    let states: Vec<String> =
        target.states.iter().map(|(state, number)| format!("{} {state}", count(*number))).collect();
    if target.paused.is_none() || !states.is_empty() {
        let what = if states.is_empty() { "nothing to push".to_owned() } else { states.join(", ") };
        let owed = match target.owed {
            0 => String::new(),
            owed => format!("; {} owed", counted(owed, "password is", "passwords are")),
        };
        text.push_str(&paragraph(&format!("to {}: {what}{owed}", target.target), 2));
    }
    if let Some(paused) = &target.paused {
        let message = format!("{}: {}", target.target, paused.message);
        text.push_str(&stopped(&paused.status, &message, &paused.remedy));
    }
    for error in &target.first_errors {
        text.push_str(&paragraph(&format!("{}: {}: {}", error.object, error.code, error.message), 4));
    }
    if let Some(guard) = &target.guard {
        text.push_str(&paragraph(
            &format!(
                "{} would be given their first password, and the guard lets {} pass by itself. Nobody of the list got one; \
                 the passwords of everybody else go on.",
                counted(guard.lines, "user", "users"),
                guard.verdicts.first().map_or(0, |verdict| verdict.limit)
            ),
            4,
        ));
        for line in guard.first_lines.iter().take(SHOWN_USERS) {
            text.push_str(&paragraph(&line.name, 6));
        }
        let shown = guard.first_lines.len().min(SHOWN_USERS) as u64;
        if guard.lines > shown {
            text.push_str(&format!(
                "      and {} more: metasync{option} pending {}\n",
                count(guard.lines - shown),
                target.target
            ));
        }
        text.push_str(&format!("    to let exactly this list through: metasync{option} approve {}\n", guard.digest));
    }
    text
}

pub(crate) fn status(status: &PasswordStatus, option: &str) -> String {
    if !status.is_on {
        return "password synchronisation is off: metasync.toml has no [passwords]\n".to_owned();
    }
    let mut text = String::new();
    if status.staging {
        text.push_str("the deployment is in staging mode: no password is pushed\n");
    }
    if status.privileged {
        text.push_str("passwords of privileged accounts are pushed too\n");
    }
    for pair in &status.pairs {
        text.push_str(&format!("{} to {}\n", pair.source, pair.target));
        let read = pair.last_read.map_or_else(|| "never".to_owned(), time);
        let mut table = Table::new(&["", ""]);
        table.row(["last read".to_owned(), read]);
        table.row(["users let through".to_owned(), count(pair.totals.users)]);
        table.row(["passwords owed".to_owned(), count(pair.totals.owed)]);
        for (state, number) in &pair.totals.states {
            table.row([(*state).to_owned(), count(*number)]);
        }
        text.push_str(&table.render());
        if let Some((digest, users)) = &pair.waiting {
            let users = counted(*users, "first password waits", "first passwords wait");
            text.push_str(&format!("  {users}: metasync{option} approve {digest}\n"));
        }
        if !pair.open.is_empty() {
            let mut table = Table::new(&["user", "state", "since", "reason"]);
            for user in &pair.open {
                let since = user.log.first().map(|line| time(line.at)).unwrap_or_default();
                table.row([user.name.clone(), user.state.to_string(), since, user.reason.clone()]);
            }
            text.push_str(&format!("\n{}", table.render()));
        }
        text.push('\n');
    }
    for breaker in &status.breakers {
        text.push_str(&stopped(
            "not tried",
            &format!("{} was refused at {}: {}", breaker.credential, time(breaker.opened), breaker.message),
            &breaker.remedy,
        ));
    }
    text
}

pub(crate) fn users(users: &[UserPassword]) -> String {
    let mut text = String::new();
    for user in users {
        text.push_str(&format!("{}, {} to {}\n", user.name, user.source, user.target));
        text.push_str(&facts(user));
        if !user.log.is_empty() {
            let mut table = Table::new(&["when", "state", "reason"]);
            for line in &user.log {
                table.row([time(line.at), line.state.to_string(), line.reason.clone()]);
            }
            text.push_str(&format!("\n{}", table.render()));
        }
        text.push('\n');
    }
    text
}

/// State and reason, times and versions, a line each.
pub(crate) fn facts(user: &UserPassword) -> String {
    let mut table = Table::new(&["", ""]);
    let reason = if user.reason.is_empty() { String::new() } else { format!(": {}", user.reason) };
    table.row(["state".to_owned(), format!("{}{reason}", user.state)]);
    let known = |at: Option<i64>| at.map_or_else(|| "not within the last 7 days".to_owned(), time);
    table.row(["changed in the directory".to_owned(), known(user.last_change)]);
    table.row(["pushed".to_owned(), known(user.last_pushed)]);
    if let Some(from) = &user.read_from {
        table.row(["read from".to_owned(), from.clone()]);
    }
    if let Some(versions) = &user.versions {
        let pushed = versions.pushed.map_or_else(|| "none".to_owned(), |version| version.to_string());
        let owed = if versions.owed { ", owed" } else { "" };
        table.row(["version".to_owned(), format!("seen {}, pushed {pushed}{owed}", versions.seen)]);
    }
    table.render()
}
