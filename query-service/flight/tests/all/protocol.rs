//! The protocol: statements, prepared ones, metadata, cancelling, limits, the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type};
use arrow_flight::FlightInfo;
use arrow_flight::error::FlightError;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::sql::{ActionCancelQueryRequest, CommandGetDbSchemas, CommandGetTables, ProstMessageExt, SqlInfo};
use cloudping_query_service::Everyone;
use futures::TryStreamExt;
use prost::Message;
use tonic::transport::Channel;

use crate::common::*;

/// Ten billion rows: long enough to be cancelled.
const LONG: &str = "select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b";

type Client = FlightSqlServiceClient<Channel>;

async fn rows(client: &mut Client, info: FlightInfo) -> Result<Vec<RecordBatch>, FlightError> {
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let stream = client.do_get(ticket).await?;
    stream.try_collect().await
}

async fn query(client: &mut Client, text: &str) -> Result<Vec<RecordBatch>, FlightError> {
    let info = client.execute(text.to_owned(), None).await?;
    rows(client, info).await
}

fn count(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}

fn one(batches: &[RecordBatch]) -> i64 {
    assert_eq!(count(batches), 1);
    batches[0].column(0).as_primitive::<Int64Type>().value(0)
}

#[tokio::test]
async fn a_statement_is_answered_with_the_schema_that_was_promised() {
    let place = Place::new().await;
    let mut client = place.client().await;
    let text = "select id, latitude, now() as at from regions where id = 'us-east-1'";
    let info = client.execute(text.to_owned(), None).await.unwrap();
    let promised = info.clone().try_decode_schema().unwrap();
    let batches = rows(&mut client, info).await.unwrap();
    assert_eq!(count(&batches), 1);
    assert_eq!(promised.fields(), batches[0].schema().fields());
    assert_eq!(batches[0].column(0).as_string::<i32>().value(0), "us-east-1");
    assert!((batches[0].column(1).as_primitive::<Float64Type>().value(0) - 39.0).abs() < 2.0);
    // Where there are no rows there are columns.
    let none = client.execute("select id from regions where id = 'x'".to_owned(), None).await.unwrap();
    assert_eq!(none.clone().try_decode_schema().unwrap().field(0).name(), "id");
    assert_eq!(count(&rows(&mut client, none).await.unwrap()), 0);
}

#[tokio::test]
async fn what_does_not_read_is_refused() {
    let place = Place::new().await;
    let mut client = place.client().await;
    for text in ["insert into regions values (1)", "select nothing from regions", "copy regions to 'x'", "selec", ""] {
        let error = client.execute(text.to_owned(), None).await.unwrap_err().to_string();
        assert!(error.contains("argument"), "{text}: {error}");
    }
    assert!(client.execute_update("delete from regions".to_owned(), None).await.is_err());
    assert!(client.begin_transaction().await.is_err());
    let forged = arrow_flight::Ticket::new(b"not of this server".to_vec());
    assert!(client.do_get(forged).await.is_err());
    assert_eq!(one(&query(&mut client, "select 1").await.unwrap()), 1);
}

#[tokio::test]
async fn a_prepared_statement_takes_values_and_needs_no_memory_here() {
    let place = Place::new().await;
    let mut client = place.client().await;
    let text = "select value from generate_series(1, 10) where value > $1::bigint";
    let mut prepared = client.prepare(text.to_owned(), None).await.unwrap();
    assert_eq!(prepared.parameter_schema().unwrap().fields().len(), 1);
    assert_eq!(prepared.dataset_schema().unwrap().field(0).name(), "value");
    for (least, expected) in [(7, 3), (9, 1)] {
        let values = Arc::new(Int64Array::from(vec![least])) as _;
        prepared.set_parameters(RecordBatch::try_from_iter([("$1", values)]).unwrap()).unwrap();
        let info = prepared.execute().await.unwrap();
        assert_eq!(count(&rows(&mut client, info).await.unwrap()), expected);
    }
    let two = Arc::new(Int64Array::from(vec![1, 2])) as _;
    prepared.set_parameters(RecordBatch::try_from_iter([("$1", two)]).unwrap()).unwrap();
    assert!(prepared.execute().await.unwrap_err().to_string().contains("2 rows of parameters, expected one"));
    prepared.close().await.unwrap();
    let mut unbound = client.prepare(text.to_owned(), None).await.unwrap();
    let info = unbound.execute().await.unwrap();
    let refused = rows(&mut client, info).await.unwrap_err().to_string();
    assert!(refused.contains("1 parameters, and 0 values"), "{refused}");
}

#[tokio::test]
async fn it_tells_of_itself_and_its_tables() {
    let place = Place::new().await;
    let mut client = place.client().await;
    let info = client.get_tables(CommandGetTables { include_schema: true, ..Default::default() }).await.unwrap();
    assert_eq!(count(&rows(&mut client, info).await.unwrap()), place.service.sql().tables().len());
    let some = CommandGetTables { table_name_filter_pattern: Some("rollup%".to_owned()), ..Default::default() };
    let info = client.get_tables(some).await.unwrap();
    assert_eq!(count(&rows(&mut client, info).await.unwrap()), 2);
    let info = client.get_catalogs().await.unwrap();
    assert_eq!(rows(&mut client, info).await.unwrap()[0].column(0).as_string::<i32>().value(0), "cloudping");
    let info = client.get_db_schemas(CommandGetDbSchemas::default()).await.unwrap();
    assert_eq!(rows(&mut client, info).await.unwrap()[0].column(1).as_string::<i32>().value(0), "public");
    let info = client.get_table_types().await.unwrap();
    assert_eq!(count(&rows(&mut client, info).await.unwrap()), 1);
    let info = client.get_sql_info(vec![SqlInfo::FlightSqlServerName, SqlInfo::FlightSqlServerReadOnly]).await.unwrap();
    assert_eq!(count(&rows(&mut client, info).await.unwrap()), 2);
    let keys = arrow_flight::sql::CommandGetPrimaryKeys { catalog: None, db_schema: None, table: "samples".to_owned() };
    let info = client.get_primary_keys(keys).await.unwrap();
    assert_eq!(count(&rows(&mut client, info).await.unwrap()), 0);
}

#[tokio::test]
async fn the_doors_bounds_hold() {
    let limits = |_: &mut _, sql: &mut cloudping_query_service::SqlLimits| {
        sql.wall_time = Duration::from_millis(500);
        sql.stream_rows = 10_000;
    };
    let place = Place::with(limits, Everyone).await;
    let mut client = place.client().await;
    let slow = query(&mut client, LONG).await.unwrap_err().to_string();
    assert!(slow.contains("0.5 s"), "{slow}");
    let many = query(&mut client, "select * from generate_series(1, 20000)").await.unwrap_err().to_string();
    assert!(many.contains("10000"), "{many}");
    assert_eq!(count(&query(&mut client, "select * from generate_series(1, 10000)").await.unwrap()), 10_000);
    let long = format!("select '{}'", "x".repeat(2 << 20));
    assert!(client.execute(long, None).await.is_err());
}

/// Waits until the one place to run is free again.
async fn free_again(place: &Place) {
    let started = Instant::now();
    while query(&mut place.client().await, "select 1").await.is_err() {
        assert!(started.elapsed() < Duration::from_secs(15), "still running");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn one_place(_: &mut cloudping_flight_door::Settings, sql: &mut cloudping_query_service::SqlLimits) {
    (sql.concurrency, sql.queue, sql.wall_time) = (1, 0, Duration::from_secs(600));
    sql.reader_time = Duration::from_secs(600);
}

#[tokio::test]
async fn who_leaves_ends_the_statement_and_so_does_a_cancel_request() {
    let place = Place::with(one_place, Everyone).await;
    // A reader that stops reading, and leaves.
    let mut client = place.client().await;
    let wide = "select a.value, b.value as b from generate_series(1, 5000) a, generate_series(1, 5000) b";
    let info = client.execute(wide.to_owned(), None).await.unwrap();
    let mut stream = client.do_get(info.endpoint[0].ticket.clone().unwrap()).await.unwrap();
    assert!(stream.try_next().await.unwrap().is_some());
    assert!(query(&mut place.client().await, "select 1").await.is_err());
    drop(stream);
    free_again(&place).await;
    // A statement that computes.
    let info = client.execute(LONG.to_owned(), None).await.unwrap();
    let (mut other, asked) = (place.client().await, info.clone());
    let running = tokio::spawn(async move { rows(&mut client, info).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let request = ActionCancelQueryRequest { info: asked.encode_to_vec().into() };
    let action =
        arrow_flight::Action { r#type: "CancelQuery".to_owned(), body: request.as_any().encode_to_vec().into() };
    let answers: Vec<_> = other.inner_mut().do_action(action).await.unwrap().into_inner().try_collect().await.unwrap();
    assert_eq!(answers.len(), 1);
    assert!(running.await.unwrap().unwrap_err().to_string().contains("cancelled"));
    free_again(&place).await;
}

#[tokio::test]
async fn a_key_is_a_token() {
    let place = Place::with(|_, _| {}, OneKey("cp_secret")).await;
    let mut client = place.client().await;
    let refused = client.execute("select 1".to_owned(), None).await.unwrap_err().to_string();
    assert!(refused.contains("a key is needed"), "{refused}");
    client.set_token("cp_secret".to_owned());
    assert_eq!(one(&query(&mut client, "select 1").await.unwrap()), 1);
    // By user name and password first, as some clients do.
    let mut client = place.client().await;
    assert!(client.handshake("anyone", "wrong").await.is_err());
    let mut client = place.client().await;
    assert_eq!(client.handshake("anyone", "cp_secret").await.unwrap(), "cp_secret");
    assert_eq!(one(&query(&mut client, "select 1").await.unwrap()), 1);
}

#[tokio::test]
async fn the_end_is_orderly() {
    let place = Place::new().await;
    let mut client = place.client().await;
    let text = "select count(*) from generate_series(1, 1000) a, generate_series(1, 1000) b";
    let info = client.execute(text.to_owned(), None).await.unwrap();
    let running = tokio::spawn(async move { rows(&mut client, info).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let address = place.address;
    place.close().await;
    assert_eq!(one(&running.await.unwrap().unwrap()), 1_000_000);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
