//! What this connector promises of any bytes that a service, or somebody in between, may answer with: no panic, no endless
//! work, and what is read comes back as it is. Each function is the body of a fuzz target (`tests/fuzz`) and of a plain test
//! over the saved corpus. In no shipped build.

use crate::batch::item_count;
use crate::client::{Reply, parse_body};
use crate::deleted_items::Bin;
use crate::errors::GraphError;
use crate::model::{self, Page};
use crate::provisioning::fuzzing as service;
use crate::schema::{CONTACT, DELETED_USER, GROUP, USER};
use crate::{tenant, token};
use metaverse_schema::AttributesDelta;
use reqwest::Url;

/// WCF's binary XML: any bytes are refused or a document, and what is a document is written and read again as the same tree.
pub fn binary_xml(bytes: &[u8]) {
    service::document(bytes);
}

/// Replies of the provisioning web service: a document is read as the answer to every operation.
pub fn soap_replies(bytes: &[u8]) {
    service::replies(bytes);
}

/// Bodies of Microsoft Graph and of the token service, as each reader takes them.
pub fn graph_bodies(bytes: &[u8]) {
    for status in [200, 400, 429, 503] {
        token::read_any(status, bytes);
    }
    let Ok(Some(body)) = parse_body(200, true, bytes, "fuzzing") else { return };
    let error = GraphError::read(Some(&body));
    for status in [400, 404, 410, 429, 500] {
        let _ = (error.told(status), error.wants_resync(status), error.conflict());
        let _ = (error.ends_step(status, "fuzzing", "none"), error.refuses_object(status, "fuzzing"));
    }
    let reply = || Reply { status: 200, retry_after: None, body: Some(body.clone()), token_generation: 0 };
    let _ = item_count(reply());
    let Ok(base) = Url::parse("https://graph.microsoft.com/v1.0/") else { return };
    let _ = tenant::of_page(reply(), &base);
    let mut bin = Bin::default();
    for delta in [false, true] {
        let Ok(page) = Page::read(reply(), &base, delta, "fuzzing", "none") else { continue };
        for link in page.next.iter().chain(&page.delta) {
            assert_eq!(link.host_str(), base.host_str(), "a page leads to another host");
        }
        for entry in &page.entries {
            bin.add(entry);
            let _ = model::standing(entry);
            for class in [USER, DELETED_USER, GROUP, CONTACT] {
                let _ = model::anchor(class, entry);
                let whole = model::attributes(class, entry);
                let changes = model::changes(class, entry);
                // A whole object and a change of everything it names are the same object.
                if let (Ok(whole), Ok(changes)) = (whole, changes) {
                    let mut applied = metaverse_schema::Attributes::new();
                    changes.apply(&mut applied);
                    assert_eq!(applied, whole);
                }
                if let Ok(Some(links)) = model::link_changes(class, entry) {
                    model::link_delta(class, &links, &mut AttributesDelta::default());
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "../../../tests/fuzz/smoke.rs"]
mod smoke;

#[cfg(test)]
mod tests {
    use super::*;

    /// Issue 5: truncations and bit flips never panic, and what still reads comes back.
    #[test]
    fn any_binary_xml_is_refused_or_comes_back() {
        assert!(smoke::feed("azure_ad_binary_xml", 1_000, binary_xml) > 20_000);
    }

    #[test]
    fn any_document_is_read_as_any_reply() {
        assert!(smoke::feed("azure_ad_soap_replies", 1_000, soap_replies) > 5_000);
    }

    #[test]
    fn any_body_of_graph_is_an_error_or_whole_objects() {
        assert!(smoke::feed("azure_ad_graph_bodies", 1_000, graph_bodies) > 10_000);
    }
}
