//! `metasync match list`: every pair with both objects told apart, how it was found and how it stands. Reads only.

use super::pairs::{self, held_codes, is_of, standing, stands};
use crate::cli::MatchListArgs;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Report, to_json};
use crate::text::{Table, count, counted};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use sync_kernel::{ApprovalKind, Digest};
use sync_runtime::{PairLine, PairSide, PairState, Reading};

pub(crate) const COLUMNS: [&str; 20] = [
    "pair",
    "connector",
    "state",
    "held",
    "matched_by",
    "person",
    "person_sign_in_name",
    "person_addresses",
    "person_dn",
    "existing",
    "existing_sign_in_name",
    "existing_addresses",
    "existing_id",
    "existing_enabled",
    "existing_licences",
    "digest",
    "said_by",
    "said_at",
    "note",
    "decision",
];

pub(crate) fn run(context: &Context, connector: Option<&str>, args: &MatchListArgs) -> Result<Report, Failure> {
    let opened = context.open()?;
    let store = context.read_store(&opened)?;
    let reading = Reading::new(&store, &opened.rules, context.now());
    let every = pairs::all(&reading, connector)?;
    let digests = digests(&reading, connector)?;
    let waiting = every.iter().filter(|line| line.state == PairState::Waiting).count();
    let chosen: Vec<PairLine> = every
        .into_iter()
        .filter(|line| args.kind.is_none_or(|kind| is_of(line, kind)) && stands(line, &args.state))
        .collect();
    let text = match args.csv {
        true => csv_table(&chosen, &digests)?,
        false => render(&chosen, &digests, args.limit, &context.option()),
    };
    let exit = if waiting > 0 { Exit::Waiting } else { Exit::Success };
    Ok(Report::new(exit, text, as_json(&chosen, &digests)))
}

/// By target: the list that `metasync approve` lets through as a whole, and how many are on it.
fn digests(reading: &Reading<'_>, connector: Option<&str>) -> Result<BTreeMap<String, (Digest, usize)>, Failure> {
    let mut found = BTreeMap::new();
    for target in pairs::targets(reading.rules, connector)? {
        let lists = reading.store.approvable(&target)?;
        if let Some(list) = lists.into_iter().find(|list| list.kind == ApprovalKind::Match) {
            found.insert(target.to_string(), (list.digest, list.lines.len()));
        }
    }
    Ok(found)
}

pub(crate) fn table_of(lines: &[&PairLine]) -> String {
    let mut table = Table::new(&["pair", "person", "existing object", "by", "state"]);
    for line in lines {
        let by = line.matched_by.clone().unwrap_or_default();
        table.row([line.id.clone(), told(&line.person), told(&line.existing), by, standing(line)]);
    }
    table.render()
}

/// What tells an object from others, a line each.
fn told(side: &PairSide) -> String {
    let mut lines = vec![side.object.name.clone()];
    lines.extend(side.sign_in_name.clone().filter(|name| *name != side.object.name));
    let shown = |address: &&String| {
        let bare = address.split_once(':').map_or(address.as_str(), |(_, bare)| bare);
        !side.sign_in_name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(bare))
    };
    lines.extend(side.addresses.iter().filter(shown).cloned());
    let mut facts = Vec::new();
    if side.enabled == Some(false) {
        facts.push("blocked".to_owned());
    }
    if let Some(licences) = side.licences {
        facts.push(counted(licences, "licence", "licences"));
    }
    if !facts.is_empty() {
        lines.push(facts.join(", "));
    }
    lines.join("\n")
}

fn render(lines: &[PairLine], digests: &BTreeMap<String, (Digest, usize)>, limit: usize, option: &str) -> String {
    if lines.is_empty() {
        return "No pairs: nobody matches an existing object now.\n".to_owned();
    }
    let mut text = String::new();
    let mut states: BTreeMap<PairState, u64> = BTreeMap::new();
    for line in lines {
        *states.entry(line.state).or_default() += 1;
    }
    let counts: Vec<String> =
        states.iter().map(|(state, number)| format!("{} {}", count(*number), state.code())).collect();
    text.push_str(&format!("{}: {}\n\n", counted(lines.len() as u64, "pair", "pairs"), counts.join(", ")));
    text.push_str(&table_of(&lines.iter().take(limit).collect::<Vec<_>>()));
    if lines.len() > limit {
        text.push_str(&format!("  and {} more (--limit)\n", count((lines.len() - limit) as u64)));
    }
    if states.contains_key(&PairState::Waiting) {
        text.push_str(&format!(
            "\nWhat becomes of each: metasync{option} match sheet\n\
             Let some be taken over: metasync{option} match approve PAIR...; all that wait: metasync{option} match approve --all\n"
        ));
    }
    for (connector, (digest, number)) in digests {
        text.push_str(&format!(
            "Exactly {} as listed now in {connector}: metasync{option} approve {digest}\n",
            counted(*number as u64, "pair that waits", "pairs that wait")
        ));
    }
    text
}

fn csv_table(lines: &[PairLine], digests: &BTreeMap<String, (Digest, usize)>) -> Result<String, Failure> {
    let write = || -> Result<Vec<u8>, csv::Error> {
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record(COLUMNS)?;
        for line in lines {
            let text = |value: &Option<String>| value.clone().unwrap_or_default();
            let digest = digests.get(&line.connector).filter(|_| line.state == PairState::Waiting);
            let word = line.word.as_ref();
            table.write_record([
                line.id.clone(),
                line.connector.clone(),
                line.state.code().to_owned(),
                held_codes(line).join("; "),
                text(&line.matched_by),
                line.person.object.name.clone(),
                text(&line.person.sign_in_name),
                line.person.addresses.join("; "),
                text(&line.person.object.dn),
                line.existing.object.name.clone(),
                text(&line.existing.sign_in_name),
                line.existing.addresses.join("; "),
                text(&line.existing.object.anchor),
                line.existing.enabled.map(|enabled| enabled.to_string()).unwrap_or_default(),
                line.existing.licences.map(|licences| licences.to_string()).unwrap_or_default(),
                digest.map(|(digest, _)| digest.to_string()).unwrap_or_default(),
                word.map(|word| word.by.clone()).unwrap_or_default(),
                word.map(|word| crate::text::time(word.at)).unwrap_or_default(),
                word.map(|word| word.note.clone()).unwrap_or_default(),
                String::new(),
            ])?;
        }
        table.into_inner().map_err(|error| error.into_error().into())
    };
    let bytes = write().map_err(|error| Failure::new("csv", format!("the list cannot be written: {error}"), ""))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

pub(crate) fn as_json(lines: &[PairLine], digests: &BTreeMap<String, (Digest, usize)>) -> Value {
    let digests: BTreeMap<&String, &str> =
        digests.iter().map(|(connector, (digest, _))| (connector, digest.as_str())).collect();
    json!({ "pairs": to_json(&lines), "digests": digests })
}
