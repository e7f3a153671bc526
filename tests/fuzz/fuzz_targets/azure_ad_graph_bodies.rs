//! Bodies of Microsoft Graph and of the token service: any bytes are an error or whole objects.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| connector_azure_ad::fuzzing::graph_bodies(bytes));
