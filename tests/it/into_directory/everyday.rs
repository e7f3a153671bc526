//! The whole round: staging, approval, export, and then every kind of change an ordinary day brings.

use super::world::{People, controller, deployment, digests, picture, second_plan_is_empty};
use expect_test::expect;

fn people() -> People {
    let mut people = People::default();
    people.unit("u1", "Staff", "");
    people.unit("u2", "North", "OU=Staff");
    people.unit("u3", "South", "OU=Staff");
    people.unit("u4", "Groups", "");
    people.person("p1", "Ann Lee", "OU=North,OU=Staff").title = "Head".into();
    for (id, name, container) in [
        ("p2", "Smith, Bob + Co", "OU=North,OU=Staff"),
        ("p3", "carl", "OU=North,OU=Staff"),
        ("p4", "Dora", "OU=South,OU=Staff"),
        ("p5", "Emil", "OU=South,OU=Staff"),
    ] {
        people.person(id, name, container).manager = "p1".into();
    }
    people.at("p4").title = "Clerk".into();
    people.group("g1", "All", "OU=Groups", &["p1", "p2", "p3", "g2"]);
    people.group("g2", "Inner", "OU=Groups", &["p4"]);
    people
}

/// Issue 3, Build 11: round trip, second plan empty. T21 and SF27 in the export's direction.
#[test]
fn people_groups_and_units_live_in_the_directory() {
    let dc = controller("into_directory::people_groups_and_units_live_in_the_directory", &[]);
    dc.rights(&["write", "svc-metasync", "OU=Managed"]);
    let mut people = people();
    let deployment = deployment(&dc, &people, true, "objects = 500\npercent = 10\nat_least = 5");
    let checked = deployment.json(&["check"], &[0])["result"]["connectors"]["ad"].to_string();
    assert!(checked.contains("may create organizationalUnit objects in OU=Managed"), "{checked}");

    // Staging: everything is decided, nothing is written.
    deployment.run(&["cycle", "initial"]).expect(&[0]);
    assert_eq!(picture(&dc), "", "staging mode writes nothing");
    deployment.replace("metasync.toml", "staging = true", "staging = false");
    let stopped = deployment.run(&["cycle", "initial"]).expect(&[3]);
    assert_eq!(picture(&dc), "", "the guard stops before the first write");
    for digest in digests(&stopped) {
        deployment.run(&["approve", &digest]).expect(&[0]);
    }
    deployment.run(&["cycle", "delta"]).expect(&[0]);
    expect![[r#"
        CN=All,OU=Groups: displayName=All groupType=-2147483646 member=CN=Ann Lee,OU=North,OU=Staff|CN=Inner,OU=Groups|CN=Smith\, Bob \+ Co,OU=North,OU=Staff|CN=carl,OU=North,OU=Staff objectClass=group sAMAccountName=g1
        CN=Ann Lee,OU=North,OU=Staff: department=Sales displayName=Ann Lee objectClass=user sAMAccountName=p1 title=Head userAccountControl=514 userPrincipalName=p1@corp.contoso.example
        CN=Dora,OU=South,OU=Staff: department=Sales displayName=Dora manager=CN=Ann Lee,OU=North,OU=Staff objectClass=user sAMAccountName=p4 title=Clerk userAccountControl=514 userPrincipalName=p4@corp.contoso.example
        CN=Emil,OU=South,OU=Staff: department=Sales displayName=Emil manager=CN=Ann Lee,OU=North,OU=Staff objectClass=user sAMAccountName=p5 userAccountControl=514 userPrincipalName=p5@corp.contoso.example
        CN=Inner,OU=Groups: displayName=Inner groupType=-2147483646 member=CN=Dora,OU=South,OU=Staff objectClass=group sAMAccountName=g2
        CN=Smith\, Bob \+ Co,OU=North,OU=Staff: department=Sales displayName=Smith, Bob + Co manager=CN=Ann Lee,OU=North,OU=Staff objectClass=user sAMAccountName=p2 userAccountControl=514 userPrincipalName=p2@corp.contoso.example
        CN=carl,OU=North,OU=Staff: department=Sales displayName=carl manager=CN=Ann Lee,OU=North,OU=Staff objectClass=user sAMAccountName=p3 userAccountControl=514 userPrincipalName=p3@corp.contoso.example
        OU=Groups: objectClass=organizationalUnit
        OU=North,OU=Staff: objectClass=organizationalUnit
        OU=South,OU=Staff: objectClass=organizationalUnit
        OU=Staff: objectClass=organizationalUnit
    "#]].assert_eq(&picture(&dc));
    second_plan_is_empty(&dc, &deployment);

    // Change, clear, a name, the case of a name, a move, one member more and one less, a manager.
    people.at("p1").title = "Director".into();
    people.at("p4").title = String::new();
    people.at("p2").name = "Smith; Bob #1 = \\ <x>".into();
    people.at("p3").name = "Carl".into();
    people.at("p5").container = "OU=North,OU=Staff".into();
    people.at("p5").manager = "p4".into();
    people.at("g1").members = ["p1", "p3", "p5", "g2"].map(str::to_owned).to_vec();
    people.write(&deployment);
    deployment.run(&["cycle", "delta"]).expect(&[0]);
    expect![[r#"
        CN=All,OU=Groups: displayName=All groupType=-2147483646 member=CN=Ann Lee,OU=North,OU=Staff|CN=Carl,OU=North,OU=Staff|CN=Emil,OU=North,OU=Staff|CN=Inner,OU=Groups objectClass=group sAMAccountName=g1
        CN=Ann Lee,OU=North,OU=Staff: department=Sales displayName=Ann Lee objectClass=user sAMAccountName=p1 title=Director userAccountControl=514 userPrincipalName=p1@corp.contoso.example
        CN=Carl,OU=North,OU=Staff: department=Sales displayName=Carl manager=CN=Ann Lee,OU=North,OU=Staff objectClass=user sAMAccountName=p3 userAccountControl=514 userPrincipalName=p3@corp.contoso.example
        CN=Dora,OU=South,OU=Staff: department=Sales displayName=Dora manager=CN=Ann Lee,OU=North,OU=Staff objectClass=user sAMAccountName=p4 userAccountControl=514 userPrincipalName=p4@corp.contoso.example
        CN=Emil,OU=North,OU=Staff: department=Sales displayName=Emil manager=CN=Dora,OU=South,OU=Staff objectClass=user sAMAccountName=p5 userAccountControl=514 userPrincipalName=p5@corp.contoso.example
        CN=Inner,OU=Groups: displayName=Inner groupType=-2147483646 member=CN=Dora,OU=South,OU=Staff objectClass=group sAMAccountName=g2
        CN=Smith\3B Bob \#1 \3D \\ \<x\>,OU=North,OU=Staff: department=Sales displayName=Smith; Bob #1 = \ <x> manager=CN=Ann Lee,OU=North,OU=Staff objectClass=user sAMAccountName=p2 userAccountControl=514 userPrincipalName=p2@corp.contoso.example
        OU=Groups: objectClass=organizationalUnit
        OU=North,OU=Staff: objectClass=organizationalUnit
        OU=South,OU=Staff: objectClass=organizationalUnit
        OU=Staff: objectClass=organizationalUnit
    "#]].assert_eq(&picture(&dc));
    second_plan_is_empty(&dc, &deployment);

    // Two people change places and names; a third takes a name that is just left; a unit is renamed with all below it.
    let places = (people.at("p1").clone(), people.at("p4").clone());
    people.at("p1").name = places.1.name.clone();
    people.at("p1").container = places.1.container.clone();
    people.at("p4").name = places.0.name.clone();
    people.at("p4").container = places.0.container.clone();
    people.at("p5").name = "Carl".into();
    people.at("p3").name = "Carla".into();
    people.write(&deployment);
    deployment.run(&["cycle", "delta"]).expect(&[0]);
    people.at("u2").name = "Far North".into();
    for id in ["p2", "p3", "p4", "p5"] {
        people.at(id).container = "OU=Far North,OU=Staff".into();
    }
    people.write(&deployment);
    deployment.run(&["cycle", "delta"]).expect(&[0]);
    expect![[r#"
        CN=All,OU=Groups: displayName=All groupType=-2147483646 member=CN=Carl,OU=Far North,OU=Staff|CN=Carla,OU=Far North,OU=Staff|CN=Dora,OU=South,OU=Staff|CN=Inner,OU=Groups objectClass=group sAMAccountName=g1
        CN=Ann Lee,OU=Far North,OU=Staff: department=Sales displayName=Ann Lee manager=CN=Dora,OU=South,OU=Staff objectClass=user sAMAccountName=p4 userAccountControl=514 userPrincipalName=p4@corp.contoso.example
        CN=Carl,OU=Far North,OU=Staff: department=Sales displayName=Carl manager=CN=Ann Lee,OU=Far North,OU=Staff objectClass=user sAMAccountName=p5 userAccountControl=514 userPrincipalName=p5@corp.contoso.example
        CN=Carla,OU=Far North,OU=Staff: department=Sales displayName=Carla manager=CN=Dora,OU=South,OU=Staff objectClass=user sAMAccountName=p3 userAccountControl=514 userPrincipalName=p3@corp.contoso.example
        CN=Dora,OU=South,OU=Staff: department=Sales displayName=Dora objectClass=user sAMAccountName=p1 title=Director userAccountControl=514 userPrincipalName=p1@corp.contoso.example
        CN=Inner,OU=Groups: displayName=Inner groupType=-2147483646 member=CN=Ann Lee,OU=Far North,OU=Staff objectClass=group sAMAccountName=g2
        CN=Smith\3B Bob \#1 \3D \\ \<x\>,OU=Far North,OU=Staff: department=Sales displayName=Smith; Bob #1 = \ <x> manager=CN=Dora,OU=South,OU=Staff objectClass=user sAMAccountName=p2 userAccountControl=514 userPrincipalName=p2@corp.contoso.example
        OU=Far North,OU=Staff: objectClass=organizationalUnit
        OU=Groups: objectClass=organizationalUnit
        OU=South,OU=Staff: objectClass=organizationalUnit
        OU=Staff: objectClass=organizationalUnit
    "#]].assert_eq(&picture(&dc));
    second_plan_is_empty(&dc, &deployment);

    // A unit goes with those who stood in it; one of them moves out with the same export.
    people.at("p5").container = "OU=South,OU=Staff".into();
    for gone in ["u2", "p2", "p3", "p4", "g2"] {
        people.0.remove(gone);
    }
    people.at("g1").members = ["p1", "p5"].map(str::to_owned).to_vec();
    people.at("p1").manager = String::new();
    people.at("p5").manager = "p1".into();
    people.write(&deployment);
    let stopped = deployment.run(&["cycle", "delta"]).expect(&[0, 3]);
    for digest in digests(&stopped) {
        deployment.run(&["approve", &digest]).expect(&[0]);
    }
    deployment.run(&["cycle", "delta"]).expect(&[0]);
    expect![[r#"
        CN=All,OU=Groups: displayName=All groupType=-2147483646 member=CN=Carl,OU=South,OU=Staff|CN=Dora,OU=South,OU=Staff objectClass=group sAMAccountName=g1
        CN=Carl,OU=South,OU=Staff: department=Sales displayName=Carl manager=CN=Dora,OU=South,OU=Staff objectClass=user sAMAccountName=p5 userAccountControl=514 userPrincipalName=p5@corp.contoso.example
        CN=Dora,OU=South,OU=Staff: department=Sales displayName=Dora objectClass=user sAMAccountName=p1 title=Director userAccountControl=514 userPrincipalName=p1@corp.contoso.example
        OU=Groups: objectClass=organizationalUnit
        OU=South,OU=Staff: objectClass=organizationalUnit
        OU=Staff: objectClass=organizationalUnit
    "#]].assert_eq(&picture(&dc));
    second_plan_is_empty(&dc, &deployment);
}
