//! What this connector needs of a directory server, behind two traits: searches as streams of entries, and the four writes.
//! Knows no Active Directory rule. Two connections serve them: one for reading alone (searches.rs), and ldap3 (wire.rs).

use crate::controls::{self, Control, ResponseControl};
use crate::entry::Entry;
use async_trait::async_trait;
use metaverse_schema::Guid;
use std::time::Duration;

/// Why an operation did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DirectoryError {
    #[error("the connection was lost: {0}")]
    Lost(String),
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// The server answered with a result code (RFC 4511 4.1.9) other than success.
    #[error("the server refused: result {code} ({}){}{text}", code_name(*.code), if .text.is_empty() { "" } else { ": " })]
    Refused { code: u32, text: String },
    #[error("the server's answer cannot be read: {0}")]
    Malformed(String),
}

pub(crate) const RC_OPERATIONS: u32 = 1;
pub(crate) const RC_STRONGER_AUTH: u32 = 8;
pub(crate) const RC_CRITICAL_EXTENSION: u32 = 12;
pub(crate) const RC_NO_SUCH_ATTRIBUTE: u32 = 16;
pub(crate) const RC_UNDEFINED_ATTRIBUTE: u32 = 17;
pub(crate) const RC_CONSTRAINT: u32 = 19;
pub(crate) const RC_VALUE_EXISTS: u32 = 20;
pub(crate) const RC_SYNTAX: u32 = 21;
pub(crate) const RC_NO_SUCH_OBJECT: u32 = 32;
pub(crate) const RC_INVALID_DN: u32 = 34;
pub(crate) const RC_INVALID_CREDENTIALS: u32 = 49;
pub(crate) const RC_ACCESS: u32 = 50;
pub(crate) const RC_BUSY: u32 = 51;
pub(crate) const RC_UNAVAILABLE: u32 = 52;
pub(crate) const RC_UNWILLING: u32 = 53;
pub(crate) const RC_NAMING: u32 = 64;
pub(crate) const RC_OBJECT_CLASS: u32 = 65;
pub(crate) const RC_NOT_LEAF: u32 = 66;
pub(crate) const RC_NOT_ON_RDN: u32 = 67;
pub(crate) const RC_EXISTS: u32 = 68;

/// The name of a result code, for people.
pub(crate) fn code_name(code: u32) -> &'static str {
    match code {
        RC_OPERATIONS => "operations error",
        2 => "protocol error",
        3 => "time limit exceeded",
        4 => "size limit exceeded",
        7 => "authentication method not supported",
        RC_STRONGER_AUTH => "stronger authentication required",
        10 => "referral",
        11 => "administrative limit exceeded",
        RC_CRITICAL_EXTENSION => "critical control not available",
        13 => "confidentiality required",
        RC_NO_SUCH_ATTRIBUTE => "no such attribute",
        RC_UNDEFINED_ATTRIBUTE => "undefined attribute type",
        RC_CONSTRAINT => "constraint violation",
        RC_VALUE_EXISTS => "attribute or value exists",
        RC_SYNTAX => "invalid attribute syntax",
        RC_NO_SUCH_OBJECT => "no such object",
        RC_INVALID_DN => "invalid DN syntax",
        48 => "inappropriate authentication",
        RC_INVALID_CREDENTIALS => "invalid credentials",
        RC_ACCESS => "insufficient access rights",
        RC_BUSY => "busy",
        RC_UNAVAILABLE => "unavailable",
        RC_UNWILLING => "unwilling to perform",
        RC_NAMING => "naming violation",
        RC_OBJECT_CLASS => "object class violation",
        RC_NOT_LEAF => "not allowed on an object with children",
        RC_NOT_ON_RDN => "not allowed on the naming attribute",
        RC_EXISTS => "entry already exists",
        80 => "other",
        _ => "see RFC 4511",
    }
}

impl DirectoryError {
    pub(crate) fn code(&self) -> Option<u32> {
        match self {
            DirectoryError::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SearchScope {
    Base,
    Subtree,
}

/// One search as it goes over the wire, before paging.
#[derive(Debug, Clone)]
pub(crate) struct SearchRequest {
    pub(crate) base: String,
    pub(crate) scope: SearchScope,
    pub(crate) filter: String,
    pub(crate) attributes: Vec<String>,
    pub(crate) controls: Vec<Control>,
}

impl SearchRequest {
    /// One object by name, `<GUID=...>` or `<WKGUID=...>` included.
    pub(crate) fn object(name: impl Into<String>, attributes: &[&str]) -> Self {
        SearchRequest {
            base: name.into(),
            scope: SearchScope::Base,
            filter: "(objectClass=*)".to_owned(),
            attributes: attributes.iter().map(|&name| name.to_owned()).collect(),
            controls: vec![controls::extended_dn()],
        }
    }

    pub(crate) fn subtree(base: impl Into<String>, filter: impl Into<String>, attributes: Vec<String>) -> Self {
        SearchRequest {
            base: base.into(),
            scope: SearchScope::Subtree,
            filter: filter.into(),
            attributes,
            controls: vec![controls::extended_dn()],
        }
    }

    pub(crate) fn with(mut self, control: Control) -> Self {
        self.controls.push(control);
        self
    }
}

/// A write of one attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Modification {
    pub(crate) kind: ModificationKind,
    pub(crate) attribute: String,
    pub(crate) values: Vec<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ModificationKind {
    Add,
    Delete,
    Replace,
}

/// A server that has accepted a bind.
#[async_trait]
pub(crate) trait Directory: Send + Sync {
    /// Begins a search; refusals come from the stream.
    async fn search(&self, request: &SearchRequest) -> Result<Box<dyn EntryStream>, DirectoryError>;
}

/// The same server, where it is written to.
#[async_trait]
pub(crate) trait DirectoryWrites: Send + Sync {
    async fn add(&self, dn: &str, attributes: Vec<(String, Vec<Vec<u8>>)>) -> Result<(), DirectoryError>;
    async fn modify(&self, dn: &str, changes: &[Modification], controls: Vec<Control>) -> Result<(), DirectoryError>;
    async fn delete(&self, dn: &str) -> Result<(), DirectoryError>;
    async fn rename(&self, dn: &str, rdn: &str, superior: &str) -> Result<(), DirectoryError>;
}

/// The entries of one search, then its end.
#[async_trait]
pub(crate) trait EntryStream: Send {
    /// The next entry; `None` after the server said success.
    async fn next(&mut self) -> Result<Option<Entry>, DirectoryError>;
    /// The controls of the server's last word; empty before it.
    fn end_controls(&self) -> &[ResponseControl];
}

/// Reads a search to its end, in pages (a server caps an unpaged answer: rc 4 on Windows after 1000 entries).
pub(crate) struct PagedSearch {
    request: SearchRequest,
    page_size: u32,
    stream: Option<Box<dyn EntryStream>>,
    cookie: Vec<u8>,
    done: bool,
}

impl PagedSearch {
    pub(crate) fn new(request: SearchRequest, page_size: u32) -> Self {
        PagedSearch { request, page_size, stream: None, cookie: Vec::new(), done: false }
    }

    /// Asks this directory, which must be the same each time.
    pub(crate) async fn next(&mut self, directory: &dyn Directory) -> Result<Option<Entry>, DirectoryError> {
        loop {
            if self.done {
                return Ok(None);
            }
            let stream = match &mut self.stream {
                Some(stream) => stream,
                None => {
                    let request = self.request.clone().with(controls::paged(self.page_size, &self.cookie));
                    self.stream.insert(directory.search(&request).await?)
                }
            };
            if let Some(entry) = stream.next().await? {
                return Ok(Some(entry));
            }
            let answer = stream.end_controls().iter().find(|control| control.oid == controls::PAGED_RESULTS);
            self.cookie = match answer {
                Some(control) => controls::parse_paged(&control.value)
                    .map_err(|error| DirectoryError::Malformed(error.to_string()))?,
                None => Vec::new(),
            };
            self.done = self.cookie.is_empty();
            self.stream = None;
        }
    }
}

/// All entries of a search that is known to be small (containers, schema, look-ups).
pub(crate) async fn read_all(
    directory: &dyn Directory,
    request: SearchRequest,
    page_size: u32,
) -> Result<Vec<Entry>, DirectoryError> {
    let mut search = PagedSearch::new(request, page_size);
    let mut entries = Vec::new();
    while let Some(entry) = search.next(directory).await? {
        entries.push(entry);
    }
    Ok(entries)
}

/// One object; `None` when there is none of that name, or none that the account may see.
pub(crate) async fn read_object(
    directory: &dyn Directory,
    request: &SearchRequest,
) -> Result<Option<Entry>, DirectoryError> {
    let mut stream = directory.search(request).await?;
    let mut found = None;
    loop {
        match stream.next().await {
            Ok(Some(entry)) => found = Some(entry),
            Ok(None) => return Ok(found),
            Err(error) if error.code() == Some(RC_NO_SUCH_OBJECT) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

/// How a name of an object by its GUID is written.
pub(crate) fn guid_name(guid: &Guid) -> String {
    format!("<GUID={guid}>")
}

/// Most GUIDs in one filter: a filter of this length is accepted by every server tried.
pub(crate) const GUIDS_PER_FILTER: usize = 100;

pub(crate) fn guid_filter(guids: &[Guid]) -> String {
    let terms: String = guids.iter().map(|guid| format!("(objectGUID={})", guid.to_ldap_filter())).collect();
    format!("(|{terms})")
}
