//! The bill: quantities of a month, times prices.

use serde::Serialize;

use crate::assumptions as assumed;
use crate::assumptions::{Deployment, MONTH_HOURS, MONTH_S};
use crate::prices::{PriceError, Prices};
use crate::simulate::Counted;

const GB: f64 = 1e9;
/// PUT payload units are of 25 KB.
const PUT_UNIT_BYTES: f64 = 25_600.0;
/// A checkpoint is written and read once a batch: two write units, one read unit.
const CHECKPOINT_UNITS: (f64, f64) = (2.0, 1.0);

/// Where a quantity is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// The code was run, and what it did was counted.
    Counted,
    /// Follows from the deployment's shape.
    Given,
    /// A number in `assumptions.rs` is in it.
    Assumed,
}

/// One line of a bill.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// What is paid for.
    pub what: &'static str,
    /// How many of it in a month.
    pub quantity: f64,
    /// The price's name in `xtask/prices.toml`.
    pub price: &'static str,
    /// US dollars a month.
    pub usd: f64,
    /// Where the quantity is from.
    pub basis: Basis,
}

/// A month's bill.
#[derive(Debug, Clone, Serialize)]
pub struct Bill {
    /// From one round to the next, s.
    pub interval_s: u32,
    /// How long the processor's event source gathers a batch, s.
    pub window_s: u32,
    /// Vantage points.
    pub regions: u32,
    /// Targets of each.
    pub targets: u32,
    /// US dollars a month.
    pub total_usd: f64,
    /// The most expensive first.
    pub lines: Vec<Line>,
    /// Write request units a month, by kind of item, the most first: without checkpoints.
    pub write_units: Vec<(String, f64)>,
    /// Read request units of the query service a month, by kind of item, the most first: with those of listing all heads.
    pub view_units: Vec<(String, f64)>,
    /// Write request units a second of the partition that has most, that of all heads: DynamoDB allows a partition 1,000.
    pub heads_write_units_a_second: f64,
    /// Bytes of a vantage point's head.
    pub head_bytes: u64,
}

/// The bill of a deployment.
///
/// # Errors
/// [`PriceError`] when a price is missing.
pub fn of(deployment: &Deployment, counted: &Counted, prices: &Prices) -> Result<Bill, PriceError> {
    let quantities =
        [live_store(deployment, counted), log_and_archive(deployment, counted), functions(deployment)].concat();
    let line = |(what, price, quantity, basis): Quantity| {
        Ok(Line { what, price, quantity, usd: quantity * prices.get(price)?.usd, basis })
    };
    let mut lines = quantities.into_iter().map(line).collect::<Result<Vec<Line>, PriceError>>()?;
    lines.sort_by(|one, other| other.usd.total_cmp(&one.usd));
    let views = a_month(deployment, &counted.viewed.read).map(|(kind, units)| match kind == "heads" {
        true => (kind, units + heads_listed(counted)),
        false => (kind, units),
    });
    let written_heads = counted.processed.written.get("heads").copied().unwrap_or(0) as f64;
    Ok(Bill {
        interval_s: deployment.interval_s,
        window_s: deployment.window_s,
        regions: deployment.regions,
        targets: deployment.targets,
        total_usd: lines.iter().map(|line| line.usd).sum(),
        lines,
        write_units: largest_first(a_month(deployment, &counted.processed.written)),
        view_units: largest_first(views),
        heads_write_units_a_second: f64::from(deployment.regions) * written_heads / 86_400.0,
        head_bytes: counted.head_bytes,
    })
}

type Quantity = (&'static str, &'static str, f64, Basis);

fn live_store(deployment: &Deployment, counted: &Counted) -> Vec<Quantity> {
    let sum = |units: &std::collections::BTreeMap<String, u64>| {
        a_month(deployment, units).map(|(_, units)| units).sum::<f64>()
    };
    let (checkpoint_writes, checkpoint_reads) = CHECKPOINT_UNITS;
    let written = sum(&counted.processed.written) + checkpoint_writes * deployment.batches();
    let read = sum(&counted.processed.read) + checkpoint_reads * deployment.batches();
    let viewed = sum(&counted.viewed.read) + heads_listed(counted);
    let stored = f64::from(deployment.regions) * counted.stored_bytes / GB;
    vec![
        ("live store: writes of the processor", "dynamodb-write-unit", written, Basis::Counted),
        ("live store: reads of the processor", "dynamodb-read-unit", read, Basis::Counted),
        ("live store: reads of the query service", "dynamodb-read-unit", viewed, Basis::Counted),
        ("live store: storage, after a year", "dynamodb-storage", stored, Basis::Counted),
    ]
}

fn log_and_archive(deployment: &Deployment, counted: &Counted) -> Vec<Quantity> {
    let rounds = deployment.rounds();
    let units = rounds * (counted.round_bytes / PUT_UNIT_BYTES).ceil();
    let runs = MONTH_S / assumed::ARCHIVER_EVERY_S;
    let samples = deployment.probes() * assumed::SAMPLE_BYTES * assumed::MONTHS_KEPT / GB;
    // The region in which the log is sends nothing across.
    let abroad = f64::from(deployment.regions - 1) / f64::from(deployment.regions);
    let appended = rounds * abroad * (counted.round_bytes + assumed::APPEND_BYTES) / GB;
    let probed = deployment.probes() * assumed::PROBE_BYTES / GB;
    vec![
        ("event log: shards", "kinesis-shard-hour", f64::from(deployment.shards) * MONTH_HOURS, Basis::Given),
        ("event log: rounds put", "kinesis-put-unit", units, Basis::Counted),
        ("rounds on their way to the log's region", "transfer-between-regions", appended, Basis::Assumed),
        ("probes leaving their region", "transfer-between-regions", probed, Basis::Assumed),
        ("archive: storage, after a year", "s3-storage", samples, Basis::Assumed),
        ("archive: writes", "s3-put", runs * assumed::ARCHIVER_PUTS, Basis::Assumed),
        ("archive: reads", "s3-get", runs * assumed::ARCHIVER_GETS, Basis::Assumed),
        ("archiver: run time", "lambda-gb-second", runs * assumed::ARCHIVER_S * assumed::ARCHIVER_GB, Basis::Assumed),
    ]
}

fn functions(deployment: &Deployment) -> Vec<Quantity> {
    let (producers, batches) = (deployment.producer_invocations(), deployment.batches());
    let measuring = producers * deployment.producer_s() * assumed::PRODUCER_GB;
    let counting = batches * assumed::PROCESSOR_S * assumed::PROCESSOR_GB;
    let logged = (producers + batches) * assumed::INVOCATION_LOG_BYTES / GB;
    let metrics = f64::from(deployment.regions) * assumed::PRODUCER_METRICS + assumed::OTHER_METRICS;
    vec![
        ("producers: run time", "lambda-gb-second", measuring, Basis::Assumed),
        ("producers: requests", "lambda-request", producers, Basis::Given),
        ("producers: schedule", "scheduler-invocation", producers, Basis::Given),
        ("processor: run time", "lambda-gb-second", counting, Basis::Assumed),
        ("processor: requests", "lambda-request", batches, Basis::Given),
        ("logs", "logs-ingested", logged, Basis::Assumed),
        ("metrics", "metric", metrics, Basis::Assumed),
        ("query service: processors", "fargate-vcpu-hour", MONTH_HOURS * assumed::QUERY_VCPU, Basis::Assumed),
        ("query service: memory", "fargate-gb-hour", MONTH_HOURS * assumed::QUERY_GB, Basis::Assumed),
        ("query service: load balancer", "load-balancer-hour", MONTH_HOURS, Basis::Given),
    ]
}

/// Units of all vantage points in a month, of those of one in a day.
fn a_month<'a>(
    deployment: &'a Deployment,
    units: &'a std::collections::BTreeMap<String, u64>,
) -> impl Iterator<Item = (String, f64)> + 'a {
    let times = f64::from(deployment.regions) * MONTH_HOURS / 24.0;
    units.iter().map(move |(kind, units)| (kind.clone(), *units as f64 * times))
}

fn heads_listed(counted: &Counted) -> f64 {
    counted.heads_listed as f64 * MONTH_S / assumed::REFRESH_S as f64
}

fn largest_first(units: impl Iterator<Item = (String, f64)>) -> Vec<(String, f64)> {
    let mut units: Vec<_> = units.filter(|(_, units)| *units > 0.0).collect();
    units.sort_by(|one, other| other.1.total_cmp(&one.1));
    units
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metered::Meter;

    fn bill() -> Bill {
        let meter = |written: &[(&str, u64)], read: &[(&str, u64)]| {
            let units = |of: &[(&str, u64)]| of.iter().map(|(kind, units)| ((*kind).to_owned(), *units)).collect();
            Meter { written: units(written), read: units(read) }
        };
        let counted = Counted {
            processed: meter(&[("heads", 86_400), ("panes/1m", 1_000_000)], &[("panes/1h", 24)]),
            viewed: meter(&[], &[("heads", 10), ("panes/1m", 100)]),
            heads_listed: 3,
            round_bytes: 30_000.0,
            stored_bytes: 1e9 / 36.0,
            head_bytes: 900,
        };
        of(&Deployment::default_at(1, 10), &counted, &Prices::built_in().unwrap()).unwrap()
    }

    fn line(bill: &Bill, what: &str) -> Line {
        bill.lines.iter().find(|line| line.what == what).unwrap().clone()
    }

    #[test]
    fn quantities_are_those_of_all_regions_in_a_month() {
        let bill = bill();
        let days = 730.0 / 24.0;
        let written = line(&bill, "live store: writes of the processor");
        assert_eq!(written.quantity, 36.0 * days * 86_400.0 + 36.0 * days * 1e6 + 2.0 * 262_800.0);
        let read = line(&bill, "live store: reads of the query service").quantity;
        assert!((read - (36.0 * days * 110.0 + 3.0 * 2_628_000.0)).abs() < 1e-3, "{read}");
        assert!((line(&bill, "live store: storage, after a year").usd - 0.25).abs() < 1e-9);
        assert_eq!(line(&bill, "event log: rounds put").quantity, 36.0 * 2_628_000.0 * 2.0, "two units a record");
        assert_eq!(line(&bill, "producers: run time").quantity, 36.0 * 43_800.0 * 61.0 * 0.125);
        assert_eq!(bill.heads_write_units_a_second, 36.0);
    }

    #[test]
    fn lines_are_quantity_times_price_the_largest_first() {
        let bill = bill();
        let prices = Prices::built_in().unwrap();
        for line in &bill.lines {
            assert_eq!(line.usd, line.quantity * prices.get(line.price).unwrap().usd, "{}", line.what);
        }
        assert!(bill.lines.is_sorted_by(|one, next| one.usd >= next.usd));
        let sum: f64 = bill.lines.iter().map(|line| line.usd).sum();
        assert_eq!(bill.total_usd, sum);
        assert_eq!(bill.write_units[0].0, "panes/1m");
        assert_eq!(bill.view_units[0].0, "heads", "{:?}", bill.view_units);
    }
}
