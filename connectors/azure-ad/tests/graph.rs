//! The connector against the rehearsal tenant, over real HTTP: what is read, what is written, and what happens when the
//! tenant throttles, breaks, lags behind or refuses. The tenant's own snapshot is the witness of what was stored.

#[path = "graph/world.rs"]
mod world;

#[path = "graph/administrators.rs"]
mod administrators;
#[path = "graph/connect.rs"]
mod connect;
#[path = "graph/exports.rs"]
mod exports;
#[path = "graph/faults.rs"]
mod faults;
#[path = "graph/hand_back.rs"]
mod hand_back;
#[path = "graph/hostile.rs"]
mod hostile;
#[path = "graph/imports.rs"]
mod imports;
#[path = "graph/licences.rs"]
mod licences;
#[path = "graph/passwords.rs"]
mod passwords;
#[path = "graph/safety.rs"]
mod safety;
#[path = "graph/sign_in.rs"]
mod sign_in;
#[path = "graph/tls.rs"]
mod tls;
