//! `GET /averages` and `/averages/{day,week,month}/{n}`: the mean of every pair over some days.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde::Serialize;

use super::error::Refusal;
use super::figures::{Filter, of_days};
use crate::service::Shared;
use crate::statistic::Statistic;

/// The units and their days.
const UNITS: [(&str, i64); 3] = [("day", 1), ("week", 7), ("month", 30)];
/// Some ten years.
const MAX_DAYS: i64 = 3_660;

#[derive(Serialize)]
pub(super) struct Averages {
    region: String,
    averages: Vec<Average>,
}

#[derive(Serialize)]
struct Average {
    #[serde(rename = "regionTo")]
    region_to: String,
    average: f64,
}

pub(super) async fn of_a_day(State(shared): State<Arc<Shared>>) -> Result<Json<Vec<Averages>>, Refusal> {
    averages(&shared, 1).await
}

pub(super) async fn of_one(
    State(shared): State<Arc<Shared>>,
    unit: Result<Path<String>, PathRejection>,
) -> Result<Json<Vec<Averages>>, Refusal> {
    let Path(unit) = unit.map_err(|rejection| Refusal::bad_request(rejection.body_text()))?;
    averages(&shared, days(&unit, "1")?).await
}

pub(super) async fn of_several(
    State(shared): State<Arc<Shared>>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<Vec<Averages>>, Refusal> {
    let Path((unit, count)) = path.map_err(|rejection| Refusal::bad_request(rejection.body_text()))?;
    averages(&shared, days(&unit, &count)?).await
}

fn days(unit: &str, count: &str) -> Result<i64, Refusal> {
    let Some((_, days)) = UNITS.into_iter().find(|(name, _)| *name == unit) else {
        return Err(Refusal::bad_request("Invalid unit. Must be one of: day, week, month"));
    };
    let most = MAX_DAYS / days;
    let count = count.parse().ok().filter(|count| (1..=most).contains(count));
    let count: i64 = count.ok_or_else(|| {
        Refusal::bad_request(format!("Invalid number of {unit}s. Must be a whole number, 1 to {most}"))
    })?;
    Ok(count * days)
}

async fn averages(shared: &Arc<Shared>, days: i64) -> Result<Json<Vec<Averages>>, Refusal> {
    let data = of_days(shared, Statistic::Mean, days, Filter::default()).await?;
    let average = |(region_to, average)| Average { region_to, average };
    let rows = data.into_iter();
    Ok(Json(rows.map(|(region, to)| Averages { region, averages: to.into_iter().map(average).collect() }).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_numbers_are_checked() {
        let good = [("day", "1"), ("week", "2"), ("month", "122")].map(|(unit, count)| days(unit, count).unwrap());
        assert_eq!(good, [1, 14, 3_660]);
        for (unit, count) in
            [("year", "1"), ("Day", "1"), ("day", "0"), ("day", "-1"), ("day", "1.5"), ("month", "123")]
        {
            assert!(days(unit, count).is_err(), "{unit} {count}");
        }
    }
}
