//! Searches over a connection for reading, several at a time: a group's further members are asked for while the search that
//! found it goes on. Entries stay as they came until somebody asks for them. Writes nothing.

use crate::connection::{Connection, closed, malformed, notified};
use crate::controls::ResponseControl;
use crate::directory::{Directory, DirectoryError, EntryStream, SearchRequest};
use crate::entry::Entry;
use crate::message::{self, Answer, LONGEST_MESSAGE, SEARCH_DONE, SEARCH_ENTRY};
use async_trait::async_trait;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A signed-in connection that is read from.
pub(crate) struct ReadingDirectory {
    shared: Arc<Shared>,
}

struct Shared {
    connection: tokio::sync::Mutex<Connection>,
    waiting: Mutex<Waiting>,
    timeout: Duration,
}

/// Messages that came while another search was waited for, by the search they belong to.
#[derive(Default)]
struct Waiting {
    last_id: i32,
    bytes: usize,
    searches: HashMap<i32, VecDeque<Vec<u8>>>,
    /// Why no more will come.
    ended: Option<DirectoryError>,
}

impl ReadingDirectory {
    /// `timeout`: how long the server may be silent while it is waited for.
    pub(crate) fn new(connection: Connection, timeout: Duration) -> ReadingDirectory {
        // The bind was the first request of the connection.
        let waiting = Mutex::new(Waiting { last_id: 1, ..Waiting::default() });
        ReadingDirectory { shared: Arc::new(Shared { connection: connection.into(), waiting, timeout }) }
    }
}

#[async_trait]
impl Directory for ReadingDirectory {
    async fn search(&self, request: &SearchRequest) -> Result<Box<dyn EntryStream>, DirectoryError> {
        let id = self.shared.begin()?;
        // Forgets the search again if it does not go out.
        let entries = Entries { shared: Arc::clone(&self.shared), id, end: None };
        let request = message::search(id, request)?;
        #[cfg(feature = "fail-points")]
        fail::fail_point!("ldap-send");
        self.shared.connection.lock().await.send(&request).await?;
        Ok(Box::new(entries))
    }
}

/// What a message says to the search that it belongs to.
enum Said {
    Entry(Entry),
    End(Result<Vec<ResponseControl>, DirectoryError>),
    /// A referral, which is not followed, or something intermediate.
    Nothing,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new search; its number.
    fn begin(&self) -> Result<i32, DirectoryError> {
        let mut waiting = self.waiting();
        if let Some(error) = &waiting.ended {
            return Err(error.clone());
        }
        // A connection of two thousand million searches is at its end.
        let id = waiting.last_id.checked_add(1).ok_or_else(closed)?;
        waiting.last_id = id;
        waiting.searches.insert(id, VecDeque::new());
        Ok(id)
    }

    /// The next message of one search. Those of others that come before it are kept for them.
    async fn next(&self, id: i32) -> Result<Said, DirectoryError> {
        loop {
            if let Some(said) = self.kept(id)? {
                return Ok(said);
            }
            let mut connection = self.connection.lock().await;
            // It may have come while somebody else was reading.
            if let Some(said) = self.kept(id)? {
                return Ok(said);
            }
            let received = connection.receive(self.timeout).await;
            let message = received.inspect_err(|error| self.end(error))?;
            let answer = Answer::read(message).map_err(malformed).inspect_err(|error| self.end(error))?;
            if answer.id == i64::from(id) {
                return said(&answer);
            }
            if answer.id == 0 {
                let error = notified(&answer);
                self.end(&error);
                return Err(error);
            }
            self.keep(answer.id, message)?;
        }
    }

    fn kept(&self, id: i32) -> Result<Option<Said>, DirectoryError> {
        let mut waiting = self.waiting();
        // No message is empty: without bytes nothing waits, which is so for nearly every entry.
        let queue = if waiting.bytes == 0 { None } else { waiting.searches.get_mut(&id) };
        let Some(message) = queue.and_then(VecDeque::pop_front) else {
            return match &waiting.ended {
                Some(error) => Err(error.clone()),
                None => Ok(None),
            };
        };
        waiting.bytes = waiting.bytes.saturating_sub(message.len());
        drop(waiting);
        said(&Answer::read(&message).map_err(malformed)?).map(Some)
    }

    /// For the search that it belongs to; of one that was given up, nothing is kept.
    fn keep(&self, id: i64, message: &[u8]) -> Result<(), DirectoryError> {
        let mut waiting = self.waiting();
        let Some(queue) = i32::try_from(id).ok().and_then(|id| waiting.searches.get_mut(&id)) else {
            return Ok(());
        };
        queue.push_back(message.to_vec());
        waiting.bytes += message.len();
        // One search's page at a time waits here; a server that sends on and on is none.
        if waiting.bytes > LONGEST_MESSAGE {
            let error = DirectoryError::Malformed("more than 1 GiB came that was not asked for yet".to_owned());
            waiting.ended = Some(error.clone());
            return Err(error);
        }
        Ok(())
    }

    /// A connection that was lost, or that brought what cannot be read, brings nothing more. One that is slow may.
    fn end(&self, error: &DirectoryError) {
        if !matches!(error, DirectoryError::Timeout(_)) {
            self.waiting().ended.get_or_insert_with(|| error.clone());
        }
    }
}

fn said(answer: &Answer<'_>) -> Result<Said, DirectoryError> {
    Ok(match answer.operation {
        SEARCH_ENTRY => Said::Entry(Entry::read(answer.content).map_err(malformed)?),
        SEARCH_DONE => {
            #[cfg(feature = "fail-points")]
            fail::fail_point!("ldap-page");
            let outcome = answer.outcome().map_err(malformed)?;
            Said::End(match outcome.code {
                0 => answer.controls().map_err(malformed),
                code => Err(DirectoryError::Refused { code, text: outcome.text }),
            })
        }
        _ => Said::Nothing,
    })
}

/// The entries of one search.
struct Entries {
    shared: Arc<Shared>,
    id: i32,
    /// The controls of the final answer, once it came.
    end: Option<Vec<ResponseControl>>,
}

#[async_trait]
impl EntryStream for Entries {
    async fn next(&mut self) -> Result<Option<Entry>, DirectoryError> {
        while self.end.is_none() {
            match self.shared.next(self.id).await? {
                Said::Entry(entry) => return Ok(Some(entry)),
                Said::Nothing => {}
                Said::End(controls) => self.end = Some(controls?),
            }
        }
        Ok(None)
    }

    fn end_controls(&self) -> &[ResponseControl] {
        self.end.as_deref().unwrap_or_default()
    }
}

impl Drop for Entries {
    fn drop(&mut self) {
        let mut waiting = self.shared.waiting();
        let left = waiting.searches.remove(&self.id).unwrap_or_default();
        let bytes: usize = left.iter().map(Vec::len).sum();
        waiting.bytes = waiting.bytes.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests::{entry, from_server, result};
    use crate::message::{BIND_RESPONSE, EXTENDED_RESPONSE};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    const TIMEOUT: Duration = Duration::from_millis(200);

    fn directory() -> (ReadingDirectory, DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        (ReadingDirectory::new(Connection::over(ours), TIMEOUT), theirs)
    }

    fn request(base: &str) -> SearchRequest {
        SearchRequest::object(base, &["cn"])
    }

    fn named(id: i32, dn: &str) -> Vec<u8> {
        from_server(id, SEARCH_ENTRY, &entry(dn, &[("cn", &[b"x"])]), &[])
    }

    fn done(id: i32, code: i64, text: &str) -> Vec<u8> {
        from_server(id, SEARCH_DONE, &result(code, text), &[])
    }

    async fn rest(stream: &mut Box<dyn EntryStream>) -> Result<Vec<String>, DirectoryError> {
        let mut names = Vec::new();
        while let Some(entry) = stream.next().await? {
            names.push(entry.dn);
        }
        Ok(names)
    }

    /// A second search while the first goes on: what comes for the first meanwhile is kept, in its order.
    #[tokio::test]
    async fn two_searches_at_a_time_get_their_own_entries() {
        let (directory, mut server) = directory();
        let mut first = directory.search(&request("CN=1")).await.unwrap();
        server.write_all(&[named(2, "CN=a"), named(2, "CN=b")].concat()).await.unwrap();
        assert_eq!(first.next().await.unwrap().unwrap().dn, "CN=a");
        let mut second = directory.search(&request("CN=2")).await.unwrap();
        let referral = from_server(3, 0x73, b"", &[]);
        server.write_all(&[named(2, "CN=c"), referral, named(3, "CN=z"), done(3, 0, "")].concat()).await.unwrap();
        assert_eq!(rest(&mut second).await, Ok(vec!["CN=z".to_owned()]));
        server.write_all(&done(2, 0, "")).await.unwrap();
        assert_eq!(rest(&mut first).await, Ok(vec!["CN=b".to_owned(), "CN=c".to_owned()]));
        assert_eq!(first.next().await, Ok(None), "the end stays the end");
        let waiting = directory.shared.waiting();
        assert_eq!(waiting.bytes, 0);
    }

    /// A refusal ends its search and no other one; its number and text are the server's. What comes for a search that was given
    /// up is forgotten.
    #[tokio::test]
    async fn a_refusal_and_a_search_that_was_given_up() {
        let (directory, mut server) = directory();
        let mut refused = directory.search(&request("CN=1")).await.unwrap();
        let given_up = directory.search(&request("CN=2")).await.unwrap();
        drop(given_up);
        let mut third = directory.search(&request("CN=3")).await.unwrap();
        server
            .write_all(
                &[named(3, "CN=b"), done(2, 50, "no\0"), done(3, 0, ""), named(4, "CN=c"), done(4, 0, "")].concat(),
            )
            .await
            .unwrap();
        let text = "no".to_owned();
        assert_eq!(refused.next().await, Err(DirectoryError::Refused { code: 50, text }));
        assert_eq!(rest(&mut third).await, Ok(vec!["CN=c".to_owned()]));
        assert!(directory.shared.waiting().searches.keys().all(|id| *id != 3));
    }

    /// SF15: however a connection ends, the search has no end: closed in the middle of an entry, with a notice, with what is no
    /// LDAP, by silence. A message that announces more than comes takes no memory for it.
    #[tokio::test]
    async fn sf15_a_connection_that_breaks_off_is_no_end() {
        let whole = named(2, "CN=b");
        let notice = from_server(0, EXTENDED_RESPONSE, &result(52, "going down"), &[]);
        let announced = [0x30, 0x84, 0x3f, 0xff, 0xff, 0xff, 0x02, 0x01];
        let lost = |text: &str| DirectoryError::Lost(text.to_owned());
        for (ending, closes, error) in [
            (&whole[..whole.len() - 3], true, lost("the server closed it")),
            (&b""[..], true, lost("the server closed it")),
            (&notice, false, lost("the server closed it: going down")),
            (&announced, true, lost("the server closed it")),
            (&announced, false, DirectoryError::Timeout(TIMEOUT)),
            (
                &b"HTTP/1.1 400 Bad Request"[..],
                false,
                DirectoryError::Malformed("malformed BER at byte 0 of 24".to_owned()),
            ),
        ] {
            let (directory, mut server) = directory();
            let mut stream = directory.search(&request("CN=1")).await.unwrap();
            server.write_all(&[&named(2, "CN=a")[..], ending].concat()).await.unwrap();
            if closes {
                server.shutdown().await.unwrap();
            }
            assert_eq!(stream.next().await.unwrap().unwrap().dn, "CN=a");
            assert_eq!(stream.next().await, Err(error.clone()), "{ending:02x?}");
            assert!(directory.shared.connection.lock().await.room() < 1 << 20);
            if !matches!(error, DirectoryError::Timeout(_)) {
                let again = directory.search(&request("CN=2")).await.map(|_| ());
                assert_eq!(again, Err(error), "nothing is asked of a connection that has ended");
            }
        }
    }

    /// An answer that came slowly is still an answer: the time limit is for silence.
    #[tokio::test]
    async fn an_entry_in_many_pieces_is_one_entry() {
        let (directory, mut server) = directory();
        let mut stream = directory.search(&request("CN=1")).await.unwrap();
        let message = [named(2, "CN=a"), done(2, 0, "")].concat();
        let server = tokio::spawn(async move {
            for byte in message {
                server.write_all(&[byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
            server
        });
        assert_eq!(rest(&mut stream).await, Ok(vec!["CN=a".to_owned()]));
        server.await.unwrap();
    }

    /// The server's refusal of a bind is passed on with its text, which holds Active Directory's sub-code.
    #[tokio::test]
    async fn a_refused_bind_is_told_in_the_servers_words() {
        let (ours, mut server) = tokio::io::duplex(1 << 16);
        let text = "80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data 775, v4563";
        server.write_all(&from_server(1, BIND_RESPONSE, &result(49, text), &[])).await.unwrap();
        let mut connection = Connection::over(ours);
        let outcome = connection.bind("CORP\\svc", "made-up", TIMEOUT).await.unwrap();
        assert_eq!((outcome.code, outcome.text.as_str()), (49, text));
        let mut sent = vec![0; 64];
        let length = server.read(&mut sent).await.unwrap();
        assert_eq!(sent[..length], **message::bind(1, "CORP\\svc", "made-up"));

        let (ours, _silent) = tokio::io::duplex(1 << 16);
        let outcome = Connection::over(ours).bind("CORP\\svc", "made-up", TIMEOUT).await;
        assert_eq!(outcome, Err(DirectoryError::Timeout(TIMEOUT)));
    }
}
