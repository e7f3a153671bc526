//! `metasync approve`: lets exactly one list through. The digest is of the list as it is now; a list that has changed
//! since it was shown has another one.

use crate::cli::ApproveArgs;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Report;
use crate::render::runs::kind_name;
use crate::text::counted;
use serde_json::json;
use sync_kernel::Digest;
use sync_runtime::Reading;
use sync_store::Approved;

/// Shortest beginning of a digest that names it.
const SHORTEST: usize = 8;

pub(crate) fn run(context: &Context, args: &ApproveArgs) -> Result<Report, Failure> {
    let opened = context.open()?;
    let deployment = opened.deployment.clone();
    let mut engine = context.engine(opened)?;
    let digest = {
        let status = Reading::new(engine.store(), engine.rules(), context.now()).status(&deployment)?;
        let waiting = status.connectors.iter().flat_map(|connector| &connector.waiting);
        complete(&args.digest, waiting.map(|list| list.digest.as_str()).collect())?
    };
    let approved = engine.approve(&digest)?;
    engine.close()?;
    let option = context.option();
    let (text, json) = match approved {
        Approved::GuardList { connector, lines } => (
            format!(
                "approved {} for {connector}; the next export sends exactly these:\n  metasync{option} cycle\n",
                counted(lines, "change", "changes")
            ),
            json!({ "digest": digest.as_str(), "connector": &*connector, "kind": "guard", "lines": lines }),
        ),
        Approved::FirstPasswords { connector, users } => (
            format!(
                "approved the first passwords of {} in {connector}; the next pass pushes them:\n  metasync{option} passwords sync\n",
                counted(users, "user", "users")
            ),
            json!({ "digest": digest.as_str(), "connector": &*connector, "kind": "first-password", "lines": users }),
        ),
        Approved::SystemState { connector, changes } => (
            format!(
                "approved {} of {connector}; exports go on with it as it is now:\n  metasync{option} cycle\n",
                counted(changes, "change", "changes")
            ),
            json!({ "digest": digest.as_str(), "connector": &*connector, "kind": "system-state", "lines": changes }),
        ),
        Approved::Decisions { connector, kind, count } => (
            format!(
                "approved {} in {connector}; the next cycle decides and exports them:\n  metasync{option} cycle\n",
                counted(count, "entry of the list", "entries of the list")
            ),
            json!({ "digest": digest.as_str(), "connector": &*connector, "kind": kind_name(&kind), "lines": count }),
        ),
    };
    Ok(Report::new(Exit::Success, text, json))
}

/// The one waiting digest that begins with what was typed.
fn complete(typed: &str, waiting: Vec<&str>) -> Result<Digest, Failure> {
    let typed = typed.trim().to_ascii_lowercase();
    let fits: Vec<&str> = waiting
        .into_iter()
        .filter(|digest| *digest == typed || (typed.len() >= SHORTEST && digest.starts_with(&typed)))
        .collect();
    match fits.as_slice() {
        [one] => Ok(Digest::from_text(one)),
        [] => Err(Failure::new(
            "no-such-list",
            format!("no list with the digest {typed} waits for an approval now"),
            "a list that changed has a new digest: look at it again with `metasync pending CONNECTOR`",
        )),
        several => {
            Err(Failure::new("ambiguous", format!("{typed} is the beginning of several digests"), several.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_may_be_shortened_while_it_is_unique() {
        let waiting = vec!["0123456789abcdef", "0123456700000000"];
        assert_eq!(complete("0123456789ABCDEF", waiting.clone()).unwrap().as_str(), "0123456789abcdef");
        assert_eq!(complete("012345678", waiting.clone()).unwrap().as_str(), "0123456789abcdef");
        assert_eq!(complete("01234567", waiting.clone()).unwrap_err().code, "ambiguous");
        assert_eq!(complete("0123", waiting).unwrap_err().code, "no-such-list");
    }
}
