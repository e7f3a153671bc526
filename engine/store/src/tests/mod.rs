//! Tests of the store on real files. `support` alone knows how a world is built and shown.

mod codec;
mod exporting;
mod guarding;
mod held;
mod importing;
mod key_trees;
mod matching;
mod opening;
mod operating;
mod pairs;
mod passwords;
mod referencing;
mod support;
mod syncing;
mod watching;
mod worlds;
