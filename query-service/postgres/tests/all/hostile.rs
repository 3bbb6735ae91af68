//! Clients that mean no good, or are broken.

use std::time::{Duration, Instant};

use cloudping_query_service::Everyone;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::*;

/// What the server says before it closes, within a second or so.
async fn closed_after(place: &Place, bytes: &[u8]) -> Vec<u8> {
    let mut client = Client::open(place.address).await;
    let _ = client.socket.write_all(bytes).await;
    let mut said = Vec::new();
    let read = client.socket.read_to_end(&mut said);
    tokio::time::timeout(Duration::from_secs(5), read).await.expect("closed").ok();
    said
}

#[tokio::test]
async fn what_is_no_start_up_is_closed() {
    let place = Place::with(|settings, _| settings.startup_time = Duration::from_secs(2), Everyone).await;
    for bytes in [
        &b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"[..],
        &[0, 0, 0, 3, 0, 3, 0, 0],
        &[0, 0, 0, 4],
        &[0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0],
        &[0xff; 64],
        &[0, 0, 0, 8, 0, 9, 0, 0],
        // TLS at once, where there is none.
        &[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0],
    ] {
        let said = closed_after(&place, bytes).await;
        assert!(said.len() < 1_000, "{said:?}");
    }
    assert_eq!(Client::one(place.client().await.query("select 1").await), "1");
}

#[tokio::test]
async fn a_message_is_refused_by_its_length_before_it_comes() {
    let place = Place::with(|settings, _| settings.message_bytes = 100_000, Everyone).await;
    let mut client = place.client().await;
    client.raw(&[b'Q', 0x3f, 0xff, 0xff, 0xf0]).await;
    let refused = client.ready().await.unwrap_err();
    assert_eq!(refused.code, "08P01");
    assert!(refused.message.contains("expected 100000 at most"), "{}", refused.message);
    assert_eq!(client.read().await, None);
    // One that is short enough for the wire is still too long for the SQL door.
    let long = format!("select '{}'", "x".repeat(50_000));
    assert_eq!(place.client().await.query(&long).await.unwrap_err().code, "54001");
}

#[tokio::test]
async fn whoever_does_not_start_is_dropped() {
    let place = Place::with(|settings, _| settings.startup_time = Duration::from_millis(300), Everyone).await;
    let started = Instant::now();
    for begun in [&b""[..], &[0, 0], &[0, 0, 0, 40, 0, 3, 0, 0, b'u']] {
        let said = closed_after(&place, begun).await;
        assert!(said.is_empty(), "{said:?}");
    }
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn noise_after_the_start_ends_one_connection_only() {
    let place = Place::new().await;
    let mut state = 0x2545_f491_u32;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    for _ in 0..200 {
        let mut client = place.client().await;
        let kinds = b"QPBDECSHFXpdcf?\0";
        let kind = kinds[random() as usize % kinds.len()];
        let body: Vec<u8> = (0..random() % 40).map(|_| random() as u8).collect();
        client.send(kind, &body).await;
        let _ = client.socket.write_all(&framed(Some(b'S'), &[])).await;
        let _ = client.socket.write_all(&framed(Some(b'X'), &[])).await;
        let mut said = Vec::new();
        let read = client.socket.read_to_end(&mut said);
        tokio::time::timeout(Duration::from_secs(10), read).await.expect("it ends").ok();
    }
    assert_eq!(Client::one(place.client().await.query("select 1").await), "1");
}

#[tokio::test]
async fn who_prepares_without_end_is_stopped() {
    let place = Place::with(|settings, _| settings.statements = 20, Everyone).await;
    let mut client = place.client().await;
    for number in 0..30 {
        let body = [text_of(&format!("s{number}")), text_of("select 1"), vec![0, 0]].concat();
        client.send(b'P', &body).await;
        client.send(b'S', &[]).await;
        let prepared = client.ready().await;
        assert_eq!(prepared.is_ok(), number < 20, "{number}: {prepared:?}");
    }
    client.query("DEALLOCATE ALL").await.unwrap();
    client.send(b'P', &[text_of("again"), text_of("select 1"), vec![0, 0]].concat()).await;
    client.send(b'S', &[]).await;
    client.ready().await.unwrap();
}

#[tokio::test]
async fn ambiguous_questions_to_the_catalogue_are_left_in_time() {
    let place = Place::new().await;
    let mut client = place.client().await;
    for text in [
        format!("select version(), {}", "case when true then ".repeat(45)),
        format!("select {}pg_backend_pid(){}", "(".repeat(60), ")".repeat(60)),
        format!("select * from {}pg_class{}", "(".repeat(40), ")".repeat(40)),
    ] {
        let started = Instant::now();
        let answer = client.query(&text).await;
        assert!(started.elapsed() < Duration::from_secs(5), "{text}");
        assert!(answer.is_err(), "{text}");
    }
    for text in [
        "delete from pg_catalog.pg_class",
        "create table pg_catalog.x as select 1",
        "copy pg_catalog.pg_class to '/tmp/x'",
        "select 1; drop table pg_class; select version()",
        "select pg_read_file('/etc/passwd')",
        "select pg_sleep(1000)",
        "select * from pg_ls_dir('/')",
        "set role postgres; select pg_terminate_backend(1)",
    ] {
        assert!(client.query(text).await.is_err(), "{text}");
    }
}
