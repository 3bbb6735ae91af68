//! The bill: quantities of a month, times prices.

use serde::Serialize;

use crate::assumptions::{Deployment, MONTH_HOURS, MONTH_S};
use crate::burst::{Burst, burst};
use crate::priced::{self, Usage};
use crate::prices::{PriceError, Prices};
use crate::simulate::Counted;
use crate::templates::{Resource, TemplateError};

/// A checkpoint is written and read once a batch: two write units, one read unit.
const CHECKPOINT_UNITS: (f64, f64) = (2.0, 1.0);

/// Where a quantity is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// The code was run, and what it did was counted.
    Counted,
    /// Stands in the templates or follows from them.
    Given,
    /// A number in `assumptions.rs` is in it.
    Assumed,
}

/// How much there is of something in a month.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantity {
    what: String,
    price: String,
    quantity: f64,
    basis: Basis,
}

impl Quantity {
    /// So much of that, at the price of that name.
    pub fn new(what: impl Into<String>, price: impl Into<String>, quantity: f64, basis: Basis) -> Self {
        Self { what: what.into(), price: price.into(), quantity, basis }
    }
}

/// One line of a bill.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// What is paid for.
    pub what: String,
    /// How many of it in a month.
    pub quantity: f64,
    /// The price's name in `xtask/prices.toml`.
    pub price: String,
    /// US dollars a month.
    pub usd: f64,
    /// Where the quantity is from.
    pub basis: Basis,
}

/// A month's bill.
#[derive(Debug, Clone, Serialize)]
pub struct Bill {
    /// Vantage points.
    pub regions: u32,
    /// Targets of each.
    pub targets: u32,
    /// Probes to each target in a round.
    pub probes: u32,
    /// From one round to the next, s.
    pub interval_s: u32,
    /// US dollars a month.
    pub total_usd: f64,
    /// The most expensive first.
    pub lines: Vec<Line>,
    /// Write and read request units a second of the live store, means.
    pub store_units_a_second: (f64, f64),
    /// Bytes of a vantage point's head.
    pub head_bytes: u64,
    /// How a table of provisioned capacity gets through its bursts.
    pub bursts: Vec<Bursts>,
    /// How long the query service takes at the least to read a year of days after a start, s, of a table of provisioned capacity.
    pub year_of_days_s: Option<f64>,
}

/// Bursts of one kind of requests.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bursts {
    /// Writes or reads.
    pub what: &'static str,
    /// The capacity, units a second.
    pub units: f64,
    /// How they fare.
    #[serde(flatten)]
    pub burst: Burst,
}

/// Why there is no bill.
#[derive(Debug, thiserror::Error)]
pub enum BillError {
    /// A price is missing.
    #[error(transparent)]
    Price(#[from] PriceError),
    /// A template lacks something.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A type that nobody has said the price of.
    #[error(
        "{stack}: {id} is of the type {kind}, whose price is not known: expected one of those in xtask/cost/src/priced.rs"
    )]
    Unknown {
        /// The stack.
        stack: String,
        /// The resource's name in it.
        id: String,
        /// Its type.
        kind: String,
    },
    /// A function of which nobody knows how often it runs.
    #[error(
        "{stack}: how often the function {name} runs is not known: expected one of METRICS in xtask/cost/src/priced.rs"
    )]
    Function {
        /// The stack.
        stack: String,
        /// The function.
        name: String,
    },
    /// A service without its task.
    #[error("{stack}: there is no task definition {id}, expected that of a service")]
    Task {
        /// The stack.
        stack: String,
        /// The definition's name in it.
        id: String,
    },
    /// A table that would be throttled.
    #[error(
        "{what} is {units} units a second, and {used:.1} are used on the average: expected more, in table.capacity of the settings"
    )]
    Capacity {
        /// Which of both.
        what: &'static str,
        /// What the template gives.
        units: f64,
        /// What is asked for.
        used: f64,
    },
    /// A table that is throttled at each full hour.
    #[error(
        "{what} is {units} units a second, and when hours are folded requests are late by {late_s:.0} s: expected {MOST_LATE_S} s at most, \
         by more in table.capacity of the settings"
    )]
    Burst {
        /// Which of both.
        what: &'static str,
        /// What the template gives.
        units: f64,
        /// By how much, s.
        late_s: f64,
    },
}

/// By how much a burst may make the live view late, s: the alarm `LiveViewBehind` waits for twice that.
pub const MOST_LATE_S: f64 = 60.0;

/// The bill of a deployment.
///
/// # Errors
/// [`BillError`].
pub fn of(
    deployment: &Deployment,
    counted: &Counted,
    resources: &[Resource],
    prices: &Prices,
) -> Result<Bill, BillError> {
    let usage = Usage { deployment, counted, all: resources };
    let mut lines: Vec<Line> = Vec::new();
    for resource in resources {
        for Quantity { what, price, quantity, basis } in priced::quantities(resource, &usage)? {
            let (quantity, each) = (quantity * resource.times, prices.get(&price)?.usd);
            match lines.iter_mut().find(|line| line.what == what && line.price == price) {
                Some(line) => (line.quantity, line.usd) = (line.quantity + quantity, line.usd + quantity * each),
                None => lines.push(Line { what, quantity, usd: quantity * each, price, basis }),
            }
        }
    }
    lines.sort_by(|one, other| other.usd.total_cmp(&one.usd));
    let bursts = bursts(&usage)?;
    let reads = bursts.iter().find(|bursts| bursts.what == READS);
    let year_of_days_s = reads.map(|reads| (counted.year_of_days * u64::from(deployment.regions)) as f64 / reads.units);
    Ok(Bill {
        bursts,
        year_of_days_s,
        regions: deployment.regions,
        targets: deployment.targets,
        probes: deployment.probes,
        interval_s: deployment.interval_s,
        total_usd: lines.iter().map(|line| line.usd).sum(),
        lines,
        store_units_a_second: (counted.writes(deployment) / MONTH_S, counted.reads(deployment) / MONTH_S),
        head_bytes: counted.head_bytes,
    })
}

const WRITES: &str = "live store: write capacity";
const READS: &str = "live store: read capacity";

/// How the table gets through its bursts; nothing where it is paid for by the request.
fn bursts(Usage { deployment, counted, all }: &Usage<'_>) -> Result<Vec<Bursts>, BillError> {
    let mut found = Vec::new();
    let provisioned = |table: &&Resource| table.at("/ProvisionedThroughput").is_some();
    for table in all.iter().filter(|resource| resource.kind == "AWS::DynamoDB::Table").filter(provisioned) {
        for (what, path, asked) in [
            (WRITES, "/ProvisionedThroughput/WriteCapacityUnits", counted.written_by_window(deployment)),
            (READS, "/ProvisionedThroughput/ReadCapacityUnits", counted.read_by_window(deployment)),
        ] {
            let units = table.number(path)?;
            let burst = burst(&asked, deployment.window_s, units);
            if burst.late_s > MOST_LATE_S {
                return Err(BillError::Burst { what, units, late_s: burst.late_s });
            }
            found.push(Bursts { what, units, burst });
        }
    }
    Ok(found)
}

impl Counted {
    /// Write request units of the live store in a month.
    pub fn writes(&self, deployment: &Deployment) -> f64 {
        let of_one: u64 = self.processed.written.values().sum();
        of_one as f64 * days(deployment) + CHECKPOINT_UNITS.0 * deployment.batches()
    }

    /// Write units of all vantage points by window, as if all were folded in the same one.
    pub fn written_by_window(&self, deployment: &Deployment) -> Vec<u64> {
        let checkpoint = (CHECKPOINT_UNITS.0 * f64::from(deployment.shards)) as u64;
        self.written.iter().map(|units| units * u64::from(deployment.regions) + checkpoint).collect()
    }

    /// Read units of all vantage points by window, likewise.
    pub fn read_by_window(&self, deployment: &Deployment) -> Vec<u64> {
        let listings = f64::from(deployment.window_s) / deployment.refresh_s;
        let listed = (self.heads_listed as f64 * listings + CHECKPOINT_UNITS.1 * f64::from(deployment.shards)) as u64;
        self.read.iter().map(|units| units * u64::from(deployment.regions) + listed).collect()
    }

    /// Read request units of the live store in a month: the processor's, and those of one query service.
    pub fn reads(&self, deployment: &Deployment) -> f64 {
        let of_one: u64 = self.processed.read.values().chain(self.viewed.read.values()).sum();
        let listed = self.heads_listed as f64 * MONTH_S / deployment.refresh_s;
        of_one as f64 * days(deployment) + CHECKPOINT_UNITS.1 * deployment.batches() + listed
    }
}

/// Days of a vantage point in a month, of all of them.
fn days(deployment: &Deployment) -> f64 {
    f64::from(deployment.regions) * MONTH_HOURS / 24.0
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::metered::Meter;

    fn resource(kind: &str, properties: Value, times: f64) -> Resource {
        Resource { stack: "n-state".into(), id: "It".into(), kind: kind.into(), properties, times }
    }

    fn counted() -> Counted {
        let meter = |written: u64, read: u64| Meter {
            written: [("heads".to_owned(), written)].into(),
            read: [("heads".to_owned(), read)].into(),
        };
        Counted {
            processed: meter(1_000, 24),
            viewed: meter(0, 110),
            heads_listed: 3,
            round_bytes: 30_000.0,
            stored_bytes: 1e9 / 36.0,
            head_bytes: 900,
            written: vec![0; 8_640],
            read: vec![0; 8_640],
            year_of_days: 1,
        }
    }

    fn bill(resources: &[Resource]) -> Result<Bill, BillError> {
        of(&Deployment::example(), &counted(), resources, &Prices::built_in().unwrap())
    }

    fn usd(bill: &Bill, what: &str) -> f64 {
        bill.lines.iter().find(|line| line.what == what).map_or(0.0, |line| line.usd)
    }

    #[test]
    fn a_stream_costs_its_shards_and_what_is_put() {
        let stream = |hours| json!({ "ShardCount": 2, "RetentionPeriodHours": hours });
        let day = bill(&[resource("AWS::Kinesis::Stream", stream(24), 1.0)]).unwrap();
        assert!((usd(&day, "event log: shards") - 2.0 * 730.0 * 0.015).abs() < 1e-9);
        let put = day.lines.iter().find(|line| line.what == "event log: rounds put").unwrap();
        assert_eq!((put.quantity, put.basis), (36.0 * 43_800.0 * 2.0, Basis::Counted), "two units a record");
        let longer = bill(&[resource("AWS::Kinesis::Stream", stream(48), 1.0)]).unwrap();
        assert!((longer.total_usd - day.total_usd - 2.0 * 730.0 * 0.02).abs() < 1e-9);
    }

    #[test]
    fn a_table_is_paid_for_by_the_request_or_by_the_hour_and_must_be_enough() {
        let asked =
            bill(&[resource("AWS::DynamoDB::Table", json!({ "BillingMode": "PAY_PER_REQUEST" }), 1.0)]).unwrap();
        let written = 36.0 * 730.0 / 24.0 * 1_000.0 + 2.0 * 262_800.0;
        assert!((usd(&asked, "live store: writes") - written * 0.625e-6).abs() < 1e-9);
        let given =
            |write: u32| json!({ "ProvisionedThroughput": { "WriteCapacityUnits": write, "ReadCapacityUnits": 9 } });
        let given = |write| bill(&[resource("AWS::DynamoDB::Table", given(write), 1.0)]);
        assert!((usd(&given(2).unwrap(), "live store: write capacity") - 2.0 * 730.0 * 0.00065).abs() < 1e-9);
        let short = "live store: write capacity is 0 units a second, and 0.6 are used on the average";
        assert!(given(0).unwrap_err().to_string().starts_with(short));
    }

    #[test]
    fn a_table_must_get_through_the_burst_of_each_hour() {
        let table = |write: u32| {
            let capacity = json!({ "WriteCapacityUnits": write, "ReadCapacityUnits": 9 });
            resource("AWS::DynamoDB::Table", json!({ "ProvisionedThroughput": capacity }), 1.0)
        };
        let bill = |write| {
            let mut counted = counted();
            // 36 regions write 7,200 units at once.
            counted.written[360] = 200;
            of(&Deployment::example(), &counted, &[table(write)], &Prices::built_in().unwrap())
        };
        let enough = bill(30).unwrap();
        assert_eq!((enough.bursts[0].what, enough.bursts[0].burst.most), (WRITES, 7_202));
        assert_eq!(enough.bursts[0].burst.late_s, 0.0);
        let error = bill(18).unwrap_err().to_string();
        assert!(
            error.starts_with("live store: write capacity is 18 units a second, and when hours are folded"),
            "{error}"
        );
    }

    #[test]
    fn functions_are_priced_by_what_runs_in_them() {
        let function = |name: &str| {
            let variables = json!({ "Variables": { "CLOUDPING_METRICS": "off" } });
            json!({ "FunctionName": name, "MemorySize": 128, "Architectures": ["arm64"], "Environment": variables })
        };
        let producers = bill(&[resource("AWS::Lambda::Function", function("n-producer"), 36.0)]).unwrap();
        let run = 36.0 * 43_800.0 * 2.0 * 0.125 * 1.33334e-5;
        assert!((usd(&producers, "producers: run time") - run).abs() < 1e-9);
        assert_eq!(usd(&producers, "metrics"), 0.0);
        let unknown = bill(&[resource("AWS::Lambda::Function", function("n-else"), 1.0)]).unwrap_err();
        assert!(unknown.to_string().contains("the function n-else"), "{unknown}");
    }

    #[test]
    fn a_type_without_a_price_is_an_error_and_not_nothing() {
        assert_eq!(bill(&[resource("AWS::IAM::Role", json!({}), 1.0)]).unwrap().total_usd, 0.0);
        let unknown = bill(&[resource("AWS::RDS::DBInstance", json!({}), 1.0)]).unwrap_err();
        assert!(unknown.to_string().contains("It is of the type AWS::RDS::DBInstance"), "{unknown}");
    }

    #[test]
    fn lines_are_sums_the_largest_first() {
        let alarm = || resource("AWS::CloudWatch::Alarm", json!({}), 36.0);
        let page = resource("AWS::CloudWatch::Dashboard", json!({}), 1.0);
        let bill = bill(&[page, alarm(), alarm()]).unwrap();
        assert_eq!(bill.lines.iter().map(|line| line.what.as_str()).collect::<Vec<_>>(), ["alarms", "dashboard"]);
        assert!((bill.total_usd - 10.2).abs() < 1e-9);
    }
}
