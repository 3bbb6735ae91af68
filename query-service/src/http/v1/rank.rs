//! `GET /api/v1/rank`: the closest ones to one, or to all of a set.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::Fields;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use cloudping_digest::SeriesSummary;
use cloudping_schemas::api::{Ranked, RankedMember, Ranking};

use super::ends;
use super::matrix::selection;
use crate::http::columns::{count, flag, number, text, word};
use crate::http::format::{Format, Row, respond};
use crate::http::off_thread;
use crate::http::parameters::{
    FORMAT, LIMIT, PERCENTILE, PROTOCOL, PROVIDER, Parameter, SOURCE, Shape, TARGET, WINDOW,
};
use crate::http::parameters::{IDS, parameters};
use crate::http::params::Params;
use crate::http::problem::Failure;
use crate::live_view::{LiveView, Selection};
use crate::service::Shared;
use crate::statistic::Statistic;
use crate::text::{millis, rfc3339};

parameters! {
    /// Parameters of `rank`.
    RankParams:
        SOURCE.about("A vantage point: targets are ranked by how close they are to it."),
        TARGET.about("A target: vantage points are ranked by how close it is to them."),
        FROM,
        TO,
        BY,
        PROVIDER.about("Only the regions of this provider are ranked."),
        LIMIT.about("The most that are listed. Default 1000."),
        PERCENTILE,
        WINDOW,
        PROTOCOL,
        FORMAT,
}
const FROM: Parameter = Parameter {
    name: "from",
    about: "Vantage points, with commas between them: targets are ranked by how close they are to all of them.",
    example: "us-east-1,eu-west-1",
    required: false,
    shape: IDS,
};
const TO: Parameter =
    FROM.named("to", "Targets, with commas between them: vantage points are ranked by how close all of them are.");
const BY: Parameter = Parameter {
    name: "by",
    about: "What orders where there are several members: `max`, the worst of them (the default), or `mean`.",
    example: "max",
    required: false,
    shape: Shape::OneOf(&["max", "mean"]),
};

/// What is asked.
struct Question {
    selection: Selection,
    /// Whether targets are ranked, and the members are vantage points; else the other way round.
    targets: bool,
    members: Vec<String>,
    provider: Option<String>,
    by_mean: bool,
    limit: usize,
}

/// The closest regions to one, or to all of a set.
///
/// Give exactly one of `source`, `target`, `from` and `to`. A region may be a member of its own set: what it measures to itself counts
/// like everything else.
#[utoipa::path(get, path = "/api/v1/rank", tag = "live", params(RankParams), responses(
    (status = 200, description = "The closest first; `members` is in JSON only.", body = Ranking),
    (status = 404, description = "A vantage point, target or provider that there is not."),
))]
pub(super) async fn get(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Result<Response, Failure> {
    let params = RankParams::read(&uri)?;
    let question = question(&params)?;
    let format = Format::asked(&params, &headers)?;
    let view = shared.view();
    view.whole(question.selection.window)?;
    for member in &question.members {
        match question.targets {
            true => ends::source(&shared, &view, member)?,
            false => ends::target(&shared, &view, member)?,
        }
    }
    question.provider.iter().try_for_each(|provider| ends::provider(&shared, provider))?;
    let ranking = off_thread(move || ranking(&shared, &view, question)).await?;
    respond(format, &ranking, &ranking.ranking)
}

fn question(params: &Params) -> Result<Question, Failure> {
    let names = ["source", "target", "from", "to"];
    let given: Vec<&str> = names.into_iter().filter(|name| params.get(name).is_some()).collect();
    let [name] = given[..] else {
        let found = if given.is_empty() { "none of them".to_owned() } else { given.join(" and ") };
        return Err(Failure::bad_request(format!("expected one of source, target, from and to, found {found}")));
    };
    let members = match name {
        "source" | "target" => vec![params.required(name, "an id")?.to_owned()],
        _ => ends::ids(params, name)?.unwrap_or_default(),
    };
    let by = |text: &str| ["max", "mean"].contains(&text).then_some(text == "mean");
    Ok(Question {
        selection: selection(params)?,
        targets: ["source", "from"].contains(&name),
        members,
        provider: params.get("provider").map(str::to_owned),
        by_mean: params.parse("by", false, "max or mean", by)?,
        limit: params.limit(1_000)?,
    })
}

fn ranking(shared: &Shared, view: &LiveView, question: Question) -> Ranking {
    let Question { selection, targets, members, provider, by_mean, limit } = question;
    let provider_of = |id: &str| shared.settings.catalogue.get(id).map(|region| region.provider.clone());
    let mut complete = Vec::new();
    let mut incomplete = Vec::new();
    for (id, found) in candidates(view, &selection, targets, &members) {
        let of = provider_of(&id);
        if provider.as_ref().is_some_and(|wanted| of.as_ref() != Some(wanted)) {
            continue;
        }
        match ranked(&id, of, &members, &found, selection.statistic) {
            Some(ranked) => complete.push(ranked),
            None => incomplete.push(id),
        }
    }
    let order = |ranked: &Ranked| if by_mean { ranked.mean_ms } else { ranked.max_ms };
    // Among equals the order of the ids stays.
    complete.sort_by(|one, other| order(one).total_cmp(&order(other)));
    complete.truncate(limit);
    complete.iter_mut().zip(1..).for_each(|(ranked, rank)| ranked.rank = rank);
    Ranking {
        simulated: shared.settings.simulated,
        window: selection.window.name().to_owned(),
        percentile: selection.statistic.to_string(),
        protocol: selection.protocol.name().to_owned(),
        as_of: view.as_of().map(rfc3339),
        ranked: if targets { "targets" } else { "sources" }.to_owned(),
        members,
        by: if by_mean { "mean" } else { "max" }.to_owned(),
        ranking: complete,
        incomplete,
    }
}

/// Everything that was measured with any member, by id; with each member's series, in their order.
fn candidates<'a>(
    view: &'a LiveView,
    selection: &Selection,
    targets: bool,
    members: &[String],
) -> BTreeMap<String, Vec<Option<&'a SeriesSummary>>> {
    let mut found: BTreeMap<String, Vec<Option<&SeriesSummary>>> = BTreeMap::new();
    // Only what is asked for is merged.
    let only = members.first().filter(|_| targets && members.len() == 1);
    for (source, key, summary) in view.pairs(selection.window, selection.protocol, only.map(String::as_str)) {
        let (source, target) = (source.as_str(), key.target.as_str());
        let (member, candidate) = if targets { (source, target) } else { (target, source) };
        if let Some(at) = members.iter().position(|known| known == member) {
            found.entry(candidate.to_owned()).or_insert_with(|| vec![None; members.len()])[at] = Some(summary);
        }
    }
    found
}

/// What orders a candidate; `None` unless it has a number for every member.
fn ranked(
    id: &str,
    provider: Option<String>,
    members: &[String],
    found: &[Option<&SeriesSummary>],
    statistic: Statistic,
) -> Option<Ranked> {
    let shown = members.iter().zip(found).map(|(id, summary)| {
        let summary = (*summary)?;
        Some(RankedMember {
            id: id.clone(),
            rtt_ms: statistic.of(summary)?,
            count: summary.received(),
            sent: summary.sent(),
            lost: summary.lost(),
            low_count: !statistic.supported_by(summary),
        })
    });
    let members: Vec<RankedMember> = shown.collect::<Option<_>>()?;
    let losses = found.iter().flatten().filter_map(|summary| summary.loss());
    let sum_ms: f64 = members.iter().map(|member| member.rtt_ms).sum();
    Some(Ranked {
        rank: 0,
        id: id.to_owned(),
        provider,
        max_ms: members.iter().map(|member| member.rtt_ms).fold(f64::NEG_INFINITY, f64::max),
        mean_ms: millis(sum_ms * 1e3 / members.len() as f64),
        count: members.iter().map(|member| member.count).min()?,
        low_count: members.iter().any(|member| member.low_count),
        loss: losses.fold(0.0, f64::max),
        members,
    })
}

impl Row for Ranked {
    fn columns() -> Fields {
        Fields::from(vec![
            count("rank"),
            text("id"),
            word("provider"),
            number("max_ms"),
            number("mean_ms"),
            count("count"),
            flag("low_count"),
            number("loss"),
        ])
    }
}
