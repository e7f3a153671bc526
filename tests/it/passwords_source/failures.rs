//! A domain controller that stops in the middle, is silent, or is not the one that speaks; ports that are closed.

use super::world::{Using, connector, domain, read, refused, source};
use connector_contract::{ErrorKind, PasswordSink};
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Issue 6: stopped in mid-transfer it is a connection error and there is no new place to continue from; the time of a full
/// read of all users is printed.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "how long a full read takes is told with the test run")]
async fn a_domain_controller_that_stops_in_the_middle_of_a_read() {
    let dc = domain("a_domain_controller_that_stops_in_the_middle_of_a_read", 5_500);
    let connector = connector(&dc, &Using::default());
    let began = Instant::now();
    let whole = read(&connector, None).await.expect("a full read");
    println!("{} accounts read from Samba in {:?}", whole.changes.len(), began.elapsed());
    assert!(whole.changes.len() > 5_500);

    let (sink, mut pages) = PasswordSink::bounded(1);
    let reading = source(&connector).read_passwords(None, sink);
    let stopping = async {
        let first = pages.recv().await.expect("a first page");
        tokio::task::block_in_place(|| dc.stop());
        let mut more = first.len();
        while let Some(page) = pages.recv().await {
            more += page.len();
        }
        more
    };
    let (end, seen) = tokio::join!(reading, stopping);
    let error = end.expect_err("the read did not reach its end");
    assert_eq!((error.kind.clone(), error.step_status()), (ErrorKind::Connection, "stopped-connectivity"));
    assert!(seen < whole.changes.len(), "{seen} came before it stopped");
    assert!(
        error.attempted.contains("dc1.corp.contoso.example") && error.remedy.contains("nothing was lost"),
        "{error}"
    );
    let gone = refused(&dc, &Using::default()).await;
    assert_eq!(gone.kind, ErrorKind::Connection, "{gone}");

    dc.launch();
    let again = read(&connector, Some(&whole.end.watermark)).await.expect("a delta");
    assert_eq!(again.changes.len(), 0, "{:?}", again.told());
}

/// Whoever stands between: what is changed on the way is refused, silence ends by the time limit, and a closed port names the
/// firewall.
#[tokio::test(flavor = "multi_thread")]
async fn what_stands_between_cannot_change_or_hold_up_a_read() {
    let dc = domain("what_stands_between_cannot_change_or_hold_up_a_read", 0);
    let listener = TcpListener::bind((dc.address.as_str(), 0)).await.expect("a port");
    let silent = listener.local_addr().expect("an address").port();
    // An engine that stops does not wait for an answer.
    let patient = Using { rpc_port: Some(silent), timeout_seconds: 60, ..Using::default() };
    let waiting = connector(&dc, &patient);
    let (sink, pages) = PasswordSink::bounded(1);
    let stopping = async {
        let (held, _) = listener.accept().await.expect("it connects");
        drop(pages);
        held
    };
    let (end, _held) = tokio::join!(source(&waiting).read_passwords(None, sink), stopping);
    assert_eq!(end.err().map(|error| error.kind), Some(ErrorKind::Cancelled));
    assert_eq!(source(&waiting).reads_from().as_deref(), Some("dc1.corp.contoso.example"));

    let using = Using { rpc_port: Some(silent), timeout_seconds: 3, ..Using::default() };
    let error = refused(&dc, &using).await;
    assert_eq!(error.kind, ErrorKind::Connection);
    assert!(error.message.contains("no answer within 3 s"), "{error}");
    drop(listener);
    let error = refused(&dc, &using).await;
    assert!(error.message.contains(&format!("port {silent}")) && error.message.contains("nothing listens"), "{error}");
    assert!(error.remedy.contains("49152-65535"), "{error}");

    // The service's own port is no endpoint mapper's secret: a relay that turns one bit of a sealed answer.
    for (damage, kind, word) in [
        (Damage::Flip, ErrorKind::Protocol, "signature"),
        (Damage::Cut, ErrorKind::Connection, "closed the connection"),
        (Damage::None, ErrorKind::Cancelled, ""),
    ] {
        let port = relay(&dc.address, damage).await;
        let using = Using { rpc_port: Some(port), ..Using::default() };
        match (read(&connector(&dc, &using), None).await, damage) {
            (Ok(read), Damage::None) => assert!(!read.changes.is_empty()),
            (Ok(_), damage) => panic!("{damage:?} was not noticed"),
            (Err(error), _) => {
                assert_eq!(error.kind, kind, "{damage:?}: {error}");
                assert!(error.message.contains(word), "{damage:?}: {error}");
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    None,
    Flip,
    Cut,
}

/// Bytes of a session that pass before the damage: those of signing in are fewer, those of a read many more.
const BEFORE_DAMAGE: usize = 6_000;

/// A relay to the replication service, for one connection.
async fn relay(address: &str, damage: Damage) -> u16 {
    let service = service_port(address).await;
    let listener = TcpListener::bind((address, 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let address = address.to_owned();
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.expect("a client");
        let server = TcpStream::connect((address.as_str(), service)).await.expect("the service");
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
        let (mut passed, mut buffer) = (0, vec![0; 4_096]);
        while let Ok(length @ 1..) = from_server.read(&mut buffer).await {
            let before = passed;
            passed += length;
            if before < BEFORE_DAMAGE && passed >= BEFORE_DAMAGE {
                match damage {
                    Damage::None => {}
                    Damage::Flip => buffer[BEFORE_DAMAGE - before - 1] ^= 4,
                    Damage::Cut => return,
                }
            }
            if to_client.write_all(&buffer[..length]).await.is_err() {
                return;
            }
        }
    });
    port
}

/// Where the domain controller offers replication, by its own endpoint mapper.
async fn service_port(address: &str) -> u16 {
    use directory_replication::drsuapi::DRSUAPI;
    use directory_replication::endpoint_mapper::{ENDPOINT_MAPPER, MAP, PORT, port, request};
    use directory_replication::rpc::{Association, length_of};
    let mut stream = TcpStream::connect((address, PORT)).await.expect("the endpoint mapper");
    let (mut association, bind) = Association::bind(&ENDPOINT_MAPPER, None).expect("a bind");
    let mut say = async |bytes: &[u8]| {
        stream.write_all(bytes).await.expect("it takes what is sent");
        let mut header = [0; 16];
        stream.read_exact(&mut header).await.expect("an answer");
        let mut pdu = header.to_vec();
        pdu.resize(length_of(&header).expect("a header"), 0);
        stream.read_exact(&mut pdu[16..]).await.expect("an answer");
        pdu
    };
    let bound = say(&bind).await;
    association.bound(&bound).expect("it binds");
    let call = association.request(MAP, &request(&DRSUAPI));
    let answer = say(&call).await;
    let answer = association.receive(answer).expect("an answer").expect("in one piece");
    port(&answer).expect("an answer").expect("a port")
}
