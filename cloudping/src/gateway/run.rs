//! `cloudping gateway run`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use cloudping_agent::failure::Failure;
use cloudping_agent::signals::Signals;
use cloudping_agent::{ask, clock, output};
use cloudping_schemas::catalogue::Catalogue;
use cloudping_udp_gateway::targets::http::Http;
use cloudping_udp_gateway::targets::{Connectors, InProcess};
use cloudping_udp_gateway::{Config, Gateway, control};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How often it is looked whether it still receives.
const LOOK: Duration = Duration::from_secs(1);
/// The shortest token that is taken.
const SHORTEST_TOKEN: usize = 16;

/// Arguments of `gateway run`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cloudping gateway run --config gateway.toml
  cloudping gateway run --config gateway.toml --check

A configuration (docs/gateway.md has all of it):
  region = \"eu-west-1\"
  matrix = { url = \"http://127.0.0.1:8080\" }

  [[listener]]
  port = 2061
  domain = \"ingress-1\"
  destinations = [\"counter\"]

  [[destination]]
  name = \"counter\"
  targets = { \"*\" = \"in-process:packet-counter\" }

Where the query service wants a key, CLOUDPING_KEY has it. Ctrl-C or SIGTERM ends it with exit code 0 once
what it has received is delivered. A configuration that is wrong ends it with exit code 2.")]
pub struct RunArgs {
    /// The TOML file
    #[arg(long, env = "CLOUDPING_GATEWAY_CONFIG", value_name = "FILE")]
    pub config: PathBuf,
    /// Only say whether the file is good
    #[arg(long)]
    pub check: bool,
}

/// Receives until Ctrl-C or SIGTERM.
pub fn run(args: &RunArgs) -> Result<(), Failure> {
    let catalogue = Catalogue::built_in().map_err(Failure::runtime)?;
    let mut config = read(&args.config, &catalogue)?;
    let token = config.token_file.as_deref().map(token).transpose()?;
    if args.check {
        let (listeners, destinations) = (config.listeners.len(), config.destinations.len());
        let shown = args.config.display();
        return output::print(format_args!("{shown} is good: {listeners} listeners, {destinations} destinations"));
    }
    if let Some(matrix) = &mut config.matrix {
        matrix.key = ask::key();
    }
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::runtime)?;
    runtime.block_on(receive(config, catalogue, token.as_deref()))
}

fn read(path: &Path, catalogue: &Catalogue) -> Result<Config, Failure> {
    let shown = path.display();
    let text = fs::read_to_string(path).map_err(|error| Failure::setting(format!("--config {shown}: {error}")))?;
    // Every fault has a line of its own.
    Config::parse(&text, catalogue).map_err(|error| Failure::setting(format!("--config {shown}:\n{error}")))
}

fn token(path: &Path) -> Result<String, Failure> {
    let shown = path.display();
    let text = fs::read_to_string(path).map_err(|error| Failure::setting(format!("token_file {shown}: {error}")))?;
    let token = text.trim();
    if token.len() < SHORTEST_TOKEN {
        let found = token.len();
        let message = format!("token_file {shown}: {found} characters, expected at least {SHORTEST_TOKEN}");
        return Err(Failure::setting(message));
    }
    Ok(token.to_owned())
}

async fn connectors() -> Connectors {
    let connectors = Connectors::default().with(InProcess::new()).with(Http::default());
    #[cfg(feature = "aws")]
    let connectors = {
        let settings = aws_config::defaults(aws_config::BehaviorVersion::latest()).load().await;
        connectors.with(cloudping_udp_gateway_aws::AwsTargets::new(&settings))
    };
    connectors
}

async fn receive(config: Config, catalogue: Catalogue, token: Option<&str>) -> Result<(), Failure> {
    let mut signals = Signals::catch()?;
    let (region, address) = (config.region.clone(), config.control);
    // No other gateway has the same region, moment and process.
    let run = format!("{region}-{:x}-{:x}", clock::now().0, std::process::id());
    let gateway = Gateway::start(config, catalogue, connectors().await, &run).map_err(Failure::setting)?;
    for listener in gateway.listeners() {
        output::line(format_args!("receiving at UDP {} in {region}", listener.address))?;
    }
    let (closing, mut closed) = watch::channel(false);
    let control = match address {
        None => None,
        Some(address) => {
            let cannot = |error| Failure::setting(format!("cannot listen on {address}: {error}; change `control`"));
            let listener = TcpListener::bind(address).await.map_err(cannot)?;
            let address = listener.local_addr().map_err(Failure::runtime)?;
            output::line(format_args!("control API at http://{address}"))?;
            let router = control::router(Arc::clone(gateway.shared()), token);
            let shutdown = async move {
                let _ = closed.wait_for(|closed| *closed).await;
            };
            Some(tokio::spawn(control::serve(listener, router, shutdown)))
        }
    };
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            () = signals.next() => break,
            _ = look.tick() => if !gateway.receives() { break },
        }
    }
    // Nobody needs to know that nobody listens.
    let _ = closing.send(true);
    let received = totals(&gateway);
    gateway.stop().await.map_err(|error| Failure::runtime(format!("receiving ended: {error}")))?;
    drop(control);
    output::line(format_args!("stopped; {received}")).map(|_| ())
}

fn totals(gateway: &Gateway) -> String {
    let received: u64 = gateway.listeners().iter().map(|it| it.tally.received.get()).sum();
    format!("{received} datagrams received")
}
