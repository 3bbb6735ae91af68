//! The Lambda function. Whatever the event holds, an invocation brings every region to what it should have; a schedule is meant to send it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::BehaviorVersion;
use cloudping_backend_aws::s3_objects;
use cloudping_environment::{now, time_left};
use cloudping_region_manager::Code;
use cloudping_region_manager_aws::handler::Handler;
use cloudping_region_manager_aws::settings::Settings;
use cloudping_region_manager_aws::{AwsCloud, account_client, metrics};
use cloudping_schemas::catalogue::Catalogue;
use cloudping_telemetry::{Emitter, Function, Request, logging};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde_json::Value;

/// Kept of an invocation's time to write the report and to answer in.
const TO_ANSWER: Duration = Duration::from_secs(10);
/// Taken where the Runtime API names no real deadline: cargo-lambda's lies in 1970.
const UNKNOWN: Duration = Duration::from_secs(600);

#[tokio::main]
async fn main() -> Result<(), Error> {
    let started = Instant::now();
    let variable = |name: &str| std::env::var(name).ok();
    logging(variable);
    let Settings { deployed, producer, report } = Settings::read(variable)?;
    let own = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let packages = s3_objects(&own, &producer.bucket).await?;
    let zip = packages.get(&Path::from(producer.key.as_str())).await?.bytes().await?;
    let code = Code::new(zip.to_vec())?;
    let reports = s3_objects(&own, &report.bucket).await?;
    let cloud = Arc::new(AwsCloud::new(account_client(&own), &own, deployed.clone(), Some(code.clone())));
    let handler = Arc::new(Handler::new(cloud, deployed, code, Catalogue::built_in()?, reports, &report.key));
    let function = Arc::new(Function::new(Emitter::new("region-manager", &[], variable)?, started.elapsed()));
    let invoke = |event: LambdaEvent<Value>| {
        let (handler, function) = (Arc::clone(&handler), Arc::clone(&function));
        async move {
            let context = event.context;
            let request = Request { id: &context.request_id, trace: context.xray_trace_id.as_deref() };
            let work = async {
                let (report, done) =
                    handler.invoke(now(), time_left(context.deadline(), TO_ANSWER).unwrap_or(UNKNOWN)).await;
                (metrics::line(report.as_ref()), done.map(|()| report))
            };
            function.run(request, work).await
        }
    };
    lambda_runtime::run(service_fn(invoke)).await
}
