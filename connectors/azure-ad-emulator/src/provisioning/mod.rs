//! The provisioning web service (sections B and D): the surface over which directory synchronisation writes, as SOAP in
//! binary XML. One message in, one message out, over the same directory as Graph. Knows no sockets; who may call and what
//! the log keeps is settled in `service`.

mod names;

mod envelope;

mod service;

mod company;

mod attributes;
mod object;

mod addresses;
mod links;
mod matching;
mod removal;
mod values;
mod write;

mod sweep;

mod read_back;

mod credentials;

mod refusal;

pub(crate) use service::{PATH, ProvisioningCall};
pub(crate) use sweep::sweep;
