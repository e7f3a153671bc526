//! The parts that every object passes through, by themselves: names, values, matching keys, expressions.

use criterion::{Criterion, criterion_group, criterion_main};
use metasync_benches::{dn, user};
use metaverse_schema::{AttributesDelta, Dn, Value, Values, match_key};
use std::borrow::Cow;
use std::hint::black_box;
use sync_rules::{Expression, Inputs};

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

criterion_group!(benches, parts);
criterion_main!(benches);
