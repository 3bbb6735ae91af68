//! The protocol itself: commands, transactions, portals, cancelling, limits, the end.

use std::time::{Duration, Instant};

use cloudping_query_service::Everyone;
use tokio::io::AsyncWriteExt;

use crate::common::*;

/// Three billion rows by and by: long enough to be cancelled.
const LONG: &str = "select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b";

#[tokio::test]
async fn statements_are_answered_and_refused_as_over_http() {
    let place = Place::new().await;
    let mut client = place.client().await;
    let regions = Client::one(client.query("select count(*) from regions").await);
    assert!(regions.parse::<u32>().unwrap() > 20, "{regions}");
    for (text, code) in [
        ("insert into regions values (1)", "25006"),
        ("create table t as select 1", "25006"),
        ("copy regions to '/tmp/x'", "25006"),
        ("explain select 1", "25006"),
        ("select nothing from regions", "42703"),
        ("select 1 from nowhere", "42P01"),
        ("select no_such(1)", "42883"),
        ("selec 1", "42601"),
        ("select 'open", "42601"),
        ("declare c cursor for select 1", "0A000"),
        ("show no_such_setting", "42704"),
        ("set client_encoding = latin1", "22023"),
    ] {
        let refused = client.query(text).await.unwrap_err();
        assert_eq!(refused.code, code, "{text}: {}", refused.message);
    }
    assert_eq!(client.query("").await.unwrap(), Rows::new());
    // As it goes on after every refusal.
    assert_eq!(Client::one(client.query("select 1").await), "1");
}

#[tokio::test]
async fn values_are_written_as_postgresql_writes_them() {
    let place = Place::new().await;
    let mut client = place.client().await;
    let query = "select to_timestamp_micros(1767357020123456)::timestamptz, now()::date, true, null, 1.5::double, \
        arrow_cast('abc', 'Binary'), [1, null, 3], 'it''s', 7::int2 from regions limit 1";
    let rows = client.query(query).await.unwrap();
    let texts: Vec<_> = rows[0].iter().map(|value| value.as_deref().unwrap_or("NULL")).collect();
    assert_eq!(
        texts,
        ["2026-01-02 12:30:20.123456+00", "2026-01-02", "t", "NULL", "1.5", "\\x616263", "{1,NULL,3}", "it's", "7"]
    );
}

#[tokio::test]
async fn commands_of_clients_are_taken_and_change_nothing_else() {
    let place = Place::new().await;
    let mut client = place.client().await;
    assert_eq!(client.status, b'I');
    client.query("BEGIN; SET LOCAL application_name = 'x'").await.unwrap();
    assert_eq!(client.status, b'T');
    assert_eq!(client.query("selec 1").await.unwrap_err().code, "42601");
    assert_eq!(client.status, b'E');
    assert_eq!(client.query("select 1").await.unwrap_err().code, "25P02");
    client.query("ROLLBACK").await.unwrap();
    assert_eq!(client.status, b'I');
    assert_eq!(Client::one(client.query("SHOW application_name").await), "x");
    assert_eq!(Client::one(client.query("SHOW TIME ZONE").await), "UTC");
    assert_eq!(Client::one(client.query("SHOW transaction_read_only").await), "on");
    assert!(client.query("SHOW ALL").await.unwrap().len() > 20);
    client.query("SET TIME ZONE 'Europe/Berlin'; DISCARD ALL; DEALLOCATE ALL; RESET ALL").await.unwrap();
    assert_eq!(Client::one(client.query("SHOW application_name").await), "");
}

/// Parse, Bind, Describe, Execute with a number of rows, in text.
async fn portal(client: &mut Client, text: &str, value: Option<&str>) {
    client.send(b'P', &[&text_of("s")[..], &text_of(text), &[0, 0]].concat()).await;
    let mut bind = [text_of("p"), text_of("s"), vec![0, 0]].concat();
    match value {
        Some(value) => {
            bind.extend([0, 1]);
            bind.extend(i32::try_from(value.len()).unwrap().to_be_bytes());
            bind.extend(value.bytes());
        }
        None => bind.extend([0, 0]),
    }
    bind.extend([0, 0]);
    client.send(b'B', &bind).await;
}

async fn execute(client: &mut Client, rows: i32) {
    client.send(b'E', &[&text_of("p")[..], &rows.to_be_bytes()].concat()).await;
    client.send(b'H', &[]).await;
}

/// The kinds of messages up to one of these, and how many rows were among them.
async fn until(client: &mut Client, ends: &[u8]) -> (u8, usize) {
    let mut rows = 0;
    loop {
        let (kind, _) = client.read().await.expect("an answer");
        rows += usize::from(kind == b'D');
        if ends.contains(&kind) {
            return (kind, rows);
        }
    }
}

#[tokio::test]
async fn a_portal_hands_out_rows_as_they_are_asked_for() {
    let place = Place::new().await;
    let mut client = place.client().await;
    portal(&mut client, "select * from generate_series(1, 10) where value > $1::bigint", Some("3")).await;
    for (asked, expected) in [(5, (b's', 5)), (1, (b's', 1)), (i32::MAX, (b'C', 1)), (3, (b'C', 0))] {
        execute(&mut client, asked).await;
        assert_eq!(until(&mut client, b"sCE").await, expected, "{asked}");
    }
    client.send(b'S', &[]).await;
    client.ready().await.unwrap();
    // Named twice, it is another one.
    portal(&mut client, "SHOW server_version", None).await;
    execute(&mut client, 0).await;
    assert_eq!(until(&mut client, b"sCE").await, (b'C', 1));
    client.send(b'S', &[]).await;
    client.ready().await.unwrap();
}

#[tokio::test]
async fn bindings_that_do_not_fit_are_refused_and_the_rest_goes_on() {
    let place = Place::new().await;
    let mut client = place.client().await;
    for (text, value, code) in [
        ("select $1::bigint", None, "08P01"),
        ("select 1", Some("x"), "08P01"),
        ("select $2::bigint", Some("1"), "42601"),
        ("select 1; select 2", None, "42601"),
    ] {
        portal(&mut client, text, value).await;
        execute(&mut client, 0).await;
        client.send(b'S', &[]).await;
        assert_eq!(client.ready().await.unwrap_err().code, code, "{text}");
    }
    assert_eq!(Client::one(client.query("select 1").await), "1");
}

#[tokio::test]
async fn a_timeout_of_the_clients_own_is_kept() {
    let place = Place::new().await;
    let mut client = place.client().await;
    client.query("SET statement_timeout = '300ms'").await.unwrap();
    let started = Instant::now();
    let refused = client.query(LONG).await.unwrap_err();
    assert_eq!(refused.code, "57014", "{refused:?}");
    assert!(started.elapsed() < Duration::from_secs(10));
    client.query("SET statement_timeout = 0").await.unwrap();
    assert_eq!(Client::one(client.query("select 1").await), "1");
}

#[tokio::test]
async fn the_doors_bounds_hold() {
    let limits = |_: &mut _, sql: &mut cloudping_query_service::SqlLimits| {
        sql.wall_time = Duration::from_millis(500);
        sql.stream_rows = 1_000;
    };
    let place = Place::with(limits, Everyone).await;
    let mut client = place.client().await;
    assert_eq!(client.query(LONG).await.unwrap_err().code, "57014");
    let refused = client.query("select * from generate_series(1, 5000)").await.unwrap_err();
    assert_eq!(refused.code, "54000");
    assert!(refused.message.contains("1000"), "{}", refused.message);
    assert_eq!(client.query("select * from generate_series(1, 1000)").await.unwrap().len(), 1_000);
}

#[tokio::test]
async fn a_cancel_request_ends_the_statement_that_its_secret_is_for() {
    let place = Place::new().await;
    let (mut client, mut other) = (place.client().await, place.client().await);
    client.send(b'Q', &text_of(LONG)).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    for secret in [other.secret.clone(), client.secret.clone()] {
        let mut request = Client::open(place.address).await;
        let body = [&80_877_102_i32.to_be_bytes()[..], &secret].concat();
        request.raw(&framed(None, &body)).await;
        assert_eq!(request.read().await, None);
    }
    assert_eq!(client.ready().await.unwrap_err().code, "57014");
    assert_eq!(Client::one(client.query("select 1").await), "1");
    assert_eq!(Client::one(other.query("select 2").await), "2");
}

/// Waits until the one place to run is free again.
async fn free_again(place: &Place) {
    let mut client = place.client().await;
    let started = Instant::now();
    while let Err(refused) = client.query("select 1").await {
        assert_eq!(refused.code, "53300", "{refused:?}");
        assert!(started.elapsed() < Duration::from_secs(15), "still running");
    }
}

#[tokio::test]
async fn who_leaves_ends_the_statement() {
    let limits = |_: &mut _, sql: &mut cloudping_query_service::SqlLimits| {
        (sql.concurrency, sql.queue, sql.wall_time) = (1, 0, Duration::from_secs(600));
        sql.reader_time = Duration::from_secs(600);
    };
    let place = Place::with(limits, Everyone).await;
    // While it computes, and while its rows wait to be taken.
    for text in [LONG, "select a.value, b.value from generate_series(1, 3000) a, generate_series(1, 3000) b"] {
        let mut client = place.client().await;
        client.send(b'Q', &text_of(text)).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(place.client().await.query("select 1").await.unwrap_err().code, "53300", "{text}");
        drop(client);
        free_again(&place).await;
    }
}

#[tokio::test]
async fn the_end_is_orderly() {
    let place = Place::new().await;
    let (mut idle, mut busy) = (place.client().await, place.client().await);
    busy.send(b'Q', &text_of("select count(*) from generate_series(1, 1000) a, generate_series(1, 1000) b")).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let address = place.address;
    let (closed, told, answered) = tokio::join!(place.close(), idle.ready(), busy.ready());
    let () = closed;
    assert_eq!(told.unwrap_err().code, "57P01");
    assert_eq!(Client::one(answered), "1000000");
    let refused = tokio::net::TcpStream::connect(address).await;
    assert!(refused.is_err());
}

#[tokio::test]
async fn a_key_is_the_password_and_asked_for_only_where_it_is_needed() {
    let place = Place::with(|_, _| {}, OneKey("cp_secret")).await;
    let mut client = Client::open(place.address).await;
    assert_eq!(client.start("anyone").await.unwrap_err().code, "password");
    client.send(b'p', &text_of("cp_secret")).await;
    client.ready().await.unwrap();
    assert_eq!(Client::one(client.query("select 1").await), "1");
    for wrong in ["", "cp_secret2", "CP_SECRET"] {
        let mut client = Client::open(place.address).await;
        assert_eq!(client.start("anyone").await.unwrap_err().code, "password");
        client.send(b'p', &text_of(wrong)).await;
        let refused = client.ready().await.unwrap_err();
        assert_eq!(refused.code, "28P01", "{wrong}");
        assert!(!refused.message.contains("cp_secret"));
        assert_eq!(client.read().await, None);
    }
    let mut hasty = Client::open(place.address).await;
    assert_eq!(hasty.start("anyone").await.unwrap_err().code, "password");
    hasty.send(b'Q', &text_of("select 1")).await;
    assert_eq!(hasty.ready().await.unwrap_err().code, "08P01");
}

#[tokio::test]
async fn no_more_connect_than_there_are_places() {
    let place = Place::with(|settings, _| settings.connections = 2, Everyone).await;
    let (one, _two) = (place.client().await, place.client().await);
    let mut third = Client::open(place.address).await;
    assert_eq!(third.ready().await.unwrap_err().code, "53300");
    let Client { mut socket, .. } = one;
    socket.shutdown().await.unwrap();
    drop(socket);
    for attempt in 0.. {
        let mut again = Client::open(place.address).await;
        if again.start("tester").await.is_ok() {
            break;
        }
        assert!(attempt < 100, "the place was not given back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
