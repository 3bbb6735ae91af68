//! The spans of a request: what a collector of traces would get.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use crate::common::*;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// A span as it was made and filled.
#[derive(Debug, Default)]
struct Seen {
    name: &'static str,
    parent: Option<u64>,
    fields: BTreeMap<&'static str, String>,
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.fields.insert(field.name(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

/// Keeps our spans.
#[derive(Clone, Default)]
struct Keeper(Arc<Mutex<BTreeMap<u64, Seen>>>);

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for Keeper {
    fn enabled(&self, of: &Metadata<'_>, _: Context<'_, S>) -> bool {
        of.is_span() && of.target().starts_with("cloudping_query_service") && *of.level() <= Level::DEBUG
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let parent = context.span(id).and_then(|span| span.parent()).map(|parent| parent.id().into_u64());
        let mut seen = Seen { name: attributes.metadata().name(), parent, ..Seen::default() };
        attributes.record(&mut seen);
        self.0.lock().unwrap().insert(id.into_u64(), seen);
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, _: Context<'_, S>) {
        record.record(self.0.lock().unwrap().get_mut(&id.into_u64()).unwrap());
    }
}

#[tokio::test]
async fn a_request_its_statement_and_a_reading_are_spans() {
    let keeper = Keeper::default();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(keeper.clone())).unwrap();
    let world = archived().await;
    world.sql("SELECT count(*) FROM samples WHERE outcome = 'secret'").await.ok();
    world.get("/api/v1/series?source=nobody&target=eu-west-1").await.problem(404);

    let spans = keeper.0.lock().unwrap();
    let named = |name: &str| {
        let mut found = spans.iter().filter(|(_, span)| span.fields.get("otel.name").map_or(span.name, |n| n) == name);
        found.next().unwrap_or_else(|| panic!("{name}: {spans:?}"))
    };
    let (id, request) = named("POST /api/v1/sql");
    let of = |span: &Seen, name: &str| span.fields.get(name).cloned().unwrap_or_default();
    assert_eq!((&*of(request, "http.request.method"), &*of(request, "http.route")), ("POST", "/api/v1/sql"));
    assert_eq!((&*of(request, "http.response.status_code"), &*of(request, "otel.kind")), ("200", "server"));
    assert_eq!(named("sql").1.parent, Some(*id));
    assert_eq!(named("refresh").1.parent, None);
    assert_eq!(of(named("GET /api/v1/series").1, "http.response.status_code"), "404");
    // What was asked for is nobody's business.
    assert!(!format!("{spans:?}").contains("secret"));
}
