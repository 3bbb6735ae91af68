//! What is to be done: the difference between what a region has and what it should have.

use std::fmt;

use crate::producer::{Alarm, Configuration, Function, LogGroup, Permission, Producer, Rule, RuleKind, Tags, Target};

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
    /// Make the rule, or change when it fires. Its targets are steps of their own.
    PutRule(RuleKind, Rule),
    /// Tag the rule.
    TagRule(RuleKind, Tags),
    /// Take our statement off the function's policy.
    RemovePermission,
    /// Let the rule invoke the function.
    AddPermission(Permission),
    /// Give the rule this target, or change how.
    PutTarget(RuleKind, String, Target),
    /// Take these targets off the rule.
    RemoveTargets(RuleKind, Vec<String>),
    /// Delete the rule.
    DeleteRule(RuleKind),
    /// Make the alarm, or change it.
    PutAlarm(Box<Alarm>),
    /// Tag the alarm.
    TagAlarm(Tags),
    /// Delete the alarm.
    DeleteAlarm,
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
            Self::PutRule(kind, _) => return write!(f, "put {kind}"),
            Self::TagRule(kind, _) => return write!(f, "tag {kind}"),
            Self::RemovePermission => "remove permission",
            Self::AddPermission(_) => "add permission",
            Self::PutTarget(kind, ..) => return write!(f, "put target of {kind}"),
            Self::RemoveTargets(kind, _) => return write!(f, "remove targets of {kind}"),
            Self::DeleteRule(kind) => return write!(f, "delete {kind}"),
            Self::PutAlarm(_) => "put alarm",
            Self::TagAlarm(_) => "tag alarm",
            Self::DeleteAlarm => "delete alarm",
            Self::DeleteFunction => "delete function",
            Self::DeleteLog => "delete log",
        })
    }
}

impl fmt::Display for RuleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Schedule => "schedule",
            Self::Report => "report",
        })
    }
}

/// The steps from what was found to what is wanted, in an order in which each can be taken. None where nothing is to be done.
///
/// Tags beyond the wanted ones are left alone, and so are targets and whether and whom the alarm tells, unless all of it goes.
#[must_use]
pub fn plan(found: &Producer, wanted: &Producer) -> Vec<Step> {
    let mut steps = Vec::new();
    // What goes, goes first: the schedule must not invoke what is no more, nor the alarm go off for it and tell.
    for kind in [RuleKind::Report, RuleKind::Schedule] {
        rule_goes(&mut steps, kind, found.rule(kind), wanted.rule(kind));
    }
    if found.alarm.is_some() && wanted.alarm.is_none() {
        steps.push(Step::DeleteAlarm);
    }
    log(&mut steps, found.log.as_ref(), wanted.log.as_ref());
    function(&mut steps, found, wanted);
    rule(&mut steps, RuleKind::Schedule, found.schedule.as_ref(), wanted.schedule.as_ref());
    alarm(&mut steps, found.alarm.as_ref(), wanted.alarm.as_ref());
    rule(&mut steps, RuleKind::Report, found.report.as_ref(), wanted.report.as_ref());
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

fn rule_goes(steps: &mut Vec<Step>, kind: RuleKind, found: Option<&Rule>, wanted: Option<&Rule>) {
    let (Some(found), None) = (found, wanted) else { return };
    if !found.targets.is_empty() {
        steps.push(Step::RemoveTargets(kind, found.targets.keys().cloned().collect()));
    }
    steps.push(Step::DeleteRule(kind));
}

/// Its targets last, so that the rule invokes nothing that is not whole.
fn rule(steps: &mut Vec<Step>, kind: RuleKind, found: Option<&Rule>, wanted: Option<&Rule>) {
    let Some(wanted) = wanted else { return };
    match found {
        None => steps.push(Step::PutRule(kind, wanted.clone())),
        Some(found) => {
            if (&found.fires, found.enabled) != (&wanted.fires, wanted.enabled) {
                steps.push(Step::PutRule(kind, wanted.clone()));
            }
            steps.extend(missing(&found.tags, &wanted.tags).map(|tags| Step::TagRule(kind, tags)));
        }
    }
    let there = |id: &String| found.and_then(|found| found.targets.get(id));
    let differing = wanted.targets.iter().filter(|(id, target)| there(id) != Some(target));
    steps.extend(differing.map(|(id, target)| Step::PutTarget(kind, id.clone(), target.clone())));
}

fn alarm(steps: &mut Vec<Step>, found: Option<&Alarm>, wanted: Option<&Alarm>) {
    let Some(wanted) = wanted else { return };
    let Some(found) = found else { return steps.push(Step::PutAlarm(Box::new(wanted.clone()))) };
    // To change an alarm is to put it anew, with what others have added.
    let kept = Alarm { acts: found.acts, tells: found.tells.clone(), tags: found.tags.clone(), ..wanted.clone() };
    if *found != kept {
        steps.push(Step::PutAlarm(Box::new(kept)));
    }
    steps.extend(missing(&found.tags, &wanted.tags).map(Step::TagAlarm));
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
