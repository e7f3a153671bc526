//! A server that is silent, breaks off, or speaks something else.

use super::*;
use directory_replication::endpoint_mapper::ENDPOINT_MAPPER;
use tokio::net::TcpListener;

const LIMITS: TimeLimits = TimeLimits { connect: Duration::from_secs(5), answer: Duration::from_millis(300) };

/// Opens a transport to a server that answers the bind with these bytes and then closes, or says nothing more.
async fn opened(answer: &'static [u8], closes: bool) -> Result<Transport, TransportError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bind = [0; 72];
        stream.read_exact(&mut bind).await.unwrap();
        stream.write_all(answer).await.unwrap();
        if !closes {
            // Until the client goes.
            let _ = stream.read(&mut [0; 1]).await;
        }
    });
    // A limit that does not hold must fail the test, not hold it up.
    let opening = Transport::open("127.0.0.1", port, &ENDPOINT_MAPPER, None, LIMITS);
    let outcome = timeout(Duration::from_secs(10), opening).await.expect("it ends by itself");
    server.await.unwrap();
    outcome
}

/// A header that announces 200 bytes.
const ANNOUNCED: &[u8] = &[5, 0, 12, 3, 0x10, 0, 0, 0, 200, 0, 0, 0, 1, 0, 0, 0];

#[tokio::test]
async fn silence_ends_by_the_time_limit() {
    for answer in [&[][..], &ANNOUNCED[..7], ANNOUNCED] {
        let outcome = opened(answer, false).await.err();
        assert!(matches!(outcome, Some(TransportError::Silent(limit)) if limit == LIMITS.answer), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_off_is_no_answer() {
    for answer in [&[][..], &ANNOUNCED[..7], ANNOUNCED] {
        let outcome = opened(answer, true).await.err();
        assert!(matches!(outcome, Some(TransportError::Lost(_))), "{outcome:?}");
    }
}

#[tokio::test]
async fn what_is_no_remote_call_is_refused() {
    for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], &[5, 0, 12, 3, 0x10, 0, 0, 0, 15, 0, 0, 0, 1, 0, 0, 0]] {
        let outcome = opened(answer, true).await.err();
        assert!(matches!(outcome, Some(TransportError::Rpc(RpcError::Malformed(_)))), "{outcome:?}");
    }
}

/// An engine that stops drops the read, and the connection with it, wherever it is.
#[tokio::test]
async fn a_read_that_is_given_up_closes_its_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let patient = TimeLimits { answer: Duration::from_secs(60), ..LIMITS };
    let opening = tokio::spawn(async move {
        let _ = Transport::open("127.0.0.1", port, &ENDPOINT_MAPPER, None, patient).await;
    });
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.read_exact(&mut [0; 72]).await.unwrap();
    opening.abort();
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let outcome = Transport::open("127.0.0.1", port, &ENDPOINT_MAPPER, None, LIMITS).await.err();
    assert!(matches!(outcome, Some(TransportError::NoConnection(Some(_)))), "{outcome:?}");
}
