//! What a region has of the producer.

use std::collections::BTreeMap;

use aws_sdk_eventbridge::types::RuleState;
use aws_sdk_lambda::operation::get_function::GetFunctionOutput;
use aws_sdk_lambda::types::FunctionConfiguration;
use cloudping_region_manager::{
    CloudError, Configuration, Fault, Function, LogGroup, Permission, Producer, Rule, Tags, Target,
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
        let mut found = Producer { log: self.log().await?, rule: self.rule().await?, ..Producer::default() };
        if let Some(function) = function {
            if let Some(stack) = function.tags.get(STACK) {
                return Err(CloudError {
                    fault: Fault::Foreign,
                    request: self.function_arn(),
                    message: format!("it belongs to the stack {stack}, and is left as it is"),
                });
            }
            (found.retries, found.permission) = (self.retries().await?, self.permission().await?);
            found.function = Some(function);
        }
        if found.rule.is_some() {
            found.targets = self.targets().await?;
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

    async fn rule(&self) -> Result<Option<Rule>, CloudError> {
        let asked = self.events.describe_rule().name(&self.producer).send().await;
        let Some(rule) = told_if_there("events:DescribeRule", asked)? else { return Ok(None) };
        let asked = self.events.list_tags_for_resource().resource_arn(self.rule_arn()).send().await;
        let tags = told_if_there("events:ListTagsForResource", asked)?.and_then(|found| found.tags).unwrap_or_default();
        Ok(Some(Rule {
            schedule: rule.schedule_expression.unwrap_or_default(),
            enabled: rule.state == Some(RuleState::Enabled),
            tags: tags.into_iter().map(|tag| (tag.key, tag.value)).collect::<Tags>(),
        }))
    }

    async fn targets(&self) -> Result<BTreeMap<String, Target>, CloudError> {
        let mut targets = BTreeMap::new();
        let mut next = None;
        loop {
            let asked = self.events.list_targets_by_rule().rule(&self.producer).set_next_token(next).send().await;
            let Some(page) = told_if_there("events:ListTargetsByRule", asked)? else { return Ok(targets) };
            targets.extend(page.targets.unwrap_or_default().into_iter().map(|target| {
                let retries = target.retry_policy.and_then(|policy| policy.maximum_retry_attempts);
                (target.id, Target { arn: target.arn, retries })
            }));
            match page.next_token {
                None => return Ok(targets),
                token => next = token,
            }
        }
    }
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
