//! One invocation: every region is brought to what it should have, and what was found is written down.

use std::sync::Arc;
use std::time::Duration;

use cloudping_model::UtcMicros;
use cloudping_region_manager::{Cloud, Code, Fleet, Mode, RegionReport, Report, Settings};
use cloudping_schemas::catalogue::Catalogue;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

/// The region manager's work. It keeps nothing from one invocation to the next.
pub struct Handler {
    cloud: Arc<dyn Cloud>,
    settings: Settings,
    code: Code,
    catalogue: Catalogue,
    bucket: Arc<dyn ObjectStore>,
    key: Path,
}

impl Handler {
    /// For the regions of this account. What becomes of them is written to `key` of the bucket.
    #[must_use]
    pub fn new(
        cloud: Arc<dyn Cloud>,
        settings: Settings,
        code: Code,
        catalogue: Catalogue,
        bucket: Arc<dyn ObjectStore>,
        key: &str,
    ) -> Self {
        Self { cloud, settings, code, catalogue, bucket, key: Path::from(key) }
    }

    /// Brings every region to what it should have, within this time: what is under way then is dropped, and the next invocation goes on there.
    /// The report is there also where regions failed, which is an error.
    pub async fn invoke(&self, now: UtcMicros, within: Duration) -> (Option<Report>, Result<(), String>) {
        let fleet =
            Fleet::new(self.cloud.as_ref(), self.settings.clone(), Some(self.code.clone()), self.catalogue.clone());
        let told = |region: &RegionReport| {
            let (steps, note) = (region.steps.join(", "), region.note.as_deref().unwrap_or_default());
            tracing::info!(region = region.region, outcome = region.outcome.word(), steps, note, "region");
        };
        let report = match tokio::time::timeout(within, fleet.run(Mode::Sync, told)).await {
            Ok(Ok(report)) => report,
            Ok(Err(error)) => return (None, Err(error.to_string())),
            Err(_over) => {
                let error = format!("not done after {} s; the next invocation goes on from there", within.as_secs());
                return (None, Err(error));
            }
        };
        let written = self.write(&report, now).await;
        let failed =
            report.failed().map(|region| format!("{}: {}", region.region, region.note.as_deref().unwrap_or_default()));
        let faults: Vec<String> = failed.chain(written.err()).collect();
        let result = if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) };
        (Some(report), result)
    }

    async fn write(&self, report: &Report, now: UtcMicros) -> Result<(), String> {
        let error = |error: &dyn std::fmt::Display| format!("write {}: {error}", self.key);
        let bytes = serde_json::to_vec(&report.stored(now)).map_err(|cause| error(&cause))?;
        self.bucket.put(&self.key, bytes.into()).await.map_err(|cause| error(&cause)).map(drop)
    }
}
