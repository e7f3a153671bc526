//! The provisioning web service of the rehearsal tenant over real HTTP, by a client of these tests' own. Test names carry
//! the number of the behaviour they prove (F.26 to F.28).

#[path = "../graph/support.rs"]
#[expect(dead_code, reason = "shared with the tests of Graph, which use all of it")]
mod support;

mod soap;

mod wire;

mod matching;

mod conflicts;

mod values;

mod lifecycle;

mod read_back;

mod credentials;

mod sign_in;
