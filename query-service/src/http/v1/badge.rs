//! `GET /api/v1/badge/{source}/{target}.svg`: one pair's number as a small picture.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};

use super::ends;
use super::matrix::selection;
use crate::http::off_thread;
use crate::http::parameters::{PERCENTILE, PROTOCOL, Parameter, Shape, WINDOW, parameters};
use crate::http::problem::{self, Failure};
use crate::live_view::{LiveView, Selection};
use crate::service::Shared;

/// Letters of a label.
const MOST_LETTERS: usize = 60;
/// Of a letter of 11 px in Verdana, about; the text is fitted to what it is given.
const LETTER_PX: usize = 7;
const MARGIN_PX: usize = 6;
/// A pair is drawn again no sooner than so.
const CACHE: &str = "public, max-age=10";
const BLUE: &str = "#0b63b0";
const GREY: &str = "#6b6b6b";

parameters! {
    /// Parameters of `badge`.
    BadgeParams: PERCENTILE, WINDOW, PROTOCOL, LABEL
}
const LABEL: Parameter = Parameter {
    name: "label",
    about: "What stands on the left, up to 60 letters. Default both ends.",
    example: "to Ireland",
    required: false,
    shape: Shape::Pattern(r"^[^\u0000-\u001f\u007f-\u009f]{1,60}$"),
};

/// One pair's number as a small picture (SVG).
///
/// `~` stands before a number that too few probes carry. Where nothing was answered in the window it says `no data`, and where the newest
/// probe is older than half a minute (or what the operator has set) `stale`. The whole text, with the count, is its title.
#[utoipa::path(get, path = "/api/v1/badge/{source}/{target}", tag = "live", params(
    ("source" = String, Path, description = "A vantage point's id.", example = "us-east-1"),
    ("target" = String, Path, description = "A target's id, and `.svg`.", example = "eu-west-1.svg"),
    BadgeParams,
), responses(
    (status = 200, description = "The picture.", body = String, content_type = "image/svg+xml"),
    (status = 404, description = "Nobody measures from or to there."),
))]
pub(super) async fn get(
    State(shared): State<Arc<Shared>>,
    Path((source, file)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, Failure> {
    let params = BadgeParams::read(&uri)?;
    let target = file.strip_suffix(".svg").ok_or_else(|| problem::nothing_at(uri.path()))?;
    let default = format!("{source} → {target}");
    let sane = |text: &str| {
        let count = text.chars().count();
        ((1..=MOST_LETTERS).contains(&count) && !text.chars().any(char::is_control)).then(|| text.to_owned())
    };
    let label = params.parse("label", default, "1 to 60 letters", sane)?;
    let ends = (Some(source.clone()), Some(target.to_owned()));
    let selection = Selection { source: ends.0, target: ends.1, ..selection(&params)? };
    let view = shared.view();
    view.whole(selection.window)?;
    ends::source(&shared, &view, &source)?;
    ends::target(&shared, &view, target)?;
    let stale_after_us = i64::try_from(shared.settings.live.stale_after.as_micros()).unwrap_or(i64::MAX);
    let picture = off_thread(move || picture(&label, &message(&view, &selection, stale_after_us))).await?;
    let headers = [(header::CONTENT_TYPE, "image/svg+xml; charset=utf-8"), (header::CACHE_CONTROL, CACHE)];
    Ok((headers, picture).into_response())
}

/// What stands on the right, its colour, and what the title adds.
struct Message {
    text: String,
    colour: &'static str,
    title: String,
}

fn message(view: &LiveView, selection: &Selection, stale_after_us: i64) -> Message {
    let number = selection.statistic.to_string();
    let window = selection.window.name();
    let pairs = view.pairs(selection.window, selection.protocol, selection.source.as_deref());
    let mut of_target = pairs.filter(|(_, key, _)| Some(key.target.as_str()) == selection.target.as_deref());
    let measured = of_target.next().and_then(|(_, _, summary)| Some((summary, selection.statistic.of(summary)?)));
    let Some((summary, ms)) = measured else {
        let (text, title) = ("no data".to_owned(), format!("nothing was answered in {window}"));
        return Message { text, colour: GREY, title };
    };
    let about = if selection.statistic.supported_by(summary) { "" } else { "~" };
    let digits = if ms < 10.0 { 2 } else { usize::from(ms < 100.0) };
    let text = format!("{number} {about}{ms:.digits$} ms");
    let title = format!("{number} {about}{ms} ms of {} round-trip times in {window}", summary.received());
    let stale = summary.last_at_us().is_none_or(|last| (view.now - last).0 > stale_after_us);
    match stale {
        true => Message { text: format!("{text}, stale"), colour: GREY, title: format!("{title}, none of them new") },
        false => Message { text, colour: BLUE, title },
    }
}

/// The picture; all texts are escaped.
fn picture(label: &str, message: &Message) -> String {
    let width = |text: &str| text.chars().count() * LETTER_PX;
    let (left_text, right_text) = (width(label), width(&message.text));
    let (left, right) = (left_text + 2 * MARGIN_PX, right_text + 2 * MARGIN_PX);
    let whole = left + right;
    let title = escaped(&format!("{label}: {}", message.title));
    let (label, text, colour) = (escaped(label), escaped(&message.text), message.colour);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{whole}\" height=\"20\" role=\"img\" aria-label=\"{title}\">\
         <title>{title}</title>\
         <clipPath id=\"r\"><rect width=\"{whole}\" height=\"20\" rx=\"3\"/></clipPath>\
         <g clip-path=\"url(#r)\"><rect width=\"{left}\" height=\"20\" fill=\"#3d3d3d\"/>\
         <rect x=\"{left}\" width=\"{right}\" height=\"20\" fill=\"{colour}\"/></g>\
         <g fill=\"#fff\" font-family=\"Verdana,DejaVu Sans,sans-serif\" font-size=\"11\">"
    );
    for (x, length, text) in [(MARGIN_PX, left_text, label), (left + MARGIN_PX, right_text, text)] {
        // Writing to a string cannot fail.
        let _ = write!(svg, "<text x=\"{x}\" y=\"14\" textLength=\"{length}\">{text}</text>");
    }
    svg + "</g></svg>\n"
}

/// Text for XML.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Neither is a character of XML.
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            other if other.is_control() => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}
