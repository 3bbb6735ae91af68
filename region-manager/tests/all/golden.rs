//! What a region gets, as the tests of the stacks read it too: both ways must lead to the same function.

use std::path::Path;

use cloudping_region_manager::{Deployment, Fires, OptStatus, Producer, Settings};
use serde_json::{Value, json};

use crate::model::{code, region};

const SETTINGS: &str = r#"{"name": "golden", "account": "123456789012", "homeRegion": "eu-west-1", "architecture": "arm64",
    "producers": {"intervalSeconds": 30, "probes": 5, "spreadMs": 1000, "timeoutMs": 2500}}"#;
const REGION: &str = "us-west-2";

fn shown(producer: Producer) -> Value {
    let (log, function, rule) = (producer.log.unwrap(), producer.function.unwrap(), producer.schedule.unwrap());
    let (is, target) = (function.configuration, &rule.targets["producer"]);
    let (alarm, report) = (producer.alarm.unwrap(), producer.report.unwrap());
    let (Fires::By(schedule), Fires::At(pattern)) = (rule.fires, report.fires) else { panic!("another rule") };
    json!({
        "tags": function.tags,
        "function": {
            "architecture": function.architecture,
            "runtime": is.runtime,
            "handler": is.handler,
            "memoryMiB": is.memory_mib,
            "timeoutSeconds": is.timeout_s,
            "environment": is.environment,
            "retries": producer.retries,
        },
        "logRetentionDays": log.retention_days,
        "schedule": schedule,
        "targetRetries": target.retries,
        "alarm": {
            "description": alarm.description,
            "namespace": alarm.namespace,
            "metric": alarm.metric,
            "dimensions": alarm.dimensions,
            "statistic": alarm.statistic,
            "periodSeconds": alarm.period_s,
            "evaluationPeriods": alarm.periods,
            "threshold": alarm.threshold,
            "comparison": alarm.comparison,
            "missing": alarm.missing,
        },
        "report": {
            "pattern": serde_json::from_str::<Value>(&pattern).unwrap(),
            "to": report.targets["home"].arn,
        },
    })
}

#[test]
fn a_region_gets_what_the_stacks_would_give_it() {
    let deployment = Deployment::new(Settings::parse(SETTINGS).unwrap(), &code(1), Vec::new()).unwrap();
    let producer = shown(deployment.producer(&region(REGION, OptStatus::Enabled)));
    let settings: Value = serde_json::from_str(SETTINGS).unwrap();
    let golden = json!({ "settings": settings, "region": REGION, "producer": producer });
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/producer.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(&golden).unwrap() + "\n").unwrap();
    }
    let stored: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(golden, stored, "if it is meant, run it with UPDATE_GOLDEN=1, and the tests of cdk/");
}
