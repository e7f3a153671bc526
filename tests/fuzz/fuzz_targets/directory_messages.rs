//! LDAP messages of a domain controller: any bytes are refused or what is read is part of them.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| connector_active_directory::fuzzing::messages(bytes));
