//! `GET /api/v1/exports`: which files were exported, and `GET /api/v1/exports/{path}`: one of them.
//!
//! A file's ETag is its SHA-256 by the manifest, so whoever has it can check it and resume it: parts are given by `Range`. Where the export is in a
//! bucket that can be signed for, a file is a redirection to it, unless `redirect=false` is asked for.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::Fields;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use cloudping_schemas::api::{ExportFile, ExportFiles};

use crate::exports::{Asked, Exports, ExportsError, File, MANIFEST, Manifest, Partition, asked, sha256};
use crate::http::columns::{count, text, word};
use crate::http::format::{Format, Row, respond};
use crate::http::parameters::{FORMAT, Parameter, Shape, parameters};
use crate::http::problem::Failure;
use crate::service::Shared;

/// A link to a bucket lasts so long: enough to begin a download.
const LINK_LASTS: Duration = Duration::from_secs(900);
/// A changed day keeps its names: caches ask again now and then, which costs them no bytes.
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=300");

parameters! {
    /// Parameters of `exports`.
    ExportsParams: TABLE, FORMAT
}
parameters! {
    /// Parameters of a file of an export.
    ExportFileParams: REDIRECT
}
const TABLE: Parameter = Parameter {
    name: "table",
    about: "Only files of this table.",
    example: "samples",
    required: false,
    shape: Shape::Text,
};
const REDIRECT: Parameter = Parameter {
    name: "redirect",
    about: "Whether to be sent to the bucket that the file is in, where there is one. Default `true`.",
    example: "false",
    required: false,
    shape: Shape::OneOf(&["true", "false"]),
};

/// The files of the export.
#[utoipa::path(get, path = "/api/v1/exports", tag = "history", params(ExportsParams), responses(
    (status = 200, description = "The files, by table and day or month.", body = ExportFiles),
    (status = 404, description = "This service has no export."),
))]
pub(super) async fn list(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    let params = ExportsParams::read(&uri)?;
    let format = Format::asked(&params, &headers)?;
    let (manifest, _) = manifest(exports(&shared)?).await?;
    let table = params.get("table");
    if let Some(table) = table.filter(|table| manifest.partitions.iter().all(|partition| partition.table != *table)) {
        return Err(Failure::parameter("table", table, "a table that was exported"));
    }
    let wanted = |partition: &Partition| table.is_none_or(|table| table == partition.table);
    let files = manifest.files().filter(|(partition, _)| wanted(partition));
    let answer = ExportFiles {
        simulated: manifest.simulated.unwrap_or(shared.settings.simulated),
        format: manifest.format.clone(),
        license: manifest.license.clone(),
        files: files.map(|(partition, file)| shown(partition, file)).collect(),
    };
    respond(format, &answer, &answer.files)
}

fn shown(partition: &Partition, file: &File) -> ExportFile {
    ExportFile {
        table: partition.table.clone(),
        partition: partition.partition.clone(),
        format: partition.format.clone(),
        revision: partition.revision,
        path: file.path.clone(),
        url: format!("/api/v1/exports/{}", file.path),
        bytes: file.bytes,
        rows: file.rows,
        first_ts: file.first_ts.clone(),
        last_ts: file.last_ts.clone(),
        sha256: file.sha256.clone(),
    }
}

impl Row for ExportFile {
    fn columns() -> Fields {
        Fields::from(vec![
            text("table"),
            text("partition"),
            text("format"),
            count("revision"),
            text("path"),
            text("url"),
            count("bytes"),
            count("rows"),
            word("first_ts"),
            word("last_ts"),
            text("sha256"),
        ])
    }
}

/// One file of the export, or a part of it.
#[utoipa::path(get, path = "/api/v1/exports/{*path}", tag = "history", params(
    ("path" = String, Path, description = "The file's path in the export.", example = "manifest.json"),
    ExportFileParams,
), responses(
    (status = 200, description = "The file.", body = Vec<u8>, content_type = "application/octet-stream"),
    (status = 206, description = "The part that `Range` asks for."),
    (status = 302, description = "Where the file lies in its bucket."),
    (status = 304, description = "It is as it was when it had the tag that `If-None-Match` names."),
    (status = 404, description = "There is no such file, or this service has no export."),
    (status = 416, description = "The file has no such part."),
))]
pub(super) async fn file(
    State(shared): State<Arc<Shared>>,
    Path(path): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let params = ExportFileParams::read(&uri)?;
    let redirect = params.parse("redirect", true, "true or false", |text| text.parse().ok())?;
    let exports = exports(&shared)?;
    let (manifest, bytes) = manifest(exports).await?;
    if path == MANIFEST {
        // Weak: it may go out compressed.
        let tag = format!("W/\"{}\"", sha256(&bytes));
        let kept = [(header::CONTENT_TYPE, "application/json".to_owned()), (header::ETAG, tag.clone())];
        let known = is_known(&headers, &tag);
        let answer = if known { StatusCode::NOT_MODIFIED.into_response() } else { bytes.into_response() };
        return Ok((kept, [(header::CACHE_CONTROL, KEPT)], answer).into_response());
    }
    let Some(file) = manifest.file(&path) else {
        let text = format!("there is no file {path:?} in the export: /api/v1/exports lists them");
        return Err(Failure::new(StatusCode::NOT_FOUND, text));
    };
    match exports.links().filter(|_| redirect) {
        Some(links) => {
            let link = links.link(file.path.clone(), LINK_LASTS).await;
            let link = link.map_err(|error| Failure::internal(&format!("export: {path}: {error}")))?;
            Ok((StatusCode::FOUND, [(header::LOCATION, link)]).into_response())
        }
        None => bytes_of(exports, file, &headers).await,
    }
}

/// A file or a part of it, or that it is the one that the client has.
async fn bytes_of(exports: &Exports, file: &File, headers: &HeaderMap) -> Result<Response, Failure> {
    let tag = format!("\"{}\"", file.sha256);
    let mut kept = HeaderMap::new();
    kept.insert(header::ETAG, value(&tag)?);
    kept.insert(header::CACHE_CONTROL, KEPT);
    kept.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if is_known(headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, kept).into_response());
    }
    kept.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(&file.path)));
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    // A part of another revision would not fit what the client has.
    let same = text(header::IF_RANGE).is_none_or(|wanted| wanted == tag);
    let (status, part) = match asked(text(header::RANGE).filter(|_| same), file.bytes) {
        Asked::Whole => (StatusCode::OK, None),
        Asked::Part(part) => (StatusCode::PARTIAL_CONTENT, Some(part)),
        Asked::Unsatisfiable => {
            let size = [(header::CONTENT_RANGE, format!("bytes */{}", file.bytes))];
            let text = format!("the file has {} bytes, and none of those asked for", file.bytes);
            return Ok((size, Failure::new(StatusCode::RANGE_NOT_SATISFIABLE, text)).into_response());
        }
    };
    let length = part.as_ref().map_or(file.bytes, |part| part.end - part.start);
    kept.insert(header::CONTENT_LENGTH, value(&length.to_string())?);
    if let Some(part) = &part {
        let range = format!("bytes {}-{}/{}", part.start, part.end - 1, file.bytes);
        kept.insert(header::CONTENT_RANGE, value(&range)?);
    }
    let body = Body::from_stream(exports.open(file, part).await?);
    Ok((status, kept, body).into_response())
}

fn value(text: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::try_from(text).map_err(|error| Failure::internal(&error.to_string()))
}

/// Whether `If-None-Match` has the tag, by the weak comparison that it asks for.
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let lists = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|given| given.trim() == "*" || opaque(given) == opaque(tag))
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("parquet") => "application/vnd.apache.parquet",
        Some("gz") => "application/gzip",
        _ => "application/octet-stream",
    }
}

fn exports(shared: &Shared) -> Result<&Exports, Failure> {
    let none = || Failure::new(StatusCode::NOT_FOUND, "this service hands out no export: its operator may set one");
    shared.settings.exports.as_ref().ok_or_else(none)
}

async fn manifest(exports: &Exports) -> Result<(Manifest, axum::body::Bytes), Failure> {
    let none =
        || Failure::new(StatusCode::NOT_FOUND, "nothing has been exported yet: `cloudping rollup export` does it");
    exports.manifest().await?.ok_or_else(none)
}

impl From<ExportsError> for Failure {
    fn from(error: ExportsError) -> Self {
        match error {
            ExportsError::Replaced => Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
            other => Self::internal(&other.to_string()),
        }
    }
}
