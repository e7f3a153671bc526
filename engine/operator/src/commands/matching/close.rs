//! `metasync match close`: ends the time in which existing objects are matched (SF5). Changes one word of metasync.toml; comments,
//! order and spacing stay.

use super::pairs;
use crate::cli::MatchCloseArgs;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::files;
use crate::output::Report;
use crate::text::counted;
use serde_json::json;
use sync_rules::CONFIGURATION_FILE;
use sync_runtime::{PairState, Reading};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

const MEANING: &str = "Closed: who matches an existing object from then on is held as `matching-closed`, neither joined nor created. Whoever \
                       was taken over stays so, and who matches nobody is created as before. To open the window again, write mode = \
                       \"review\" under [matching].";

pub(crate) fn run(context: &Context, connector: Option<&str>, args: &MatchCloseArgs) -> Result<Report, Failure> {
    let opened = context.open()?;
    let store = context.read_store(&opened)?;
    let lines = pairs::all(&Reading::new(&store, &opened.rules, context.now()), connector)?;
    let number = |state: PairState| lines.iter().filter(|line| line.state == state).count() as u64;
    let (waiting, approved) = (number(PairState::Waiting), number(PairState::Approved));
    drop(store);
    let path = context.folder.join(CONFIGURATION_FILE);
    let before = std::fs::read_to_string(&path).map_err(|error| Failure::file("cannot read", &path, &error))?;
    let after = closed(&before)?;
    if after == before {
        let json = json!({ "done": false, "mode": "closed" });
        return Ok(Report::new(Exit::Success, "Matching is closed already.\n".to_owned(), json));
    }
    if waiting + approved > 0 && !args.anyway {
        return Err(Failure::new(
            "pairs-wait",
            format!(
                "{} and {} not taken over yet; closed, none of them would be",
                counted(waiting, "pair waits", "pairs wait"),
                counted(approved, "approved one is", "approved ones are")
            ),
            "approve or reject them and run a cycle first (`metasync match list`), or close with --anyway",
        )
        .with_exit(Exit::Waiting));
    }
    let agreed = args.yes
        || (context.output.is_interactive()
            && context.confirm(&crate::text::paragraph(MEANING, 0), "close matching?")?);
    if agreed {
        files::replace(&path, &before, &after)?;
    }
    let end = match agreed {
        true => format!("Saved: mode = \"closed\" in {CONFIGURATION_FILE}.\n"),
        false => "Nothing was changed; --yes does it.\n".to_owned(),
    };
    let json = json!({ "done": agreed, "mode": "closed", "waiting": waiting, "approved": approved });
    Ok(Report::new(Exit::Success, format!("{}{end}", crate::text::paragraph(MEANING, 0)), json))
}

/// The text with `mode = "closed"` under [matching].
fn closed(text: &str) -> Result<String, Failure> {
    let by_hand = |why: &str| {
        Failure::new(
            "edit-failed",
            format!("{CONFIGURATION_FILE} is not changed: {why}"),
            "write mode = \"closed\" under [matching] by hand",
        )
    };
    let root = DeTable::parse(text).map_err(|error| by_hand(error.message()))?;
    let matching = match root.get_ref().get("matching").map(Spanned::get_ref) {
        Some(DeValue::Table(table)) => table,
        Some(_) => return Err(by_hand("`matching` is no table")),
        None => {
            let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
            return Ok(format!("{text}{gap}\n[matching]\nmode = \"closed\"\n"));
        }
    };
    if let Some(mode) = matching.get("mode") {
        let span = mode.span();
        if matches!(mode.get_ref(), DeValue::String(mode) if mode == "closed") {
            return Ok(text.to_owned());
        }
        return match (text.get(..span.start), text.get(span.end..)) {
            (Some(before), Some(behind)) => Ok(format!("{before}\"closed\"{behind}")),
            _ => Err(by_hand("its places do not fit the text")),
        };
    }
    // Below the heading of the table, where it has one of its own.
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        at += line.len();
        let heading = line.split('#').next().unwrap_or_default();
        if heading.split_whitespace().collect::<String>() == "[matching]" {
            let gap = if line.ends_with('\n') { "" } else { "\n" };
            let (before, behind) = text.split_at(at);
            return Ok(format!("{before}{gap}mode = \"closed\"\n{behind}"));
        }
    }
    Err(by_hand("[matching] has no line of its own"))
}

#[cfg(test)]
mod tests {
    use super::closed;

    /// One word changes; what an operator wrote around it stays.
    #[test]
    fn one_word_changes_and_comments_stay() {
        let text = "# mine\n[matching] # the window\n# until friday\nmode = 'review' # open\naddresses = \"hold\"\n[guards]\nobjects = 1\n";
        assert_eq!(closed(text).unwrap(), text.replace("'review'", "\"closed\""));
        assert_eq!(closed(&closed(text).unwrap()).unwrap(), closed(text).unwrap(), "a second time nothing");
        let without = "[ matching ] # window\naddresses = \"hold\"\n";
        assert_eq!(closed(without).unwrap(), "[ matching ] # window\nmode = \"closed\"\naddresses = \"hold\"\n");
        assert_eq!(
            closed("[guards]\nobjects = 1").unwrap(),
            "[guards]\nobjects = 1\n\n[matching]\nmode = \"closed\"\n"
        );
        assert!(closed("matching.addresses = \"hold\"\n").is_err(), "by hand");
        assert!(closed("[matching").is_err());
    }
}
