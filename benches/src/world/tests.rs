//! The world is what its numbers say, every object can be found by every name, and a step of churn changes what it says and
//! nothing else.

use super::*;
use expect_test::expect;
use std::collections::{BTreeMap, BTreeSet};

fn world(users: u64) -> World {
    World::new(Options { users, ..Options::default() })
}

fn text(world: &World, object: Object, attribute: Attribute) -> String {
    let values = world.values(object, attribute);
    values.iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect::<Vec<_>>().join(" | ")
}

#[test]
fn the_table_of_attributes_stands_in_the_order_of_the_enumeration() {
    for (place, definition) in ATTRIBUTES.iter().enumerate() {
        assert_eq!(definition.attribute as usize, place, "{}", definition.name);
        assert_eq!(Attribute::find(&definition.name.to_uppercase()), Some(definition.attribute));
    }
}

#[test]
fn every_object_is_found_by_each_of_its_names() {
    let mut world = world(600);
    world.apply(Step::DeltaMs);
    world.apply(Step::RenameArea(3));
    let mut guids = BTreeSet::new();
    for ordinal in 0..world.len() {
        let object = world.object_at(ordinal).unwrap();
        assert_eq!(world.ordinal(object), ordinal);
        let guid = world.guid(object);
        assert!(guids.insert(guid));
        assert_eq!(world.by_guid(&guid), Some(object));
        assert_eq!(world.by_dn(&world.dn(object)), Some(object), "{}", world.dn(object));
        if world.dn(object).is_ascii() {
            assert_eq!(world.by_dn(&world.dn(object).to_uppercase()), Some(object));
        }
        if let Some(rid) = world.rid(object) {
            let [a, b, c] = world.domain_sid();
            assert_eq!(world.by_sid(&format!("S-1-5-21-{a}-{b}-{c}-{rid}")), Some(object));
        }
    }
    assert_eq!(world.object_at(world.len()), None);
    assert_eq!(world.by_guid(&[7; 16]), None);
    assert_eq!(world.by_dn("CN=Nobody 17,OU=Corp,DC=corp,DC=contoso,DC=example"), None);
}

/// The percentages of performance.md section 8.
#[test]
fn twenty_thousand_users_have_the_dirt_of_a_real_directory() {
    let world = world(20_000);
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut addresses = BTreeSet::new();
    for number in 0..world.counts().users {
        let person = world.person(number);
        let dirt = person.dirt;
        let cn = text(&world, Object::User(number), Attribute::Cn);
        let values = world.values(Object::User(number), Attribute::ProxyAddresses);
        let mail = text(&world, Object::User(number), Attribute::Mail);
        let primary = values.first().map(|value| String::from_utf8_lossy(value)[5..].to_owned()).unwrap_or_default();
        addresses.insert(values.len());
        let manager = person.manager(&world);
        for (what, is) in [
            ("outside the scope", person.team.is_none()),
            ("disabled", person.disabled),
            ("excluded", person.excluded),
            ("beyond ASCII", !cn.is_ascii()),
            ("comma or apostrophe", cn.contains([',', '\''])),
            ("no mail", mail.is_empty()),
            ("mail of the one before", dirt.duplicate_mail),
            ("proxy address of the one before", dirt.duplicate_proxy),
            ("mail in another case", !mail.is_empty() && mail != primary && mail.eq_ignore_ascii_case(&primary)),
            ("mail elsewhere", !mail.is_empty() && !mail.eq_ignore_ascii_case(&primary)),
            ("not routable", text(&world, Object::User(number), Attribute::UserPrincipalName).ends_with(".local")),
            ("sign-in name of the one before", dirt.duplicate_upn),
            ("blank in the sign-in name", dirt.invalid_upn),
            ("over-long address", values.iter().any(|value| value.len() > 256)),
            ("blanks around a value", text(&world, Object::User(number), Attribute::Title).starts_with(' ')),
            ("manager outside the scope", manager == Some(Object::Service)),
            ("manager is himself", manager == Some(Object::User(number))),
            ("attributes of Exchange", person.mailbox),
            ("certificates", person.certificates > 0),
        ] {
            *counts.entry(what).or_default() += u64::from(is);
        }
    }
    assert_eq!(addresses, BTreeSet::from([0, 2, 3, 4, 5, 6]));
    let table: String = counts.iter().map(|(what, count)| format!("{what}: {count}\n")).collect();
    expect![[r#"
        attributes of Exchange: 12086
        beyond ASCII: 987
        blank in the sign-in name: 19
        blanks around a value: 45
        certificates: 2003
        comma or apostrophe: 210
        disabled: 626
        excluded: 388
        mail elsewhere: 53
        mail in another case: 387
        mail of the one before: 71
        manager is himself: 1
        manager outside the scope: 201
        no mail: 208
        not routable: 189
        outside the scope: 1000
        over-long address: 7
        proxy address of the one before: 67
        sign-in name of the one before: 22
    "#]]
    .assert_eq(&table);
}

#[test]
fn groups_have_a_long_tail_and_nest_to_depth_six_with_one_cycle() {
    let world = world(100_000);
    let groups: Vec<Group> = (0..world.counts().groups).map(|number| world.group(number)).collect();
    let mut sizes: Vec<u64> = groups.iter().map(|group| group.size).collect();
    sizes.sort_unstable();
    let total: u64 = sizes.iter().sum();
    let nesting = groups.iter().filter(|group| group.nested.is_some()).count();
    let depth = |from: u64| {
        let mut at = from;
        (0..20).take_while(|_| world.group(at).nested.map(|below| at = below).is_some()).count()
    };
    let deepest = (0..groups.len() as u64).map(depth).filter(|depth| *depth < 20).max();
    let in_cycles = (0..groups.len() as u64).filter(|group| depth(*group) == 20).count();
    let summary = format!(
        "{} groups, {total} members, median {}, largest {:?}, {nesting} hold a group, deepest chain {deepest:?}, {in_cycles} in the cycle",
        groups.len(),
        sizes[sizes.len() / 2],
        sizes.iter().rev().take(3).collect::<Vec<_>>(),
    );
    expect!["5000 groups, 376538 members, median 8, largest [50000, 10000, 10000], 500 hold a group, deepest chain Some(6), 6 in the cycle"].assert_eq(&summary);
    for group in [0, 1, 11, 500] {
        let members: Vec<Object> = groups[group].members(&world).collect();
        let distinct: BTreeSet<Object> = members.iter().copied().collect();
        assert_eq!(members.len(), distinct.len());
        let outside =
            members.iter().filter(|member| matches!(member, Object::User(user) if !world.is_inside(*user))).count();
        let share = outside as f64 / members.len() as f64;
        assert!(members.len() < 1_000 || (0.009..0.011).contains(&share), "{share}");
    }
}

/// All replicated values of everything that is there.
fn image(world: &World) -> BTreeMap<Object, BTreeMap<Attribute, Vec<Vec<u8>>>> {
    let mut all = BTreeMap::new();
    for object in (0..world.len()).filter_map(|ordinal| world.object_at(ordinal)) {
        let mut values = BTreeMap::new();
        for definition in ATTRIBUTES.iter().filter(|known| known.is_replicated() || known.name == "parentGUID") {
            let mut found = world.values(object, definition.attribute);
            if definition.is_reference() {
                // By identity: a name that changed is no change of who names it.
                let identity = |name: &Vec<u8>| {
                    let object = world.by_dn(&String::from_utf8_lossy(name));
                    object.map_or_else(|| name.clone(), |object| world.guid(object).to_vec())
                };
                found = found.iter().map(identity).collect();
                found.sort();
            }
            values.insert(definition.attribute, found);
        }
        all.insert(object, values);
    }
    all
}

/// What `changes_since`, `Group::changes` and `touched` tell, against the values before and after.
#[test]
fn a_step_changes_what_it_says_and_nothing_else() {
    let mut world = world(600);
    let mut before = image(&world);
    for step in [
        Step::Delta1,
        Step::DeltaMs,
        Step::Users(100),
        Step::Members { group: 0, add: 1, remove: 0 },
        Step::RenameArea(4),
        Step::Delta1,
        Step::DeltaMs,
    ] {
        let from = world.steps();
        let applied = world.apply(step);
        let after = image(&world);
        let told: BTreeSet<Object> = (0..world.touched_len(from)).filter_map(|at| world.touched(from, at)).collect();
        let mut seen = Applied { usn: applied.usn, ..Applied::default() };
        for (object, now) in &after {
            let gone_before = !told.contains(object) && world.is_gone(*object);
            let Some(then) = before.get(object) else {
                assert!(world.is_created_since(*object, from) && told.contains(object));
                seen.created += 1;
                continue;
            };
            let changed: BTreeSet<Attribute> =
                now.iter().filter(|(name, values)| then.get(name) != Some(values)).map(|(name, _)| *name).collect();
            if gone_before {
                assert!(changed.is_empty());
                continue;
            }
            match object {
                Object::User(number) if world.is_gone(*object) => {
                    assert!(told.contains(object) && now[&Attribute::IsDeleted] == [b"TRUE"], "{number}");
                    seen.deleted += 1;
                }
                Object::User(number) => {
                    let kinds = world.changes_since(&world.person(*number), from);
                    let mut allowed: BTreeSet<Attribute> =
                        kinds.iter().flat_map(|kind| kind.attributes()).copied().collect();
                    if kinds.contains(&ChangeKind::Move) {
                        allowed.remove(&Attribute::Name);
                        allowed.insert(Attribute::ParentGUID);
                    }
                    // Another surname or manager may be drawn to be the one of before.
                    let unlucky = kinds.contains(&ChangeKind::Surname) || kinds.contains(&ChangeKind::Manager);
                    assert!(
                        changed == allowed || (unlucky && changed.is_subset(&allowed)),
                        "{object:?} {kinds:?} {changed:?}"
                    );
                    assert_eq!(kinds.is_empty(), !told.contains(object));
                    match kinds.as_slice() {
                        [] => {}
                        [ChangeKind::Comment] => seen.unselected_users += 1,
                        _ => seen.modified_users += 1,
                    }
                }
                Object::Group(number) => {
                    let (added, removed) = world.group(*number).changes(&world, from);
                    let (added, removed) = (added.count() as u64, removed.count() as u64);
                    seen.modified_groups += u64::from(told.contains(object));
                    seen.members_added += added;
                    seen.members_removed += removed;
                    // Members that were deleted are gone without being told of.
                    let lost = then[&Attribute::Member].len() as i64 + added as i64
                        - removed as i64
                        - now[&Attribute::Member].len() as i64;
                    assert!(lost == 0 || step == Step::DeltaMs, "{object:?} lost {lost}");
                    assert!(changed.is_subset(&BTreeSet::from([Attribute::Member])));
                }
                Object::Container(_) => {
                    assert_eq!(!changed.is_empty(), told.contains(object), "{object:?} {changed:?}");
                    seen.renamed_containers += u64::from(told.contains(object));
                }
                _ => assert!(changed.is_empty(), "{object:?} {changed:?}"),
            }
        }
        assert_eq!(seen, applied, "{step:?}");
        if let Step::Users(wanted) = step {
            assert!(applied.modified_users <= wanted && applied.modified_users + 3 > wanted);
        }
        before = after;
    }
    let usns: BTreeSet<u64> =
        (0..world.len()).filter_map(|at| world.object_at(at)).map(|object| world.usn_changed(object)).collect();
    assert_eq!(usns.len() as u64, world.len(), "no two objects changed at once");
    assert!(usns.last() <= Some(&world.usn()));
}

#[test]
fn ldif_reads_back_and_seeds_name_everybody_once() {
    let world = world(300);
    let mut out = Vec::new();
    ldif::write(&world, ldif::Flavour::OpenLdap, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("dn:")).count() as u64, world.len());
    assert!(text.lines().all(|line| line.is_ascii()));
    let mut seed = Vec::new();
    tenant_seed::write(&world, tenant_seed::Tenant::Join, None, &mut seed).unwrap();
    let seed: serde_json::Value = serde_json::from_slice(&seed).unwrap();
    let users = seed["users"].as_array().unwrap();
    let names: BTreeSet<&str> = users.iter().filter_map(|user| user["userPrincipalName"].as_str()).collect();
    let known = (0..world.counts().inside).filter(|user| tenant_seed::is_in_the_cloud(&world, *user)).count();
    assert_eq!((names.len(), users.len()), (known + 6, known + 6));
    assert!(names.iter().all(|name| **name == name.to_lowercase()));
}
