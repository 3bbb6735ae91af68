//! An account in memory, which fails when it is told to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use async_trait::async_trait;
use cloudping_region_manager::{
    AccountRegion, Alarm, Cloud, CloudError, Code, Deployment, Fault, Function, LogGroup, OptStatus, Producer, Rule,
    RuleKind, Settings, Step,
};

pub const SETTINGS: &str = r#"{"name": "cloudping", "account": "000000000000", "homeRegion": "us-east-1",
    "architecture": "x86_64", "producers": {"intervalSeconds": 60, "timeoutMs": 2000},
    "regionManager": {"enable": ["af-south-1"], "leaveOut": ["us-west-1"]}}"#;

pub fn settings() -> Settings {
    Settings::parse(SETTINGS).unwrap()
}

pub fn code(version: u8) -> Code {
    Code::new(vec![b'P', b'K', version]).unwrap()
}

pub fn region(id: &str, status: OptStatus) -> AccountRegion {
    AccountRegion { id: id.to_owned(), status }
}

/// What a region should have of this version of the code.
pub fn wanted(version: u8) -> Producer {
    let deployment = Deployment::new(settings(), &code(version), Vec::new()).unwrap();
    deployment.producer(&region("eu-west-1", OptStatus::EnabledByDefault))
}

/// Takes a step as AWS would, or panics where AWS would refuse.
pub fn take(producer: &mut Producer, step: &Step, code: &Code) {
    let there = "the step needs what was made before it";
    match step.clone() {
        Step::CreateLog(tags) => {
            assert!(producer.log.replace(LogGroup { retention_days: None, tags }).is_none());
        }
        Step::SetRetention(days) => producer.log.as_mut().expect(there).retention_days = Some(days),
        Step::TagLog(tags) => producer.log.as_mut().expect(there).tags.extend(tags),
        Step::CreateFunction(function) => {
            let made = Function { code_sha256: code.sha256().to_owned(), ..*function };
            assert!(producer.function.replace(made).is_none());
            (producer.permission, producer.retries) = (None, None);
        }
        Step::UpdateCode(architecture) => {
            let function = producer.function.as_mut().expect(there);
            function.code_sha256 = code.sha256().to_owned();
            function.architecture = architecture;
        }
        Step::UpdateConfiguration(changed) => producer.function.as_mut().expect(there).configuration = *changed,
        Step::TagFunction(tags) => producer.function.as_mut().expect(there).tags.extend(tags),
        Step::SetRetries(retries) => {
            assert!(producer.function.is_some(), "{there}");
            producer.retries = Some(retries);
        }
        Step::PutRule(kind, rule) => match rule_of(producer, kind) {
            Some(old) => (old.fires, old.enabled) = (rule.fires, rule.enabled),
            none => *none = Some(Rule { targets: BTreeMap::new(), ..rule }),
        },
        Step::TagRule(kind, tags) => rule_of(producer, kind).as_mut().expect(there).tags.extend(tags),
        Step::RemovePermission => assert!(producer.permission.take().is_some(), "{there}"),
        Step::AddPermission(permission) => {
            assert!(producer.function.is_some() && producer.permission.replace(permission).is_none(), "{there}");
        }
        Step::PutTarget(kind, id, target) => {
            rule_of(producer, kind).as_mut().expect(there).targets.insert(id, target);
        }
        Step::RemoveTargets(kind, ids) => {
            let targets = &mut rule_of(producer, kind).as_mut().expect(there).targets;
            ids.iter().for_each(|id| assert!(targets.remove(id).is_some()));
        }
        Step::DeleteRule(kind) => {
            assert!(rule_of(producer, kind).take().expect(there).targets.is_empty());
        }
        Step::PutAlarm(alarm) => match &mut producer.alarm {
            Some(old) => *old = Alarm { tags: old.tags.clone(), ..*alarm },
            none => *none = Some(*alarm),
        },
        Step::TagAlarm(tags) => producer.alarm.as_mut().expect(there).tags.extend(tags),
        Step::DeleteAlarm => assert!(producer.alarm.take().is_some(), "{there}"),
        Step::DeleteFunction => {
            assert!(producer.function.take().is_some(), "{there}");
            (producer.permission, producer.retries) = (None, None);
        }
        Step::DeleteLog => assert!(producer.log.take().is_some(), "{there}"),
    }
}

fn rule_of(producer: &mut Producer, kind: RuleKind) -> &mut Option<Rule> {
    match kind {
        RuleKind::Schedule => &mut producer.schedule,
        RuleKind::Report => &mut producer.report,
    }
}

/// An account in memory.
pub struct Account {
    pub code: Code,
    pub regions: Mutex<BTreeMap<String, (OptStatus, Producer)>>,
    /// Regions in which every request fails.
    pub broken: BTreeSet<String>,
    /// The call, counted from 0 over all regions, that fails; and whether it takes effect all the same.
    pub fault: Mutex<Option<(u64, bool)>>,
}

impl Account {
    pub fn new(ids: &[&str]) -> Self {
        let enabled = |id: &&str| ((*id).to_owned(), (OptStatus::EnabledByDefault, Producer::default()));
        Self {
            code: code(1),
            regions: Mutex::new(ids.iter().map(enabled).collect()),
            broken: BTreeSet::new(),
            fault: Mutex::new(None),
        }
    }

    pub fn with(self, id: &str, status: OptStatus) -> Self {
        self.regions.lock().unwrap().insert(id.to_owned(), (status, Producer::default()));
        self
    }

    pub fn producer(&self, id: &str) -> Producer {
        self.regions.lock().unwrap()[id].1.clone()
    }

    pub fn status(&self, id: &str) -> OptStatus {
        self.regions.lock().unwrap()[id].0.clone()
    }

    pub fn set_status(&self, id: &str, status: OptStatus) {
        self.regions.lock().unwrap().get_mut(id).unwrap().0 = status;
    }

    /// Whether this call fails, and if so whether it takes effect.
    fn fails(&self, region: &str) -> Option<bool> {
        if self.broken.contains(region) {
            return Some(false);
        }
        let mut fault = self.fault.lock().unwrap();
        match *fault {
            Some((0, effective)) => {
                *fault = None;
                Some(effective)
            }
            Some((left, effective)) => {
                *fault = Some((left - 1, effective));
                None
            }
            None => None,
        }
    }
}

fn error(fault: Fault, request: &str) -> CloudError {
    CloudError { fault, request: request.to_owned(), message: "injected".to_owned() }
}

#[async_trait]
impl Cloud for Account {
    async fn regions(&self) -> Result<Vec<AccountRegion>, CloudError> {
        let regions = self.regions.lock().unwrap();
        Ok(regions.iter().map(|(id, (status, _))| region(id, status.clone())).collect())
    }

    async fn enable(&self, id: &str) -> Result<(), CloudError> {
        if self.fails(id).is_some() {
            return Err(error(Fault::Denied, "account:EnableRegion"));
        }
        self.set_status(id, OptStatus::Enabling);
        Ok(())
    }

    async fn find(&self, id: &str) -> Result<Producer, CloudError> {
        if self.fails(id).is_some() {
            return Err(error(Fault::Throttled, "lambda:GetFunction"));
        }
        if self.status(id) == OptStatus::Disabled {
            return Err(error(Fault::Closed, "lambda:GetFunction"));
        }
        Ok(self.producer(id))
    }

    async fn apply(&self, id: &str, step: &Step) -> Result<(), CloudError> {
        let fails = self.fails(id);
        if fails != Some(false) {
            take(&mut self.regions.lock().unwrap().get_mut(id).unwrap().1, step, &self.code);
        }
        match fails {
            Some(_) => Err(error(Fault::Other, &step.to_string())),
            None => Ok(()),
        }
    }
}
