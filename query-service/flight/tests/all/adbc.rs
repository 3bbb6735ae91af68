//! ADBC from Python, as analysts use it.

use std::path::Path;

use tokio::process::Command;

use crate::common::*;

#[tokio::test]
async fn adbc_reads_arrow_prepares_and_lists_tables() {
    let Some(python) = std::env::var_os("CLOUDPING_TEST_PYTHON") else {
        eprintln!("SKIPPED: set CLOUDPING_TEST_PYTHON to a python with the packages of xtask/requirements.txt");
        return;
    };
    let place = Place::with(|_, _| {}, OneKey("cp_secret")).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/adbc.py");
    let ran = Command::new(python).arg(script).args([&place.address.to_string(), "cp_secret"]).output();
    let ran = tokio::time::timeout(std::time::Duration::from_secs(120), ran).await.expect("in time").unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(String::from_utf8_lossy(&ran.stdout).trim(), "ok");
}
