//! The way back (issue 7, SF11): existing cloud users are taken over, and an operator gives some of them back. In Graph mode from
//! a file, and killed at many moments; in Connect mode with one Samba domain controller, the rehearsal tenant in its own process,
//! and the built executable as an operator types it.

mod by_graph;
mod in_connect_mode;
