//! The API against its own description, by the requests that schemathesis makes up from it: wild ones, wrong ones and those that follow from
//! each other, with all of its checks.

use std::process::Command;

use cloudping_query_service::serve;
use tokio::net::TcpListener;

use crate::common::*;

/// Requests made up for each operation. A seed keeps a run repeatable.
const EXAMPLES: &str = "25";

#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_true() {
    let Some(python) = std::env::var_os("CLOUDPING_TEST_PYTHON") else {
        eprintln!(
            "SKIPPED: schemathesis was not asked. Set CLOUDPING_TEST_PYTHON to a python with the package schemathesis."
        );
        return;
    };
    let world = World::new();
    world.fill().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/v1/openapi.json", listener.local_addr().unwrap());
    let server = tokio::spawn(serve(listener, world.service.clone(), std::future::pending()));
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/all/schemathesis.toml");
    let mut command = Command::new(python);
    command.args([
        "-m",
        "schemathesis.cli",
        "--config-file",
        config,
        "run",
        &url,
        "--checks",
        "all",
        "--seed",
        "1",
        "--max-examples",
        EXAMPLES,
    ]);
    // It keeps what it has found beside where it runs.
    command.current_dir(world.folder.path());
    // The stream never ends.
    command.args(["--exclude-path", "/api/v1/stream", "--continue-on-failure", "--no-color"]);
    let said = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    server.abort();
    let text = String::from_utf8_lossy(&said.stdout);
    let tail: String = text.chars().rev().take(20_000).collect::<Vec<_>>().into_iter().rev().collect();
    assert!(said.status.success(), "{tail}\n{}", String::from_utf8_lossy(&said.stderr));
}
