//! The server's token in signing in: any bytes are refused or answered.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| directory_replication::fuzzing::challenges(bytes));
