//! The envelope around each request (B.2) and what a reply holds: a result or a fault. The order of elements is part of the
//! contract. Knows no operation.

use super::binary::Element;
use super::names::{ADDRESSING, INSTANCE, SERVICE, SOAP, TOKEN, TOKEN_ROLE};
use super::settings::ProvisioningSettings;
use crate::errors::shortened;
use connector_contract::Secret;
use std::sync::Arc;

const ANONYMOUS: &str = "http://www.w3.org/2005/08/addressing/anonymous";

/// What a request says of itself besides its body.
#[derive(Debug)]
pub(super) struct Sender<'a> {
    pub(super) settings: &'a ProvisioningSettings,
    pub(super) endpoint: &'a str,
    /// A GUID; also the tracking id.
    pub(super) message_id: &'a str,
    pub(super) token: Arc<Secret>,
}

/// The envelope of a call; `body` is the element named like the operation.
pub(super) fn request(sender: &Sender<'_>, operation: &str, body: Element) -> Element {
    let must = |element: Element| element.attribute(SOAP.name("mustUnderstand"), "1");
    let action = format!("{}/IProvisioningWebService/{operation}", SERVICE.uri());
    let reply_to = ADDRESSING.element("ReplyTo").child(ADDRESSING.element("Address").text(ANONYMOUS));
    let header = SOAP.element("Header").children([
        must(ADDRESSING.element("Action")).text(action),
        token(sender),
        ADDRESSING.element("MessageID").text(format!("urn:uuid:{}", sender.message_id)),
        reply_to,
        must(ADDRESSING.element("To")).text(sender.endpoint.to_owned()),
    ]);
    let envelope = ADDRESSING.declared_on(SOAP.declared_on(SOAP.element("Envelope")));
    envelope.child(header).child(SOAP.element("Body").child(body))
}

/// The `SyncToken` header, its parts in alphabetical order.
fn token(sender: &Sender<'_>) -> Element {
    let settings = sender.settings;
    let part = |name: &'static str| SERVICE.declared_on(SERVICE.element(name));
    let token = TOKEN.element("SyncToken").attribute(SOAP.name("role"), TOKEN_ROLE);
    INSTANCE.declared_on(TOKEN.declared_on(token)).children([
        part("ApplicationId").text(settings.application_id.clone()),
        part("BearerToken").secret(sender.token.clone()),
        part("ClientVersion").text(settings.client_version.clone()),
        part("DirSyncBuildNumber").text(settings.build.clone()),
        part("FIMBuildNumber").text(settings.build.clone()),
        part("IsInstalledOnDC").text("false"),
        part("IssueDateTime").text("0001-01-01T00:00:00"),
        part("LanguageId").text("en-US"),
        part("LiveToken"),
        part("ProtocolVersion").text(settings.protocol_version.clone()),
        part("RichCoexistenceEnabled").text("false"),
        part("TrackingId").text(sender.message_id.to_owned()),
    ])
}

/// What a reply holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reply {
    /// The content of `<Operation>Result`; an operation without result answers an empty element.
    Result(Element),
    Fault(Fault),
}

/// The service refuses the call as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Fault {
    /// `Sender` (the request is wrong) or `Receiver` (the service failed), as far as told.
    pub(super) code: String,
    pub(super) text: String,
    /// Where to go instead: an absolute URL of which the host counts.
    pub(super) redirect: Option<String>,
}

impl Fault {
    /// The service blames itself: trying again may help.
    pub(super) fn is_the_services(&self) -> bool {
        self.code.eq_ignore_ascii_case("Receiver")
    }

    /// The service does not take the token; it may say so in a fault, because its errors are HTTP 500 (B.1).
    pub(super) fn says_token_refused(&self) -> bool {
        let text = self.text.to_ascii_lowercase();
        // Not every token: places in a reading are called so too.
        let signs = ["authentication failed", "failed to authenticate", "unauthorized", "access token", "bearer token"];
        signs.iter().any(|sign| text.contains(sign))
    }

    /// The tenant's directory synchronisation is off, or being switched off (B.7).
    pub(super) fn says_not_activated(&self) -> bool {
        let text = self.text.to_ascii_lowercase();
        text.contains("not yet activated") || text.contains("synchronization is not activated")
    }
}

/// Reads a reply's envelope. An `ErrorDescription` anywhere in it is a fault, whatever stands around it (B.7).
pub(super) fn reply(envelope: Element, operation: &str) -> Result<Reply, String> {
    if !envelope.is(SOAP.uri(), "Envelope") {
        return Err(format!("the reply is no SOAP 1.2 envelope but `{}`", envelope.name.local));
    }
    let body = envelope.elements().find(|part| part.is(SOAP.uri(), "Body"));
    let body = body.ok_or("the reply's envelope has no body")?;
    if let Some(fault) = body.elements().find(|part| part.is(SOAP.uri(), "Fault")) {
        return Ok(Reply::Fault(read_fault(fault)));
    }
    if let Some(description) = described(body) {
        return Ok(Reply::Fault(Fault { text: description, ..Fault::default() }));
    }
    let response = body.elements().find(|part| part.name.local == format!("{operation}Response"));
    let response = response.ok_or_else(|| format!("the reply holds no answer to {operation}"))?;
    let result = response.find(&format!("{operation}Result"));
    Ok(Reply::Result(result.unwrap_or(response).clone()))
}

fn read_fault(fault: &Element) -> Fault {
    let code = fault.find("Code").and_then(|code| code.find("Value")).map(|value| value.content().into_owned());
    let code = code.unwrap_or_default();
    let reason = fault.find("Reason").and_then(|reason| reason.find("Text")).map(|text| text.content().into_owned());
    let redirect = fault.find_below("BindingRedirectionFault").and_then(|redirect| redirect.find("Url"));
    let texts = reason.into_iter().chain(described(fault)).filter(|text| !text.trim().is_empty());
    let mut distinct: Vec<String> = Vec::new();
    texts.map(|text| shortened(&text)).for_each(|text| {
        if !distinct.contains(&text) {
            distinct.push(text);
        }
    });
    Fault {
        // A code is a qualified name; its prefix says nothing.
        code: code.rsplit(':').next().unwrap_or_default().to_owned(),
        text: distinct.join("; "),
        redirect: redirect.map(|url| url.content().trim().to_owned()),
    }
}

/// The text of the first `ErrorDescription` that says something.
fn described(element: &Element) -> Option<String> {
    let found = element.find_below("ErrorDescription").filter(|found| !found.is_nil())?;
    Some(shortened(&found.content())).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provisioning::binary::decode;
    use crate::provisioning::vectors;
    use expect_test::{Expect, expect};

    fn read(name: &str, operation: &str) -> Result<Reply, String> {
        reply(decode(&vectors::reply(name)).unwrap(), operation)
    }

    #[test]
    fn a_fault_is_told_with_its_reason() {
        let Ok(Reply::Fault(fault)) = read("fault-not-activated", "FinalizeExport") else { panic!("no fault") };
        assert_eq!(fault.code, "Sender");
        assert!(fault.says_not_activated() && !fault.is_the_services());
        expect!["Identity synchronization is not yet activated for this company."].assert_eq(&fault.text);
    }

    #[test]
    fn a_reply_to_another_operation_is_no_reply() {
        let Ok(Reply::Result(result)) = read("credentials-ok", "ProvisionCredentials") else { panic!("no result") };
        assert_eq!(result.name.local, "ProvisionCredentialsResult");
        expect!["the reply holds no answer to FinalizeExport"]
            .assert_eq(&read("credentials-ok", "FinalizeExport").unwrap_err());
    }

    /// A place in a reading is no credential: its refusal asks for a full import, not for another sign-in.
    #[test]
    fn a_refused_token_is_told_from_other_refusals() {
        let says = |text: &str| Fault { text: text.to_owned(), ..Fault::default() }.says_token_refused();
        assert!(
            says("Authentication failed: the audience is not this service.") && says("The access token has expired.")
        );
        assert!(!says("The synchronization token is not valid any longer.") && !says("The cookie is invalid."));
    }

    fn check(body: Element, expected: Expect) {
        let envelope = SOAP.element("Envelope").child(SOAP.element("Body").child(body));
        expected.assert_eq(&format!("{:?}", reply(envelope, "FinalizeExport")));
    }

    /// B.7: a redirect, a description in the detail, and a description without any fault around it.
    #[test]
    fn faults_of_every_form() {
        let reason = |text: &'static str| SOAP.element("Reason").child(SOAP.element("Text").text(text));
        let code = SOAP.element("Code").child(SOAP.element("Value").text("s:Receiver"));
        let detail = |inner: Element| SOAP.element("Detail").child(inner);
        let url = SERVICE.element("Url").text("https://other.example/provisioningservice.svc");
        let redirect = detail(SERVICE.element("BindingRedirectionFault").child(url));
        check(
            SOAP.element("Fault").child(code).child(reason("Go there")).child(redirect),
            expect![[
                r#"Ok(Fault(Fault { code: "Receiver", text: "Go there", redirect: Some("https://other.example/provisioningservice.svc") }))"#
            ]],
        );
        let described = || SERVICE.element("ErrorDescription").text("The build is too old.\r\n");
        check(
            SOAP.element("Fault").child(reason("Refused")).child(detail(SERVICE.element("E").child(described()))),
            expect![[r#"Ok(Fault(Fault { code: "", text: "Refused; The build is too old.", redirect: None }))"#]],
        );
        let response = SERVICE.element("FinalizeExportResponse");
        check(
            response.clone().child(SERVICE.element("FinalizeExportResult").child(described())),
            expect![[r#"Ok(Fault(Fault { code: "", text: "The build is too old.", redirect: None }))"#]],
        );
        let nil = SERVICE.element("ErrorDescription").attribute(INSTANCE.name("nil"), "true");
        assert!(matches!(
            reply(SOAP.element("Envelope").child(SOAP.element("Body").child(response.child(nil))), "FinalizeExport"),
            Ok(Reply::Result(_))
        ));
    }
}
