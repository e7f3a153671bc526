//! Without its store the engine finds its objects by their anchors again (G10): nothing is made, and nothing is changed but what
//! differs. The id by which it knows its own writes stands in `metasync.toml`, so the tenant takes it for the same writer.

use super::world::{World, differences, dn, mail};
use expect_test::expect;

pub(super) fn without_the_store(world: &World) {
    let before = world.tenant.state();
    for name in ["metasync.db", "metasync.db-wal", "metasync.db-shm"] {
        // The log and the index go with the last connection.
        let _gone = std::fs::remove_file(world.deployment.file(name));
    }
    assert!(world.deployment.read("metasync.toml").contains("machine_id = "));
    world.tenant.forget_requests();
    expect!["match"].assert_eq(&world.settle("initial", &[]).join(" "));
    assert_eq!(world.tenant.writes(), 0, "{}", world.pending());
    assert!(
        world.tenant.state() == before,
        "the tenant is the same to the byte:\n{}",
        differences(&before, &world.tenant.state())
    );
    world.expect_an_empty_plan("after starting over");

    // What differs is written, and nothing else: SF24 takes the writes of the lost store for our own.
    let users = world.tenant.users();
    let change = |department: &str| {
        let dn = dn("dora", "Staff");
        world.in_directory(&format!(
            "dn: {dn}\nchangetype: modify\nreplace: department\ndepartment: {department}\n-\n\n"
        ));
    };
    change("Research");
    expect![""].assert_eq(&world.settle("delta", &[]).join(" "));
    expect![[r#"
        department: "Sales" -> "Research"
        onPremisesLastSyncDateTime: a time -> a time
    "#]]
    .assert_eq(&differences(&users[&mail("dora")], &world.tenant.users()[&mail("dora")]));

    // Under another id it is another writer, and stops.
    world.deployment.replace("metasync.toml", "machine_id = \"", "machine_id = \"another-");
    change("Sales");
    world.tenant.forget_requests();
    let stopped = world.deployment.run(&["cycle", "delta"]).expect(&[5]);
    assert!(stopped.out.contains("no-start-other-writer"), "{}", stopped.out);
    assert_eq!(world.tenant.writes(), 0);
}
