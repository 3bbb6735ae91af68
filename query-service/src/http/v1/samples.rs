//! `GET /api/v1/samples`: the samples of a pair or of a source, one row a probe.
//!
//! In order of time, at most `limit` (1,000) a page; `next` goes on as the parameter `cursor`, with the same other parameters. In the forms that are
//! tables it is the header `cloudping-next`. With `download=true` the whole range comes in one answer of any size, in the order of the files.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use cloudping_model::{Protocol, UtcMicros};
use cloudping_schemas::api::{Sample, Samples, SamplesAnswer};

use super::past;
use crate::http::format::Format;
use crate::http::off_thread;
use crate::http::parameters::{END, FORMAT, PROTOCOL, Parameter, START, Shape, TARGET, THE_SOURCE, parameters};
use crate::http::params::Params;
use crate::http::problem::Failure;
use crate::http::table_stream::TableWriter;
use crate::samples::{self, BadCursor, Cursor, Page, Query, Wanted, fingerprint};
use crate::service::Shared;
use crate::sql::Encode;
use crate::text::rfc3339;

parameters! {
    /// Parameters of `samples`.
    SamplesParams:
        THE_SOURCE,
        TARGET,
        PROTOCOL.about("How the probes were made; all where it is not given."),
        START.about("Where the range starts, by RFC 3339. Default an hour before its end."),
        END,
        PAGE,
        CURSOR,
        DOWNLOAD,
        FORMAT,
}
const PAGE: Parameter = Parameter {
    name: "limit",
    about: "Rows of a page. Default 1000.",
    example: "1000",
    required: false,
    shape: Shape::Whole(1, 10_000),
};
const CURSOR: Parameter = Parameter {
    name: "cursor",
    about: "Where the page before ended: its `next`, with the query that it was given for.",
    example: "AAAA",
    required: false,
    shape: Shape::Pattern("^[A-Za-z0-9_-]+$"),
};
const DOWNLOAD: Parameter = Parameter {
    name: "download",
    about: "Whether to send the whole range, of any size, instead of a page. Default `false`.",
    example: "false",
    required: false,
    shape: Shape::OneOf(&["true", "false"]),
};
/// Those that make the query, of which pages go on.
const OF_THE_QUERY: [&str; 5] = ["source", "target", "protocol", "start", "end"];
/// The range unless it is asked for.
const DEFAULT_RANGE_US: i64 = 3_600_000_000;
const DEFAULT_LIMIT: usize = 1_000;
const MAX_LIMIT: usize = 10_000;
const NEXT: HeaderName = HeaderName::from_static("cloudping-next");

/// Samples as they are, by pages or all at once.
///
/// In forms other than JSON the header `cloudping-next` has the cursor of the next page.
#[utoipa::path(get, path = "/api/v1/samples", tag = "history", params(SamplesParams), responses(
    (status = 200, description = "The samples, by time.", body = SamplesAnswer),
    (status = 404, description = "Nobody measures from or to there."),
))]
pub(super) async fn get(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    let params = SamplesParams::read(&uri)?;
    let format = Format::asked(&params, &headers)?;
    let now = (shared.clock)();
    let source = params.required("source", "a vantage point's id")?.to_owned();
    let target = params.get("target").map(str::to_owned);
    // Every kind of probe, unless one is asked for: rows of several can stand beside each other.
    let protocol = params.get("protocol").map(|_| params.protocol()).transpose()?;
    let (start, end) = past::range(&params, now, DEFAULT_RANGE_US)?;
    known(&shared, &source, target.as_deref(), protocol)?;
    let wanted = Wanted { source, target, protocol, start, end, simulated: shared.settings.simulated };
    if params.parse("download", false, "true or false", |text| text.parse().ok())? {
        if let Some(given) = ["cursor", "limit"].into_iter().find(|name| params.get(name).is_some()) {
            return Err(Failure::bad_request(format!("{given} is given beside download, expected one of the two")));
        }
        return download(&shared, wanted, format).await;
    }
    let few = |text: &str| text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
    let limit = params.parse("limit", DEFAULT_LIMIT, "1 to 10000", few)?;
    page(&shared, &params, wanted, limit, (format, now)).await
}

fn known(shared: &Shared, source: &str, target: Option<&str>, protocol: Option<Protocol>) -> Result<(), Failure> {
    let protocol = protocol.unwrap_or(Protocol::TcpConnect);
    let (source, target) = (source.to_owned(), target.map(str::to_owned));
    super::series::known(shared, &crate::history::Subject { source, target, protocol })
}

async fn page(
    shared: &Shared,
    params: &Params,
    mut wanted: Wanted,
    limit: usize,
    (format, now): (Format, UtcMicros),
) -> Result<Response, Failure> {
    let given = |name: &&'static str| Some((*name, params.get(name)?.to_owned()));
    let query: Query = OF_THE_QUERY.iter().filter_map(given).collect();
    let cursor = params.get("cursor").map(|text| cursor(text, &query)).transpose()?;
    if let Some(cursor) = &cursor {
        (wanted.start, wanted.end) = (UtcMicros(cursor.range.0), UtcMicros(cursor.range.1));
    }
    let range = (wanted.start.0, wanted.end.0);
    let from = cursor.map(|cursor| (cursor.place, cursor.told));
    let (start, end) = (wanted.start, wanted.end);
    let job = async move |session| samples::page(&session, &wanted, from, limit).await;
    let Page { rows, next } = shared.door.run(job).await?;
    let next = next.map(|(place, told)| Cursor { query: fingerprint(&query), range, place, told }.text());
    let body = off_thread(move || {
        let mut writer = TableWriter::new(format, &rows.schema())?;
        let first = writer.write(&rows)?;
        Ok::<_, Failure>([first, writer.finish()?].concat())
    });
    let body = body.await??;
    let mut response = if format == Format::Json {
        let samples: Vec<Sample> =
            serde_json::from_slice(&body).map_err(|error| Failure::internal(&error.to_string()))?;
        let simulated = shared.settings.simulated;
        Json(Samples { simulated, start: rfc3339(start), end: rfc3339(end), next: next.clone(), samples })
            .into_response()
    } else {
        ([(header::CONTENT_TYPE, format.content_type())], body).into_response()
    };
    if let Some(next) = next.and_then(|next| HeaderValue::try_from(next).ok()) {
        response.headers_mut().insert(NEXT, next);
    }
    Ok(past::keep_closed(response, end, now))
}

fn cursor(text: &str, query: &Query) -> Result<Cursor, Failure> {
    Cursor::read(text, query).map_err(|bad| match bad {
        BadCursor::Malformed => Failure::parameter("cursor", text, "what the page before gave as next"),
        BadCursor::OfAnotherQuery => Failure::bad_request(
            "cursor belongs to another query: give it with the source, target, protocol, start and end of the page that it came from",
        ),
    })
}

/// Rows go out as they are read; what the client does not take is not read.
async fn download(shared: &Shared, wanted: Wanted, format: Format) -> Result<Response, Failure> {
    let name = format!("samples-{}.{}", wanted.source, extension(format));
    let writer = move |schema: arrow::datatypes::SchemaRef| TableWriter::new(format, &schema);
    let rows = shared.door.download(move |session| samples::all(session, wanted), writer).await?;
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}\""));
    let disposition = disposition.map_err(|error| Failure::internal(&error.to_string()))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(format.content_type())),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, Body::from_stream(rows)).into_response())
}

fn extension(format: Format) -> &'static str {
    match format {
        Format::ArrowStream => "arrows",
        other => other.name(),
    }
}
