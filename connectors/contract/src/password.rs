//! Password hashes: read from a directory one page at a time, opened only for who is in scope, handed to a target. They never
//! enter the import stream, an attribute or a message. Which user's password goes where is the engine's decision, never made here.

use crate::{ConnectorError, CredentialMark, Watermark};
use async_trait::async_trait;
use metaverse_schema::Anchor;
use std::fmt;
use tokio::sync::mpsc;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The NT hash of a password: 16 bytes, MD4 over its UTF-16LE text (P1). Wiped on drop, printed as a placeholder, never
/// serialised.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct NtHash([u8; 16]);

impl NtHash {
    pub fn new(bytes: [u8; 16]) -> Self {
        NtHash(bytes)
    }

    /// The hash itself, for the one place that turns it into what a target keeps.
    pub fn expose(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for NtHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hash>")
    }
}

/// A hash as the directory sent it, still encrypted: opened only after the engine has decided that this user's password is
/// synchronised (SF21).
pub trait SealedHash: Send {
    /// Decrypts the hash and checks it. The source counts each call ([`PasswordSource::opened`]).
    fn open(self: Box<Self>) -> Result<NtHash, ConnectorError>;
}

/// What a source says of one user's password.
pub struct PasswordChange {
    /// The user's anchor in this connector's space (`objectGUID`).
    pub anchor: Anchor,
    /// The user as an operator finds it: a DN, or file and line.
    pub object: String,
    /// Why this is nobody's password whatever the rules say, as far as the source can tell: `computer account`, `krbtgt`, `trust
    /// account`, `deleted` (ad-protocols 2.5).
    pub excluded: Option<String>,
    /// Counts up with each change of the password: the version in the replication metadata of `unicodePwd` (SF22). 0 where the
    /// item says nothing of the password itself.
    pub version: u64,
    /// When the password was changed at its origin, in seconds since 1970, UTC.
    pub changed: Option<i64>,
    /// `pwdLastSet` is 0: the user must change the password at the next sign-in (P25). `None` where the item does not tell.
    pub must_change: Option<bool>,
    /// The hash; `None` where only what stands beside it changed (P27), or where the account has none.
    pub hash: Option<Box<dyn SealedHash>>,
}

impl fmt::Debug for PasswordChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordChange")
            .field("object", &self.object)
            .field("version", &self.version)
            .field("excluded", &self.excluded)
            .finish_non_exhaustive()
    }
}

/// Takes the pages of a read. Bounded: a source waits until the engine has taken the page before.
#[derive(Debug, Clone)]
pub struct PasswordSink(mpsc::Sender<Vec<PasswordChange>>);

impl PasswordSink {
    /// A sink and where its pages arrive; `pages` may lie ready at a time.
    pub fn bounded(pages: usize) -> (Self, mpsc::Receiver<Vec<PasswordChange>>) {
        let (sender, receiver) = mpsc::channel(pages);
        (PasswordSink(sender), receiver)
    }

    /// Hands over a page. An error means that the engine has stopped: return it.
    pub async fn send(&self, page: Vec<PasswordChange>) -> Result<(), ConnectorError> {
        self.0.send(page).await.map_err(|_| ConnectorError::cancelled("reading passwords"))
    }

    /// Ends when the engine has stopped: nobody waits for the page that is being read.
    pub async fn stopped(&self) -> ConnectorError {
        self.0.closed().await;
        ConnectorError::cancelled("reading passwords")
    }
}

/// What a finished read knows.
#[derive(Debug, Clone)]
pub struct PasswordReadEnd {
    /// Where the next read continues. Valid only now that the last page was handed over; the engine keeps it together with what
    /// it owes for those pages, never before.
    pub watermark: Watermark,
    /// Whether everything was read although a watermark was given, and why: another domain controller without a common past, a
    /// domain controller that was set back.
    pub full_because: Option<String>,
    /// Where the passwords were read from, for the operator: `dc1.corp.example`.
    pub source: String,
}

/// A directory whose password hashes can be read.
#[async_trait]
pub trait PasswordSource: Send + Sync {
    /// Reads what changed since `since`, in chronological order where the directory has one (P14); everything without a watermark.
    async fn read_passwords(
        &self,
        since: Option<&Watermark>,
        sink: PasswordSink,
    ) -> Result<PasswordReadEnd, ConnectorError>;

    /// Reads single users: one item for each that exists (SF22).
    async fn read_passwords_of(&self, anchors: &[Anchor]) -> Result<Vec<PasswordChange>, ConnectorError>;

    /// Where passwords were read last or are being read, as in [`PasswordReadEnd::source`]; none before the first read.
    fn reads_from(&self) -> Option<String> {
        None
    }

    /// How many hashes were decrypted since this connector was made (SF21).
    fn opened(&self) -> u64;

    /// What the source is signed in to with: the breaker of SF23 goes by it. None where nobody is signed in.
    fn credential(&self) -> Option<CredentialMark>;
}

/// One password on its way to a target.
#[derive(Debug)]
pub struct PasswordPush {
    /// The engine's number; outcomes name it.
    pub id: i64,
    /// The user's anchor in the target's space.
    pub anchor: Anchor,
    pub hash: NtHash,
    /// When the password was changed at its origin, in seconds since 1970, UTC.
    pub changed: Option<i64>,
    /// The user is to choose another one at the next sign-in (P25).
    pub must_change: bool,
}

/// What became of one password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordOutcome {
    Accepted,
    /// The target took note and does not want it (P43 `FilteredByTarget`): not sent again until it changes.
    Filtered {
        message: String,
    },
    /// The target does not know the user as a synchronised one, yet or any more (P43 `TargetNotExportedToDirectory`).
    NotThere {
        message: String,
    },
    /// Refused for this user; sent again later where `retry` says so (P43 `Error`, `RetryRequestedByTarget`).
    Refused {
        code: String,
        message: String,
        remedy: String,
        retry: bool,
    },
}

/// A system that takes password hashes.
#[async_trait]
pub trait PasswordTarget: Send + Sync {
    /// Most passwords that one call takes with profit.
    fn batch_size(&self) -> usize;

    /// Turns the hashes into what the system keeps, and sends them. One outcome per password, by its number; one without an
    /// outcome is not settled and is sent again. An error means that nothing of this call is known to have arrived.
    /// The hashing is computation of milliseconds and is done off the reactor's threads; the engine has several calls in flight.
    async fn set_passwords(&self, batch: Vec<PasswordPush>) -> Result<Vec<(i64, PasswordOutcome)>, ConnectorError>;

    /// Whether the system is ready to take passwords, by a call that changes nothing (events 653, 654, 655).
    async fn ping(&self) -> Result<(), ConnectorError>;

    /// Switches on, in the system, that it takes password hashes, where it has a switch for that; whether it was off. Only on an
    /// operator's order.
    async fn switch_on(&self) -> Result<bool, ConnectorError>;

    /// As for [`PasswordSource::credential`].
    fn credential(&self) -> Option<CredentialMark>;
}
