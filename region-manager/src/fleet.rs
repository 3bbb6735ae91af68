//! All regions at once: what is wished of each, and its doing. No region waits for another, or fails for it.

use std::time::Duration;

use cloudping_schemas::catalogue::Catalogue;
use futures::{StreamExt, stream};

use crate::report::{Outcome, RegionReport, Report};
use crate::{
    AccountRegion, Cloud, CloudError, Code, CodeError, Deployment, Fault, Producer, Settings, Step, Wish, plan, wish,
};

/// Regions that are worked on at once.
const AT_ONCE: usize = 8;
/// What a region may take. Lambda takes seconds for each change; this is for one that never answers.
const A_REGION: Duration = Duration::from_secs(300);
/// How often a region is looked at before it is said that it does not settle.
const LOOKS: usize = 3;

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// All of it: enable what is allowed, deploy, remove.
    Sync,
    /// Enable what is allowed, and touch no producer.
    Enable,
    /// Deploy and remove; enable nothing.
    Deploy,
    /// Remove all producers, wherever they are.
    Remove,
}

/// The regions of an account.
pub struct Fleet<'a> {
    cloud: &'a dyn Cloud,
    settings: Settings,
    code: Option<Code>,
    catalogue: Catalogue,
    only: Vec<String>,
    dry: bool,
}

impl<'a> Fleet<'a> {
    /// Of this account, by these settings. Without a package nothing can be deployed.
    #[must_use]
    pub fn new(cloud: &'a dyn Cloud, settings: Settings, code: Option<Code>, catalogue: Catalogue) -> Self {
        Self { cloud, settings, code, catalogue, only: Vec::new(), dry: false }
    }

    /// Works on these regions alone; on all where none is named.
    #[must_use]
    pub fn only(self, only: Vec<String>) -> Self {
        Self { only, ..self }
    }

    /// Says what it would do, and does nothing.
    #[must_use]
    pub fn dry(self, dry: bool) -> Self {
        Self { dry, ..self }
    }

    /// Brings each region to what is wished of it. `told` hears of each as it ends.
    ///
    /// # Errors
    /// When the regions cannot be listed, or a region that was named is none of them. What fails in a region stands in the report.
    pub async fn run(&self, mode: Mode, told: impl Fn(&RegionReport)) -> Result<Report, FleetError> {
        let listed = self.regions().await?;
        let deployment = match &self.code {
            Some(code) => Some(Deployment::new(self.settings.clone(), code, self.uncatalogued(&listed))?),
            None => None,
        };
        let deployment = deployment.as_ref();
        let chosen = listed.iter().filter(|region| self.only.is_empty() || self.only.contains(&region.id));
        let work = chosen.map(|region| async {
            let report = self.region(region, mode, deployment).await;
            told(&report);
            report
        });
        let mut regions: Vec<_> = stream::iter(work).buffer_unordered(AT_ONCE).collect().await;
        regions.sort_by(|one, other| one.region.cmp(&other.region));
        Ok(Report { regions })
    }

    async fn regions(&self) -> Result<Vec<AccountRegion>, FleetError> {
        let listed = self.cloud.regions().await?;
        let unknown = |id: &&String| !listed.iter().any(|region| region.id == **id);
        match self.only.iter().find(unknown) {
            Some(id) => Err(FleetError::Unknown(id.clone())),
            None => Ok(listed),
        }
    }

    fn catalogued(&self, region: &str) -> bool {
        self.catalogue.get(region).is_some()
    }

    /// Regions that are there and that nobody has put into the catalogue: producers measure them all the same.
    fn uncatalogued(&self, listed: &[AccountRegion]) -> Vec<String> {
        let mut new: Vec<String> =
            listed.iter().map(|region| region.id.clone()).filter(|id| !self.catalogued(id)).collect();
        new.sort();
        new
    }

    async fn region(&self, region: &AccountRegion, mode: Mode, deployment: Option<&Deployment>) -> RegionReport {
        let mut report = RegionReport {
            region: region.id.clone(),
            status: region.status.clone(),
            catalogued: self.catalogued(&region.id),
            outcome: Outcome::None,
            steps: Vec::new(),
            code_sha256: None,
            note: None,
        };
        let late = || CloudError {
            fault: Fault::Late,
            request: region.id.clone(),
            message: format!("not done after {} s", A_REGION.as_secs()),
        };
        match tokio::time::timeout(A_REGION, self.wished(region, mode, deployment, &mut report)).await {
            Ok(Ok(())) => report,
            Ok(Err(error)) => report.failed(&error),
            Err(_over) => report.failed(&late()),
        }
    }

    async fn wished(
        &self,
        region: &AccountRegion,
        mode: Mode,
        deployment: Option<&Deployment>,
        report: &mut RegionReport,
    ) -> Result<(), CloudError> {
        let wish = if mode == Mode::Remove { Wish::Nothing } else { wish(region, &self.settings) };
        match (wish, deployment) {
            (wish, _) if mode == Mode::Enable && !matches!(wish, Wish::Enable | Wish::Wait) => Ok(()),
            (Wish::Producer, Some(deployment)) => self.reach(region, &deployment.producer(region), report).await,
            (Wish::Producer, None) => self.look(region, report).await,
            (Wish::Nothing, _) => self.without(region, mode, report).await,
            (Wish::Enable, _) => self.enable(region, mode, report).await,
            (Wish::Wait, _) => {
                report.outcome = Outcome::Enabling;
                report.note = Some("AWS is not done with it; the next run goes on".to_owned());
                Ok(())
            }
        }
    }

    async fn enable(&self, region: &AccountRegion, mode: Mode, report: &mut RegionReport) -> Result<(), CloudError> {
        if mode == Mode::Deploy {
            report.note = Some("not enabled; `cloudping regions enable` does it".to_owned());
            return Ok(());
        }
        report.steps.push("enable region".to_owned());
        if self.dry {
            report.outcome = Outcome::Planned;
            return Ok(());
        }
        self.cloud.enable(&region.id).await?;
        report.outcome = Outcome::Enabling;
        report.note = Some("enabling takes minutes to hours; the first run after it deploys".to_owned());
        Ok(())
    }

    /// A region that should have nothing. One that the account may not use cannot even be asked, which is what is usual of it.
    async fn without(&self, region: &AccountRegion, mode: Mode, report: &mut RegionReport) -> Result<(), CloudError> {
        if self.settings.leave_out.contains(&region.id) && mode != Mode::Remove {
            report.note = Some("left out by regionManager.leaveOut".to_owned());
        } else if report.status != crate::OptStatus::EnabledByDefault && report.status != crate::OptStatus::Enabled {
            report.note = Some("not enabled; name it in regionManager.enable to have it enabled".to_owned());
        }
        match self.reach(region, &Producer::default(), report).await {
            Err(error) if error.fault == Fault::Closed => Ok(()),
            done => done,
        }
    }

    /// What is there, without a wish.
    async fn look(&self, region: &AccountRegion, report: &mut RegionReport) -> Result<(), CloudError> {
        let found = self.cloud.find(&region.id).await?;
        report.outcome = if found.function.is_some() { Outcome::Unchanged } else { Outcome::None };
        report.code_sha256 = found.function.map(|function| function.code_sha256);
        Ok(())
    }

    async fn reach(
        &self,
        region: &AccountRegion,
        wanted: &Producer,
        report: &mut RegionReport,
    ) -> Result<(), CloudError> {
        let mut before = None;
        for _ in 0..LOOKS {
            let found = self.cloud.find(&region.id).await?;
            let steps = plan(&found, wanted);
            report.code_sha256 = found.function.as_ref().map(|function| function.code_sha256.clone());
            let had = *before.get_or_insert(found.function.is_some());
            if steps.is_empty() {
                report.outcome = settled(had, wanted.function.is_some(), report.steps.is_empty());
                return Ok(());
            }
            if self.dry {
                report.steps = steps.iter().map(Step::to_string).collect();
                report.outcome = Outcome::Planned;
                return Ok(());
            }
            for step in &steps {
                self.cloud.apply(&region.id, step).await?;
                report.steps.push(step.to_string());
            }
        }
        let steps = plan(&self.cloud.find(&region.id).await?, wanted);
        if steps.is_empty() {
            report.code_sha256 = wanted.function.as_ref().map(|function| function.code_sha256.clone());
            report.outcome = Outcome::Updated;
            return Ok(());
        }
        let left = steps.iter().map(Step::to_string).collect::<Vec<_>>().join(", ");
        let message = format!("still to do after {LOOKS} rounds: {left}");
        Err(CloudError { fault: Fault::Conflict, request: region.id.clone(), message })
    }
}

fn settled(had: bool, wanted: bool, nothing_done: bool) -> Outcome {
    match (had, wanted, nothing_done) {
        (_, true, true) => Outcome::Unchanged,
        (_, false, true) => Outcome::None,
        (false, true, false) => Outcome::Created,
        (true, true, false) => Outcome::Updated,
        (_, false, false) => Outcome::Removed,
    }
}

/// Why a run could not begin.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The regions cannot be listed.
    #[error("{source}; {}", source.fault.advice())]
    Cloud {
        /// Why.
        #[from]
        source: CloudError,
    },
    /// The package cannot be deployed.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// A region was named that there is not.
    #[error("no region {0:?} in this account, expected one of those that `cloudping regions list` shows")]
    Unknown(String),
}
