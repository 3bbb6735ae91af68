//! What a region has of the producer.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types::{AlarmType, MetricAlarm};
use aws_sdk_eventbridge::types::RuleState;
use aws_sdk_lambda::operation::get_function::GetFunctionOutput;
use aws_sdk_lambda::types::FunctionConfiguration;
use cloudping_region_manager::{
    Alarm, CloudError, Configuration, Fault, Fires, Function, LogGroup, Permission, Producer, Rule, RuleKind, Tags,
    Target,
};
use serde_json::Value;

use crate::clients::Clients;
use crate::errors::{told, told_if_there};

/// The id of our statement in a function's policy.
pub const STATEMENT: &str = "cloudping-schedule";
/// By this tag CloudFormation knows what is its own.
const STACK: &str = "aws:cloudformation:stack-name";

impl Clients {
    /// All parts. Without a function there is nothing of what hangs on one, and so with the rule.
    pub async fn find(&self) -> Result<Producer, CloudError> {
        let function = self.function().await?;
        let mut found = Producer {
            log: self.log().await?,
            schedule: self.rule(RuleKind::Schedule).await?,
            alarm: self.alarm().await?,
            report: self.rule(RuleKind::Report).await?,
            ..Producer::default()
        };
        if let Some(function) = function {
            not_foreign(&self.function_arn(), &function.tags)?;
            (found.retries, found.permission) = (self.retries().await?, self.permission().await?);
            found.function = Some(function);
        }
        Ok(found)
    }

    async fn function(&self) -> Result<Option<Function>, CloudError> {
        let asked = self.lambda.get_function().function_name(&self.producer).send().await;
        let found = told_if_there("lambda:GetFunction", asked)?;
        let Some(GetFunctionOutput { configuration: Some(is), tags, tags_error, .. }) = found else { return Ok(None) };
        // By its tags a function is known as a stack's: without them nothing may be done to it.
        if let Some(error) = tags_error {
            let message = format!("{}: {}", error.error_code, error.message);
            return Err(CloudError { fault: Fault::Denied, request: "lambda:ListTags".to_owned(), message });
        }
        Ok(Some(Function {
            code_sha256: is.code_sha256().unwrap_or_default().to_owned(),
            architecture: is.architectures().first().map_or("x86_64", |one| one.as_str()).to_owned(),
            configuration: configuration(&is),
            tags: tags.unwrap_or_default().into_iter().collect(),
        }))
    }

    async fn retries(&self) -> Result<Option<i32>, CloudError> {
        let asked = self.lambda.get_function_event_invoke_config().function_name(&self.producer).send().await;
        let found = told_if_there("lambda:GetFunctionEventInvokeConfig", asked)?;
        Ok(found.and_then(|found| found.maximum_retry_attempts))
    }

    async fn permission(&self) -> Result<Option<Permission>, CloudError> {
        let asked = self.lambda.get_policy().function_name(&self.producer).send().await;
        let found = told_if_there("lambda:GetPolicy", asked)?;
        Ok(found.and_then(|found| statement(found.policy()?)))
    }

    async fn log(&self) -> Result<Option<LogGroup>, CloudError> {
        // Groups whose names only begin like ours may come before it.
        let pages =
            self.logs.describe_log_groups().log_group_name_prefix(&self.log_group).into_paginator().items().send();
        let groups: Vec<_> = told("logs:DescribeLogGroups", pages.collect::<Result<_, _>>().await)?;
        let Some(group) = groups.into_iter().find(|group| group.log_group_name() == Some(&self.log_group)) else {
            return Ok(None);
        };
        let asked = self.logs.list_tags_for_resource().resource_arn(self.log_arn()).send().await;
        let tags = told_if_there("logs:ListTagsForResource", asked)?.and_then(|found| found.tags).unwrap_or_default();
        Ok(Some(LogGroup { retention_days: group.retention_in_days, tags: tags.into_iter().collect() }))
    }

    async fn rule(&self, kind: RuleKind) -> Result<Option<Rule>, CloudError> {
        let asked = self.events.describe_rule().name(self.names.rule(kind)).send().await;
        let Some(rule) = told_if_there("events:DescribeRule", asked)? else { return Ok(None) };
        let asked = self.events.list_tags_for_resource().resource_arn(self.rule_arn(kind)).send().await;
        let tags = told_if_there("events:ListTagsForResource", asked)?.and_then(|found| found.tags).unwrap_or_default();
        Ok(Some(Rule {
            fires: fires(rule.schedule_expression, rule.event_pattern),
            enabled: rule.state == Some(RuleState::Enabled),
            tags: tags.into_iter().map(|tag| (tag.key, tag.value)).collect::<Tags>(),
            targets: self.targets(kind).await?,
        }))
    }

    async fn alarm(&self) -> Result<Option<Alarm>, CloudError> {
        let asked = self.cloudwatch.describe_alarms().alarm_names(&self.names.alarm);
        let found = told("cloudwatch:DescribeAlarms", asked.alarm_types(AlarmType::MetricAlarm).send().await)?;
        let Some(is) = found.metric_alarms.unwrap_or_default().into_iter().next() else { return Ok(None) };
        let asked = self.cloudwatch.list_tags_for_resource().resource_arn(self.alarm_arn()).send().await;
        let tags = told_if_there("cloudwatch:ListTagsForResource", asked)?.and_then(|found| found.tags);
        let tags = tags.unwrap_or_default().into_iter().filter_map(|tag| Some((tag.key?, tag.value?))).collect();
        not_foreign(&self.alarm_arn(), &tags)?;
        Ok(Some(Alarm { tags, ..alarm(is) }))
    }

    async fn targets(&self, kind: RuleKind) -> Result<BTreeMap<String, Target>, CloudError> {
        let mut targets = BTreeMap::new();
        let mut next = None;
        loop {
            let asked =
                self.events.list_targets_by_rule().rule(self.names.rule(kind)).set_next_token(next).send().await;
            let Some(page) = told_if_there("events:ListTargetsByRule", asked)? else { return Ok(targets) };
            targets.extend(page.targets.unwrap_or_default().into_iter().map(|target| {
                let retries = target.retry_policy.and_then(|policy| policy.maximum_retry_attempts);
                (target.id, Target { arn: target.arn, role: target.role_arn, retries })
            }));
            match page.next_token {
                None => return Ok(targets),
                token => next = token,
            }
        }
    }
}

/// What belongs to a stack is the stack's to change.
fn not_foreign(arn: &str, tags: &Tags) -> Result<(), CloudError> {
    let Some(stack) = tags.get(STACK) else { return Ok(()) };
    let message = format!("it belongs to the stack {stack}, and is left as it is");
    Err(CloudError { fault: Fault::Foreign, request: arn.to_owned(), message })
}

fn configuration(is: &FunctionConfiguration) -> Configuration {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let variables = is.environment().and_then(|environment| environment.variables());
    Configuration {
        runtime: text(is.runtime().map(|runtime| runtime.as_str())),
        handler: text(is.handler()),
        role: text(is.role()),
        memory_mib: is.memory_size().unwrap_or_default(),
        timeout_s: is.timeout().unwrap_or_default(),
        environment: variables.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect(),
    }
}

/// When a rule fires. One that does both, which ours never does, differs from what is wanted by its pattern.
fn fires(schedule: Option<String>, pattern: Option<String>) -> Fires {
    match pattern.map(|pattern| serde_json::from_str(&pattern).unwrap_or_default()) {
        Some(pattern) => Fires::at(&pattern),
        None => Fires::By(schedule.unwrap_or_default()),
    }
}

/// An alarm, without its tags. A metric that is computed has no name, and so differs from what is wanted.
fn alarm(is: MetricAlarm) -> Alarm {
    let whole = |threshold: f64| (threshold.fract() == 0.0 && threshold.abs() < 1e9).then_some(threshold as i32);
    let plain = is.datapoints_to_alarm.is_none_or(|points| Some(points) == is.evaluation_periods) && is.unit.is_none();
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let dimensions = is.dimensions.unwrap_or_default().into_iter();
    Alarm {
        description: is.alarm_description.unwrap_or_default(),
        namespace: is.namespace.unwrap_or_default(),
        metric: is.metric_name.filter(|_| plain).unwrap_or_default(),
        dimensions: dimensions.filter_map(|one| Some((one.name?, one.value?))).collect(),
        statistic: text(is.statistic.as_ref().map(|statistic| statistic.as_str())),
        period_s: is.period.unwrap_or_default(),
        periods: is.evaluation_periods.unwrap_or_default(),
        threshold: is.threshold.and_then(whole),
        comparison: text(is.comparison_operator.as_ref().map(|operator| operator.as_str())),
        missing: is.treat_missing_data.unwrap_or_default(),
        acts: is.actions_enabled.unwrap_or_default(),
        tells: [is.alarm_actions, is.ok_actions, is.insufficient_data_actions].map(Option::unwrap_or_default),
        tags: Tags::new(),
    }
}

/// Our statement of a policy. What it says beyond one service, one action and one source is lost, and so differs from what is wanted.
fn statement(policy: &str) -> Option<Permission> {
    let policy: Value = serde_json::from_str(policy).ok()?;
    let own = policy["Statement"].as_array()?.iter().find(|statement| statement["Sid"] == STATEMENT)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Some(Permission {
        principal: text(&own["Principal"]["Service"]),
        action: text(&own["Action"]),
        source_arn: text(&own["Condition"]["ArnLike"]["AWS:SourceArn"]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_compared_by_what_they_say() {
        let pattern = |text: &str| fires(None, Some(text.to_owned()));
        assert_eq!(
            pattern(r#"{"b": [1], "a": {"d": [], "c": []}}"#),
            Fires::At(r#"{"a":{"c":[],"d":[]},"b":[1]}"#.to_owned())
        );
        assert_eq!(pattern("no JSON"), Fires::At("null".to_owned()));
        assert_eq!(fires(Some("rate(1 minute)".to_owned()), None), Fires::By("rate(1 minute)".to_owned()));
    }

    #[test]
    fn what_an_alarm_of_ours_never_says_differs() {
        let of = |change: fn(aws_sdk_cloudwatch::types::builders::MetricAlarmBuilder) -> MetricAlarm| {
            let plain = MetricAlarm::builder().metric_name("Errors").threshold(2.0).evaluation_periods(1);
            alarm(change(plain))
        };
        let plain = of(|alarm| alarm.build());
        assert_eq!((plain.metric.as_str(), plain.threshold), ("Errors", Some(2)));
        assert_eq!(of(|alarm| alarm.threshold(2.5).build()).threshold, None);
        assert_eq!(of(|alarm| alarm.datapoints_to_alarm(1).build()).metric, "Errors");
        assert_eq!(of(|alarm| alarm.evaluation_periods(3).datapoints_to_alarm(2).build()).metric, "");
    }

    #[test]
    fn only_our_own_statement_counts() {
        let of = |sid: &str, principal: &str| {
            let policy = format!(
                r#"{{"Statement": [{{"Sid": "{sid}", "Effect": "Allow", "Principal": {principal}, "Action": "lambda:InvokeFunction",
                    "Condition": {{"ArnLike": {{"AWS:SourceArn": "arn"}}}}}}]}}"#
            );
            statement(&policy)
        };
        let service = r#"{"Service": "events.amazonaws.com"}"#;
        let ours = of(STATEMENT, service).unwrap();
        assert_eq!((ours.principal.as_str(), ours.source_arn.as_str()), ("events.amazonaws.com", "arn"));
        assert_eq!(of("theirs", service), None);
        assert_eq!(of(STATEMENT, r#""*""#).unwrap().principal, "", "whoever may invoke is not the service alone");
    }
}
