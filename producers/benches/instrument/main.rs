//! The instrument beside others: what each tool says against what passed the wire, idle and with all cores saturated; then
//! how fast the prober is, and how much memory 10,000 targets take.
//!
//! Peers that are missing are installed with apt-get where the bench runs as root, and left out otherwise. A tool whose
//! probes pass the wire one by one is paired with it by source address or port, the others by target and order; errors are
//! of probes that were answered at the first attempt. `INSTRUMENT_BENCH_SECONDS` sets how long each tool measures (10).

mod accuracy;
mod lab;
mod own;
mod rate;
mod round;
mod tools;
mod verdict;
mod wire;

use std::error::Error;

use cloudping_planet::acquire_rights;
use cloudping_testkit::bench_report::BenchReport;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((which, rest)) = arguments.split_first() {
        match which.as_str() {
            "bare-loop" | "probe-loop" => return rate::child(which, rest),
            "kernel-probes" | "timer-probes" => return own::child(which, rest),
            "rounds" => return round::child(rest),
            // What cargo bench adds.
            _ => {}
        }
    }
    acquire_rights()?;
    let seconds = match std::env::var("INSTRUMENT_BENCH_SECONDS") {
        Ok(text) => text.parse()?,
        Err(_) => 10,
    };
    let mut report = BenchReport::new("instrument");
    accuracy::judge(&mut report, seconds)?;
    rate::judge(&mut report, seconds as f64 * 1.2)?;
    round::judge(&mut report)?;
    let holds = report.holds();
    let path = report.publish(env!("CARGO_MANIFEST_DIR"))?;
    println!("  written to {}", path.display());
    if holds { Ok(()) } else { Err("a bar does not hold".into()) }
}
