//! What a tool said against what passed the wire.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::lab::Road;
use crate::tools::{Key, Said};
use crate::wire::Passage;

/// One tool under one condition.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// |said - wire| by road, ms; of probes that were answered at the first attempt.
    errors_ms: Vec<Vec<f64>>,
    /// Answers to a repeated SYN that were reported as a round-trip time.
    pub false_latencies: usize,
    /// Repeated SYNs that passed the wire.
    pub repeated: usize,
    /// Answers that could not be found on the wire.
    pub unpaired: usize,
    /// Probes that left.
    pub probes: usize,
    /// Of the tool's processes.
    pub cpu_seconds: f64,
}

impl Verdict {
    /// Compares. `passages` are in the order in which they left.
    pub fn new(said: &[Said], passages: &[Passage], roads: &[Road], cpu_seconds: f64) -> Self {
        let mut verdict = Self { errors_ms: vec![Vec::new(); roads.len()], cpu_seconds, ..Self::default() };
        verdict.probes = passages.len();
        verdict.repeated = passages.iter().filter(|passage| passage.sent > 1).count();
        let index = Index::new(passages);
        for said in said {
            let Some(rtt_ms) = said.rtt_ms else { continue };
            match index.find(said) {
                Some(Passage { sent: 1, rtt_ms: Some(wire_ms), .. }) => {
                    verdict.errors_ms[said.target].push((rtt_ms - wire_ms).abs());
                }
                Some(Passage { sent: 2.., .. }) => verdict.false_latencies += 1,
                _ => verdict.unpaired += 1,
            }
        }
        verdict
    }

    /// Adds another run of the same tool.
    pub fn add(&mut self, other: Self) {
        self.errors_ms.resize(other.errors_ms.len().max(self.errors_ms.len()), Vec::new());
        for (own, new) in self.errors_ms.iter_mut().zip(other.errors_ms) {
            own.extend(new);
        }
        self.false_latencies += other.false_latencies;
        self.repeated += other.repeated;
        self.unpaired += other.unpaired;
        self.probes += other.probes;
        self.cpu_seconds += other.cpu_seconds;
    }

    /// How many probes the errors are of.
    pub fn compared(&self) -> usize {
        self.errors_ms.iter().map(Vec::len).sum()
    }

    /// Errors on the roads that `which` accepts, sorted.
    pub fn errors(&self, which: impl Fn(usize) -> bool) -> Vec<f64> {
        let of_roads = self.errors_ms.iter().enumerate().filter(|(road, _)| which(*road));
        let mut errors: Vec<f64> = of_roads.flat_map(|(_, errors)| errors.iter().copied()).collect();
        errors.sort_by(f64::total_cmp);
        errors
    }

    /// CPU seconds for 1,000 probes.
    pub fn cpu_per_thousand(&self) -> f64 {
        self.cpu_seconds * 1_000.0 / self.probes as f64
    }
}

/// Passages by every key.
struct Index<'a> {
    nth: HashMap<usize, Vec<&'a Passage>>,
    source: HashMap<(usize, IpAddr), Vec<&'a Passage>>,
    port: HashMap<(usize, u16), &'a Passage>,
}

impl<'a> Index<'a> {
    fn new(passages: &'a [Passage]) -> Self {
        let mut index = Self { nth: HashMap::new(), source: HashMap::new(), port: HashMap::new() };
        for passage in passages {
            index.nth.entry(passage.target).or_default().push(passage);
            index.source.entry((passage.target, passage.source)).or_default().push(passage);
            index.port.insert((passage.target, passage.port), passage);
        }
        index
    }

    fn find(&self, said: &Said) -> Option<&'a Passage> {
        match said.key {
            Key::Nth(nth) => self.nth.get(&said.target)?.get(nth).copied(),
            Key::Source(source, nth) => self.source.get(&(said.target, source))?.get(nth).copied(),
            Key::Port(port) => self.port.get(&(said.target, port)).copied(),
        }
    }
}

/// Nearest rank in sorted values; not a number if there are none.
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
}

/// Arithmetic mean; not a number if there are none.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
