//! What a deployment on AWS costs a month, computed from what the code does and list prices. Started by `cargo xtask cost`.
//!
//! What the live store and the event log are asked for is counted: real rounds are encoded, the real processor takes them, and each commit
//! and reading is charged as DynamoDB charges it. What cannot be known here (how long a function runs, how much memory it has) is assumed,
//! in `assumptions.rs`, and said so on each line.

mod assumptions;
mod bill;
mod metered;
mod prices;
mod reader;
mod report;
mod rounds;
mod simulate;

use std::io::IsTerminal;
use std::process::ExitCode;

use crate::assumptions::Deployment;
use crate::prices::Prices;

const HELP: &str = "\
What a deployment on AWS costs a month, at one round a minute and at one a second.

Usage: cargo xtask cost [--window SECONDS] [--json | --table]

Options:
  --window SECONDS  how long the event source of the stream processor gathers a batch [default: 10]
  --json, --table   how to print; unless given a table in a terminal, JSON in a pipe";

/// What was asked for.
struct Options {
    window_s: u32,
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
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cost: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options(words: &[String]) -> Result<Options, String> {
    let mut options = Options { window_s: 10, json: !std::io::stdout().is_terminal() };
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "--json" => options.json = true,
            "--table" => options.json = false,
            "--window" => {
                let seconds = rest.next().and_then(|text| text.parse().ok());
                let known = seconds.filter(|seconds| (1..=300).contains(seconds));
                options.window_s =
                    known.ok_or("--window expects whole seconds from 1 to 300, as Lambda's event source does")?;
            }
            other => return Err(format!("unexpected {other:?}")),
        }
    }
    Ok(options)
}

async fn run(options: &Options) -> Result<String, Box<dyn std::error::Error>> {
    let prices = Prices::built_in()?;
    let mut bills = Vec::new();
    for interval_s in [60, 1] {
        let deployment = Deployment::default_at(interval_s, options.window_s);
        let counted = simulate::run(&deployment).await?;
        bills.push(bill::of(&deployment, &counted, &prices)?);
    }
    Ok(match options.json {
        true => serde_json::to_string_pretty(&report::json(&prices, &bills))?,
        false => report::table(&prices, &bills),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(line: &str) -> Result<u32, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        options(&words).map(|options| options.window_s)
    }

    #[test]
    fn a_window_is_whole_seconds() {
        assert_eq!((window(""), window("--window 1 --json")), (Ok(10), Ok(1)));
        for line in ["--window", "--window 0", "--window 301", "--window soon", "--windows 3"] {
            assert!(window(line).is_err(), "{line}");
        }
    }
}
