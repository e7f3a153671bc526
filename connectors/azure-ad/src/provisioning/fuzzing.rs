//! What any bytes may do to the readers of this module: see `crate::fuzzing`. In no shipped build.

use super::binary::{decode, encode};
use super::envelope::{Reply, reply};
use super::replies;

/// The operations that are called, each of whose answers has a reader of its own.
const OPERATIONS: [&str; 6] = [
    "GetCompanyConfiguration",
    "Capabilities",
    "ReadBackAzureADSyncObjects2",
    "ProvisionAzureADSyncObjects2",
    "ProvisionCredentials",
    "FinalizeExport",
];

/// A document that was read is written, and read again as the same tree.
pub(crate) fn document(bytes: &[u8]) {
    if let Ok(tree) = decode(bytes) {
        let again = decode(&encode(&tree));
        assert!(again.is_ok_and(|again| again == tree), "what was read does not come back");
    }
}

/// Every reader takes every document: as an envelope, and its elements as a result.
pub(crate) fn replies(bytes: &[u8]) {
    let Ok(tree) = decode(bytes) else { return };
    for operation in OPERATIONS {
        match reply(tree.clone(), operation) {
            Ok(Reply::Result(result)) => read_all(&result),
            Ok(Reply::Fault(fault)) => {
                let _ = (fault.is_the_services(), fault.says_token_refused(), fault.says_not_activated());
            }
            Err(_) => {}
        }
    }
    read_all(&tree);
}

fn read_all(result: &super::binary::Element) {
    let _ = (replies::company_configuration(result), replies::capabilities(result));
    let _ = (replies::object_results(result), replies::credential_results(result));
    let (page, unreadable) = replies::read_back(result);
    // Every object is there or counted: one that passed unseen would count as gone (SF15).
    let listed = result.find("ResultObjects").map_or(0, |list| list.elements().count());
    assert_eq!(page.objects.len() + unreadable, listed, "an object of a reading passes unseen");
    for object in &page.objects {
        let _ = (object.source_anchor(), object.links());
    }
}
