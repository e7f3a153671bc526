//! The envelope around an operation (B.2): what the header says of the caller, and the envelope, or fault, of the reply.
//! Refuses what the live service's serializer would read as nothing: elements of another namespace or out of their order.

use super::names::{ACTION, ADDRESSING, AWS, INSTANCE, SOAP, TOKEN, aws, flag_of, text_of};
use crate::binary_xml::{Element, Node};

/// A request whose envelope is in order.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) operation: String,
    /// The element of the operation.
    pub(super) body: Element,
    pub(super) message_id: Option<String>,
    pub(super) token: String,
    pub(super) build: String,
}

/// A refusal of a whole request.
#[derive(Debug)]
pub(super) struct Fault {
    /// Of the HTTP reply.
    pub(super) status: u16,
    /// The caller's mistake, or the service's.
    pub(super) is_sender: bool,
    pub(super) text: String,
    /// What stands inside `s:Detail`.
    pub(super) detail: Option<Box<Element>>,
}

impl Fault {
    pub(super) fn sender(text: impl Into<String>) -> Fault {
        Fault { status: 500, is_sender: true, text: text.into(), detail: None }
    }

    /// The tenant's synchronisation is off (B.7, the known text).
    pub(super) fn not_activated() -> Fault {
        Fault::sender("Identity synchronization is not yet activated for this company.")
    }

    /// The caller has to go elsewhere (B.7).
    pub(super) fn redirect(url: &str) -> Fault {
        let detail = aws("BindingRedirectionFault").with(aws("Url").with_text(url));
        Fault { detail: Some(Box::new(detail)), ..Fault::sender("The request has to be sent to another address.") }
    }

    pub(super) fn with_status(self, status: u16) -> Fault {
        Fault { status, ..self }
    }
}

/// Parts of the `SyncToken` header, in the order that the serializer asks for.
const TOKEN_PARTS: [&str; 12] = [
    "ApplicationId",
    "BearerToken",
    "ClientVersion",
    "DirSyncBuildNumber",
    "FIMBuildNumber",
    "IsInstalledOnDC",
    "IssueDateTime",
    "LanguageId",
    "LiveToken",
    "ProtocolVersion",
    "RichCoexistenceEnabled",
    "TrackingId",
];

/// Reads the envelope of a request.
pub(super) fn read(envelope: &Element) -> Result<Request, Fault> {
    if !is(envelope, SOAP, "Envelope") {
        return Err(Fault::sender("The message is not a SOAP 1.2 envelope."));
    }
    let part = |name: &str| envelope.elements().find(|part| is(part, SOAP, name));
    let header = part("Header").ok_or_else(|| Fault::sender("The envelope has no header."))?;
    let body = part("Body").ok_or_else(|| Fault::sender("The envelope has no body."))?;
    let operation = match body.elements().collect::<Vec<_>>().as_slice() {
        [operation] if &*operation.namespace == AWS => (*operation).clone(),
        _ => return Err(Fault::sender(format!("The body holds one operation of the namespace {AWS}."))),
    };
    let addressed = |name: &str| header.elements().find(|part| is(part, ADDRESSING, name)).map(Element::text);
    let action = addressed("Action").unwrap_or_default();
    if action.strip_prefix(ACTION) != Some(operation.name.as_str()) {
        return Err(Fault::sender(format!(
            "The message with Action '{action}' cannot be processed at the receiver, due to an action mismatch with the \
             operation '{}'.",
            operation.name
        )));
    }
    let token = header.elements().find(|part| is(part, TOKEN, "SyncToken"));
    let token = token.ok_or_else(|| Fault::sender("The header has no SyncToken.").with_status(401))?;
    in_order(token, AWS, &TOKEN_PARTS)?;
    for flag in ["IsInstalledOnDC", "RichCoexistenceEnabled"] {
        if token.child(flag).is_some() && flag_of(token, flag).is_none() {
            return Err(Fault::sender(format!("The SyncToken's {flag} is true or false.")));
        }
    }
    Ok(Request {
        operation: operation.name.clone(),
        message_id: addressed("MessageID"),
        token: text_of(token, "BearerToken").unwrap_or_default(),
        build: text_of(token, "DirSyncBuildNumber").unwrap_or_default(),
        body: operation,
    })
}

fn is(element: &Element, namespace: &str, name: &str) -> bool {
    element.name == name && &*element.namespace == namespace
}

/// A data contract's members come in their order, each at most once, all of one namespace; the serializer passes over what
/// comes late, so the rehearsal says it.
pub(super) fn in_order(parent: &Element, namespace: &str, names: &[&str]) -> Result<(), Fault> {
    let mut next = 0;
    for child in parent.elements() {
        let place = names[next..].iter().position(|name| *name == child.name);
        match place {
            Some(place) if &*child.namespace == namespace => next += place + 1,
            _ => {
                return Err(Fault::sender(format!(
                    "The formatter threw an exception while trying to deserialize the message: in '{}', the element '{}' of \
                     the namespace '{}' is not expected here; the members are {} of '{namespace}', in this order.",
                    parent.name,
                    child.name,
                    child.namespace,
                    names.join(", ")
                )));
            }
        }
    }
    Ok(())
}

/// The reply to a request, with the operation's result.
pub(super) fn reply(request: &Request, result: Element) -> Element {
    let header = Element::new("s", "Header", SOAP)
        .with(
            Element::new("a", "Action", ADDRESSING)
                .attribute("s", "mustUnderstand", SOAP, "1")
                .with_text(format!("{ACTION}{}Response", request.operation)),
        )
        .with_all(request.message_id.as_ref().map(|id| Element::new("a", "RelatesTo", ADDRESSING).with_text(id)));
    let response = aws(&format!("{}Response", request.operation)).declare("", AWS).with(result);
    envelope(header, response)
}

/// The empty `...Result` of an operation; `b` stands for the given namespace inside.
pub(super) fn result(request: &Request, inner: Option<&str>) -> Element {
    let result = aws(&format!("{}Result", request.operation));
    let result = match inner {
        Some(namespace) => result.declare("b", namespace),
        None => result,
    };
    result.declare("i", INSTANCE)
}

/// The reply that refuses a request.
pub(super) fn fault(fault: &Fault) -> Element {
    let header = Element::new("s", "Header", SOAP).with(
        Element::new("a", "Action", ADDRESSING)
            .attribute("s", "mustUnderstand", SOAP, "1")
            .with_text("http://www.w3.org/2005/08/addressing/soap/fault"),
    );
    let soap = |name: &str| Element::new("s", name, SOAP);
    let code = if fault.is_sender { "s:Sender" } else { "s:Receiver" };
    let text = soap("Text").attribute("xml", "lang", "http://www.w3.org/XML/1998/namespace", "en-US");
    let body = soap("Fault")
        .with(soap("Code").with(soap("Value").with_text(code)))
        .with(soap("Reason").with(text.with_text(&fault.text)))
        .with_all(fault.detail.as_deref().cloned().map(|detail| soap("Detail").with(detail)));
    envelope(header, body)
}

fn envelope(header: Element, body: Element) -> Element {
    let mut body_element = Element::new("s", "Body", SOAP);
    body_element.children.push(Node::Element(body));
    Element::new("s", "Envelope", SOAP).declare("s", SOAP).declare("a", ADDRESSING).with(header).with(body_element)
}
