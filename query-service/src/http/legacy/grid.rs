//! `GET /grid/{percentile}/timeframe/{timeframe}`: the table of all pairs as a page, which programs scrape.
//!
//! What they rely on: the table's classes; three heading rows, then one row a source; headings of regions `<th class="region_title">` with the
//! region's id in `<em>`, those of the columns before those of the rows and in the same order; one `<td>` a column with two decimals, empty where
//! nothing was measured.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Html;
use cloudping_schemas::catalogue::Catalogue;

use super::error::Refusal;
use super::figures::{Data, Filter, of_days};
use super::names::{PERCENTILES, TIMEFRAMES, choose};
use crate::service::Shared;

pub(super) async fn get(
    State(shared): State<Arc<Shared>>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Html<String>, Refusal> {
    let Path((percentile, timeframe)) = path.map_err(|rejection| Refusal::bad_request(rejection.body_text()))?;
    let (percentile, statistic) = choose("percentile", &percentile, &PERCENTILES)?;
    let (timeframe, days) = choose("timeframe", &timeframe, &TIMEFRAMES)?;
    let data = of_days(&shared, statistic, days, Filter::default()).await?;
    let caption = match shared.settings.simulated {
        true => format!("{percentile} of {timeframe}, milliseconds, of a SIMULATED network"),
        false => format!("{percentile} of {timeframe}, milliseconds"),
    };
    Ok(Html(page(&data, &shared.settings.catalogue, &caption)))
}

fn page(data: &Data, catalogue: &Catalogue, caption: &str) -> String {
    let mut regions: BTreeSet<&str> = data.keys().map(String::as_str).collect();
    regions.extend(data.values().flat_map(|to| to.keys()).map(String::as_str));
    let titles: Vec<String> = regions.iter().map(|id| title(id, catalogue)).collect();
    let mut rows = String::new();
    for (from, title) in regions.iter().zip(&titles) {
        let _ = write!(rows, "<tr>{title}");
        for to in &regions {
            match data.get(*from).and_then(|of_source| of_source.get(*to)) {
                Some(rtt_ms) => _ = write!(rows, "<td>{rtt_ms:.2}</td>"),
                None => rows.push_str("<td></td>"),
            }
        }
        rows.push_str("</tr>\n");
    }
    let (columns, titles) = (regions.len().max(1), titles.concat());
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>cloudping: {caption}</title></head>\n<body>\n\
         <table class=\"table table-bordered table-sm\">\n<thead>\n\
         <tr><th></th><th colspan=\"{columns}\">{caption}</th></tr>\n\
         <tr><th></th><th colspan=\"{columns}\">To</th></tr>\n\
         <tr><th>From</th>{titles}</tr>\n</thead>\n<tbody>\n{rows}</tbody>\n</table>\n</body>\n</html>\n"
    )
}

/// A region's heading: its id, and its place where the catalogue knows it.
fn title(id: &str, catalogue: &Catalogue) -> String {
    let place = catalogue.get(id).map(|region| format!("<br>{}", escaped(&region.city)));
    format!("<th class=\"region_title\"><em>{}</em>{}</th>", escaped(id), place.unwrap_or_default())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        assert_eq!(escaped("<a href=\"x\">&amp;"), "&lt;a href=&quot;x&quot;&gt;&amp;amp;");
    }
}
