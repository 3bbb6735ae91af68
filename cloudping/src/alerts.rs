//! `cloudping alerts check`: whether a file of rules is good, and what of it would be alarming now.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use cloudping_agent::cli::{Format, ServerArgs};
use cloudping_agent::failure::Failure;
use cloudping_agent::{ask, output};
use cloudping_query_service::Alerts;
use cloudping_schemas::api::AlertRule;
use cloudping_schemas::catalogue::Catalogue;

/// Arguments of `alerts`.
#[derive(Debug, Args)]
pub struct AlertsArgs {
    /// What to do
    #[command(subcommand)]
    pub command: AlertsCommand,
}

/// What to do with a file of rules.
#[derive(Debug, Subcommand)]
pub enum AlertsCommand {
    /// Check a file of rules, and list them; with --now, what a running cloudping measures of their pairs
    #[command(after_help = "Examples:
  cloudping alerts check alerts.toml
  cloudping alerts check alerts.toml --now

The environment variables that the file names must be set. A file that is wrong ends it with exit code 2.")]
    Check(CheckArgs),
}

/// Arguments of `alerts check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The TOML file (docs/alerts.md)
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Ask a running cloudping which pairs are beyond their threshold at this moment
    #[arg(long)]
    pub now: bool,
    /// The server
    #[command(flatten)]
    pub server: ServerArgs,
}

/// What the commands read of the environment: the secrets of webhooks.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Runs `alerts`.
pub fn run(args: AlertsArgs) -> Result<(), Failure> {
    let AlertsCommand::Check(args) = args.command;
    let alerts = Alerts::check(&args.file, variable).map_err(Failure::setting)?;
    let rules = alerts.rules();
    let now = if args.now { Some(beyond(&alerts, &args)?) } else { None };
    match output::chosen(args.server.output) {
        Format::Json => output::json(&serde_json::json!({ "rules": rules, "now": now })),
        Format::Table => print(&rules, now.as_deref()),
    }
}

/// A pair that is beyond its rule's threshold.
#[derive(Debug, serde::Serialize)]
struct Beyond {
    rule: String,
    source: String,
    target: String,
    value: f64,
    count: u64,
    low_count: bool,
}

/// Every pair that is beyond its threshold by the server's live view; whether for long enough, it does not know.
fn beyond(alerts: &Alerts, args: &CheckArgs) -> Result<Vec<Beyond>, Failure> {
    let catalogue = Catalogue::built_in().map_err(Failure::setting)?;
    let mut found = Vec::new();
    for rule in alerts.rules() {
        let statistic = match rule.statistic.as_str() {
            // Steps are events, not numbers of the matrix: `cloudping changes` lists them.
            "step" => continue,
            "loss" => "p50",
            other => other,
        };
        let query = [("percentile", statistic), ("window", &rule.window), ("protocol", &rule.protocol)];
        let matrix: cloudping_schemas::api::Matrix = ask::get(&args.server.url, "/api/v1/matrix", &query)?;
        for cell in matrix.cells {
            let value = if rule.statistic == "loss" { Some(cell.loss) } else { cell.rtt_ms };
            let beyond = |value: f64| match rule.fires.as_str() {
                "above" => value > rule.threshold,
                _ => value < rule.threshold,
            };
            let Some(value) = value.filter(|value| beyond(*value)) else { continue };
            if alerts.has(&rule.name, &cell.source, &cell.target, &catalogue) {
                let count = if rule.statistic == "loss" { cell.sent } else { cell.count };
                let (rule, source, target) = (rule.name.clone(), cell.source, cell.target);
                found.push(Beyond { rule, source, target, value, count, low_count: cell.low_count });
            }
        }
    }
    Ok(found)
}

fn print(rules: &[AlertRule], now: Option<&[Beyond]>) -> Result<(), Failure> {
    let row = |rule: &AlertRule| {
        vec![
            rule.name.clone(),
            format!("{} -> {}", rule.source, rule.target),
            format!("{} {} of {}", rule.protocol, rule.statistic, rule.window),
            format!("{} {} {}", rule.fires, rule.threshold, rule.unit),
            rule.notify.join(" "),
        ]
    };
    let header = ["rule", "pairs", "number", "fires", "tells"];
    output::print(output::table(&header, rules.iter().map(row).collect(), header.len()))?;
    let Some(now) = now else { return Ok(()) };
    if now.is_empty() {
        return output::print("\nno pair is beyond its threshold now");
    }
    let row = |pair: &Beyond| {
        let few = if pair.low_count { " (few)" } else { "" };
        let count = format!("{}{few}", pair.count);
        vec![pair.rule.clone(), format!("{} -> {}", pair.source, pair.target), format!("{:.3}", pair.value), count]
    };
    output::print("\nbeyond their threshold now\n")?;
    output::print(output::table(&["rule", "pair", "value", "probes"], now.iter().map(row).collect(), 2))
}
