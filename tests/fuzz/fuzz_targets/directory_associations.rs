//! PDUs of an association: any bytes end it or are put together.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| directory_replication::fuzzing::associations(bytes));
