//! What tools ask before they show a table: psql itself, and the questions of Grafana, DBeaver, Metabase and the JDBC driver.

use std::process::{Command, Output};

use crate::common::*;

const QUESTIONS: [(&str, &str); 4] = [
    ("dbeaver", include_str!("questions/dbeaver.sql")),
    ("grafana", include_str!("questions/grafana.sql")),
    ("jdbc", include_str!("questions/jdbc.sql")),
    ("metabase", include_str!("questions/metabase.sql")),
];

fn questions(text: &str) -> impl Iterator<Item = &str> {
    // The first part says whose questions they are.
    text.split("\n----\n").skip(1).map(str::trim)
}

#[tokio::test]
async fn the_questions_of_tools_are_answered_in_both_protocols() {
    let place = Place::new().await;
    let mut client = place.client().await;
    let mut unanswered = Vec::new();
    for (tool, text) in QUESTIONS {
        for question in questions(text) {
            if let Err(refused) = client.query(question).await {
                unanswered.push(format!("{tool}: {question}\n  {refused:?}"));
            }
            client.send(b'P', &[text_of(""), text_of(question), vec![0, 0]].concat()).await;
            client.send(b'B', &[text_of(""), text_of(""), vec![0; 6]].concat()).await;
            client.send(b'D', &[&b"P"[..], &text_of("")].concat()).await;
            client.send(b'E', &[&text_of("")[..], &[0; 4]].concat()).await;
            client.send(b'S', &[]).await;
            if let Err(refused) = client.ready().await {
                unanswered.push(format!("{tool}, prepared: {question}\n  {refused:?}"));
            }
        }
    }
    assert!(unanswered.is_empty(), "{}", unanswered.join("\n"));
}

#[tokio::test]
async fn the_catalogue_tells_of_our_tables_and_keeps_their_numbers() {
    let place = Place::new().await;
    let tables = "select relname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
        where n.nspname = 'public' order by 1";
    let found = place.client().await.query(tables).await.unwrap();
    let found: Vec<_> = found.into_iter().map(|row| row[0].clone().unwrap()).collect();
    let mut expected: Vec<_> = place.service.sql().tables().iter().map(|table| table.name.to_owned()).collect();
    expected.sort();
    assert_eq!(found, expected);
    let number = "select oid from pg_catalog.pg_class where relname = 'samples'";
    let first = Client::one(place.client().await.query(number).await);
    place.client().await.query("select * from pg_catalog.pg_namespace").await.unwrap();
    let mut client = place.client().await;
    assert_eq!(Client::one(client.query(number).await), first);
    assert_eq!(Client::one(client.query("select 'samples'::regclass::oid").await), first);
    let columns =
        format!("select attname from pg_catalog.pg_attribute where attrelid = {first} and attnum > 0 order by attnum");
    let columns = client.query(&columns).await.unwrap();
    let samples = place.service.sql().tables().iter().find(|table| table.name == "samples").unwrap();
    assert_eq!(columns.len(), samples.schema.fields().len());
    let listed = "select count(*) from information_schema.columns where table_name = 'samples'";
    assert_eq!(Client::one(client.query(listed).await), columns.len().to_string());
}

#[tokio::test]
async fn small_questions_have_the_answers_that_tools_build_on() {
    let place = Place::new().await;
    let mut client = place.client().await;
    for (question, answer) in [
        ("select current_database()", "cloudping"),
        ("select current_schema()", "public"),
        ("select current_setting('server_version_num')", "160006"),
        ("select pg_catalog.pg_is_in_recovery()", "f"),
        ("select quote_ident('a b')", "\"a b\""),
        ("select format_type(25, null)", "text"),
        ("select count(*) from pg_catalog.pg_roles where 1 = 0", "0"),
    ] {
        assert_eq!(Client::one(client.query(question).await), answer, "{question}");
    }
    assert!(Client::one(client.query("select version()").await).starts_with("PostgreSQL 16.6 (cloudping "));
    assert_eq!(client.query("select current_setting('no.such')").await.unwrap_err().code, "42601");
}

/// What psql prints for commands; `None`, said on standard error, where there is no psql.
fn psql(place: &Place, commands: &[&str]) -> Option<Output> {
    let mut psql = Command::new("psql");
    let url = format!("postgresql://tester@{}/cloudping", place.address);
    psql.args(["--no-psqlrc", "--no-align", "--tuples-only", "--set", "ON_ERROR_STOP=1", &url]);
    for command in commands {
        psql.args(["--command", command]);
    }
    match psql.output() {
        Ok(output) => Some(output),
        Err(error) => {
            eprintln!("SKIPPED: psql: {error} (Debian's package postgresql-client)");
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_lists_and_describes_tables() {
    let place = Place::new().await;
    for (command, expected) in [
        ("\\d", vec!["public|samples|table|", "public|regions|table|"]),
        ("\\dt", vec!["public|rollup_1h|table|"]),
        ("\\d samples", vec!["ts|timestamp with time zone||not null|", "source|text||not null|", "rtt_us|integer|||"]),
        ("\\dn", vec!["public|"]),
        ("\\l", vec!["cloudping|"]),
        ("\\conninfo", vec!["\"cloudping\""]),
        ("\\encoding", vec!["UTF8"]),
        ("select id from regions where id = 'us-east-1'", vec!["us-east-1"]),
    ] {
        let Some(output) = psql(&place, &[command]) else { return };
        let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{command}: {complained}");
        for expected in expected {
            assert!(said.contains(expected), "{command}: expected {expected} in\n{said}{complained}");
        }
    }
}
