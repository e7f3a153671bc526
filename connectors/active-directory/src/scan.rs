//! The entries of one view, in the order of the server, whatever the protocol behind it. A full import reads ahead: while entries are
//! judged, the next ones are received, and the next page is asked for as soon as one has come. Judges no entry.

use crate::controls;
use crate::directory::{Directory, DirectoryError, EntryStream, PagedSearch, SearchRequest};
use crate::entry::Entry;
use crate::object::Reading;
use crate::session::Session;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

/// What is received before it is handed on: so many entries, or so many bytes.
const BATCH_ENTRIES: usize = 64;
const BATCH_BYTES: usize = 1 << 18;
/// What may wait to be judged: so many batches, and so many bytes of entries, or one entry that is longer.
const BATCHES: usize = 32;
const BYTES: usize = 1 << 21;

/// A scan that is being read.
pub(crate) struct Scan<'a> {
    session: &'a Session,
    reading: Reading,
    entries: Entries,
}

enum Entries {
    Here(Search),
    Ahead(Ahead),
}

impl<'a> Scan<'a> {
    /// An ordinary search, page by page.
    pub(crate) fn paged(session: &'a Session, request: SearchRequest) -> Scan<'a> {
        let search = Search::Paged(PagedSearch::new(request, session.page_size));
        Scan { session, reading: Reading::Plain, entries: Entries::Here(search) }
    }

    /// By DirSync: what changed since the cookie, everything after an empty one.
    pub(crate) fn dirsync(
        session: &'a Session,
        request: SearchRequest,
        object_security: bool,
        cookie: Vec<u8>,
    ) -> Scan<'a> {
        let search = Search::DirSync(DirSyncSearch { request, object_security, cookie, stream: None, done: false });
        Scan { session, reading: Reading::Incremental, entries: Entries::Here(search) }
    }

    /// From here on by a task of its own, as far ahead as a few batches. It ends with the scan.
    pub(crate) fn ahead(self) -> Scan<'a> {
        let entries = match self.entries {
            Entries::Here(search) => Entries::Ahead(Ahead::of(Arc::clone(&self.session.directory), search)),
            ahead @ Entries::Ahead(_) => ahead,
        };
        Scan { entries, ..self }
    }

    /// The next entry with all its values; `None` after the last one.
    pub(crate) async fn next(&mut self) -> Result<Option<Entry>, DirectoryError> {
        let next = match &mut self.entries {
            Entries::Here(search) => search.next(self.session.directory.as_ref()).await?,
            Entries::Ahead(ahead) => ahead.next().await?,
        };
        match next {
            Some(mut entry) => {
                self.session.complete(&mut entry, self.reading).await?;
                Ok(Some(entry))
            }
            None => Ok(None),
        }
    }

    pub(crate) fn reading(&self) -> Reading {
        self.reading
    }

    /// DirSync's cookie after the last entry; empty for ordinary searches, and before that.
    pub(crate) fn into_cookie(self) -> Vec<u8> {
        match self.entries {
            Entries::Here(search) => search.into_cookie(),
            Entries::Ahead(ahead) => ahead.ended.map(Search::into_cookie).unwrap_or_default(),
        }
    }
}

/// Entries that were received, and the room that they take until the next ones are asked for.
type Batch = (Vec<Entry>, Option<OwnedSemaphorePermit>);

/// A task that receives entries before they are asked for.
struct Ahead {
    /// Of the one task; dropped, it ends it.
    task: JoinSet<Result<Search, DirectoryError>>,
    batches: mpsc::Receiver<Batch>,
    batch: std::vec::IntoIter<Entry>,
    /// The room that it takes.
    room: Option<OwnedSemaphorePermit>,
    /// The search, once it was read to its end.
    ended: Option<Search>,
}

impl Ahead {
    fn of(directory: Arc<dyn Directory>, search: Search) -> Ahead {
        let (sender, batches) = mpsc::channel(BATCHES);
        let mut task = JoinSet::new();
        task.spawn(read_ahead(directory, search, sender));
        Ahead { task, batches, batch: Vec::new().into_iter(), room: None, ended: None }
    }

    /// What was received before something went wrong comes first, and then what went wrong.
    async fn next(&mut self) -> Result<Option<Entry>, DirectoryError> {
        loop {
            if let Some(entry) = self.batch.next() {
                return Ok(Some(entry));
            }
            // What it took is free again before the next ones are waited for.
            self.room = None;
            match self.batches.recv().await {
                Some((batch, room)) => (self.batch, self.room) = (batch.into_iter(), room),
                None => break,
            }
        }
        if let Some(outcome) = self.task.join_next().await {
            self.ended = Some(outcome.map_err(not_ended)??);
        }
        // No end: it went wrong, and was told so before.
        if self.ended.is_some() { Ok(None) } else { Err(not_ended("it was read to where it broke off")) }
    }
}

fn not_ended(why: impl std::fmt::Display) -> DirectoryError {
    DirectoryError::Malformed(format!("reading ahead ended unexpectedly: {why}"))
}

async fn read_ahead(
    directory: Arc<dyn Directory>,
    mut search: Search,
    batches: mpsc::Sender<Batch>,
) -> Result<Search, DirectoryError> {
    let room = Arc::new(Semaphore::new(BYTES));
    let (mut batch, mut bytes) = (Vec::with_capacity(BATCH_ENTRIES), 0);
    loop {
        let next = search.next(directory.as_ref()).await;
        if let Ok(Some(entry)) = next {
            bytes += entry.bytes();
            batch.push(entry);
            if batch.len() < BATCH_ENTRIES && bytes < BATCH_BYTES {
                continue;
            }
        } else {
            // Nobody wants them any more: nobody asks how this ended, either.
            let _nobody = batches.send((batch, None)).await;
            return next.map(|_end| search);
        }
        let taken = u32::try_from(bytes.min(BYTES)).unwrap_or(u32::MAX);
        // It is never closed.
        let permit = Arc::clone(&room).acquire_many_owned(taken).await.ok();
        let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH_ENTRIES));
        bytes = 0;
        if batches.send((full, permit)).await.is_err() {
            return Ok(search);
        }
    }
}

/// A search that is told where to ask each time.
enum Search {
    DirSync(DirSyncSearch),
    Paged(PagedSearch),
}

impl Search {
    async fn next(&mut self, directory: &dyn Directory) -> Result<Option<Entry>, DirectoryError> {
        match self {
            Search::DirSync(search) => search.next(directory).await,
            Search::Paged(search) => search.next(directory).await,
        }
    }

    fn into_cookie(self) -> Vec<u8> {
        match self {
            Search::DirSync(search) => search.cookie,
            Search::Paged(_) => Vec::new(),
        }
    }
}

/// DirSync searches, one after the other, until the server says that there is no more.
struct DirSyncSearch {
    request: SearchRequest,
    object_security: bool,
    cookie: Vec<u8>,
    stream: Option<Box<dyn EntryStream>>,
    done: bool,
}

impl DirSyncSearch {
    async fn next(&mut self, directory: &dyn Directory) -> Result<Option<Entry>, DirectoryError> {
        loop {
            if self.done {
                return Ok(None);
            }
            let stream = match &mut self.stream {
                Some(stream) => stream,
                None => {
                    let control = controls::dirsync(self.object_security, &self.cookie);
                    let request = self.request.clone().with(control);
                    self.stream.insert(directory.search(&request).await?)
                }
            };
            if let Some(entry) = stream.next().await? {
                return Ok(Some(entry));
            }
            let answer = stream
                .end_controls()
                .iter()
                .find(|control| control.oid == controls::DIRSYNC)
                .ok_or_else(|| DirectoryError::Malformed("a DirSync answer without its control".to_owned()))?;
            let end =
                controls::parse_dirsync(&answer.value).map_err(|error| DirectoryError::Malformed(error.to_string()))?;
            self.cookie = end.cookie;
            self.done = !end.more;
            self.stream = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Connection;
    use crate::controls::ResponseControl;
    use crate::domain_controller::tests::guid;
    use crate::message::tests::{entry, from_server, result};
    use crate::scripted::{dirsync_cookie, dirsync_end, session};
    use crate::searches::ReadingDirectory;
    use crate::settings::View;
    use async_trait::async_trait;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn entries(first: usize, last: usize) -> Vec<Entry> {
        (first..=last).map(|number| Entry::named(&format!("CN={number}"))).collect()
    }

    async fn rest(scan: &mut Scan<'_>) -> (Vec<String>, Result<(), DirectoryError>) {
        let mut names = Vec::new();
        loop {
            match scan.next().await {
                Ok(Some(entry)) => names.push(entry.dn),
                Ok(None) => return (names, Ok(())),
                Err(error) => return (names, Err(error)),
            }
        }
    }

    /// Read ahead or not, entries come in the order of the server, over all pages, and the cookie is the last one.
    #[tokio::test]
    async fn the_same_entries_in_the_same_order_as_without_reading_ahead() {
        let (session, _) = session(|request| {
            Ok(match dirsync_cookie(request).as_deref() {
                Some(b"") => (entries(1, 150), dirsync_end(true, b"one")),
                Some(b"one") => (Vec::new(), dirsync_end(true, b"two")),
                _ => (entries(151, 1_000), dirsync_end(false, b"three")),
            })
        });
        let mut seen = Vec::new();
        for mut scan in [session.scan(View::DirSync), session.scan(View::DirSync).ahead()] {
            let (names, end) = rest(&mut scan).await;
            assert_eq!((end, scan.next().await), (Ok(()), Ok(None)), "the end stays the end");
            seen.push((names, scan.into_cookie()));
        }
        let all: Vec<String> = (1..=1_000).map(|number| format!("CN={number}")).collect();
        assert_eq!(seen, [(all.clone(), b"three".to_vec()), (all, b"three".to_vec())]);
    }

    /// SF15: what came before a page that was refused is judged, the refusal is told with its words, and there is no end and no
    /// cookie, however often one asks.
    #[tokio::test]
    async fn sf15_an_error_in_the_middle_comes_after_what_was_read_and_is_no_end() {
        let refused = DirectoryError::Refused { code: 51, text: "busy".to_owned() };
        let error = refused.clone();
        let (session, asked) = session(move |request| match dirsync_cookie(request).as_deref() {
            Some(b"") => Ok((entries(1, 100), dirsync_end(true, b"one"))),
            _ => Err(error.clone()),
        });
        let mut scan = session.scan(View::DirSync).ahead();
        let (names, end) = rest(&mut scan).await;
        assert_eq!((names.len(), end), (100, Err(refused)));
        assert!(scan.next().await.is_err());
        assert_eq!((scan.into_cookie(), asked.lock().unwrap().len()), (Vec::new(), 2));
    }

    /// A server that answers one request after the other: two pages of objects, each with a group whose members come in slices.
    async fn serve(mut stream: tokio::io::DuplexStream) {
        use crate::ber::{OCTET_STRING, SEQUENCE, element, integer};
        use crate::message::{Answer, SEARCH_DONE, SEARCH_ENTRY, length_of};
        let (mut received, mut pages) = (Vec::new(), 0);
        loop {
            let length = loop {
                match length_of(&received).unwrap() {
                    Some(length) if length <= received.len() => break length,
                    _ => assert!(stream.read_buf(&mut received).await.unwrap() > 0),
                }
            };
            let request: Vec<u8> = received.drain(..length).collect();
            let id = Answer::read(&request).unwrap().id as i32;
            let asks_for = |text: &[u8]| request.windows(text.len()).any(|window| window == text);
            let send =
                |dn: &str, attributes: &[(&str, &[&[u8]])]| from_server(id, SEARCH_ENTRY, &entry(dn, attributes), &[]);
            let (mut answer, mut controls) = (Vec::new(), Vec::new());
            if asks_for(b"member;range=2-*") {
                answer.extend(send("CN=g", &[("member;range=2-*", &[b"c", b"d"])]));
            } else {
                pages += 1;
                let guid = guid(pages);
                answer.extend(send(
                    "CN=g",
                    &[("objectGUID", &[guid.as_directory_bytes()]), ("member;range=0-1", &[b"a", b"b"])],
                ));
                (0..300).for_each(|number| answer.extend(send(&format!("CN={number}"), &[("cn", &[b"x"])])));
                let cookie = element(OCTET_STRING, if pages == 1 { b"more" } else { b"" });
                let value = element(SEQUENCE, &[integer(0), cookie].concat());
                controls.push(ResponseControl { oid: controls::PAGED_RESULTS.to_owned(), value });
            }
            answer.extend(from_server(id, SEARCH_DONE, &result(0, ""), &controls));
            stream.write_all(&answer).await.unwrap();
        }
    }

    /// Over one connection, the next page is received while the rest of a group of the page before is asked for: each search gets
    /// its own answers, and everything comes in order.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn slices_are_asked_for_while_the_next_page_is_received() {
        for _ in 0..20 {
            let (ours, theirs) = tokio::io::duplex(1 << 12);
            let server = tokio::spawn(serve(theirs));
            let (session, _) = session(|_| Ok((Vec::new(), Vec::new())));
            let directory = ReadingDirectory::new(Connection::over(ours), std::time::Duration::from_secs(5));
            let session = Session { directory: Arc::new(directory), ..session };
            let mut scan = session.scan(View::Usn).ahead();
            let mut names = Vec::new();
            while let Some(entry) = scan.next().await.unwrap() {
                let members: Vec<&[u8]> = entry.values("member").into_iter().flatten().collect();
                let whole: &[&[u8]] = if entry.dn == "CN=g" { &[b"a", b"b", b"c", b"d"] } else { &[] };
                assert_eq!(members, whole, "{}", entry.dn);
                names.push(entry.dn);
            }
            let page = || std::iter::once("CN=g".to_owned()).chain((0..300).map(|number| format!("CN={number}")));
            assert_eq!(names, page().chain(page()).collect::<Vec<_>>());
            server.abort();
        }
    }

    /// A server that sends on and on, and counts what is taken; silent after some entries.
    struct Endless {
        taken: Arc<AtomicUsize>,
        /// So long as somebody holds it, an answer is being read.
        open: Arc<()>,
        silent_after: usize,
        bytes: usize,
    }

    struct Answer(
        Arc<AtomicUsize>,
        #[expect(dead_code, reason = "held, and counted by those who hold it")] Arc<()>,
        usize,
        usize,
    );

    #[async_trait]
    impl Directory for Endless {
        async fn search(&self, _: &SearchRequest) -> Result<Box<dyn EntryStream>, DirectoryError> {
            Ok(Box::new(Answer(Arc::clone(&self.taken), Arc::clone(&self.open), self.silent_after, self.bytes)))
        }
    }

    #[async_trait]
    impl EntryStream for Answer {
        async fn next(&mut self) -> Result<Option<Entry>, DirectoryError> {
            if self.0.load(Ordering::Relaxed) == self.2 {
                std::future::pending::<()>().await;
            }
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(Some(Entry::named("CN=a").with("photo", None, &[&vec![0; self.3]])))
        }

        fn end_controls(&self) -> &[ResponseControl] {
            &[]
        }
    }

    async fn settled(holds: impl Fn() -> bool) {
        for _ in 0..1_000 {
            if holds() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        panic!("it does not come to that");
    }

    fn endless(silent_after: usize, bytes: usize) -> (Session, Arc<AtomicUsize>, Arc<()>) {
        let (taken, open) = (Arc::new(AtomicUsize::new(0)), Arc::new(()));
        let (session, _) = session(|_| Ok((Vec::new(), Vec::new())));
        let directory = Endless { taken: Arc::clone(&taken), open: Arc::clone(&open), silent_after, bytes };
        (Session { directory: Arc::new(directory), ..session }, taken, open)
    }

    /// Reading ahead is bounded by entries, and where they are long by bytes: nothing is taken from the server beyond that until
    /// entries are asked for.
    #[tokio::test]
    async fn what_is_read_ahead_is_bounded() {
        for (bytes, most) in [
            // One batch is at hand, all others wait, one more does not fit.
            (10, (BATCHES + 2) * BATCH_ENTRIES),
            // Three in a batch, a little longer than an eighth of the room: seven batches fit, one of them at hand.
            (BATCH_BYTES / 3, 3 * (7 + 1)),
            // The first is at hand and takes all the room; the second does not fit.
            (2 * BYTES, 2),
        ] {
            let (session, taken, _open) = endless(usize::MAX, bytes);
            let mut scan = session.scan(View::DirSync).ahead();
            assert!(scan.next().await.unwrap().is_some());
            settled(|| taken.load(Ordering::Relaxed) == most).await;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            assert_eq!(taken.load(Ordering::Relaxed), most);
            for _ in 0..most + 3 {
                assert!(scan.next().await.unwrap().is_some());
            }
        }
    }

    /// An import that is stopped stops the reading ahead, while it waits for the judge and while it waits for the server.
    #[tokio::test]
    async fn reading_ahead_ends_with_the_scan() {
        for silent_after in [usize::MAX, BATCH_ENTRIES] {
            let (session, taken, open) = endless(silent_after, 10);
            let mut scan = session.scan(View::DirSync).ahead();
            assert!(scan.next().await.unwrap().is_some());
            settled(|| taken.load(Ordering::Relaxed) >= silent_after.min((BATCHES + 2) * BATCH_ENTRIES)).await;
            // The test, the directory, and the answer that is being read.
            assert_eq!(Arc::strong_count(&open), 3);
            drop(scan);
            settled(|| Arc::strong_count(&open) == 2).await;
        }
    }
}
