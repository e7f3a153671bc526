//! The customer's story in Connect mode on real parts (issue 5): Active Directory becomes the one place to manage the users,
//! groups and contacts of a tenant that had users of its own. One Samba domain controller, the rehearsal tenant in its own
//! process, and the built executable as an operator types it. What is kept of a cloud object, and what may differ, is
//! written out in full.

mod recycle_bin;
mod starting_over;
mod switched;
mod takeover;
pub(crate) mod world;

pub(crate) use world::World;

/// Issue 5, "Must show": the chapters follow one another in one deployment, as they would in a company.
#[test]
fn the_story_in_connect_mode_on_samba() {
    let world = World::start("connect_story::the_story_in_connect_mode_on_samba");
    takeover::cloud_users_become_synchronised(&world);
    takeover::an_operator_lets_through_what_was_held(&world);
    recycle_bin::a_deleted_account_bins_its_user_and_comes_back(&world);
    recycle_bin::a_twin_of_a_deleted_user_is_held(&world);
    switched::off_and_on_again(&world);
    starting_over::without_the_store(&world);
}
