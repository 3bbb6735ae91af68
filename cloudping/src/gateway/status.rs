//! `cloudping gateway status`.

use clap::Args;
use cloudping_agent::ask;
use cloudping_agent::cli::Format;
use cloudping_agent::failure::Failure;
use cloudping_agent::output;
use cloudping_schemas::api::{GatewayDestination, GatewayMatrix, GatewayState};

/// Arguments of `gateway status`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cloudping gateway status
  cloudping gateway status --url http://gateway.example:8090 -o json | jq '.destinations[].serving'

Targets stand in the order in which they are tried: the first whose breaker is not open gets the next batch.
Where the gateway wants a token, CLOUDPING_GATEWAY_TOKEN has it.")]
pub struct StatusArgs {
    /// Address of the gateway's control API
    #[arg(long, env = "CLOUDPING_GATEWAY_URL", default_value = "http://127.0.0.1:8090", value_name = "URL")]
    pub url: String,
    /// table in a terminal, json in a pipe, unless given
    #[arg(short, long, value_enum)]
    pub output: Option<Format>,
}

/// Asks and prints.
pub fn run(args: &StatusArgs) -> Result<(), Failure> {
    let state: GatewayState = ask::get_from(&ask::GATEWAY, &args.url, "/v1/state", &[])?;
    match output::chosen(args.output) {
        Format::Json => output::json(&state),
        Format::Table => output::print(page(&state)),
    }
}

fn page(state: &GatewayState) -> String {
    let matrix = state.matrix.as_ref().map_or_else(|| "no matrix: by geography".to_owned(), matrix);
    let mut parts = vec![format!("{} as of {}; {matrix}", state.region, state.as_of)];
    let listener = |it: &cloudping_schemas::api::GatewayListener| {
        let counts = [it.received, it.not_allowed, it.rate_limited, it.kernel_dropped, it.replies];
        let names = [it.address.clone(), it.domain.clone()];
        names.into_iter().chain(counts.map(|count| count.to_string())).collect()
    };
    let header = ["listener", "domain", "received", "not allowed", "rate limited", "kernel dropped", "replies"];
    parts.push(output::table(&header, state.listeners.iter().map(listener).collect(), 2).to_string());
    parts.extend(state.destinations.iter().map(destination));
    parts.join("\n\n")
}

fn matrix(it: &GatewayMatrix) -> String {
    let simulated = if it.simulated { ", SIMULATED network" } else { "" };
    match (it.age_seconds, &it.error) {
        (Some(age), None) => format!("matrix of {} regions, {age:.0} s old{simulated}", it.regions),
        (Some(age), Some(error)) => {
            format!("matrix of {} regions, {age:.0} s old{simulated}, its service is away: {error}", it.regions)
        }
        (None, error) => format!("no matrix yet: {}", error.as_deref().unwrap_or("not answered")),
    }
}

fn destination(it: &GatewayDestination) -> String {
    let nonzero = |counts: &std::collections::BTreeMap<String, u64>| {
        let rows = counts.iter().filter(|(_, count)| **count > 0);
        rows.map(|(reason, count)| format!(", {reason} {count}")).collect::<String>()
    };
    let serving = it.serving.as_deref().unwrap_or("nobody");
    let head = format!(
        "{}: served by {serving}; offered {}, delivered {}, waiting {}{}{}",
        it.name,
        it.offered,
        it.delivered,
        it.waiting,
        nonzero(&it.dropped),
        nonzero(&it.unusable_replies),
    );
    if it.targets.is_empty() {
        return format!("{head}\nno targets");
    }
    let row = |target: &cloudping_schemas::api::GatewayTarget| {
        vec![
            target.region.clone(),
            target.target.clone(),
            target.breaker.clone(),
            output::ms(target.rtt_ms),
            target.packets.to_string(),
            target.batches.to_string(),
            target.failures.to_string(),
        ]
    };
    let header = ["region", "target", "breaker", "p50 ms", "packets", "batches", "failures"];
    format!("{head}\n{}", output::table(&header, it.targets.iter().map(row).collect(), 3))
}
