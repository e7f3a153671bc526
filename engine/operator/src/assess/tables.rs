//! The report as a table for people, as CSV for a spreadsheet, and as JSON. Shows what was judged and judges nothing.

use super::columns::{NotInFile, Side};
use super::finding::{Class, Remark, Weight};
use super::judge::{Assessment, Fix, Line};
use super::surroundings::{HeldOther, Others, System};
use crate::text::{Table, count, counted, paragraph};
use serde_json::{Value, json};

/// Names of one kind in the table.
const SHOWN: usize = 10;

pub(crate) fn text(assessment: &Assessment) -> String {
    let people = assessment.lines.len() as u64;
    let mut text = format!("Readiness: {} of the directory against the tenant\n", counted(people, "person", "people"));
    let domains = assessment.verified_domains.join(", ");
    let how = if assessment.live {
        ""
    } else if assessment.domains_inferred {
        " (taken from its sign-in names; --verified-domain names others)"
    } else {
        ""
    };
    text.push_str(&paragraph(&format!("verified domains of the tenant: {domains}{how}"), 0));
    if assessment.addresses_assumed {
        let assumed =
            "the tenant's file has no addresses: the sign-in name of a cloud user counts as its primary address";
        text.push_str(&paragraph(assumed, 0));
    }
    text.push_str("\nWhat would become of them\n");
    let mut table = Table::new(&[">", "", "", ""]);
    for class in Class::ALL {
        let lines: Vec<&Line> = assessment.of_class(class).collect();
        if !lines.is_empty() {
            table.row([
                count(lines.len() as u64),
                class.code().to_owned(),
                class.meaning().to_owned(),
                mark(class.weight()),
            ]);
        }
    }
    text.push_str(&table.render());
    for class in Class::ALL.into_iter().filter(|class| class.weight() > Weight::Fine) {
        list(
            &mut text,
            class.code(),
            class.remedy(),
            assessment.of_class(class).map(|line| (line, line.because.clone())),
        );
    }
    let mut table = Table::new(&[">", "", "", ""]);
    for remark in Remark::ALL {
        let number = assessment.with_remark(remark).count() as u64;
        if number > 0 {
            table.row([count(number), remark.code().to_owned(), remark.meaning().to_owned(), mark(remark.weight())]);
        }
    }
    let remarks = table.render();
    if !remarks.is_empty() {
        text.push_str(&format!("\nWhat else is to be known\n{remarks}"));
    }
    for remark in Remark::ALL {
        let said = |line: &Line| line.remarks.get(&remark).cloned().unwrap_or_default();
        list(&mut text, remark.code(), remark.remedy(), assessment.with_remark(remark).map(|line| (line, said(line))));
    }
    text.push_str(&cloud_side(assessment));
    text.push_str(&others(&assessment.others));
    text.push_str(&systems(&assessment.systems));
    if !assessment.live {
        text.push_str(&unanswered(&assessment.not_in_file));
    }
    if !assessment.issues.is_empty() {
        text.push_str("\nLines that were not understood, and are left out\n");
        assessment.issues.iter().for_each(|issue| text.push_str(&paragraph(issue, 2)));
    }
    text
}

fn mark(weight: Weight) -> String {
    match weight {
        Weight::Fine => String::new(),
        Weight::Look => "look".to_owned(),
        Weight::Mend => "mend".to_owned(),
    }
}

fn list<'a>(text: &mut String, code: &str, remedy: &str, lines: impl Iterator<Item = (&'a Line, String)>) {
    let mut table = Table::new(&["", "", "", ""]);
    let mut number = 0;
    for (line, because) in lines {
        number += 1;
        if number <= SHOWN {
            let cloud = line.cloud.clone().unwrap_or_default();
            table.row([line.name.clone(), line.account.clone(), cloud, because]);
        }
    }
    if number == 0 {
        return;
    }
    text.push_str(&format!("\n{code}\n{}{}", paragraph(&format!("what to do: {remedy}"), 2), table.render()));
    if number > SHOWN {
        text.push_str(&format!(
            "  and {}; --csv has all of them\n",
            counted((number - SHOWN) as u64, "other", "others")
        ));
    }
}

fn cloud_side(assessment: &Assessment) -> String {
    let users = assessment.cloud_only.iter().filter(|object| object.kind == "user").count();
    let stale: Vec<&str> =
        assessment.cloud_only.iter().filter(|object| object.stale_anchor).map(|object| object.name.as_str()).collect();
    let users = counted(users as u64, "user", "users");
    let mut text = format!(
        "\nThe tenant\n{}",
        paragraph(&format!("{users} that nobody of the directory is: left as they are"), 2)
    );
    if !stale.is_empty() {
        let some = stale.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
        let what =
            format!("{} of them carry an anchor that nobody in the directory has (stale-anchor): {some}", stale.len());
        text.push_str(&paragraph(&what, 2));
    }
    text
}

/// Groups and contacts: what would become of them, and which are held.
fn others(others: &Others) -> String {
    if others.counts.is_empty() {
        return String::new();
    }
    let mut text = String::from("\nGroups and contacts\n");
    let mut table = Table::new(&[">", "", ""]);
    for (object_type, outcomes) in &others.counts {
        for (outcome, number) in outcomes {
            table.row([count(*number), object_type.clone(), outcome.clone()]);
        }
    }
    text.push_str(&table.render());
    let mut codes: Vec<&str> = others.held.iter().map(|held| held.code.as_str()).collect();
    codes.sort_unstable();
    codes.dedup();
    for code in codes {
        let all: Vec<&HeldOther> = others.held.iter().filter(|held| held.code == code).collect();
        let Some(first) = all.first() else { continue };
        text.push_str(&format!("\n{code}{}\n", bracketed(&mark(first.weight))));
        if !first.remedy.is_empty() {
            text.push_str(&paragraph(&format!("what to do: {}", first.remedy), 2));
        }
        let mut table = Table::new(&["", "", ""]);
        for held in all.iter().take(SHOWN) {
            table.row([held.object_type.clone(), held.name.clone(), held.message.clone()]);
        }
        text.push_str(&table.render());
        if all.len() > SHOWN {
            let more = counted((all.len() - SHOWN) as u64, "other", "others");
            text.push_str(&format!("  and {more}; --json has all of them\n"));
        }
    }
    text
}

fn bracketed(mark: &str) -> String {
    if mark.is_empty() { String::new() } else { format!("  ({mark})") }
}

/// What each system says of itself: clocks, certificates, the tenant's state.
fn systems(systems: &[System]) -> String {
    let mut text = String::new();
    for system in systems {
        let objects = counted(system.objects, "object was read", "objects were read");
        text.push_str(&format!("\n{} ({}): {objects}\n", system.name, system.kind));
        let mut table = Table::new(&["", "", ""]);
        for finding in &system.findings {
            let mark = if finding.weight == Weight::Fine { "ok".to_owned() } else { mark(finding.weight) };
            let remedy = match finding.remedy.is_empty() {
                true => String::new(),
                false => format!("\nwhat to do: {}", finding.remedy),
            };
            table.row([mark, finding.code.clone(), format!("{}{remedy}", finding.message)]);
        }
        text.push_str(&table.render());
    }
    text
}

fn unanswered(not_in_file: &[NotInFile]) -> String {
    let mut text = String::from("\nNot in the files\n");
    let mut commands: Vec<&str> = Vec::new();
    for missing in not_in_file {
        if !commands.contains(&missing.command) {
            commands.push(missing.command);
        }
    }
    for command in commands {
        for missing in not_in_file.iter().filter(|missing| missing.command == command) {
            text.push_str(&paragraph(&format!("{}: {}", side(missing.side), missing.question), 2));
        }
        // One line, to be copied.
        text.push_str(&format!("    this adds it: {command}\n"));
    }
    text
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Directory => "directory",
        Side::Tenant => "tenant",
    }
}

/// A line for each person; and one for each user of the tenant that is nobody here.
pub(crate) fn csv(assessment: &Assessment) -> Result<String, csv::Error> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "Name",
        "SamAccountName",
        "EmailAddress",
        "Class",
        "Weight",
        "Because",
        "CloudUser",
        "SignsInTodayAs",
        "WillSignInAs",
        "Licensed",
        "Remarks",
        "WhatToDo",
        "Engine",
    ])?;
    let told = |known: Option<bool>| known.map(|truth| truth.to_string()).unwrap_or_default();
    for line in &assessment.lines {
        let remarks = line.remarks.iter().map(|(remark, said)| match said.is_empty() {
            true => remark.code().to_owned(),
            false => format!("{}: {said}", remark.code()),
        });
        let mut remedies: Vec<&str> = line.remarks.keys().map(|remark| remark.remedy()).collect();
        if line.class.weight() > Weight::Fine {
            remedies.insert(0, line.class.remedy());
        }
        let weight = mark(line.weight());
        let (today, tomorrow) =
            (line.signs_in_today_as.clone().unwrap_or_default(), line.will_sign_in_as.clone().unwrap_or_default());
        writer.write_record([
            spreadsheet(&line.name),
            spreadsheet(&line.account),
            spreadsheet(&line.mail),
            line.class.code().to_owned(),
            weight,
            spreadsheet(&line.because),
            spreadsheet(line.cloud.as_deref().unwrap_or_default()),
            spreadsheet(&today),
            spreadsheet(&tomorrow),
            told(line.licensed),
            spreadsheet(&remarks.collect::<Vec<_>>().join(" | ")),
            remedies.join(" | "),
            spreadsheet(line.engine.as_deref().unwrap_or_default()),
        ])?;
    }
    for object in &assessment.cloud_only {
        let class = if object.stale_anchor { "stale-anchor" } else { "cloud-only" };
        let mut record = vec![String::new(); 13];
        (record[3], record[6], record[9]) = (class.to_owned(), spreadsheet(&object.name), told(object.licensed));
        writer.write_record(&record)?;
    }
    let bytes = writer.into_inner().map_err(|error| ::csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A name that a spreadsheet would take for a formula is told as text.
fn spreadsheet(text: &str) -> String {
    let begins = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if begins { format!("'{text}") } else { text.to_owned() }
}

pub(crate) fn json(assessment: &Assessment) -> Value {
    let classes = Class::ALL.into_iter().map(|class| (class.code(), assessment.of_class(class).count()));
    let remarks = Remark::ALL.into_iter().map(|remark| (remark.code(), assessment.with_remark(remark).count()));
    let line = |line: &Line| {
        let fixes = line.fixes.iter().map(|fix| match fix {
            Fix::SignInName { from, to } => json!({ "attribute": "userPrincipalName", "from": from, "to": to }),
            Fix::Mail { to } => json!({ "attribute": "mail", "to": to }),
            Fix::AddAddresses { add } => json!({ "attribute": "proxyAddresses", "add": add }),
        });
        json!({
            "name": line.name,
            "account": line.account,
            "mail": line.mail,
            "class": line.class.code(),
            "weight": line.weight(),
            "because": line.because,
            "cloud": line.cloud,
            "signs_in_today_as": line.signs_in_today_as,
            "will_sign_in_as": line.will_sign_in_as,
            "licensed": line.licensed,
            "remarks": line.remarks.iter().map(|(remark, said)| (remark.code().to_owned(), json!(said))).collect::<serde_json::Map<_, _>>(),
            "fixes": fixes.collect::<Vec<_>>(),
            "engine": line.engine,
        })
    };
    json!({
        "people": assessment.lines.len(),
        "classes": classes.filter(|(_, number)| *number > 0).map(|(code, number)| (code.to_owned(), json!(number))).collect::<serde_json::Map<_, _>>(),
        "remarks": remarks.filter(|(_, number)| *number > 0).map(|(code, number)| (code.to_owned(), json!(number))).collect::<serde_json::Map<_, _>>(),
        "verified_domains": assessment.verified_domains,
        "domains_inferred": assessment.domains_inferred,
        "suffix": assessment.suffix,
        "addresses_assumed": assessment.addresses_assumed,
        "lines": assessment.lines.iter().map(line).collect::<Vec<_>>(),
        "cloud_only": assessment.cloud_only,
        "not_in_file": assessment.not_in_file,
        "issues": assessment.issues,
        "live": assessment.live,
        "systems": assessment.systems,
        "others": assessment.others,
    })
}
