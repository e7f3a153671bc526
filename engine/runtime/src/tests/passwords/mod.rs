//! Password synchronisation, on systems in memory and a real store: who is in scope, what is owed, what waits, what is told.

mod owed;
mod safety;
mod scope;
mod told;
mod world;
