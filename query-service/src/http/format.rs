//! In which form an answer goes out: by `format`, else by the `Accept` header, else JSON.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::csv::WriterBuilder;
use arrow::datatypes::{Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use arrow::json::{LineDelimitedWriter, ReaderBuilder};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use serde::Serialize;

use super::parameters::OwnForm;
use super::params::Params;
use super::problem::Failure;

/// Times in CSV are written as in JSON.
const TIME: &str = "%Y-%m-%dT%H:%M:%S%.3fZ";

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Format {
    Json,
    Csv,
    Ndjson,
    ArrowStream,
    Parquet,
}

impl Format {
    /// Every form, that of programs first.
    pub(in crate::http) const ALL: [Self; 5] = [Self::Json, Self::Csv, Self::Ndjson, Self::ArrowStream, Self::Parquet];

    /// Its name as a parameter.
    pub(in crate::http) fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
            Self::ArrowStream => "arrow",
            Self::Parquet => "parquet",
        }
    }

    /// Its media type, without parameters.
    pub(in crate::http) const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv",
            Self::Ndjson => "application/x-ndjson",
            Self::ArrowStream => "application/vnd.apache.arrow.stream",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// What a `Content-Type` header says of it.
    pub(in crate::http) fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            other => other.media_type(),
        }
    }

    /// The form that a request asks for; none is the one that only this resource has.
    ///
    /// # Errors
    /// As [`asked`](Self::asked).
    pub(in crate::http) fn asked_beside(
        own: OwnForm,
        params: &Params,
        headers: &HeaderMap,
    ) -> Result<Option<Self>, Failure> {
        let takes = |line: &HeaderValue| line.to_str().is_ok_and(|line| line.contains(own.media_type));
        let accepted = || headers.get_all(header::ACCEPT).iter().any(takes);
        if params.get("format").map_or_else(accepted, |format| format == own.name) {
            return Ok(None);
        }
        let another = if params.get("format").is_some() { own.name } else { own.media_type };
        let format = Self::asked(params, headers);
        format.map(Some).map_err(|failure| Failure { detail: format!("{}, {another}", failure.detail), ..failure })
    }

    /// The form that a request asks for.
    ///
    /// # Errors
    /// 400 where `format` names none; 406 where `Accept` takes none.
    pub(in crate::http) fn asked(params: &Params, headers: &HeaderMap) -> Result<Self, Failure> {
        let named = |text: &str| Self::ALL.into_iter().find(|format| format.name() == text);
        if let Some(text) = params.get("format") {
            let names = Self::ALL.map(Self::name).join(", ");
            return named(text).ok_or_else(|| Failure::parameter("format", text, &format!("one of {names}")));
        }
        let accept: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok()).collect();
        Self::accepted(&accept.join(",")).ok_or_else(|| {
            let types = Self::ALL.map(Self::media_type).join(", ");
            Failure::new(StatusCode::NOT_ACCEPTABLE, format!("Accept takes none of {types}"))
        })
    }

    /// The form that an `Accept` header likes best (RFC 9110, 12.5.1); among equals the one it names first, and JSON before what only a
    /// wildcard takes.
    fn accepted(accept: &str) -> Option<Self> {
        let ranges: Vec<(&str, f32)> = accept.split(',').filter_map(range).collect();
        if ranges.is_empty() {
            return Some(Self::Json);
        }
        let mut best: Option<(f32, usize, Self)> = None;
        for format in Self::ALL {
            let Some((quality, named_at)) = format.quality(&ranges) else {
                continue;
            };
            if best.is_none_or(|(most, at, _)| quality > most || (quality == most && named_at < at)) {
                best = Some((quality, named_at, format));
            }
        }
        best.map(|(_, _, format)| format)
    }

    /// How much the ranges like it, and where the most specific of them that takes it stands.
    fn quality(self, ranges: &[(&str, f32)]) -> Option<(f32, usize)> {
        let media_type = self.media_type();
        let (group, _) = media_type.split_once('/')?;
        let exact = |range: &str| range.eq_ignore_ascii_case(media_type);
        let grouped = |range: &str| range.strip_suffix("/*").is_some_and(|of| of.eq_ignore_ascii_case(group));
        let of = |takes: &dyn Fn(&str) -> bool| ranges.iter().position(|(range, _)| takes(range));
        // What only a wildcard takes comes after everything that is named.
        let wild = |at: usize| (ranges[at].1, ranges.len() + at);
        let found = of(&exact).map(|at| (ranges[at].1, at)).or_else(|| of(&grouped).map(wild));
        found.or_else(|| of(&|range| range == "*/*").map(wild)).filter(|(quality, _)| *quality > 0.0)
    }
}

/// A media range and its quality.
fn range(text: &str) -> Option<(&str, f32)> {
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next().filter(|range| !range.is_empty())?;
    let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    Some((range, quality.and_then(|quality| quality.parse().ok()).unwrap_or(1.0)))
}

/// A row of an answer that is also a table.
pub(in crate::http) trait Row: Serialize {
    /// The columns, by the names that the row has in JSON; units are in the names.
    fn columns() -> Fields;
}

/// An answer in the form that was asked for: JSON is `whole`, every other form has the rows alone.
///
/// # Errors
/// 500 where the rows do not fit their columns, which is a fault of ours.
pub(in crate::http) fn respond<W: Serialize, R: Row>(
    format: Format,
    whole: &W,
    rows: &[R],
) -> Result<Response, Failure> {
    respond_with(format, whole, rows, R::columns())
}

/// [`respond`] for rows whose columns depend on what was asked for.
///
/// # Errors
/// Those of [`respond`].
pub(in crate::http) fn respond_with<W: Serialize, R: Serialize>(
    format: Format,
    whole: &W,
    rows: &[R],
    columns: Fields,
) -> Result<Response, Failure> {
    let body = match format {
        Format::Json => serde_json::to_vec(whole).map_err(|error| Failure::internal(&error.to_string()))?,
        other => table(rows, columns)
            .map_err(ParquetError::from)
            .and_then(|table| encode(other, &table))
            .map_err(|error| Failure::internal(&error.to_string()))?,
    };
    Ok(([(header::CONTENT_TYPE, format.content_type())], body).into_response())
}

/// The rows as columns.
fn table<R: Serialize>(rows: &[R], columns: Fields) -> Result<RecordBatch, ArrowError> {
    let schema: SchemaRef = Arc::new(Schema::new(columns));
    let mut decoder = ReaderBuilder::new(Arc::clone(&schema)).with_batch_size(rows.len().max(1)).build_decoder()?;
    decoder.serialize(rows)?;
    Ok(decoder.flush()?.unwrap_or_else(|| RecordBatch::new_empty(schema)))
}

fn encode(format: Format, table: &RecordBatch) -> Result<Vec<u8>, ParquetError> {
    let mut body = Vec::new();
    match format {
        Format::Json | Format::Ndjson => {
            let mut writer = LineDelimitedWriter::new(&mut body);
            writer.write(table)?;
            writer.finish()?;
        }
        Format::Csv => WriterBuilder::new().with_timestamp_tz_format(TIME.to_owned()).build(&mut body).write(table)?,
        Format::ArrowStream => {
            let mut writer = StreamWriter::try_new(&mut body, &table.schema())?;
            writer.write(table)?;
            writer.finish()?;
        }
        Format::Parquet => {
            let mut writer = ArrowWriter::try_new(&mut body, table.schema(), None)?;
            writer.write(table)?;
            writer.close()?;
        }
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_liked_form_is_taken() {
        for (accept, format) in [
            ("", Some(Format::Json)),
            ("*/*", Some(Format::Json)),
            ("text/csv", Some(Format::Csv)),
            ("text/*", Some(Format::Csv)),
            ("text/html, */*;q=0.1", Some(Format::Json)),
            ("text/csv, application/json", Some(Format::Csv)),
            ("text/csv;q=0.5, application/json", Some(Format::Json)),
            ("application/x-ndjson, */*", Some(Format::Ndjson)),
            ("application/json;q=0, */*", Some(Format::Csv)),
            ("Application/VND.apache.arrow.stream", Some(Format::ArrowStream)),
            ("application/vnd.apache.parquet; Q=0.9, text/csv;q=0.8", Some(Format::Parquet)),
            ("text/html", None),
            ("application/json;q=0", None),
        ] {
            assert_eq!(Format::accepted(accept), format, "{accept}");
        }
    }
}
