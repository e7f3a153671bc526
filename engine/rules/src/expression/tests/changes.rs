//! SF28: an expression that reads the time says when its answer may change, never too late, and not much too early.

use super::{Object, object};
use crate::expression::{Expression, Inputs};
use expect_test::{Expect, expect};
use metaverse_schema::{Value, Values};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt::Write as _;
use std::sync::LazyLock;

/// An object at some time, and the earliest instant that was told.
struct At<'o> {
    object: &'o Object,
    now: i64,
    changes_at: Cell<Option<i64>>,
}

impl Inputs for At<'_> {
    fn attribute(&self, name: &str) -> Option<Cow<'_, Values>> {
        self.object.attribute(name)
    }

    fn parameter(&self, name: &str) -> Option<Value> {
        self.object.parameter(name)
    }

    fn now(&self) -> i64 {
        self.now
    }

    fn answer_changes_at(&self, instant: i64) {
        assert!(instant > self.now, "an instant in the past is none");
        let earliest = self.changes_at.get().map_or(instant, |known| known.min(instant));
        self.changes_at.set(Some(earliest));
    }
}

/// The outcome as text, and the instant.
fn outcome(expression: &Expression, now: i64) -> (String, Option<i64>) {
    static OBJECT: LazyLock<Object> = LazyLock::new(object);
    let inputs = At { object: &OBJECT, now, changes_at: Cell::new(None) };
    let outcome = format!("{:?}", expression.evaluate(&inputs));
    (outcome, inputs.changes_at.get())
}

fn instant(text: &str) -> i64 {
    let timestamp: jiff::Timestamp = text.parse().unwrap();
    timestamp.as_microsecond()
}

fn shown(instant: i64) -> String {
    jiff::Timestamp::from_microsecond(instant).map_or_else(|_| "after the year 9999".to_owned(), |at| at.to_string())
}

/// Each expression with the instant that it tells, and the outcome there when it is another one.
fn check_changes(now: &str, table: &str, expect: Expect) {
    let now = instant(now);
    let mut seen = String::new();
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let expression = Expression::parse(line).unwrap();
        let (first, changes_at) = outcome(&expression, now);
        let told = match changes_at {
            None => "never".to_owned(),
            Some(at) => {
                let shown = shown(at);
                let then = outcome(&expression, at).0;
                assert_eq!(first, outcome(&expression, at - 1).0, "{line}");
                format!("{shown}{}", if then == first { " (same)" } else { "" })
            }
        };
        let _ = writeln!(seen, "{line}\n=> {told}");
    }
    expect.assert_eq(&seen);
}

#[test]
fn sf28_the_instant_at_which_an_answer_changes() {
    check_changes(
        "2026-03-10T08:30:15.25Z",
        r#"
        CDate("2026-04-01") < Now()
        CDate("2026-04-01") <= Now()
        CDate("2026-04-01") > Now()
        CDate("2026-04-01") >= Now()
        Now() > CDate("2026-04-01")
        CDate("2026-04-01") = Now()
        CDate("2026-01-01") < Now()
        CDate("2026-01-01") = Now()
        DateAdd("d",-90,Now()) > CDate("2026-01-01")
        CDate("2026-04-01") < DateAdd("d",14,Now())
        DateAdd("s",1,Now()) > Now()
        DateAdd("m",1,Now()) > CDate("2026-05-01")
        DateAdd("m",1,Now()) < CDate("2026-04-10 8:30:15.25")
        FormatDateTime(Now(),"yyyy")
        FormatDateTime(Now(),"MMM yyyy")
        FormatDateTime(Now(),"yyyy-MM-dd")
        FormatDateTime(Now(),"HH")
        FormatDateTime(Now(),"HH:mm")
        FormatDateTime(Now(),"yyyyMMddHHmmss.0Z")
        FormatDateTime(Now(),"s.f")
        FormatDateTime(DateAdd("h",-9,Now()),"yyyy-MM-dd")
        FormatDateTime(CDate("2026-01-01"),"ss")
        NumFromDate(Now())
        [flag] || CDate("2026-04-01") < Now()
        IIF([flag],[sn],FormatDateTime(Now(),"yyyy"))
        IIF(CDate("2026-04-01") < Now(),FormatDateTime(Now(),"ss"),"not yet")
        IsDate(Now())
        Count(RemoveDuplicates(Select($i,[otherPhone],IIF($i = "5",Now(),CDate("2026-04-01")))))
        DateAdd("yyyy",9000,Now()) > Now()
        DateFromNum(9223372036854775807) < Now()
        "#,
        expect![[r#"
            CDate("2026-04-01") < Now()
            => 2026-04-01T00:00:00.000001Z
            CDate("2026-04-01") <= Now()
            => 2026-04-01T00:00:00Z
            CDate("2026-04-01") > Now()
            => 2026-04-01T00:00:00Z
            CDate("2026-04-01") >= Now()
            => 2026-04-01T00:00:00.000001Z
            Now() > CDate("2026-04-01")
            => 2026-04-01T00:00:00.000001Z
            CDate("2026-04-01") = Now()
            => 2026-04-01T00:00:00Z
            CDate("2026-01-01") < Now()
            => never
            CDate("2026-01-01") = Now()
            => never
            DateAdd("d",-90,Now()) > CDate("2026-01-01")
            => 2026-04-01T00:00:00.000001Z
            CDate("2026-04-01") < DateAdd("d",14,Now())
            => 2026-03-18T00:00:00.000001Z
            DateAdd("s",1,Now()) > Now()
            => never
            DateAdd("m",1,Now()) > CDate("2026-05-01")
            => 2026-03-11T00:00:00Z (same)
            DateAdd("m",1,Now()) < CDate("2026-04-10 8:30:15.25")
            => 2026-03-11T00:00:00Z (same)
            FormatDateTime(Now(),"yyyy")
            => 2027-01-01T00:00:00Z
            FormatDateTime(Now(),"MMM yyyy")
            => 2026-04-01T00:00:00Z
            FormatDateTime(Now(),"yyyy-MM-dd")
            => 2026-03-11T00:00:00Z
            FormatDateTime(Now(),"HH")
            => 2026-03-10T09:00:00Z
            FormatDateTime(Now(),"HH:mm")
            => 2026-03-10T08:31:00Z
            FormatDateTime(Now(),"yyyyMMddHHmmss.0Z")
            => 2026-03-10T08:30:16Z
            FormatDateTime(Now(),"s.f")
            => 2026-03-10T08:30:15.3Z
            FormatDateTime(DateAdd("h",-9,Now()),"yyyy-MM-dd")
            => 2026-03-10T09:00:00Z
            FormatDateTime(CDate("2026-01-01"),"ss")
            => never
            NumFromDate(Now())
            => 2026-03-10T08:30:15.250001Z
            [flag] || CDate("2026-04-01") < Now()
            => never
            IIF([flag],[sn],FormatDateTime(Now(),"yyyy"))
            => never
            IIF(CDate("2026-04-01") < Now(),FormatDateTime(Now(),"ss"),"not yet")
            => 2026-04-01T00:00:00.000001Z
            IsDate(Now())
            => never
            Count(RemoveDuplicates(Select($i,[otherPhone],IIF($i = "5",Now(),CDate("2026-04-01")))))
            => 2026-03-10T08:30:15.250001Z (same)
            DateAdd("yyyy",9000,Now()) > Now()
            => 2026-03-10T08:30:15.250001Z (same)
            DateFromNum(9223372036854775807) < Now()
            => never
        "#]],
    );
}

fn date() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => Just("Now()".to_owned()),
        1 => prop::sample::select(vec![
            "CDate(\"2024-01-31\")",
            "CDate(\"2024-02-29 12:00\")",
            "CDate(\"2024-03-01\")",
            "CDate(\"2025-01-01\")",
            "DateFromNum(0)",
            "DateFromNum(9223372036854775807)",
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(3, 8, 1, |inner| {
        let units = prop::sample::select(vec!["yyyy", "q", "m", "y", "d", "w", "ww", "h", "n", "s"]);
        (units, -40..40_i64, inner).prop_map(|(unit, value, date)| format!("DateAdd(\"{unit}\",{value},{date})"))
    })
}

fn condition() -> impl Strategy<Value = String> {
    let operators = prop::sample::select(vec!["<", "<=", "=", "<>", ">", ">="]);
    let leaf = prop_oneof![
        6 => (date(), operators, date()).prop_map(|(left, operator, right)| format!("{left} {operator} {right}")),
        1 => date().prop_map(|date| format!("IsDate({date})")),
        1 => date().prop_map(|date| format!("NumFromDate({date}) > 133500000000000000")),
        1 => date().prop_map(|date| format!("Count(RemoveDuplicates(Select($i,[otherPhone],IIF($i = \"5\",Now(),{date})))) > 1")),
        1 => (date(), date()).prop_map(|(left, right)| format!("Count(Where($i,[otherPhone],$i = \"5\" || {left} < {right})) > 1")),
        1 => Just("[flag]".to_owned()),
        1 => Just("False".to_owned()),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        let operators = prop::sample::select(vec!["&&", "||", "="]);
        (inner.clone(), operators, inner).prop_map(|(left, operator, right)| format!("({left}) {operator} ({right})"))
    })
}

fn answer() -> impl Strategy<Value = String> {
    let formats = prop::sample::select(vec![
        "yyyy",
        "yy",
        "MMM",
        "MM",
        "yyyy-MM-dd",
        "dddd",
        "HH tt",
        "h:mm",
        "mm",
        "ss",
        "s.f",
        "fff",
        "'done'",
        "zzz K",
        "",
    ]);
    let leaf = prop_oneof![
        3 => (date(), formats).prop_map(|(date, format)| format!("FormatDateTime({date},\"{format}\")")),
        2 => condition().prop_map(|condition| format!("CStr({condition})")),
        1 => date().prop_map(|date| format!("CStr(NumFromDate({date}))")),
        1 => (condition(), date()).prop_map(|(condition, date)| {
            format!("With($d,{date},IIF({condition},FormatDateTime($d,\"dd\"),CStr($d < Now())))")
        }),
    ];
    leaf.prop_recursive(3, 10, 3, |inner| {
        (condition(), inner.clone(), inner).prop_map(|(c, then, otherwise)| format!("IIF({c},{then},{otherwise})"))
    })
}

/// Times with an edge near by: a leap day, the end of a month, of a year, a second, a day.
const TIMES: [&str; 5] = [
    "2024-01-30T23:59:58.5Z",
    "2024-02-28T12:00:00Z",
    "2024-02-29T23:59:59.999999Z",
    "2024-12-31T08:00:00.000001Z",
    "2025-03-31T00:00:00Z",
];

/// Times from the present one up to the told instant, which is not one of them.
fn times_before(now: i64, changes_at: Option<i64>) -> Vec<i64> {
    const SECOND: i64 = 1_000_000;
    const DAY: i64 = 86_400 * SECOND;
    let last = changes_at.map_or(now + 2_800_000 * DAY, |at| at - 1);
    let steps = [1, SECOND / 2, SECOND, 61 * SECOND, 3_601 * SECOND, DAY, 29 * DAY, 32 * DAY, 366 * DAY, 3_000 * DAY];
    let mut times: Vec<i64> = steps.iter().map(|step| now + step).filter(|time| *time < last).collect();
    times.extend([now + (last - now) / 2, last]);
    times
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sf28_until_the_instant_the_answer_stays(text in answer(), time in 0..TIMES.len()) {
        let expression = Expression::parse(&text).unwrap();
        let now = instant(TIMES[time]);
        let (first, changes_at) = outcome(&expression, now);
        for later in times_before(now, changes_at) {
            let then = outcome(&expression, later).0;
            prop_assert_eq!(&first, &then, "{} at {}, told {:?}", text, shown(later), changes_at.map(shown));
        }
    }
}

/// The property means something only while what it generates does change with time, and often where it was told.
#[test]
fn sf28_the_generator_reaches_changes() {
    let mut runner = TestRunner::deterministic();
    let (mut told, mut changed, mut never) = (0, 0, 0);
    for round in 0..1000 {
        let text = answer().new_tree(&mut runner).unwrap().current();
        let expression = Expression::parse(&text).unwrap();
        let now = instant(TIMES[round % TIMES.len()]);
        match outcome(&expression, now) {
            (_, None) => never += 1,
            (first, Some(at)) => {
                told += 1;
                changed += usize::from(outcome(&expression, at).0 != first);
            }
        }
    }
    assert!(told > 500 && never > 50, "{told} told, {never} never");
    assert!(changed * 5 > told, "{changed} of {told} changed at the told instant");
}
