//! The rehearsal tenant over real HTTP. Test names carry the number of the behaviour they prove (F.1 to F.25).

mod support;

mod assertions;
mod tokens;

mod users;

mod groups;

mod delta;

mod batch_and_faults;

mod licences;
mod lifecycle;

mod tenant_facts;

mod synchronisation;

mod admin_page;

mod persistence;
