//! What is to be done: the difference between what a region has and what it should have.

use std::fmt;

use crate::producer::{Configuration, Function, LogGroup, Permission, Producer, Rule, Tags, Target};

/// One change to a region's producer. Each leaves something that the next plan goes on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make the log, with its tags. How long it keeps lines is a step of its own.
    CreateLog(Tags),
    /// Say how many days the log keeps its lines.
    SetRetention(i32),
    /// Tag the log.
    TagLog(Tags),
    /// Make the function, and wait until it can be invoked.
    CreateFunction(Box<Function>),
    /// Give the function the deployed package, for this architecture, and wait until it has it.
    UpdateCode(String),
    /// Say how the function runs, and wait until it does.
    UpdateConfiguration(Box<Configuration>),
    /// Tag the function.
    TagFunction(Tags),
    /// Say how often Lambda repeats an invocation that failed.
    SetRetries(i32),
    /// Make the rule, or change it.
    PutRule(Rule),
    /// Tag the rule.
    TagRule(Tags),
    /// Take our statement off the function's policy.
    RemovePermission,
    /// Let the rule invoke the function.
    AddPermission(Permission),
    /// Make the function the rule's target, or change how.
    PutTarget(String, Target),
    /// Take these targets off the rule.
    RemoveTargets(Vec<String>),
    /// Delete the rule.
    DeleteRule,
    /// Delete the function, with its policy.
    DeleteFunction,
    /// Delete the log with its lines.
    DeleteLog,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CreateLog(_) => "create log",
            Self::SetRetention(days) => return write!(f, "keep log {days} days"),
            Self::TagLog(_) => "tag log",
            Self::CreateFunction(_) => "create function",
            Self::UpdateCode(_) => "update code",
            Self::UpdateConfiguration(_) => "update configuration",
            Self::TagFunction(_) => "tag function",
            Self::SetRetries(_) => "set retries",
            Self::PutRule(_) => "put schedule",
            Self::TagRule(_) => "tag schedule",
            Self::RemovePermission => "remove permission",
            Self::AddPermission(_) => "add permission",
            Self::PutTarget(..) => "put target",
            Self::RemoveTargets(_) => "remove targets",
            Self::DeleteRule => "delete schedule",
            Self::DeleteFunction => "delete function",
            Self::DeleteLog => "delete log",
        })
    }
}

/// The steps from what was found to what is wanted, in an order in which each can be taken. None where nothing is to be done.
///
/// Tags beyond the wanted ones are left alone, and so are targets, unless all of it goes.
#[must_use]
pub fn plan(found: &Producer, wanted: &Producer) -> Vec<Step> {
    let mut steps = Vec::new();
    // The rule first when it goes: it must not invoke what is no more.
    rule(&mut steps, found, wanted);
    log(&mut steps, found.log.as_ref(), wanted.log.as_ref());
    function(&mut steps, found, wanted);
    target(&mut steps, found, wanted);
    steps
}

fn log(steps: &mut Vec<Step>, found: Option<&LogGroup>, wanted: Option<&LogGroup>) {
    let Some(wanted) = wanted else { return };
    match found {
        None => steps.push(Step::CreateLog(wanted.tags.clone())),
        Some(found) => steps.extend(missing(&found.tags, &wanted.tags).map(Step::TagLog)),
    }
    if let Some(days) = wanted.retention_days.filter(|days| found.and_then(|log| log.retention_days) != Some(*days)) {
        steps.push(Step::SetRetention(days));
    }
}

fn function(steps: &mut Vec<Step>, found: &Producer, wanted: &Producer) {
    match (&found.function, &wanted.function) {
        (None, None) => {}
        (Some(_), None) => steps.push(Step::DeleteFunction),
        (None, Some(wanted)) => steps.push(Step::CreateFunction(Box::new(wanted.clone()))),
        (Some(found), Some(wanted)) => {
            if (&found.code_sha256, &found.architecture) != (&wanted.code_sha256, &wanted.architecture) {
                steps.push(Step::UpdateCode(wanted.architecture.clone()));
            }
            if found.configuration != wanted.configuration {
                steps.push(Step::UpdateConfiguration(Box::new(wanted.configuration.clone())));
            }
            steps.extend(missing(&found.tags, &wanted.tags).map(Step::TagFunction));
        }
    }
    // Lambda writes to it as long as there is a function.
    if wanted.log.is_none() && found.log.is_some() {
        steps.push(Step::DeleteLog);
    }
    if wanted.function.is_none() {
        return;
    }
    // What hangs on a function goes with it: of one that is not there nothing is left.
    let there = found.function.is_some();
    if let Some(retries) = wanted.retries.filter(|retries| !there || found.retries != Some(*retries)) {
        steps.push(Step::SetRetries(retries));
    }
    if let Some(permission) = &wanted.permission {
        match found.permission.as_ref().filter(|_| there) {
            Some(found) if found == permission => return,
            // A statement cannot be changed.
            Some(_) => steps.push(Step::RemovePermission),
            None => {}
        }
        steps.push(Step::AddPermission(permission.clone()));
    }
}

fn rule(steps: &mut Vec<Step>, found: &Producer, wanted: &Producer) {
    if wanted.rule.is_some() || found.rule.is_none() {
        return;
    }
    if !found.targets.is_empty() {
        steps.push(Step::RemoveTargets(found.targets.keys().cloned().collect()));
    }
    steps.push(Step::DeleteRule);
}

/// Last, so that the rule invokes nothing that is not whole.
fn target(steps: &mut Vec<Step>, found: &Producer, wanted: &Producer) {
    let Some(rule) = &wanted.rule else { return };
    match &found.rule {
        None => steps.push(Step::PutRule(rule.clone())),
        Some(found) => {
            if (&found.schedule, found.enabled) != (&rule.schedule, rule.enabled) {
                steps.push(Step::PutRule(rule.clone()));
            }
            steps.extend(missing(&found.tags, &rule.tags).map(Step::TagRule));
        }
    }
    let differing = wanted.targets.iter().filter(|(id, target)| found.targets.get(*id) != Some(target));
    steps.extend(differing.map(|(id, target)| Step::PutTarget(id.clone(), target.clone())));
}

/// The wanted tags that are not there, or say something else.
fn missing(found: &Tags, wanted: &Tags) -> Option<Tags> {
    let missing: Tags = wanted
        .iter()
        .filter(|(key, value)| found.get(*key) != Some(value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    (!missing.is_empty()).then_some(missing)
}
