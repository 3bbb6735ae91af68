//! `cloudping agent`: this host as a vantage point of a cloudping elsewhere. Rounds go through its ingest door, and wait in a spool on
//! disk while that cannot be reached, and across restarts.
//!
//! [`plan`] checks the settings, [`door`] says what to do about a door that refuses, [`check`] is `--check`.

mod check;
mod door;
mod plan;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use cloudping_producers::producer::{self, Surroundings};
use cloudping_producers::spool::Spool;
use cloudping_producers::{gaps, measure, sockets, targets};
use sd_notify::NotifyState;
use tokio::sync::watch;

use crate::cli::{Format, TargetArgs};
use crate::failure::Failure;
use crate::measured::producer_threads;
use crate::output;
use crate::signals::Signals;
use plan::Plan;

/// Arguments of `agent`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cloudping ingest-key new --vantage office --out ingest.key      once; its answer is run where the door is
  cloudping agent --join https://ingest.example.com --key-file ingest.key --check
  cloudping agent --join https://ingest.example.com --key-file ingest.key --spool spool
  cloudping agent --join https://ingest.example.com --key-file ingest.key --providers azure,gcp --interval 30s
  cloudping agent --join https://ingest.corp.internal --key-file ingest.key --ca-file /etc/ssl/corp-ca.pem

The key says which vantage point this is. While the door is away, or does not know the key yet,
rounds wait in the spool; a start with the same --spool goes on where it was, also after kill -9.
When the spool is full its oldest rounds are dropped, and reported as a gap.

Ctrl-C or SIGTERM ends it with exit code 0, after the round under way. Exit code 2 when the key
or a setting is wrong; --check ends with 1 when a check fails.")]
pub struct AgentArgs {
    /// The ingest door of the cloudping that gets the rounds, such as https://ingest.example.com
    #[arg(long, env = "CLOUDPING_INGEST_URL", value_name = "URL")]
    pub join: String,
    /// The key of this vantage point, as `cloudping ingest-key new` wrote it; nobody else may read it
    #[arg(long, env = "CLOUDPING_INGEST_KEY_FILE", value_name = "FILE")]
    pub key_file: PathBuf,
    /// Certificates (PEM) of authorities that the door's certificate may be of, beside the public ones
    #[arg(long, env = "CLOUDPING_INGEST_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// The directory in which rounds wait
    #[arg(long, env = "CLOUDPING_SPOOL", default_value = "/var/lib/cloudping", value_name = "DIR")]
    pub spool: PathBuf,
    /// How much may wait, MiB: a round of all AWS regions has about 1 KiB
    #[arg(long, env = "CLOUDPING_SPOOL_MIB", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=1 << 20), value_name = "MIB")]
    pub spool_mib: u64,
    /// What is measured
    #[command(flatten)]
    pub what: TargetArgs,
    /// One round of probes each
    #[arg(long, value_parser = humantime::parse_duration, default_value = "10s", value_name = "TIME")]
    pub interval: Duration,
    /// How long a probe waits for its answer
    #[arg(long, value_parser = humantime::parse_duration, default_value = "2s", value_name = "TIME")]
    pub timeout: Duration,
    /// Measure and send nothing: check the key, the door, the clock and this host, and say what to do
    #[arg(long)]
    pub check: bool,
    /// How --check prints: table in a terminal, json in a pipe, unless given
    #[arg(short, long, value_enum, requires = "check")]
    pub output: Option<Format>,
}

/// Measures until Ctrl-C or SIGTERM, or checks.
pub fn run(args: AgentArgs) -> Result<(), Failure> {
    let (check, format) = (args.check, output::chosen(args.output));
    let plan = Plan::new(args)?;
    if check {
        return check::report(&plan).conclude(format);
    }
    let runtime = producer_threads().build().map_err(Failure::runtime)?;
    let ended = runtime.block_on(measure(plan));
    // A look-up of a name must not keep the process.
    runtime.shutdown_background();
    ended
}

async fn measure(plan: Plan) -> Result<(), Failure> {
    let mut signals = Signals::catch()?;
    let Plan { door, spool: (folder, bytes), vantage, .. } = &plan;
    let spool = Spool::open(folder, &vantage.id, *bytes, vantage.interval);
    let spool = spool.map_err(|error| Failure::setting(format!("--spool: {error}")))?;
    let waiting = spool.bytes();
    let (stop, shutdown) = watch::channel(false);
    let surroundings = Surroundings {
        log: Arc::new(door.clone()),
        clocks: gaps::now,
        probers: measure::every_kind(),
        sockets: sockets::permits().map_err(Failure::runtime)?,
        shutdown: shutdown.clone(),
    };
    let names = vantage.targets.clone();
    let knocking = tokio::spawn(knock(plan.clone()));
    targets::resolve_all(&names).await;
    let resolving = tokio::spawn(targets::keep_resolved(names, shutdown));
    let (id, count, interval) = (&vantage.id, vantage.targets.len(), vantage.interval);
    tracing::info!(vantage = %id, targets = count, ?interval, door = plan.join, spool_bytes = waiting, "measuring");
    tell(&[NotifyState::Ready, NotifyState::Status(&format!("measuring {count} targets as {id}"))]);
    let ending = tokio::spawn(async move {
        signals.next().await;
        tracing::info!("stopping after the round under way; a second signal ends it at once");
        tell(&[NotifyState::Stopping]);
        stop.send_replace(true);
        signals.next().await;
    });
    tokio::select! {
        () = producer::run(vantage.clone(), surroundings, Some(spool)) => tracing::info!("stopped"),
        _ = ending => tracing::warn!("ended at once: the round under way is lost, what is in the spool is not"),
    }
    knocking.abort();
    resolving.abort();
    Ok(())
}

/// Says at the start how the door takes the key; the rounds are sent in any case, and wait where it refuses them.
async fn knock(plan: Plan) {
    let Plan { door, join, key, .. } = plan;
    match tokio::task::spawn_blocking(move || door.knock()).await {
        Ok(Ok(())) => tracing::info!(door = join, key = %key.fingerprint, "the door knows the key and takes rounds"),
        Ok(Err(error)) => {
            let next = door::next(&error, &key);
            tracing::warn!(door = join, "the door takes no rounds yet, they wait in the spool: {error} -> {next}");
        }
        Err(error) => tracing::error!(%error, "the door could not be asked"),
    }
}

/// Tells systemd, where it started this process.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd could not be told");
    }
}
