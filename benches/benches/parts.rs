//! The parts that every object passes through, by themselves: names, values, matching keys, expressions, scope, join,
//! precedence, and the whole plan of one user of the shipped rules.

use criterion::{Criterion, criterion_group, criterion_main};
use metasync_benches::{deciding, dn, mail_user, user};
use metaverse_schema::{AttributesDelta, Dn, Value, Values, match_key};
use std::borrow::Cow;
use std::hint::black_box;
use sync_rules::{Expression, FileText, Inputs};

/// As the executable, so that what is measured beside it has the same.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Image(metaverse_schema::Attributes);

impl Inputs for Image {
    fn attribute(&self, name: &str) -> Option<Cow<'_, Values>> {
        self.0.get(name).map(Cow::Borrowed)
    }

    fn parameter(&self, _name: &str) -> Option<Value> {
        None
    }

    fn now(&self) -> i64 {
        0
    }
}

fn parts(criterion: &mut Criterion) {
    let names: Vec<String> = (0..1000).map(dn).collect();
    criterion.bench_function("parse and normalise a DN", |bench| {
        let mut names = names.iter().cycle();
        bench.iter(|| names.next().and_then(|name| name.parse::<Dn>().ok()).map(|dn| black_box(dn.normalised())));
    });

    let (before, mut after) = (user(7), user(7));
    after.set("title", Value::text("Director"));
    criterion.bench_function("difference of two images", |bench| {
        bench.iter(|| black_box(AttributesDelta::diff(&before, &after)))
    });

    let address = Value::text("SMTP:Person7@Contoso.example");
    criterion.bench_function("match key of an address", |bench| bench.iter(|| black_box(match_key(&address))));

    let image = Image(user(7));
    let text = r#"IIF(IsPresent([displayName]), Left(Trim([displayName]), 256), [cn])"#;
    if let Ok(expression) = Expression::parse(text) {
        criterion.bench_function("evaluate a flow", |bench| bench.iter(|| black_box(expression.evaluate(&image))));
    }
}

/// Rules with nothing but what is measured.
fn small(rules: &str) -> sync_kernel::RunInputs {
    let metaverse = "[metaverse.person]\nmail = \"text\"\ntitle = \"text\"\n";
    deciding::run(deciding::rules(vec![FileText::text("rules/small.toml", format!("{metaverse}{rules}"))]))
}

const JOIN: &str = r#"
[[rule]]
id = "in"
name = "In"
direction = "inbound"
connector = "ad"
source_type = "user"
target_type = "person"
link = "join"
precedence = 100
[[rule.join]]
criterion = "mail"
source = "[mail]"
target = "[mail]"
"#;

/// A rule that projects and gives the title; of twenty of them the last has the say, because the others have no value.
fn precedence(number: usize) -> String {
    let (link, source) = if number == 19 { ("provision", "[title]") } else { ("join", "[absent]") };
    JOIN.split("[[rule.join]]").next().unwrap_or_default().replace("\"in\"", &format!("\"in-{number}\"")).replace(
        "link = \"join\"\nprecedence = 100",
        &format!("link = \"{link}\"\nprecedence = {}\n[rule.flow]\ntitle = \"{source}\"", 100 + number),
    )
}

fn decisions(criterion: &mut Criterion) {
    let text = r#"IIF(IsPresent([displayName]), Left(Trim([displayName]), 256), [cn])"#;
    criterion.bench_function("parse an expression", |bench| bench.iter(|| black_box(Expression::parse(text).is_ok())));
    criterion.bench_function("parse and check the shipped rules", |bench| {
        bench.iter(|| black_box(deciding::shipped().rules.len()))
    });

    let inputs = deciding::run(deciding::shipped());
    let user = mail_user(7);
    criterion.bench_function("scope of every shipped rule", |bench| {
        bench.iter(|| {
            let in_scope =
                inputs.rules.rules.iter().filter(|rule| {
                    sync_kernel::rule_in_scope(rule, |name| user.get(name).map(Cow::Borrowed), |_| false)
                });
            black_box(in_scope.count())
        })
    });

    let joining = small(JOIN);
    let case = deciding::created(7, &joining);
    criterion.bench_function("look for somebody to join", |bench| bench.iter(|| black_box(case.decide(&joining))));

    let weighing = small(&(0..20).map(precedence).collect::<String>());
    let case = deciding::created(7, &weighing);
    criterion.bench_function("weigh twenty flows of one attribute", |bench| {
        bench.iter(|| black_box(case.decide(&weighing)))
    });

    for (name, case) in [("create", deciding::created(7, &inputs)), ("change", deciding::changed(7, &inputs))] {
        criterion.bench_function(
            &format!("plan of a {name}d user, {} flows", deciding::flows_in_scope(&case, &inputs)),
            |bench| bench.iter(|| black_box(case.decide(&inputs))),
        );
    }
}

criterion_group!(benches, parts, decisions);
criterion_main!(benches);
