//! The drivers that people use: psycopg, asyncpg, and pandas and polars on top of them.

use std::path::Path;

use cloudping_query_service::Everyone;
use tokio::process::Command;

use crate::common::*;

/// Runs a part of `clients.py`; where no Python with the drivers is named, that is said on standard error.
async fn python(part: &str, place: &Place) {
    let Some(python) = std::env::var_os("CLOUDPING_TEST_PYTHON") else {
        eprintln!("SKIPPED: set CLOUDPING_TEST_PYTHON to a python with the packages of xtask/requirements.txt");
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/clients.py");
    let ran = Command::new(python).arg(script).args([part, &place.address.to_string()]).output();
    let ran = tokio::time::timeout(std::time::Duration::from_secs(120), ran).await.expect("in time").unwrap();
    assert!(ran.status.success(), "{part}: {}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(String::from_utf8_lossy(&ran.stdout).trim(), "ok");
}

#[tokio::test]
async fn psycopg_reads_text_and_binary() {
    python("psycopg", &Place::new().await).await;
}

#[tokio::test]
async fn asyncpg_prepares_and_pages() {
    python("asyncpg", &Place::new().await).await;
}

#[tokio::test]
async fn pandas_and_polars_read_frames() {
    python("frames", &Place::new().await).await;
}

#[tokio::test]
async fn tls_and_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = cloudping_postgres_door::Tls::read(&certificate, &key).unwrap();
    python("tls", &Place::with(|settings, _| settings.tls = Some(tls), OneKey("cp_secret")).await).await;
    // Without TLS at the server a client that wants it is told no, and one that prefers it goes on without.
    python("no_tls", &Place::with(|_, _| {}, Everyone).await).await;
}
