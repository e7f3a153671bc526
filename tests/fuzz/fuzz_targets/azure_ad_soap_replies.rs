//! Replies of the provisioning web service: any document is read as each operation's answer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| connector_azure_ad::fuzzing::soap_replies(bytes));
