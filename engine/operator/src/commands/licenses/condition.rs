//! Reads `--where`: an expression over the attributes of the metaverse, with every mistake drawn in it. Computes nothing.

use crate::diagnostics;
use crate::exit::Exit;
use crate::failure::Failure;
use std::sync::Arc;
use sync_rules::{Diagnostic, Expression, Kinds, Lookup, RuleSet, Severity, Sources};

/// Name under which the expression is drawn.
const WHERE: &str = "--where";

pub(super) fn read(text: &str, rules: &RuleSet, colour: bool) -> Result<Expression, Failure> {
    let parsed = Expression::parse_computation(text, None);
    let checked = parsed.and_then(|expression| expression.check_computation(&People { rules }).map(|_| expression));
    checked.map_err(|problems| {
        let mistakes: Vec<Diagnostic> = problems
            .into_iter()
            .map(|problem| Diagnostic {
                code: problem.code,
                severity: Severity::Error,
                file: Arc::from(WHERE),
                span: problem.span,
                message: problem.message,
                label: "here".to_owned(),
                help: problem.help,
            })
            .collect();
        let mut sources = Sources::default();
        sources.add(Arc::from(WHERE), text);
        let failure = Failure::new(
            "licence-condition",
            "the expression of --where has mistakes; nothing was done",
            "it reads attributes of the metaverse, such as '[department] = \"Sales\"'; `metasync eval` tries one out",
        );
        let mut failure = failure.with_exit(Exit::Failed);
        failure.drawn = Some(Box::new(diagnostics::draw(&mistakes, &sources, colour)));
        failure
    })
}

/// What people may have in the metaverse.
struct People<'a> {
    rules: &'a RuleSet,
}

impl Kinds for People<'_> {
    fn attribute(&self, name: &str) -> Lookup {
        let types = &self.rules.metaverse.types;
        if let Some(known) = types.values().find_map(|attributes| attributes.get(name)) {
            return Lookup::Known(known.kind, known.plurality);
        }
        let names = types.values().flat_map(|attributes| attributes.keys());
        let spelt = names.map(|known| known.as_str()).find(|known| known.eq_ignore_ascii_case(name));
        Lookup::Missing {
            help: match spelt {
                Some(right) => format!("did you mean `[{right}]`? Names are case-sensitive"),
                None => "the metaverse has no such attribute; rules/ lists those it has".to_owned(),
            },
        }
    }

    fn parameter(&self, name: &str) -> Lookup {
        match self.rules.parameters.contains_key(name) {
            true => Lookup::Unknown,
            false => Lookup::Missing { help: "metasync.toml has no such parameter".to_owned() },
        }
    }
}
