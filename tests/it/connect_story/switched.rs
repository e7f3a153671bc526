//! Directory synchronisation of the tenant is switched off and on again: exports stop with the reason, nothing is deprovisioned,
//! and it ends with the same objects (SF25, A.10).

use super::world::{ADMIN, World, all_differences, dn, mail, words};
use expect_test::expect;
use metasync_tests::operator::Ran;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Seconds that this tenant takes for what may take 72 hours elsewhere.
const SWITCHING_S: u64 = 6;

pub(super) fn off_and_on_again(world: &World) {
    let (before, ids) = (everything(world), synchronised(world));
    world.tenant.turn(json!({ "sync_off_delay_s": SWITCHING_S, "device_code_interval_s": 1 }));
    let off = signed_in(world, &["tenant-sync", "off", "--yes", "--wait-minutes", "0"]);
    assert!(off.out.contains("pending-off"), "{}", off.out);

    // Meanwhile a change and two deletions in the directory: they are read, and wait.
    world.in_directory(&format!(
        "dn: {}\nchangetype: modify\nreplace: department\ndepartment: Research\n-\n\ndn: {}\nchangetype: delete\n\n\
         dn: {}\nchangetype: delete\n\n",
        dn("cleo", "Staff"),
        dn("finn", "Staff"),
        dn("Quentin", "Partners"),
    ));
    stops(world, "while it is being switched off");
    let pending = words(&world.pending());
    for line in ["Cleo of Contoso department: Sales → Research", "Finn of Contoso deleted in the source"] {
        assert!(pending.contains(line), "{line}\n{pending}");
    }

    let until = Instant::now() + Duration::from_secs(60);
    while world.tenant.control("GET", "synchronisation", &Value::Null)["state"] != json!("off") {
        assert!(Instant::now() < until, "it is never off");
        std::thread::sleep(Duration::from_millis(200));
    }
    stops(world, "while it is off");
    assert_eq!(synchronised(world), Vec::<String>::new());
    // Nothing but the switch: nobody is blocked, let go or deleted.
    let mut switched = before.clone();
    for object in switched.values_mut().filter(|object| object["onPremisesSyncEnabled"] == true) {
        object["onPremisesSyncEnabled"] = json!(false);
    }
    assert_eq!(all_differences(&switched, &everything(world)), "");

    signed_in(world, &["tenant-sync", "on", "--every-seconds", "1"]);
    expect![[r#""#]].assert_eq(&world.settle("delta", &[]).join(" "));
    let after = synchronised(world);
    let gone = |name: &str| &before[&mail(name)]["id"];
    let lost: Vec<&String> = ids.iter().filter(|id| !after.contains(id)).collect();
    assert_eq!(lost.len(), 2, "the deleted user and the contact that the service does not delete: {lost:?}");
    assert!(lost.iter().any(|id| gone("finn") == id.as_str()));
    assert!(after.iter().all(|id| ids.contains(id)), "no object is new");
    expect![[r#"
        ann@contoso.example
          onPremisesLastSyncDateTime: a time -> a time
        cleo@contoso.example
          department: "Sales" -> "Research"
          onPremisesLastSyncDateTime: a time -> a time
        contacts/paula of partner
          addresses: - -> []
          onPremisesLastSyncDateTime: a time -> a time
          onPremisesProvisioningErrors: - -> []
          phones: - -> []
        contacts/quentin of partner
          onPremisesSyncEnabled: true -> false
        dora@contoso.example
          onPremisesLastSyncDateTime: a time -> a time
        emil@contoso.example
          onPremisesLastSyncDateTime: a time -> a time
        finn@contoso.example is gone
        groups/company
          onPremisesLastSyncDateTime: a time -> a time
        groups/lunch
          onPremisesLastSyncDateTime: a time -> a time
        groups/news
          onPremisesLastSyncDateTime: a time -> a time
        groups/printers
          onPremisesLastSyncDateTime: a time -> a time
        groups/sales
          onPremisesLastSyncDateTime: a time -> a time
        groups/team
          onPremisesLastSyncDateTime: a time -> a time
    "#]]
    .assert_eq(&all_differences(&before, &everything(world)));
    let pending = world.deployment.json(&["pending", "cloud"], &[0]).to_string();
    assert!(pending.contains("DeletingCloudOnlyObjectNotAllowed"), "{pending}");
    world.expect_an_empty_plan("after it was switched on again");
}

/// An export says why it does not begin, and writes nothing; the imports are done.
fn stops(world: &World, when: &str) {
    world.tenant.forget_requests();
    let cycle = world.deployment.json(&["cycle", "delta"], &[3, 5]);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of_cloud: Vec<String> = cycle["result"]["runs"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|run| run["connector"] == "cloud")
        .map(|run| format!("{} {}", text(&run["profile"]), text(&run["status"])))
        .collect();
    let all = format!("{of_cloud:?}\n{cycle:#}");
    assert!(all.contains("no-start-synchronisation-off") && all.contains("imports go on"), "{when}: {all}");
    assert!(of_cloud.iter().any(|step| step.contains("import") && step.contains("success")), "{when}: {all}");
    assert_eq!(world.tenant.writes(), 0, "{when}");
}

/// All users, groups and contacts of the tenant: users by sign-in name, the others by their kind and name.
fn everything(world: &World) -> BTreeMap<String, Value> {
    let mut all = world.tenant.users();
    for kind in ["groups", "contacts"] {
        let objects = world.tenant.objects(kind, "displayName");
        all.extend(objects.into_iter().map(|(name, object)| (format!("{kind}/{name}"), object)));
    }
    all
}

fn synchronised(world: &World) -> Vec<String> {
    let objects = everything(world);
    let synced = objects.values().filter(|object| object["onPremisesSyncEnabled"] == true);
    let mut ids: Vec<String> = synced.map(|object| object["id"].as_str().unwrap_or_default().to_owned()).collect();
    ids.sort();
    ids
}

/// Runs a command that waits for a sign-in, and plays the administrator at the other screen.
fn signed_in(world: &World, arguments: &[&str]) -> Ran {
    std::thread::scope(|scope| {
        let command = scope.spawn(|| world.deployment.run(arguments).expect(&[0]));
        let until = Instant::now() + Duration::from_secs(60);
        let code = loop {
            assert!(Instant::now() < until, "no code was asked for");
            let open = world.tenant.control("GET", "device-codes", &Value::Null);
            match open["open"][0]["userCode"].as_str() {
                Some(code) => break code.to_owned(),
                None => std::thread::sleep(Duration::from_millis(50)),
            }
        };
        world.tenant.control("POST", "device-codes", &json!({ "userCode": code, "user": ADMIN }));
        command.join().expect("the command ends")
    })
}
