//! What stands around a command: its log, its traces, its exit code.

use std::io::IsTerminal;
use std::process::ExitCode;

use cloudping_traces::Traces;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::failure::Failure;

/// Runs a command of the program, from the start of its log to its exit code.
pub fn run(command: impl FnOnce() -> Result<(), Failure>) -> ExitCode {
    let traces = match start_logging() {
        Ok(traces) => traces,
        Err(failure) => return failed(&failure),
    };
    let result = command();
    if let Some(traces) = traces {
        traces.finish();
    }
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failed(&failure),
    }
}

fn failed(failure: &Failure) -> ExitCode {
    eprintln!("{}", failure.line());
    failure.exit_code()
}

/// What is logged unless `RUST_LOG` says otherwise. The Delta kernel (`buoyant_kernel`) logs as errors what its callers handle, and Delta's transactions
/// warn whenever two writers meet, which is their usual course here.
const DEFAULT_FILTER: &str =
    "warn,cloudping=info,access=info,buoyant_kernel=off,deltalake_core::kernel::transaction=error";

/// Logs go to standard error; `RUST_LOG` chooses what. Spans go to a collector of traces, where the environment names one.
fn start_logging() -> Result<Option<Traces>, Failure> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let log = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    let traces = Traces::start("cloudping", |name| std::env::var(name).ok()).map_err(Failure::setting)?;
    let sent = traces.as_ref().map(Traces::layer);
    tracing_subscriber::registry().with(log.with_filter(filter)).with(sent).init();
    Ok(traces)
}
