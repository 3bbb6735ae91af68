//! One change in a region.

use std::time::Duration;

use aws_sdk_cloudwatch::types as cloudwatch;
use aws_sdk_cloudwatchlogs::error::ProvideErrorMetadata;
use aws_sdk_eventbridge::types as events;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Architecture, Environment, FunctionCode, LastUpdateStatus, Runtime, State};
use cloudping_region_manager::{
    Alarm, CloudError, Code, Configuration, Fault, Fires, Function, Permission, Rule, RuleKind, Step, Tags, Target,
};

use crate::clients::Clients;
use crate::errors::{told, told_if_there, told_unless_there};
use crate::find::STATEMENT;

/// How long a function may take until it can be invoked, or changed again. Lambda takes seconds.
const READY: Duration = Duration::from_secs(120);
/// From one look at it to the next.
const LOOK: Duration = Duration::from_millis(500);
/// How long Lambda may not know a role that has just been made; IAM takes seconds to tell all regions.
const ROLE_KNOWN: Duration = Duration::from_secs(60);
/// Tries of a change that meets another one.
const MEETINGS: u32 = 5;

impl Clients {
    pub async fn apply(&self, step: &Step, code: Option<&Code>) -> Result<(), CloudError> {
        match step {
            Step::CreateLog(tags) => self.create_log(tags).await,
            Step::SetRetention(days) => self.set_retention(*days).await,
            Step::TagLog(tags) => {
                let asked = self.logs.tag_resource().resource_arn(self.log_arn()).set_tags(Some(map(tags)));
                told("logs:TagResource", asked.send().await).map(drop)
            }
            Step::CreateFunction(function) => self.create_function(function, zip(code)?).await,
            Step::UpdateCode(architecture) => self.update_code(architecture, zip(code)?).await,
            Step::UpdateConfiguration(configuration) => self.update_configuration(configuration).await,
            Step::TagFunction(tags) => {
                let asked = self.lambda.tag_resource().resource(self.function_arn()).set_tags(Some(map(tags)));
                told("lambda:TagResource", asked.send().await).map(drop)
            }
            Step::SetRetries(retries) => self.set_retries(*retries).await,
            Step::PutRule(kind, rule) => self.put_rule(*kind, rule).await,
            Step::TagRule(kind, tags) => {
                let asked = self.events.tag_resource().resource_arn(self.rule_arn(*kind)).set_tags(Some(list(tags)?));
                told("events:TagResource", asked.send().await).map(drop)
            }
            Step::RemovePermission => {
                let asked = self.lambda.remove_permission().function_name(&self.producer).statement_id(STATEMENT);
                told_if_there("lambda:RemovePermission", asked.send().await).map(drop)
            }
            Step::AddPermission(permission) => self.add_permission(permission).await,
            Step::PutTarget(kind, id, target) => self.put_target(*kind, id, target).await,
            Step::RemoveTargets(kind, ids) => self.remove_targets(*kind, ids).await,
            Step::DeleteRule(kind) => {
                let asked = self.events.delete_rule().name(self.names.rule(*kind)).send().await;
                told_if_there("events:DeleteRule", asked).map(drop)
            }
            Step::PutAlarm(alarm) => self.put_alarm(alarm).await,
            Step::TagAlarm(tags) => {
                let asked = self.cloudwatch.tag_resource().resource_arn(self.alarm_arn());
                let asked = asked.set_tags(Some(tags_of_alarm(tags))).send().await;
                told("cloudwatch:TagResource", asked).map(drop)
            }
            Step::DeleteAlarm => {
                let asked = self.cloudwatch.delete_alarms().alarm_names(&self.names.alarm).send().await;
                told_if_there("cloudwatch:DeleteAlarms", asked).map(drop)
            }
            Step::DeleteFunction => {
                let asked = self.lambda.delete_function().function_name(&self.producer).send().await;
                told_if_there("lambda:DeleteFunction", asked).map(drop)
            }
            Step::DeleteLog => {
                let asked = self.logs.delete_log_group().log_group_name(&self.log_group).send().await;
                told_if_there("logs:DeleteLogGroup", asked).map(drop)
            }
        }
    }

    async fn create_log(&self, tags: &Tags) -> Result<(), CloudError> {
        let asked = self.logs.create_log_group().log_group_name(&self.log_group).set_tags(Some(map(tags)));
        told_unless_there("logs:CreateLogGroup", asked.send().await)
    }

    async fn set_retention(&self, days: i32) -> Result<(), CloudError> {
        let asked = self.logs.put_retention_policy().log_group_name(&self.log_group).retention_in_days(days);
        told("logs:PutRetentionPolicy", asked.send().await).map(drop)
    }

    async fn create_function(&self, function: &Function, zip: &[u8]) -> Result<(), CloudError> {
        let Function { architecture, configuration, tags, .. } = function;
        let mut waited = Duration::ZERO;
        loop {
            let asked = self.lambda.create_function().function_name(&self.producer);
            let asked = asked.code(FunctionCode::builder().zip_file(Blob::new(zip)).build());
            let asked = asked.architectures(Architecture::from(architecture.as_str())).set_tags(Some(map(tags)));
            let asked = asked.runtime(Runtime::from(configuration.runtime.as_str())).handler(&configuration.handler);
            let asked = asked.role(&configuration.role).environment(environment(configuration));
            let asked = asked.memory_size(configuration.memory_mib).timeout(configuration.timeout_s);
            let done = asked.send().await;
            let unknown_role = done.as_ref().is_err_and(|error| {
                error.code() == Some("InvalidParameterValueException")
                    && error.message().is_some_and(|message| message.contains("cannot be assumed"))
            });
            if !unknown_role || waited >= ROLE_KNOWN {
                told("lambda:CreateFunction", done)?;
                return self.ready().await;
            }
            let pause = Duration::from_secs(5);
            tokio::time::sleep(pause).await;
            waited += pause;
        }
    }

    async fn update_code(&self, architecture: &str, zip: &[u8]) -> Result<(), CloudError> {
        let mut meetings = 0;
        loop {
            self.settled().await?;
            let asked = self.lambda.update_function_code().function_name(&self.producer).zip_file(Blob::new(zip));
            let done = asked.architectures(Architecture::from(architecture)).send().await;
            if !met(told("lambda:UpdateFunctionCode", done).map(drop), &mut meetings).await? {
                return self.ready().await;
            }
        }
    }

    async fn update_configuration(&self, wanted: &Configuration) -> Result<(), CloudError> {
        let mut meetings = 0;
        loop {
            self.settled().await?;
            let asked = self.lambda.update_function_configuration().function_name(&self.producer);
            let asked = asked.runtime(Runtime::from(wanted.runtime.as_str())).handler(&wanted.handler);
            let asked = asked.role(&wanted.role).environment(environment(wanted));
            let asked = asked.memory_size(wanted.memory_mib).timeout(wanted.timeout_s);
            let done = told("lambda:UpdateFunctionConfiguration", asked.send().await).map(drop);
            if !met(done, &mut meetings).await? {
                return self.ready().await;
            }
        }
    }

    /// Waits until nothing is changing the function, whatever became of it.
    async fn settled(&self) -> Result<Status, CloudError> {
        let mut waited = Duration::ZERO;
        loop {
            let asked = self.lambda.get_function().function_name(&self.producer).send().await;
            let is = told("lambda:GetFunction", asked)?.configuration;
            let status = is.map(|is| Status {
                failed: is.state == Some(State::Failed) || is.last_update_status == Some(LastUpdateStatus::Failed),
                waits: is.state == Some(State::Pending) || is.last_update_status == Some(LastUpdateStatus::InProgress),
                reason: is.last_update_status_reason.or(is.state_reason).unwrap_or_default(),
            });
            match status {
                Some(status) if !status.waits => return Ok(status),
                _ if waited >= READY => {
                    let message = format!("the function is not ready after {} s", READY.as_secs());
                    return Err(CloudError { fault: Fault::Late, request: self.function_arn(), message });
                }
                _ => tokio::time::sleep(LOOK).await,
            }
            waited += LOOK;
        }
    }

    async fn ready(&self) -> Result<(), CloudError> {
        let status = self.settled().await?;
        if status.failed {
            let message = format!("Lambda says of the function: {}", status.reason);
            return Err(CloudError { fault: Fault::Other, request: self.function_arn(), message });
        }
        Ok(())
    }

    async fn set_retries(&self, retries: i32) -> Result<(), CloudError> {
        let asked = self.lambda.put_function_event_invoke_config().function_name(&self.producer);
        let done = asked.maximum_retry_attempts(retries).send().await;
        told("lambda:PutFunctionEventInvokeConfig", done).map(drop)
    }

    async fn put_rule(&self, kind: RuleKind, rule: &Rule) -> Result<(), CloudError> {
        let state = if rule.enabled { events::RuleState::Enabled } else { events::RuleState::Disabled };
        let asked = self.events.put_rule().name(self.names.rule(kind)).state(state);
        let asked = match &rule.fires {
            Fires::By(schedule) => asked.schedule_expression(schedule),
            Fires::At(pattern) => asked.event_pattern(pattern),
        };
        // Of a rule that is there its tags are left as they are.
        told("events:PutRule", asked.set_tags(Some(list(&rule.tags)?)).send().await).map(drop)
    }

    async fn put_alarm(&self, alarm: &Alarm) -> Result<(), CloudError> {
        let [goes_off, is_over, has_no_data] = alarm.tells.clone().map(Some);
        let dimension =
            |(name, value): (&String, &String)| cloudwatch::Dimension::builder().name(name).value(value).build();
        let asked = self.cloudwatch.put_metric_alarm().alarm_name(&self.names.alarm);
        let asked = asked.alarm_description(&alarm.description).namespace(&alarm.namespace).metric_name(&alarm.metric);
        let asked = asked.set_dimensions(Some(alarm.dimensions.iter().map(dimension).collect()));
        let asked = asked.statistic(cloudwatch::Statistic::from(alarm.statistic.as_str()));
        let asked = asked.period(alarm.period_s).evaluation_periods(alarm.periods);
        let asked = asked.set_threshold(alarm.threshold.map(f64::from)).treat_missing_data(&alarm.missing);
        let asked = asked.comparison_operator(cloudwatch::ComparisonOperator::from(alarm.comparison.as_str()));
        let asked = asked.set_alarm_actions(goes_off).set_ok_actions(is_over);
        let asked = asked.set_insufficient_data_actions(has_no_data).actions_enabled(alarm.acts);
        // Of an alarm that is there its tags are left as they are.
        let asked = asked.set_tags(Some(tags_of_alarm(&alarm.tags)));
        told("cloudwatch:PutMetricAlarm", asked.send().await).map(drop)
    }

    async fn add_permission(&self, permission: &Permission) -> Result<(), CloudError> {
        let asked = self.lambda.add_permission().function_name(&self.producer).statement_id(STATEMENT);
        let asked = asked.principal(&permission.principal).action(&permission.action);
        told("lambda:AddPermission", asked.source_arn(&permission.source_arn).send().await).map(drop)
    }

    async fn put_target(&self, kind: RuleKind, id: &str, target: &Target) -> Result<(), CloudError> {
        let retries =
            target.retries.map(|retries| events::RetryPolicy::builder().maximum_retry_attempts(retries).build());
        let target = events::Target::builder().id(id).arn(&target.arn).set_role_arn(target.role.clone());
        let target = target.set_retry_policy(retries).build();
        let target = target.map_err(|error| unbuilt("events:PutTargets", &error))?;
        let done = self.events.put_targets().rule(self.names.rule(kind)).targets(target).send().await;
        let done = told("events:PutTargets", done)?;
        let refused = done.failed_entries().first().map(|entry| entry.error_message().unwrap_or_default());
        refuse("events:PutTargets", refused)
    }

    async fn remove_targets(&self, kind: RuleKind, ids: &[String]) -> Result<(), CloudError> {
        let asked = self.events.remove_targets().rule(self.names.rule(kind)).set_ids(Some(ids.to_vec()));
        let done = asked.send().await;
        let Some(done) = told_if_there("events:RemoveTargets", done)? else { return Ok(()) };
        let refused = done.failed_entries().first().map(|entry| entry.error_message().unwrap_or_default());
        refuse("events:RemoveTargets", refused)
    }
}

/// Whether a change met another one, and is to be tried again.
async fn met(done: Result<(), CloudError>, meetings: &mut u32) -> Result<bool, CloudError> {
    match done {
        Err(error) if error.fault == Fault::Conflict && *meetings < MEETINGS => {
            *meetings += 1;
            tokio::time::sleep(LOOK).await;
            Ok(true)
        }
        done => done.map(|()| false),
    }
}

/// How a function is.
struct Status {
    waits: bool,
    failed: bool,
    reason: String,
}

/// EventBridge answers well also where it took nothing.
fn refuse(request: &str, refused: Option<&str>) -> Result<(), CloudError> {
    match refused {
        None => Ok(()),
        Some(message) => {
            Err(CloudError { fault: Fault::Other, request: request.to_owned(), message: message.to_owned() })
        }
    }
}

fn unbuilt(request: &str, error: &dyn std::error::Error) -> CloudError {
    CloudError { fault: Fault::Other, request: request.to_owned(), message: error.to_string() }
}

fn zip(code: Option<&Code>) -> Result<&[u8], CloudError> {
    let none = || CloudError {
        fault: Fault::Other,
        request: "lambda:CreateFunction".to_owned(),
        message: "there is no package to deploy".to_owned(),
    };
    code.map(Code::zip).ok_or_else(none)
}

fn environment(configuration: &Configuration) -> Environment {
    Environment::builder().set_variables(Some(map(&configuration.environment))).build()
}

fn map(tags: &Tags) -> std::collections::HashMap<String, String> {
    tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn list(tags: &Tags) -> Result<Vec<events::Tag>, CloudError> {
    let tag = |(key, value): (&String, &String)| events::Tag::builder().key(key).value(value).build();
    tags.iter().map(tag).collect::<Result<_, _>>().map_err(|error| unbuilt("events:TagResource", &error))
}

fn tags_of_alarm(tags: &Tags) -> Vec<cloudwatch::Tag> {
    tags.iter().map(|(key, value)| cloudwatch::Tag::builder().key(key).value(value).build()).collect()
}
