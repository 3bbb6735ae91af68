//! What clients do to connections: nothing, little by little, nonsense, too much.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::common::*;
use cloudping_query_service::serve;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

async fn listening(adjust: impl FnOnce(&mut cloudping_query_service::Settings)) -> (World, SocketAddr) {
    let world = World::with(now, adjust);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, world.service.clone(), std::future::pending()));
    (world, address)
}

/// All that comes until the server ends the connection, which it must.
async fn rest(mut client: TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(Duration::from_secs(20), client.read_to_end(&mut bytes)).await;
    // A reset is an end as well.
    let _ = read.expect("the connection was never ended");
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn sent(address: SocketAddr, bytes: &[u8]) -> String {
    let mut client = TcpStream::connect(address).await.unwrap();
    // The server may have ended the connection before all of it was sent.
    let _ = client.write_all(bytes).await;
    rest(client).await
}

async fn still_answers(address: SocketAddr) {
    let started = Instant::now();
    let answer = sent(address, b"GET /api/v1/matrix HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test]
async fn clients_that_say_nothing_or_not_all_are_left() {
    let (_world, address) = listening(|settings| {
        settings.connections.first_byte = Duration::from_millis(300);
        settings.connections.head = Duration::from_millis(600);
    })
    .await;
    for beginning in ["", "P", "PRI * HTTP/2.0\r\n", "GET", "GET /healthz HTTP/1.1\r\nhost: x\r\nx-a: "] {
        let started = Instant::now();
        let answer = sent(address, beginning.as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{beginning}: {answer}");
        assert!(started.elapsed() < Duration::from_secs(5), "{beginning}: {:?}", started.elapsed());
    }
    // One byte at a time does not help.
    let mut client = TcpStream::connect(address).await.unwrap();
    let started = Instant::now();
    for byte in b"GET /healthz HTTP/1.1\r\nx-slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n" {
        if client.write_all(&[*byte]).await.is_err() {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    assert!(!rest(client).await.starts_with("HTTP/1.1 200"));
    assert!(started.elapsed() < Duration::from_secs(6));
    still_answers(address).await;
}

#[tokio::test]
async fn places_for_connections_are_few_and_come_free() {
    let (_world, address) = listening(|settings| {
        settings.connections.count = 2;
        settings.connections.first_byte = Duration::from_millis(500);
    })
    .await;
    let silent = [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
    sleep(Duration::from_millis(50)).await;
    // It waits until the silent ones are left.
    let answer = sent(address, b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(silent);
}

#[tokio::test]
async fn nonsense_is_refused_and_harms_no_one() {
    let (_world, address) = listening(|settings| settings.connections.head = Duration::from_millis(500)).await;
    let many: String = (0..300).map(|at| format!("x-{at}: 1\r\n")).collect();
    for request in [
        "\0\0\0\0\r\n\r\n".to_owned(),
        "\r\n\r\n\r\nGARBAGE\r\n\r\n".to_owned(),
        "GET / HTTP/9.9\r\n\r\n".to_owned(),
        "GET /\u{7f}\u{1} HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(100_000)),
        format!("GET / HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "a".repeat(200_000)),
        format!("GET / HTTP/1.1\r\nhost: x\r\n{many}\r\n"),
        "POST /api/v1/sql HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n".to_owned(),
        "POST /api/v1/sql HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab".to_owned(),
        "POST /api/v1/sql HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_owned(),
        "POST /api/v1/sql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n".to_owned(),
        "GET /api/v1/sql?q=%FF%FE&q=%ZZ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_owned(),
        "CONNECT evil.example:443 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_owned(),
        "TRACE / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_owned(),
        "GET /../../etc/passwd HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_owned(),
        "GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_owned(),
    ] {
        let answer = sent(address, request.as_bytes()).await;
        let shown = &request[..request.len().min(60)];
        assert!(!answer.contains("root:"), "{shown:?}: {answer}");
        assert!(!answer.starts_with("HTTP/1.1 5"), "{shown:?}: {answer}");
        still_answers(address).await;
    }
}

#[tokio::test]
async fn bodies_have_a_size() {
    let (_world, address) = listening(|_| {}).await;
    let head = |length: u64| {
        format!(
            "POST /api/v1/sql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        )
    };
    let long = format!("{}{{\"query\":\"{}\"}}", head(300_012), " ".repeat(300_000));
    let answer = sent(address, long.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("application/problem+json"), "{answer}");
    // What is only announced is refused as well.
    let announced = format!("{}{}", head(1 << 40), " ".repeat(300_000));
    assert!(sent(address, announced.as_bytes()).await.starts_with("HTTP/1.1 413"));
    let whole = format!("{}{{\"query\":\"select 1\"}}", head(20));
    assert!(sent(address, whole.as_bytes()).await.starts_with("HTTP/1.1 200"));
    still_answers(address).await;
}

#[tokio::test]
async fn a_body_that_comes_little_by_little_is_left() {
    let (_world, address) = listening(|_| {}).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    let head = "POST /api/v1/sql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    client.write_all(head.as_bytes()).await.unwrap();
    let started = Instant::now();
    let answer = rest(client).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("did not arrive within 10 s"), "{answer}");
    assert!(started.elapsed() < Duration::from_secs(15));
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_take_no_answers_cost_no_one_else() {
    let (world, address) = listening(|settings| {
        settings.connections.untaken = Duration::from_secs(2);
        settings.sql.reader_time = Duration::from_secs(3);
    })
    .await;
    world.fill().await;
    let query = "select%20value,uuid()%20from%20generate_series(1,9000000)";
    let request = format!("GET /api/v1/sql?format=csv&q={query} HTTP/1.1\r\nhost: x\r\n\r\n");
    let mut stuck = Vec::new();
    for _ in 0..4 {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        stuck.push(client);
    }
    sleep(Duration::from_millis(500)).await;
    still_answers(address).await;
    // Their statements are ended, and their places are free.
    let started = Instant::now();
    while world.sql("select 1").await.status != 200 {
        assert!(started.elapsed() < Duration::from_secs(20), "slow readers keep their places");
    }
    drop(stuck);
}
