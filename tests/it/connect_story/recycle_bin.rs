//! Who is deleted in the directory lies in the tenant's recycle bin, and comes back from there as who he was (SF9, D.6).

use super::world::{World, differences, dn, mail, words};
use expect_test::expect;
use serde_json::Value;

/// A deletion in the directory bins the cloud users once the operator lets it through. A restore in the directory brings back
/// little more than a name (a reanimated tombstone): it is held until the operator has made it whole, then the cloud user comes
/// back by its anchor.
pub(super) fn a_deleted_account_bins_its_user_and_comes_back(world: &World) {
    let before = world.tenant.users();
    let leavers = ["ann", "ben", "ida", "jon", "kim", "lea"];
    let ldif: String =
        leavers.iter().map(|name| format!("dn: {}\nchangetype: delete\n\n", dn(name, "Staff"))).collect();
    world.in_directory(&ldif);

    // One more than what passes unseen.
    world.tenant.forget_requests();
    let stopped = world.deployment.run(&["cycle", "delta"]).expect(&[3]);
    assert_eq!(world.tenant.writes(), 0, "the guard stops before the first write:\n{}", stopped.out);
    assert!(stopped.out.contains("stopped-deletion-threshold-exceeded"), "{}", stopped.out);
    let pending = words(&world.pending());
    for line in ["delete Ann of Contoso deleted in the source", "member remove Lunch: Kim of Contoso members: "] {
        assert!(pending.contains(line), "{line}\n{pending}");
    }
    expect!["guard"].assert_eq(&world.settle("delta", &[]).join(" "));
    let state = world.tenant.state();
    let bin = state["deletedItems"].as_array().expect("a list");
    for name in leavers {
        let was = &before[&mail(name)];
        let binned = bin.iter().find(|user| user["id"] == was["id"]);
        let binned = binned.unwrap_or_else(|| panic!("{name} is not in the bin"));
        assert_eq!(binned["assignedLicenses"], was["assignedLicenses"], "{name}");
    }
    assert!(leavers.iter().all(|name| !world.tenant.users().contains_key(&mail(name))));
    world.expect_an_empty_plan("after the deletions");

    world.in_directory(&format!("dn: {}\nchangetype: reanimate\n\n", dn("ann", "Staff")));
    world.expect_an_empty_plan("while the account is not whole");
    let (pending, explained) = (world.pending(), world.explain("ann").out);
    assert!(pending.contains("reanimated-incomplete"), "{pending}");
    expect![[r#"
        cloud: no object; held, nothing is sent
          held (reanimated-incomplete): its object lies in the recycle bin, and the account came back
          without userPrincipalName and mail: nothing is restored from half an account
            what to do: fill that in again in the source directory, with all that was lost there, and enable
            the account; the object then comes back with it
    "#]]
    .assert_eq(target_of(&explained));

    world.in_directory(&format!(
        "dn: {}\nchangetype: modify\nreplace: userPrincipalName\nuserPrincipalName: {address}\n-\nreplace: mail\nmail: {address}\n-\n\
         replace: proxyAddresses\nproxyAddresses: SMTP:{address}\nproxyAddresses: smtp:ann.alias@contoso.example\n-\n\
         replace: displayName\ndisplayName: Ann of Contoso\n-\nreplace: userAccountControl\nuserAccountControl: 544\n-\n\n",
        dn("ann", "Staff"),
        address = mail("ann"),
    ));
    expect!["match"].assert_eq(&world.settle("delta", &[]).join(" "));
    let after = world.tenant.users();
    // Its id, licences and all that only the cloud knows; the directory's lost values are not taken for cleared ones.
    expect![[r#"
        onPremisesLastSyncDateTime: a time -> a time
    "#]]
    .assert_eq(&differences(&before[&mail("ann")], &after[&mail("ann")]));
    world.expect_an_empty_plan("after the restore");
}

/// A new account for somebody whose cloud user is in the recycle bin: nothing is made beside it until somebody decides.
pub(super) fn a_twin_of_a_deleted_user_is_held(world: &World) {
    let address = mail("ben");
    let before = world.tenant.users();
    world.in_directory(&format!(
        "dn: {}\nobjectClass: user\nsAMAccountName: ben\nuserPrincipalName: {address}\nmail: {address}\n\
         proxyAddresses: SMTP:{address}\ndisplayName: Ben of Contoso\nuserAccountControl: 544\n\n",
        dn("ben", "Staff"),
    ));
    let cycle = world.deployment.json(&["cycle", "delta"], &[0]);
    assert_eq!(cycle["result"]["held"]["cloud"]["deleted-twin"], Value::from(1), "{cycle:#}");
    assert_eq!(world.tenant.users(), before);
    let state = world.tenant.state();
    let bin = state["deletedItems"].as_array().expect("a list");
    let twin = bin.iter().find(|user| user["displayName"] == "Ben of Contoso").expect("he is in the bin");
    let explained = world.explain("ben").out;
    let told = target_of(&explained).replace(twin["id"].as_str().unwrap_or_default(), "ID");
    let told = told.replace(twin["deletedDateTime"].as_str().unwrap_or_default(), "TIME");
    expect!["cloud: no object; held, nothing is sent held (deleted-twin): an object with the same name or address is in the recycle bin: deletedUser ben@contoso.example (ID), deleted TIME, 1 licence what to do: restore that object in the recycle bin and match it, or delete it for good; nothing is created until then"].assert_eq(&words(&told));
    let preview = world.deployment.run(&["preview", "ad", &address, "--full"]).expect(&[0]).out;
    for (command, out) in [("pending", world.pending()), ("preview", preview)] {
        assert!(out.contains("deleted-twin") && out.contains("Ben of Contoso"), "{command}:\n{out}");
    }
    world.expect_an_empty_plan("beside a deleted twin");
}

/// What `explain` says of the cloud.
fn target_of(explained: &str) -> &str {
    let begin = explained.find("\ncloud: ").map_or(0, |at| at + 1);
    let end = explained[begin..].find("\n\n").map_or(explained.len(), |at| begin + at + 1);
    &explained[begin..end]
}
