//! WCF's binary XML: any bytes are refused or a document, and what is a document comes back.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| connector_azure_ad::fuzzing::binary_xml(bytes));
