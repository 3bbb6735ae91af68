//! The real program under a real Lambda Runtime API.

use std::process::{Child, Command};
use std::time::Duration;

use cloudping_backend_aws::{create_bucket_if_absent, s3_client};
use cloudping_schemas::stored::AccountRegions;
use cloudping_testkit::event_source::{Outcome, invoke};
use cloudping_testkit::servers::Server;
use serde_json::json;

use crate::rig::{ACCOUNT, REGIONS, Rig, SETTINGS, package};

struct Function(Child);

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn function(rig: &Rig, runtime: &Server) -> Function {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloudping-region-manager-lambda"));
    for service in ["LAMBDA", "EVENTBRIDGE", "CLOUDWATCH_LOGS", "CLOUDWATCH", "S3"] {
        command.env(format!("AWS_ENDPOINT_URL_{service}"), format!("http://{}", rig.door.address()));
    }
    let child = command
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", ACCOUNT)
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AWS_ENDPOINT_URL_ACCOUNT", format!("http://{}", rig.account))
        .env("AWS_LAMBDA_RUNTIME_API", format!("http://{}/.rt", runtime.address()))
        .env("AWS_LAMBDA_FUNCTION_NAME", "region-manager")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
        .env("CLOUDPING_SETTINGS", SETTINGS)
        .env("CLOUDPING_PRODUCER", "s3://assets/producer.zip")
        .env("CLOUDPING_REPORT", "s3://assets/tables/account-regions.json")
        .spawn();
    Function(child.unwrap())
}

/// S3 may come up later than the rest of the server.
async fn bucket(s3: &aws_sdk_s3::Client) {
    let mut made = create_bucket_if_absent(s3, "assets").await;
    for _ in 0..60 {
        if made.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        made = create_bucket_if_absent(s3, "assets").await;
    }
    made.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invocation_deploys_everywhere_and_writes_what_it_found() {
    let (Some(rig), Some(runtime)) = (Rig::start().await, Server::lambda_runtime()) else { return };
    let (code, s3) = (package(b"#!/bin/sh\nexit 1\n"), s3_client(&rig.config("us-east-1")));
    bucket(&s3).await;
    s3.put_object().bucket("assets").key("producer.zip").body(code.zip().to_vec().into()).send().await.unwrap();
    let _function = function(&rig, &runtime);
    let Outcome::Answered(report) = invoke(&runtime.address(), json!({})).await else { panic!("it failed") };
    assert_eq!(report["regions"].as_array().unwrap().len(), REGIONS);

    let stored = s3.get_object().bucket("assets").key("tables/account-regions.json").send().await.unwrap();
    let stored: AccountRegions = serde_json::from_slice(&stored.body.collect().await.unwrap().into_bytes()).unwrap();
    let region = |id: &str| stored.regions.iter().find(|region| region.id == id).unwrap();
    assert!(stored.checked_at_us > 1_700_000_000_000_000);
    assert_eq!((region("eu-west-1").outcome.as_str(), region("eu-west-1").catalogued), ("created", true));
    assert_eq!(region("eu-west-1").producer_sha256.as_deref(), Some(code.sha256()));
    assert!(!region("xx-new-1").catalogued);
    assert_eq!((region("af-south-1").status.as_str(), region("af-south-1").outcome.as_str()), ("DISABLED", "enabling"));
}
