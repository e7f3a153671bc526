//! What an expression reads of an object, and what its answer counts for (S49, S52, X14, X49, D36).

use crate::world::{World, flow};
use crate::*;
use metaverse_schema::{Plurality, Value, ValueKind, Values, exact_match_key, match_key};
use sync_rules::*;

const ANN: &str = "objectGUID=g1 displayName=Ann mail=ann@x userPrincipalName=ann@x enabled=yes";

fn parsed(text: &str) -> Expression {
    Expression::parse(text).unwrap()
}

/// The department that this inbound flow gives to an object with these attributes, prepared further.
fn department(source: FlowSource, attributes: &str, prepare: &dyn Fn(&mut CsObject)) -> Result<String, ObjectError> {
    let mut world = World::new(Matching::Automatic);
    let person = world.run.rules.metaverse.types.get_mut("person").unwrap();
    person.insert("department".into(), MetaverseAttribute { kind: ValueKind::Text, plurality: Plurality::Multi });
    let inbound = world.rule("in-user");
    inbound.flows.retain(|flow| flow.target != *"department");
    inbound.flows.push(Flow { source, ..flow("department", "\"\"") });
    world.rule("out-user").flows.clear();
    let ann = world.import("ad", "a1", &format!("{ANN} {attributes}"));
    prepare(world.objects.get_mut(&ann).unwrap());
    match world.sync(ann).error {
        Some(error) => Err(error),
        None => {
            let values =
                world.metaverse.values().next().unwrap().attributes.get("department").map(|value| &value.values);
            Ok(values.into_iter().flatten().map(ToString::to_string).collect::<Vec<_>>().join("|"))
        }
    }
}

fn computed(text: &str, attributes: &str, prepare: &dyn Fn(&mut CsObject)) -> String {
    department(FlowSource::Expression(parsed(text)), attributes, prepare).unwrap()
}

/// Names and places are read like attributes; counts of references come from their rows, all others from the values.
#[test]
fn a_connector_space_object_is_read_whole() {
    let plain = |_: &mut CsObject| {};
    let member = |object: &mut CsObject| {
        object.reference_counts.insert("member".into(), 70_000);
    };
    assert_eq!(computed("CStr([dn])", "dn=CN=Ann,OU=Sales", &plain), "CN=Ann,OU=Sales");
    assert_eq!(computed("[rdn]", "dn=CN=Ann,OU=Sales", &plain), "CN=Ann");
    assert_eq!(
        computed("IIF(IsPresent([dn]),\"a\",\"none\") & IIF(IsPresent([rdn]),\"a\",\"none\")", "", &plain),
        "nonenone"
    );
    let counts = "CStr(ValueCount(\"member\")) & CStr(ValueCount(\"mail\")) & CStr(ValueCount(\"none\"))";
    assert_eq!(computed(counts, "", &plain), "010");
    assert_eq!(computed(counts, "", &member), "7000010");
    // S52: what was sent and not confirmed is what the object holds; cleared, it holds nothing.
    let sent = |wanted: Values| {
        move |object: &mut CsObject| {
            let remembered = Remembered { wanted: wanted.clone(), state: MemoryState::Unconfirmed };
            object.memory.attributes.insert("info".into(), remembered);
        }
    };
    let both = "IIF(IsPresent([info]),[info],\"none\") & \" \" & ImportedValue(\"info\")";
    assert_eq!(computed(both, "info=old", &plain), "old old");
    assert_eq!(computed(both, "info=old", &sent(Value::text("new").into())), "new old");
    assert_eq!(computed(both, "info=old", &sent(Values::default())), "none old");
}

/// S49: an empty text is no value, by itself and among others; a constant and a plain attribute are flows like any other.
#[test]
fn s49_an_empty_text_is_no_value() {
    let plain = |_: &mut CsObject| {};
    assert_eq!(computed("\"\"", "", &plain), "");
    assert_eq!(computed("Split(\"a,,b,\", \",\")", "", &plain), "a|b");
    assert_eq!(computed("Split(\",\", \",\")", "", &plain), "");
    assert_eq!(department(FlowSource::Constant(Value::text("IT")), "", &plain).unwrap(), "IT");
    assert_eq!(department(FlowSource::Direct("info".into()), "info=x", &plain).unwrap(), "x");
    assert_eq!(department(FlowSource::Direct("info".into()), "", &plain).unwrap(), "");
    for (given, kept) in [(&["", "x"][..], "x"), (&["x", ""], "x"), (&[""], "")] {
        let several = |object: &mut CsObject| {
            let Some(Staged::Image(image)) = &mut object.staged else { panic!("staged") };
            image.set("info", given.iter().map(|text| Value::text(*text)).collect::<Values>());
        };
        assert_eq!(department(FlowSource::Direct("info".into()), "", &several).unwrap(), kept, "{given:?}");
    }
}

/// X14: an expression that fails fails its object, and names itself, its rule and its target.
#[test]
fn x14_a_failure_names_expression_rule_and_attribute() {
    let error = department(FlowSource::Expression(parsed("CNum([info])")), "info=many", &|_| {}).unwrap_err();
    assert_eq!(error.code, "expression-conversion-failed");
    assert!(error.message.ends_with("(in `CNum([info])`)"), "{}", error.message);
    assert_eq!((error.rule.as_deref(), error.attribute.as_deref()), (Some("in-user"), Some("department")));
    assert_eq!(department(FlowSource::Expression(parsed("CStr(CNum([info]))")), "info=7", &|_| {}).unwrap(), "7");
}

/// X49: each object draws its own, known by connector and anchor; each rule and target attribute as well.
#[test]
fn x49_what_is_drawn_depends_on_object_rule_and_target() {
    let drawn = |connector: &str, anchor: &str, rule: &str, target: &str| {
        let mut world = World::new(Matching::Automatic);
        let inbound = world.rule("in-user");
        (inbound.id, inbound.connector) = (rule.into(), connector.into());
        inbound.flows.push(Flow { once: true, ..flow(target, "Guid()") });
        let id = world.import(connector, anchor, ANN);
        world.sync(id);
        world.metaverse.values().next().unwrap().attributes.get(target).unwrap().values.clone()
    };
    let one = drawn("ad", "a1", "r", "department");
    assert_eq!(one, drawn("ad", "a1", "r", "department"));
    assert_ne!(one, drawn("hr", "a1", "r", "department"), "another connector");
    assert_ne!(one, drawn("ad", "a2", "r", "department"), "another object");
    assert_ne!(one, drawn("ad", "a1", "s", "department"), "another rule");
    assert_ne!(one, drawn("ad", "a1", "r", "nickname"), "another attribute");
}

/// D36, S15: keys are of their space and type; without repetition, by the letter where they are exact; they read no clock, and a
/// failing one has no value.
#[test]
fn keys_are_those_of_space_and_type() {
    let mut world = World::new(Matching::Automatic);
    world.run.now = 1;
    let mut define = |space: KeySpace, object_type: Option<&str>, text: &str, exact: bool| {
        world.run.rules.keys.push(KeyDefinition {
            space,
            object_type: object_type.map(Into::into),
            expression: parsed(text),
            exact,
            identity: text.into(),
        });
        KeyId(world.run.rules.keys.len() - 1)
    };
    let cs = |name: &str| KeySpace::Connector(name.into());
    let folded = define(cs("ad"), Some("user"), "Split([mail], \",\")", false);
    let exact = define(cs("ad"), Some("user"), "Split([mail], \",\")", true);
    let any_type = define(cs("ad"), None, "[displayName]", false);
    define(cs("ad"), Some("group"), "[displayName]", false);
    define(cs("hr"), None, "[displayName]", false);
    define(cs("ad"), None, "CNum([displayName])", false);
    let of_metaverse = define(KeySpace::Metaverse, Some("person"), "[department]", false);
    let of_any = define(KeySpace::Metaverse, None, "[department]", true);
    define(KeySpace::Metaverse, Some("group"), "[department]", false);
    let ann = world.import("ad", "a1", "mail=Ann@x,ann@X,b@x displayName=Ann objectGUID=g1 department=It");
    let image = world.objects[&ann].imported().unwrap().clone();
    let text = |text: &str| Value::text(text);
    let mut found = connector_keys(&world.run.rules, "ad", &"user".into(), &image);
    found.sort();
    let mut expected: Vec<(KeyId, _)> = [
        (folded, match_key(&text("ann@x"))),
        (folded, match_key(&text("b@x"))),
        (exact, exact_match_key(&text("Ann@x"))),
        (exact, exact_match_key(&text("ann@X"))),
        (exact, exact_match_key(&text("b@x"))),
        (any_type, match_key(&text("Ann"))),
    ]
    .into();
    expected.sort();
    assert_eq!(found, expected);
    world.sync(ann);
    let person = world.metaverse.values().next().unwrap();
    let keys: Vec<_> = metaverse_keys(&world.run.rules, &person.object_type, &person.attributes)
        .into_iter()
        .filter(|(key, _)| *key >= folded)
        .collect();
    assert_eq!(keys, [(of_metaverse, match_key(&text("it"))), (of_any, exact_match_key(&text("It")))]);
}

/// A neighbourhood knows what was answered, an empty answer included, and gives hits in one order.
#[test]
fn a_neighbourhood_knows_its_answers() {
    let key = |text: &str| match_key(&Value::text(text));
    let questions = [
        Question::Connector(CsId(1)),
        Question::Metaverse(MvId(1)),
        Question::Key(KeyId(0), key("a")),
        Question::Occupant("ad".into(), "cn=a".into()),
    ];
    let mut known = Neighbourhood::default();
    assert!(!questions.iter().any(|question| known.knows(question)));
    known.answer_connector(CsId(1), None);
    known.answer_metaverse(MvId(1), None);
    known.answer_key(KeyId(0), key("a"), Vec::new());
    known.answer_occupant("ad".into(), "cn=a".into(), None);
    assert!(questions.iter().all(|question| known.knows(question)));
    assert!(questions.iter().all(|question| known.known_hits(question).is_empty()));
    assert!(!known.knows(&Question::Key(KeyId(0), key("b"))) && !known.knows(&Question::Key(KeyId(1), key("a"))));
    let hits = [KeyHit::Metaverse(MvId(1)), KeyHit::Connector(CsId(2)), KeyHit::Connector(CsId(1))];
    known.answer_key(KeyId(0), key("b"), [&hits[..], &hits[..]].concat());
    let sorted = [KeyHit::Connector(CsId(1)), KeyHit::Connector(CsId(2)), KeyHit::Metaverse(MvId(1))];
    assert_eq!(known.known_hits(&Question::Key(KeyId(0), key("b"))), sorted);

    let mut world = World::new(Matching::Automatic);
    let ann = world.import("ad", "a1", ANN);
    known.answer_connector(ann, Some(world.objects[&ann].clone()));
    assert_eq!(known.known_connector(ann).map(|object| object.id), Some(ann));
    assert!(known.known_connector(CsId(99)).is_none());
}
