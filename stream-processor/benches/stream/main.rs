//! The stream processor beside others, on the same events: how many samples a CPU second takes through the full path, what
//! the least possible work would take, and what DuckDB, ClickHouse, Polars, DataFusion and Flink take for the percentiles alone.
//!
//! Each case runs in a process of its own. `CLOUDPING_BENCH_ONLY=path,ceiling` runs only those parts (`path`, `ceiling`,
//! `peers`, `growth`, `windows`, `accuracy`, `changes`, `latency`); `CLOUDPING_BENCH_SAMPLES=1e6` sets the samples of
//! path, ceiling and peers (1e7), `CLOUDPING_BENCH_GROWN` the greater number of the growth (1e8), and `CLOUDPING_BENCH_RUNS` how
//! often each case is run (3); the lowest cost counts.

mod accuracy;
mod case;
mod ceiling;
mod changes;
mod columns;
mod generator;
mod growth;
mod latency;
mod path;
mod peers;
mod settings;
mod usage;
mod windows;

use std::error::Error;

use cloudping_testkit::bench_report::{Bar, BenchReport};

use generator::{LARGE, SMALL, Shape};
use settings::Settings;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, rest @ ..] = &arguments[..]
        && first == "case"
    {
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        println!("{}", run_case(&rest)?);
        return Ok(());
    }
    let settings = Settings::from_env()?;
    let mut report = BenchReport::new("stream");
    if settings.is_partial() {
        report.note("only a part of the bench was run");
    }
    throughput(&mut report, &settings)?;
    if settings.wants("growth") {
        growth::judge(&mut report, &settings)?;
    }
    if settings.wants("windows") {
        windows::judge(&mut report, &settings)?;
    }
    if settings.wants("accuracy") {
        accuracy::judge(&mut report)?;
    }
    if settings.wants("changes") {
        changes::run(&mut report);
    }
    if settings.wants("latency") {
        latency::judge(&mut report)?;
    }
    let holds = report.holds();
    let path = report.publish(env!("CARGO_MANIFEST_DIR"))?;
    println!("  written to {}", path.display());
    if holds { Ok(()) } else { Err("a bar does not hold".into()) }
}

/// One case, in the process that was started for it.
fn run_case(arguments: &[&str]) -> Result<serde_json::Value, Box<dyn Error>> {
    let shape = |name: &str| Shape::from_name(name).ok_or_else(|| format!("no shape {name:?}"));
    match arguments {
        ["path", name, samples] => path::child(shape(name)?, samples.parse()?),
        ["ceiling", way, name, samples, runs] => ceiling::child(way, shape(name)?, samples.parse()?, runs.parse()?),
        ["windows", how, which, samples] => windows::child(how, which, samples.parse()?),
        ["columns", name, samples, folder] => {
            let columns = columns::Columns::generate(shape(name)?, samples.parse()?);
            columns.write(folder.as_ref())?;
            Ok(serde_json::json!({ "samples": columns.len() }))
        }
        _ => Err(format!("no case {arguments:?}").into()),
    }
}

/// The path beside the ceiling and the peers.
fn throughput(report: &mut BenchReport, settings: &Settings) -> Result<(), Box<dyn Error>> {
    for shape in [SMALL, LARGE] {
        let name = shape.name();
        let own = settings.wants("path").then(|| path::judge(report, shape, settings)).transpose()?;
        if settings.wants("ceiling") {
            let ceiling = ceiling::measure(shape, settings.samples, settings.runs)?;
            report.plain(format!("{name}: ceiling"), ceiling.one_map / 1e6, "M/s");
            report.plain(format!("{name}: ceiling, a map of each open minute"), ceiling.map_a_minute / 1e6, "M/s");
            if let Some(own) = own {
                let share = own / ceiling.one_map;
                report.judged(format!("{name}: full path over the ceiling"), share, "", Bar::AtLeast(0.4));
            }
        }
        if settings.wants("peers") {
            peers::judge(report, shape, own, settings)?;
        }
    }
    Ok(())
}
