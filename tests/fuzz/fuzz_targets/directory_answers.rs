//! Stubs of a domain controller's answers: any bytes are refused or what is read is part of them.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| directory_replication::fuzzing::answers(bytes));
