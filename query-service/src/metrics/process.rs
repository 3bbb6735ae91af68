//! What Linux counts of this process, by the names that every exporter has for it. What cannot be read is left out.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// Linux counts CPU time for programs in hundredths of a second, on every processor that it knows (`USER_HZ`).
const TICKS_A_SECOND: f64 = 100.0;

/// The collector.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
        if let Some(seconds) = cpu_seconds(&read("stat")) {
            let metric = ConstCounter::new(seconds);
            let (name, help) = ("process_cpu", "CPU time of the process");
            metric.encode(encoder.encode_descriptor(name, help, Some(&Unit::Seconds), metric.metric_type())?)?;
        }
        let status = read("status");
        let bytes = [
            ("process_resident_memory", "Memory in use", kibibytes(&status, "VmRSS:")),
            ("process_virtual_memory", "Addresses in use", kibibytes(&status, "VmSize:")),
        ];
        for (name, help, value) in bytes {
            let Some(value) = value else { continue };
            let metric = ConstGauge::new(value * 1024);
            metric.encode(encoder.encode_descriptor(name, help, Some(&Unit::Bytes), metric.metric_type())?)?;
        }
        let open = fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as u64);
        let files = [
            ("process_open_fds", "Open files and sockets", open),
            ("process_max_fds", "The most files and sockets that may be open", most_files(&read("limits"))),
        ];
        for (name, help, value) in files {
            let Some(value) = value else { continue };
            let metric = ConstGauge::new(value);
            metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)?;
        }
        Ok(())
    }
}

/// User and system time out of `/proc/self/stat` (proc(5)); the program's name before them may hold anything but ends in a parenthesis.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut ticks = rest.split_ascii_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let (user, system) = (ticks.next()?.ok()?, ticks.next()?.ok()?);
    Some((user + system) as f64 / TICKS_A_SECOND)
}

fn kibibytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

fn most_files(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linux_files_are_read() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 8 0 12345 1 2";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(kibibytes("Name:\tx\nVmRSS:\t    1234 kB\n", "VmRSS:"), Some(1234));
        let limits = "Max cpu time   unlimited  unlimited  seconds\nMax open files            1024                 524288               files\n";
        assert_eq!(most_files(limits), Some(1024));
    }

    #[test]
    fn what_is_not_there_is_left_out() {
        assert_eq!((cpu_seconds(""), kibibytes("", "VmRSS:"), most_files("")), (None, None, None));
    }
}
