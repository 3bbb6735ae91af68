//! 39 regions: created, left alone, changed, mended, failing, given up.

use aws_sdk_cloudwatch::types::{ComparisonOperator, MetricAlarm, Statistic};
use aws_sdk_eventbridge::types::RuleState;
use cloudping_region_manager::{Code, Mode, Outcome};
use cloudping_testkit::HttpFault;

use crate::rig::{ACCOUNT, FUNCTION, REGIONS, Rig, package, steps};

const ALARM: &str = "cloudping-producer-failing";
const REPORT: &str = "cloudping-producer-report";
/// One is left out, two are not enabled, and one is being enabled.
const DEPLOYED: usize = REGIONS - 4;
const CREATE: [&str; 10] = [
    "create log",
    "keep log 30 days",
    "create function",
    "set retries",
    "add permission",
    "put schedule",
    "put target of schedule",
    "put alarm",
    "put report",
    "put target of report",
];

#[tokio::test(flavor = "multi_thread")]
async fn regions_come_change_fail_and_go() {
    let Some(rig) = Rig::start().await else { return };
    let (first, second) = (package(b"#!/bin/sh\nexit 1\n"), package(b"#!/bin/sh\nexit 2\n"));

    let dry = rig.run(Mode::Sync, &first, true).await;
    assert_eq!(dry.regions.len(), REGIONS);
    assert_eq!((dry.count(Outcome::Planned), dry.count(Outcome::None)), (DEPLOYED + 1, 3));

    // All at once, with a service that is throttled and an answer that gets lost.
    let slow = r#"{"__type": "TooManyRequestsException", "message": "Rate exceeded"}"#.to_owned();
    rig.door.plan("POST /2015-03-31/functions ", HttpFault::Answered { status: 429, body: slow });
    rig.door.plan("AWSEvents.PutRule", HttpFault::AnswerLost);
    let created = rig.run(Mode::Sync, &first, false).await;
    assert_eq!(created.failed().collect::<Vec<_>>(), Vec::<&cloudping_region_manager::RegionReport>::new());
    assert_eq!((created.count(Outcome::Created), created.count(Outcome::Enabling)), (DEPLOYED, 1));
    assert_eq!(steps(&created, "eu-west-1"), (Outcome::Created, CREATE.to_vec()));
    assert_eq!(rig.statuses.lock().unwrap()["af-south-1"], "ENABLING");
    assert_eq!(rig.statuses.lock().unwrap()["me-south-1"], "DISABLED", "nobody allowed it");
    as_wanted(&rig, "eu-west-1").await;
    as_wanted(&rig, "xx-new-1").await;
    at_home(&rig).await;

    let again = rig.run(Mode::Sync, &first, false).await;
    assert_eq!(again.count(Outcome::Unchanged), DEPLOYED);
    assert!(again.regions.iter().all(|region| region.steps.is_empty()));

    rig.set_status("af-south-1", "ENABLED");
    let changed = rig.run(Mode::Sync, &second, false).await;
    assert_eq!((changed.count(Outcome::Updated), changed.count(Outcome::Created)), (DEPLOYED, 1));
    assert_eq!(steps(&changed, "eu-west-1"), (Outcome::Updated, vec!["update code"]));
    assert!(changed.regions.iter().filter_map(|it| it.code_sha256.as_deref()).all(|sha| sha == second.sha256()));

    mended(&rig, &second).await;
    failing(&rig, &second).await;

    given_up(&rig, &first, &second).await;

    let removed = rig.run(Mode::Remove, &first, false).await;
    assert_eq!((removed.count(Outcome::Removed), removed.count(Outcome::Failed)), (DEPLOYED, 0));
    let left = rig.lambda("eu-west-1").list_functions().send().await.unwrap();
    assert_eq!(left.functions().len(), 0);
    assert_eq!(alarms(&rig, "eu-west-1").await, []);
}

/// Its account gives a region up; another belongs to a stack.
async fn given_up(rig: &Rig, first: &Code, second: &Code) {
    rig.set_status("af-south-1", "DISABLING");
    let lambda = rig.lambda("eu-west-2");
    let arn = format!("arn:aws:lambda:eu-west-2:{ACCOUNT}:function:{FUNCTION}");
    let stack =
        lambda.tag_resource().resource(&arn).tags("aws:cloudformation:stack-name", "cloudping-producer-eu-west-2");
    stack.send().await.unwrap();
    let given_up = rig.run(Mode::Sync, first, false).await;
    let all = vec![
        "remove targets of report",
        "delete report",
        "remove targets of schedule",
        "delete schedule",
        "delete alarm",
        "delete function",
        "delete log",
    ];
    assert_eq!(steps(&given_up, "af-south-1"), (Outcome::Removed, all));
    let failed: Vec<_> = given_up.failed().collect();
    assert_eq!((failed.len(), failed[0].region.as_str()), (1, "eu-west-2"));
    assert!(failed[0].note.as_ref().unwrap().contains("belongs to the stack cloudping-producer-eu-west-2"));
    let untouched = lambda.get_function().function_name(FUNCTION).send().await.unwrap();
    assert_eq!(untouched.configuration.unwrap().code_sha256(), Some(second.sha256()));
    lambda.untag_resource().resource(&arn).tag_keys("aws:cloudformation:stack-name").send().await.unwrap();
}

/// The alarms of a region.
async fn alarms(rig: &Rig, region: &str) -> Vec<MetricAlarm> {
    let cloudwatch = aws_sdk_cloudwatch::Client::new(&rig.config(region));
    cloudwatch.describe_alarms().send().await.unwrap().metric_alarms.unwrap_or_default()
}

/// The home region's alarm is on the bus that the others report to.
async fn at_home(rig: &Rig) {
    assert_eq!(alarms(rig, "us-east-1").await.len(), 1);
    let events = aws_sdk_eventbridge::Client::new(&rig.config("us-east-1"));
    let rules = events.list_rules().send().await.unwrap();
    assert_eq!(rules.rules().iter().filter_map(|rule| rule.name()).collect::<Vec<_>>(), [FUNCTION]);
}

/// What a region has, asked for without the region manager.
async fn as_wanted(rig: &Rig, region: &str) {
    let found = rig.lambda(region).get_function().function_name(FUNCTION).send().await.unwrap();
    let is = found.configuration.unwrap();
    let environment = is.environment().and_then(|it| it.variables()).unwrap();
    assert_eq!((is.memory_size(), is.timeout(), is.handler()), (Some(128), Some(92), Some("bootstrap")));
    assert_eq!(is.role(), Some("arn:aws:iam::000000000000:role/cloudping-producer"));
    assert_eq!(
        (environment["CLOUDPING_VANTAGE"].as_str(), environment["CLOUDPING_STREAM"].as_str()),
        (region, "cloudping-events")
    );
    assert!(environment["CLOUDPING_ALSO"].starts_with("xx-new-1,xx-new-2"));
    assert_eq!(found.tags.unwrap()["application"], "cloudping");
    let events = aws_sdk_eventbridge::Client::new(&rig.config(region));
    let rule = events.describe_rule().name(FUNCTION).send().await.unwrap();
    assert_eq!((rule.schedule_expression(), rule.state()), (Some("rate(1 minute)"), Some(&RuleState::Enabled)));
    let targets = events.list_targets_by_rule().rule(FUNCTION).send().await.unwrap();
    assert_eq!(targets.targets()[0].arn(), is.function_arn().unwrap());
    let alarm = alarms(rig, region).await.remove(0);
    assert_eq!((alarm.metric_name(), alarm.threshold(), alarm.period()), (Some("Errors"), Some(2.0), Some(300)));
    assert_eq!((alarm.dimensions()[0].value(), alarm.treat_missing_data()), (Some(FUNCTION), Some("breaching")));
    let report = events.list_targets_by_rule().rule(REPORT).send().await.unwrap();
    assert_eq!(report.targets()[0].arn(), "arn:aws:events:us-east-1:000000000000:event-bus/default");
    assert_eq!(report.targets()[0].role_arn(), Some("arn:aws:iam::000000000000:role/cloudping-producer-report"));
}

/// Somebody changes this and that in three regions.
async fn mended(rig: &Rig, code: &Code) {
    let update = rig.lambda("us-east-2").update_function_configuration().function_name(FUNCTION).memory_size(256);
    update.send().await.unwrap();
    let events = aws_sdk_eventbridge::Client::new(&rig.config("eu-north-1"));
    events.disable_rule().name(FUNCTION).send().await.unwrap();
    events.remove_targets().rule(FUNCTION).ids("producer").send().await.unwrap();
    let lambda = rig.lambda("sa-east-1");
    lambda.remove_permission().function_name(FUNCTION).statement_id("cloudping-schedule").send().await.unwrap();
    let logs = aws_sdk_cloudwatchlogs::Client::new(&rig.config("sa-east-1"));
    logs.delete_retention_policy().log_group_name("/aws/lambda/cloudping-producer").send().await.unwrap();
    // Whom others have the alarm tell is left alone; what it is about is not.
    let cloudwatch = aws_sdk_cloudwatch::Client::new(&rig.config("ap-south-1"));
    let topic = "arn:aws:sns:ap-south-1:000000000000:on-call";
    let other = cloudwatch.put_metric_alarm().alarm_name(ALARM).namespace("AWS/Lambda").metric_name("Errors");
    let other = other.statistic(Statistic::Sum).period(60).evaluation_periods(1).threshold(2.0).alarm_actions(topic);
    other.comparison_operator(ComparisonOperator::GreaterThanThreshold).send().await.unwrap();
    let report = rig.run(Mode::Deploy, code, false).await;
    assert_eq!(report.count(Outcome::Updated), 4);
    assert_eq!(steps(&report, "ap-south-1").1, ["put alarm"]);
    assert_eq!(alarms(rig, "ap-south-1").await[0].alarm_actions(), [topic]);
    as_wanted(rig, "ap-south-1").await;
    assert_eq!(steps(&report, "us-east-2").1, ["update configuration"]);
    assert_eq!(steps(&report, "eu-north-1").1, ["put schedule", "put target of schedule"]);
    assert_eq!(steps(&report, "sa-east-1").1, ["keep log 30 days", "add permission"]);
    as_wanted(rig, "us-east-2").await;
}

/// A region refuses; the others are brought up to date, and it is by the next run.
async fn failing(rig: &Rig, code: &Code) {
    let denied = r#"{"__type": "AccessDeniedException", "message": "not allowed"}"#.to_owned();
    rig.door.plan("/eu-west-3/lambda/aws4_request", HttpFault::Answered { status: 403, body: denied });
    let report = rig.run(Mode::Sync, code, false).await;
    let failed: Vec<_> = report.failed().collect();
    assert_eq!((failed.len(), failed[0].region.as_str()), (1, "eu-west-3"));
    let note = failed[0].note.as_ref().unwrap();
    assert!(note.starts_with("lambda:GetFunction: AccessDeniedException: not allowed; give the caller"), "{note}");
    assert_eq!(report.count(Outcome::Unchanged), DEPLOYED);
    assert_eq!(rig.run(Mode::Sync, code, false).await.count(Outcome::Unchanged), DEPLOYED + 1);
}
