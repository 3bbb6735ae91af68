//! The door on a real socket: the client that the agent uses, and peers that do not keep to the protocol.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use cloudping_ingest_client::DoorLog;
use cloudping_ingest_door::{Limits, Reason, registry, serve};
use cloudping_ports::EventLog;
use cloudping_schemas::event;
use support::{GOV, NOW, Rig, events, key, now, round, signed, vantage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn listen(rig: &Rig) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, rig.door.clone(), std::future::pending()));
    address
}

/// The head of a good request, but with these lines instead of its length.
fn head(lines: &str) -> String {
    let request = signed(&events(1), 0);
    let headers: String = request.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("POST /v1/rounds HTTP/1.1\r\nhost: door\r\n{headers}{lines}\r\n")
}

/// The status line of the answer to these bytes; the connection is closed for writing after them, or left open.
async fn answer(door: SocketAddr, bytes: &[u8], close: bool) -> String {
    let mut stream = TcpStream::connect(door).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    if close {
        stream.shutdown().await.unwrap();
    }
    let mut answer = vec![0; 4096];
    let length = stream.read(&mut answer).await.unwrap();
    let text = String::from_utf8_lossy(&answer[..length]).into_owned();
    text.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn rounds_go_through_the_door_one_after_the_other() {
    let rig = Rig::new().await;
    let address = listen(&rig).await;
    let log = DoorLog::new(&format!("http://{address}"), key(GOV, 1), now).unwrap();
    // All at one moment of the client's clock.
    for event in events(20) {
        log.append(GOV, event.into()).await.unwrap();
    }
    assert_eq!(rig.logged().await, events(20));
    assert_eq!(rig.door.counters().requests, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_passes_on_what_the_door_says() {
    let rig = Rig::new().await;
    let address = format!("http://{}", listen(&rig).await);
    let refused = async |log: DoorLog, event: Vec<u8>| log.append(GOV, event.into()).await.unwrap_err().to_string();
    let by = |number, clock| DoorLog::new(&address, key(GOV, number), clock).unwrap();
    let error = refused(by(1, || NOW + 86_400_000_000), events(1).remove(0)).await;
    assert_eq!(
        error,
        "event log: the ingest door refused a round: 401 clock: the request was signed 86400 s ahead of the door's clock: set the sender's clock"
    );
    let error = refused(by(9, now), events(1).remove(0)).await;
    assert!(error.contains("401 unauthorized: the key is not registered for this vantage point"), "{error}");
    let error = refused(by(1, now), event::encode(&round("laptop", 0, NOW))).await;
    assert!(error.contains("403 other_vantage: the round is of laptop, and signed by us-gov-west-1"), "{error}");
    registry::revoke(&*rig.store, &vantage(GOV), key(GOV, 1).fingerprint(), NOW).await.unwrap();
    assert!(refused(by(1, now), events(1).remove(0)).await.contains("401 unauthorized"));
    assert_eq!(rig.logged().await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_do_not_keep_to_the_protocol_are_answered_and_counted() {
    let rig = Rig::with(Limits { body_time: Duration::from_millis(300), ..Limits::default() }).await;
    let door = listen(&rig).await;
    let before = rig.writes();
    let body = signed(&events(1), 0).body;

    let chunk = [format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
    let chunked = [head("transfer-encoding: chunked\r\n").as_bytes(), &chunk].concat();
    assert_eq!(answer(door, &chunked, false).await, "HTTP/1.1 411 Length Required");

    let length = format!("content-length: {}\r\n", body.len());
    let half = [head(&length).as_bytes(), &body[..body.len() / 2]].concat();
    assert_eq!(answer(door, &half, false).await, "HTTP/1.1 408 Request Timeout");
    // Whoever hangs up in the middle hears nothing, and leaves nothing behind.
    answer(door, &half, true).await;

    let endless = head("content-length: 99999999999\r\n");
    assert_eq!(answer(door, endless.as_bytes(), false).await, "HTTP/1.1 413 Payload Too Large");

    assert_eq!(rig.writes(), before);
    let counters = rig.door.counters();
    let reasons = [Reason::NoLength, Reason::TooSlow, Reason::TooLarge].map(|reason| counters.refused(reason));
    assert_eq!((reasons, counters.requests), ([1, 1, 1], 0));
    let whole = [head(&length).as_bytes(), &body].concat();
    assert_eq!(answer(door, &whole, false).await, "HTTP/1.1 200 OK");
    assert_eq!(rig.logged().await, events(1));
}
