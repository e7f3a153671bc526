//! The way back (issue 7, SF11): existing cloud users are taken over, and an operator gives some of them back. In Graph mode from
//! a file, by the built executable, and killed at many moments.

mod by_graph;
