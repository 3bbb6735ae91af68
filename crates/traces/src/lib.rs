//! Spans to a collector, by OpenTelemetry's protocol (OTLP, protobuf over HTTP), where the environment names one.
//!
//! Components make spans by `tracing` and know nothing of this. Sending is a thread of its own; where the collector is away or slow, spans are
//! dropped, and nothing waits for it but the end of the process, for seconds at most.

mod client;

use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use crate::client::Client;

/// Where the collector is, for all signals and for traces alone. The exporter reads what else belongs to them, such as `OTEL_EXPORTER_OTLP_HEADERS`
/// and `OTEL_TRACES_SAMPLER`, itself.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const DISABLED: &str = "OTEL_SDK_DISABLED";
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
/// How long the end of the process waits for the last spans.
const LAST: Duration = Duration::from_secs(3);
/// The spans of our own crates; others' would tell of their insides.
const OURS: &str = "cloudping";

/// Why spans cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting that cannot be used.
    #[error("traces: {0}")]
    Setting(#[from] ExporterBuildError),
}

/// The way to the collector.
#[derive(Debug, Clone)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// The way to the collector that the environment names; `None` where it names none.
    ///
    /// # Errors
    /// [`StartError`], when the environment cannot be used.
    pub fn start(service: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, StartError> {
        let given = |name: &str| variable(name).filter(|text| !text.is_empty());
        let disabled = given(DISABLED).is_some_and(|text| text.eq_ignore_ascii_case("true"));
        let endpoint = given(TRACES_ENDPOINT)
            .or_else(|| given(ENDPOINT).map(|root| format!("{}/v1/traces", root.trim_end_matches('/'))));
        let Some(endpoint) = endpoint.filter(|_| !disabled) else {
            return Ok(None);
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client::new())
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint)
            .build()?;
        let name = given(SERVICE_NAME).unwrap_or_else(|| service.to_owned());
        let resource = Resource::builder().with_service_name(name).build();
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
        Ok(Some(Self { provider }))
    }

    /// What takes the spans over from `tracing`.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let tracer = self.provider.tracer(OURS);
        let ours = filter_fn(|of| of.is_span() && of.target().starts_with(OURS));
        let layer = tracing_opentelemetry::layer().with_tracer(tracer).with_location(false).with_threads(false);
        layer.with_filter(ours.with_max_level_hint(LevelFilter::DEBUG))
    }

    /// Sends what is left. Spans that end later are dropped.
    pub fn finish(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(LAST) {
            tracing::warn!("the last traces were not sent: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(variables: &[(&str, &str)]) -> Result<Option<Traces>, StartError> {
        Traces::start("x", |name| {
            variables.iter().find(|(other, _)| *other == name).map(|(_, text)| (*text).to_owned())
        })
    }

    #[test]
    fn without_a_collector_there_is_nothing() {
        assert!(started(&[]).unwrap().is_none());
        assert!(started(&[(ENDPOINT, "")]).unwrap().is_none());
        assert!(started(&[(ENDPOINT, "http://127.0.0.1:1"), (DISABLED, "TRUE")]).unwrap().is_none());
    }

    #[test]
    fn an_address_that_is_none_is_named() {
        let error = started(&[(ENDPOINT, "http://a b")]).unwrap_err().to_string();
        assert!(error.contains("http://a b"), "{error}");
    }
}
