//! The codec gives back what it was given, and reports everything else as damage.

use super::support::*;
use crate::StoreError;
use crate::codec::StoredMvValue;
use crate::error::Fault;
use metaverse_schema::{
    Anchor, AttributeChange, AttributeName, Attributes, AttributesDelta, Guid, Reference, Value, Values,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use sync_kernel::*;

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<String>().prop_map(Value::Text),
        any::<i64>().prop_map(Value::Integer),
        any::<bool>().prop_map(Value::Boolean),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Value::Binary),
        any::<[u8; 16]>()
            .prop_map(|bytes| Value::Reference(Reference::Anchor(Anchor::Guid(Guid::from_directory_bytes(bytes))))),
        "[a-zA-Z0-9]{1,20}".prop_map(|text| Value::Reference(Reference::Anchor(anchor(&text)))),
        "[a-z,+\\\\ ü]{1,12}".prop_filter_map("a DN", |text| {
            let rdn = metaverse_schema::Rdn::new("CN", text);
            let dn = dn("OU=x,DC=y").child(rdn);
            (dn.to_string().parse().ok().as_ref() == Some(&dn)).then_some(Value::Reference(Reference::Dn(dn)))
        }),
    ]
}

fn values() -> impl Strategy<Value = Values> {
    proptest::collection::vec(value(), 1..5).prop_map(|values| values.into_iter().collect())
}

fn name() -> impl Strategy<Value = AttributeName> {
    "[a-f]{1,2}".prop_map(AttributeName::new)
}

fn attributes() -> impl Strategy<Value = Attributes> {
    proptest::collection::btree_map(name(), values(), 0..8).prop_map(|map| map.into_iter().collect())
}

fn delta() -> impl Strategy<Value = AttributesDelta> {
    let change = prop_oneof![
        Just(AttributeChange::Replace(Values::default())),
        values().prop_map(AttributeChange::Replace),
        (values(), values()).prop_map(|(add, remove)| AttributeChange::Update { add, remove }),
    ];
    proptest::collection::btree_map(name(), change, 0..5).prop_map(AttributesDelta)
}

fn operation() -> impl Strategy<Value = PendingOperation> {
    let (cause, ownership) = (DeleteCause::NeverSync, Ownership::Adopted);
    prop_oneof![
        attributes().prop_map(|attributes| PendingOperation::Add { attributes }),
        (any::<bool>(), delta(), delta(), any::<bool>()).prop_map(|(renames, changes, afterwards, takeover)| {
            PendingOperation::Update {
                rename: renames.then(|| dn("cn=New\\, name,dc=x")),
                changes,
                afterwards,
                takeover,
            }
        }),
        (delta(), delta()).prop_map(|(changes, afterwards)| PendingOperation::Restore { changes, afterwards }),
        Just(PendingOperation::Delete { cause, ownership }),
        Just(PendingOperation::Detach { cause, ownership }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_was_encoded_is_decoded(
        image in attributes(),
        operation in operation(),
        sent in proptest::collection::btree_map(name(), (values(), proptest::option::of(values())), 0..5),
        names in proptest::collection::btree_set(name(), 0..6),
    ) {
        let store = crate::Store::scratch().unwrap();
        let db = &store.db;
        let space = db.connector_id("ad").unwrap();
        let encoded = db.encode_image(space, &image).unwrap();
        prop_assert_eq!(db.decode_image(space, &encoded).unwrap(), image.clone());
        prop_assert_eq!(db.encode_image(space, &image).unwrap(), encoded);
        let encoded = db.encode_operation(space, &operation).unwrap();
        prop_assert_eq!(db.decode_operation(space, &encoded).unwrap(), operation);
        let mut memory = ExportMemory::default();
        let mut metaverse = BTreeMap::new();
        for (run, (name, (wanted, returned))) in sent.into_iter().enumerate() {
            let value = MvValue { values: wanted.clone(), contributor: CsId(run as i64 * 1000), rule: "rule".into() };
            metaverse.insert(name.clone(), StoredMvValue { value, run: run as i64 });
            let state = returned.map_or(MemoryState::Unconfirmed, |returned| MemoryState::Held { returned });
            memory.attributes.insert(name, Remembered { wanted, state });
        }
        let encoded = db.encode_memory(space, &memory).unwrap();
        prop_assert_eq!(db.decode_memory(space, &encoded).unwrap(), memory);
        let encoded = db.encode_metaverse(&metaverse).unwrap();
        prop_assert_eq!(db.decode_metaverse(&encoded).unwrap(), metaverse);
        let names: BTreeSet<AttributeName> = names;
        let encoded = db.encode_attribute_set(space, &names).unwrap();
        prop_assert_eq!(&*db.decode_attribute_set(space, &encoded).unwrap(), &names);
        prop_assert_eq!(&*db.decode_attribute_set(space, &encoded).unwrap(), &names, "as it is remembered");
    }

    /// Whatever bytes stand in a body, reading them is an answer or damage, never a panic.
    #[test]
    fn foreign_bytes_are_damage(mut bytes in proptest::collection::vec(any::<u8>(), 0..60), form in 1u8..=5) {
        let store = crate::Store::scratch().unwrap();
        let db = &store.db;
        let space = db.connector_id("ad").unwrap();
        db.encode_image(space, &image(&[("mail", "a"), ("title", "b")])).unwrap();
        for outcome in [
            db.decode_image(space, &bytes).map(drop),
            db.decode_memory(space, &bytes).map(drop),
            db.decode_operation(space, &bytes).map(drop),
            db.decode_metaverse(&bytes).map(drop),
            db.decode_attribute_set(space, &bytes).map(drop),
        ] {
            let expected = matches!(outcome, Ok(()) | Err(Fault::Store(StoreError::Damaged { .. })));
            prop_assert!(expected);
        }
        if bytes.len() > 1 {
            (bytes[0], bytes[1]) = (1, form);
            let outcome = db.decode_image(space, &bytes).map(drop);
            let expected = matches!(outcome, Ok(()) | Err(Fault::Store(StoreError::Damaged { .. })));
            prop_assert!(expected);
        }
    }
}

/// Numbers are given as names are met; what is read stands in the order of the names all the same, values of several kinds under
/// the one name that they have.
#[test]
fn what_is_read_stands_in_the_order_of_names_whenever_they_were_met() {
    let world = World::new();
    let db = &world.store.db;
    let space = db.connector_id("ad").unwrap();
    let mixed = |names: &[&str]| {
        let mut image = image(&names.iter().map(|name| (*name, "text")).collect::<Vec<_>>());
        image.add(names[0], Value::Integer(7));
        image
    };
    let images =
        [&["zeta"][..], &["mu", "zeta"], &["alpha", "mu"], &["beta", "alpha", "zeta", "mu"], &["omega", "beta"]];
    let kept: Vec<_> = images.map(|names| (mixed(names), db.encode_image(space, &mixed(names)).unwrap())).into();
    let lineage = |image: &Attributes| -> BTreeMap<AttributeName, StoredMvValue> {
        let one = |values: &Values| MvValue { values: values.clone(), contributor: CsId(1), rule: "rule".into() };
        image.iter().map(|(name, values)| (name.clone(), StoredMvValue { value: one(values), run: 3 })).collect()
    };
    let people: Vec<_> = kept.iter().map(|(image, _)| db.encode_metaverse(&lineage(image)).unwrap()).collect();
    let read = || {
        for ((image, bytes), person) in kept.iter().zip(&people) {
            assert_eq!(db.decode_image(space, bytes).unwrap(), *image);
            let stored = db.decode_metaverse(person).unwrap();
            assert_eq!(stored, lineage(image));
            let values = db.decode_metaverse_values(person).unwrap();
            assert!(values.into_iter().eq(stored.into_iter().map(|(name, stored)| (name, stored.value))));
        }
    };
    read();
    db.names.reload(&db.sql).unwrap();
    read();
}

#[test]
fn unknown_versions_and_numbers_are_damage() {
    let world = World::new();
    let db = &world.store.db;
    let space = db.connector_id("ad").unwrap();
    let good = db.encode_image(space, &image(&[("mail", "a@x")])).unwrap();
    let told = |bytes: &[u8]| db.decode_image(space, bytes).unwrap_err().during("reading").to_string();
    let damaged = |mut bytes: Vec<u8>, at: usize, value: u8| {
        bytes[at] = value;
        told(&bytes)
    };
    assert!(damaged(good.clone(), 0, 9).contains("unknown codec version 9"));
    assert!(damaged(good.clone(), 1, 2).contains("has the form 2"));
    assert!(damaged(good.clone(), 3, 99).contains("unknown attribute number 99"));
    assert!(told(&good[..good.len() - 1]).contains("shorter than it says"));
    assert!(told(&[good.clone(), vec![0]].concat()).contains("bytes behind its end"));
    assert!(told(&[]).contains("is empty"));
    let elsewhere = db.connector_id("cloud").unwrap();
    let foreign = db.decode_image(elsewhere, &good).unwrap_err().during("reading").to_string();
    assert!(foreign.contains("belongs to another space"), "{foreign}");
    assert!(foreign.contains("restore a backup"), "{foreign}");
    // A secret cannot even be given a number.
    assert!(crate::names::kind_code(metaverse_schema::ValueKind::Secret).is_err());
}
