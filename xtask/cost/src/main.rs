//! What a deployment on AWS costs a month, computed from its templates, from what the code does and list prices. Started by `cargo xtask cost`,
//! which makes the templates.
//!
//! What the live store and the event log are asked for is counted: real rounds are encoded, the real processor takes them, and each commit
//! and reading is charged as DynamoDB charges it. What cannot be known here (how long a function runs, how much is asked of it) is assumed,
//! in `assumptions.rs`, and said so on each line.

mod assumptions;
mod bill;
mod burst;
mod metered;
mod priced;
mod prices;
mod reader;
mod report;
mod rounds;
mod simulate;
mod templates;

use std::error::Error;
use std::fs;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use cloudping_schemas::catalogue::Catalogue;

use crate::assumptions::{Deployment, Settings};
use crate::bill::Bill;
use crate::prices::Prices;
use crate::templates::Resource;

const HELP: &str = "\
What a deployment on AWS costs a month: every resource of its templates, and what its programs do.

Usage: cargo xtask cost [--settings FILE] [--regions N] [--json | --table]

Options:
  --settings FILE   the deployment that is priced, as `cargo xtask deploy` takes it [default: cdk/planet.json]
  --regions N       price as many producers, instead of those in the settings
  --json, --table   how to print; unless given a table in a terminal, JSON in a pipe

Examples:
  cargo xtask cost
  cargo xtask cost --settings cdk/settings.json --json";

/// What was asked for. `cargo xtask cost` gives all of it.
#[derive(Debug, PartialEq)]
struct Options {
    settings: PathBuf,
    templates: PathBuf,
    results: PathBuf,
    regions: Option<u32>,
    bar_usd: Option<f64>,
    json: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--help" || word == "-h") {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let options = match options(&words) {
        Ok(options) => options,
        Err(fault) => {
            eprintln!("cost: {fault}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match run(&options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cost: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options(words: &[String]) -> Result<Options, String> {
    let mut options = Options {
        settings: "cdk/planet.json".into(),
        templates: "target/cost".into(),
        results: "bench-results/cost.json".into(),
        regions: None,
        bar_usd: None,
        json: !std::io::stdout().is_terminal(),
    };
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| format!("{word} without a value, expected one"));
        match word.as_str() {
            "--json" => options.json = true,
            "--table" => options.json = false,
            "--settings" => options.settings = value()?.into(),
            "--templates" => options.templates = value()?.into(),
            "--results" => options.results = value()?.into(),
            "--bar" => options.bar_usd = Some(value()?.parse().map_err(|_| "--bar expects US dollars")?),
            "--regions" => {
                let regions = value()?.parse().ok().filter(|regions| (2..=200).contains(regions));
                options.regions = Some(regions.ok_or("--regions expects a whole number from 2 to 200")?);
            }
            other => return Err(format!("unexpected {other:?}")),
        }
    }
    Ok(options)
}

async fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let prices = Prices::built_in()?;
    let (resources, regions) = templates::read(&options.templates, options.regions)?;
    let deployment = deployment(options, &resources, regions)?;
    let counted = simulate::run(&deployment).await?;
    let bill: Bill = bill::of(&deployment, &counted, &resources, &prices)?;
    if let Some(folder) = options.results.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&options.results, serde_json::to_string_pretty(&report::figures(&bill, options.bar_usd))?)?;
    match options.json {
        true => println!("{}", serde_json::to_string_pretty(&report::json(&prices, &bill))?),
        false => println!("{}", report::table(&prices, &bill)),
    }
    match options.bar_usd.filter(|bar| bill.total_usd > *bar) {
        Some(bar) => Err(format!("a month is {:.2} USD, expected at most {bar}", bill.total_usd).into()),
        None => Ok(()),
    }
}

/// What settings and templates say of how much is done. Each producer probes all regions of the catalogue, whether they measure or not.
fn deployment(options: &Options, resources: &[Resource], regions: u32) -> Result<Deployment, Box<dyn Error>> {
    let shown = options.settings.display();
    let text = fs::read_to_string(&options.settings).map_err(|error| format!("{shown}: {error}"))?;
    let settings: Settings = serde_json::from_str(&text).map_err(|error| format!("{shown}: {error}"))?;
    let number = |kind: &str, path: &str| -> Result<u32, Box<dyn Error>> {
        let found = resources.iter().find(|resource| resource.kind == kind);
        Ok(found.ok_or_else(|| format!("no {kind} in the templates, expected one"))?.number(path)? as u32)
    };
    let window_s = number("AWS::Lambda::EventSourceMapping", "/MaximumBatchingWindowInSeconds")?;
    let shards = number("AWS::Kinesis::Stream", "/ShardCount")?;
    let catalogue = Catalogue::built_in()?;
    let probed = catalogue.regions().iter().filter(|region| region.provider == "aws" && region.endpoint.is_some());
    let targets = probed.count().saturating_sub(1) as u32;
    Ok(Deployment::new(&settings, regions, targets, window_s.max(1), shards))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Options, String> {
        options(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn the_command_line() {
        let options = parsed("--settings a.json --regions 36 --bar 60 --json").unwrap();
        assert_eq!((options.regions, options.bar_usd, options.json), (Some(36), Some(60.0), true));
        for line in ["--regions", "--regions 1", "--regions many", "--bar little", "--window 3"] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
