//! What a bench says: a table for people, and `bench-results/NAME.json` for machines.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

/// The figures of one bench.
#[derive(Debug)]
pub struct BenchReport {
    name: &'static str,
    figures: Vec<Figure>,
    notes: Vec<String>,
    /// What the hypervisor had taken of this machine's CPUs before the bench, in milliseconds.
    stolen_before: u64,
}

#[derive(Debug)]
struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    bar: Option<Bar>,
}

/// What a figure must reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bar {
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
}

impl Bar {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(bar) => value <= bar,
            Self::AtLeast(bar) => value >= bar,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(bar) => format!("<= {bar}"),
            Self::AtLeast(bar) => format!(">= {bar}"),
        }
    }
}

impl Figure {
    fn holds(&self) -> Option<bool> {
        self.bar.map(|bar| bar.holds(self.value))
    }

    fn bar_text(&self) -> String {
        self.bar.map(Bar::text).unwrap_or_default()
    }

    fn verdict(&self) -> &'static str {
        match self.holds() {
            Some(true) => "holds",
            Some(false) => "FAILS",
            None => "",
        }
    }
}

impl BenchReport {
    /// A report that will be written to `bench-results/{name}.json`. Notes at once if the machine is not idle.
    pub fn new(name: &'static str) -> Self {
        let mut report = Self::empty(name);
        report.stolen_before = stolen_ms(&std::fs::read_to_string("/proc/stat").unwrap_or_default());
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        if let Some(note) = busy_note(&load) {
            report.note(note);
        }
        report
    }

    fn empty(name: &'static str) -> Self {
        Self { name, figures: Vec::new(), notes: Vec::new(), stolen_before: 0 }
    }

    /// Adds a figure that is judged by `bar`.
    pub fn judged(&mut self, figure: impl Into<String>, value: f64, unit: &'static str, bar: Bar) {
        self.figures.push(Figure { name: figure.into(), value, unit, bar: Some(bar) });
    }

    /// Adds a figure for information.
    pub fn plain(&mut self, figure: impl Into<String>, value: f64, unit: &'static str) {
        self.figures.push(Figure { name: figure.into(), value, unit, bar: None });
    }

    /// Adds a remark that is printed below the table.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Whether every bar holds.
    pub fn holds(&self) -> bool {
        self.figures.iter().all(|figure| figure.holds() != Some(false))
    }

    /// The table, one figure a line, and the notes.
    pub fn table(&self) -> String {
        let width = self.figures.iter().map(|figure| figure.name.chars().count()).max().unwrap_or(0);
        let mut table = format!("bench {}\n", self.name);
        for figure in &self.figures {
            let (name, value, unit) = (&figure.name, number(figure.value), figure.unit);
            let (bar, verdict) = (figure.bar_text(), figure.verdict());
            let line = format!("  {name:<width$}  {value:>12} {unit:<6} {bar:<10} {verdict}");
            // Writing to a string cannot fail.
            let _ = writeln!(table, "{}", line.trim_end());
        }
        for note in &self.notes {
            let _ = writeln!(table, "  note: {note}");
        }
        table
    }

    /// The figures as JSON: a list of `{"figure", "value", "unit", "bar", "holds"}`, `bar` as text such as `"<= 0.05"`. Both
    /// `bar` and `holds` are null for a figure that nothing is asked of.
    pub fn json(&self) -> serde_json::Value {
        let figure = |figure: &Figure| {
            serde_json::json!({
                "figure": figure.name,
                "value": figure.value,
                "unit": figure.unit,
                "bar": figure.bar.map(Bar::text),
                "holds": figure.holds(),
            })
        };
        self.figures.iter().map(figure).collect()
    }

    /// Prints the table and writes the JSON below the root of the workspace, which is found upwards from `manifest_dir`
    /// (the bench's `env!("CARGO_MANIFEST_DIR")`). Returns the file's path. Notes how much
    /// CPU time the hypervisor took meanwhile, which no program can win back.
    ///
    /// # Errors
    /// If there is no workspace above `manifest_dir`, or the file cannot be written.
    pub fn publish(mut self, manifest_dir: &str) -> io::Result<PathBuf> {
        let stolen = stolen_ms(&std::fs::read_to_string("/proc/stat").unwrap_or_default());
        let meanwhile = stolen.saturating_sub(self.stolen_before);
        if meanwhile > 0 {
            self.note(format!("the hypervisor took {meanwhile} ms of CPU time during the bench"));
        }
        print!("{}", self.table());
        let directory = workspace_root(Path::new(manifest_dir))?.join("bench-results");
        std::fs::create_dir_all(&directory)?;
        let path = directory.join(format!("{}.json", self.name));
        let text = format!("{:#}\n", self.json());
        std::fs::write(&path, text)?;
        Ok(path)
    }
}

fn workspace_root(from: &Path) -> io::Result<&Path> {
    let found = from.ancestors().find(|directory| directory.join("Cargo.lock").exists());
    found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no Cargo.lock above {}", from.display())))
}

/// A remark if the one-minute load in the text of `/proc/loadavg` is more than a quiet machine's.
fn busy_note(load: &str) -> Option<String> {
    const QUIET: f64 = 0.5;
    let minute: f64 = load.split_whitespace().next()?.parse().ok()?;
    (minute > QUIET).then(|| format!("the machine was not idle: load {minute} before the bench"))
}

/// CPU time that other machines on the same hardware took from this one, from the text of `/proc/stat` (`proc(5)`: the
/// eighth number of the first line, in hundredths of a second).
fn stolen_ms(stat: &str) -> u64 {
    let first = stat.lines().next().unwrap_or_default();
    first.split_whitespace().nth(8).and_then(|steal| steal.parse::<u64>().ok()).map_or(0, |steal| steal * 10)
}

/// A number with as many decimals as a reader needs.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1_000.0 || value.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> BenchReport {
        let mut report = BenchReport::empty("x");
        report.judged("error", 0.04, "ms", Bar::AtMost(0.05));
        report.plain("handshakes", 29_640.0, "");
        report
    }

    #[test]
    fn bars_include_their_bound() {
        assert!(Bar::AtMost(1.0).holds(1.0) && !Bar::AtMost(1.0).holds(1.1));
        assert!(Bar::AtLeast(1.0).holds(1.0) && !Bar::AtLeast(1.0).holds(0.9));
        assert!(!Bar::AtMost(1.0).holds(f64::NAN));
    }

    #[test]
    fn the_json_contract() {
        let expected = serde_json::json!([
            { "figure": "error", "value": 0.04, "unit": "ms", "bar": "<= 0.05", "holds": true },
            { "figure": "handshakes", "value": 29640.0, "unit": "", "bar": null, "holds": null },
        ]);
        assert_eq!(report().json(), expected);
    }

    #[test]
    fn one_broken_bar_is_enough() {
        let mut report = report();
        assert!(report.holds());
        report.judged("rate", 1.0, "/s", Bar::AtLeast(2.0));
        assert!(!report.holds());
        assert!(report.table().contains("FAILS"));
    }

    #[test]
    fn a_busy_machine_is_noted() {
        assert_eq!(busy_note("0.31 0.2 0.1 1/100 5"), None);
        assert!(busy_note("2.43 1.2 0.5 1/100 5").is_some_and(|note| note.contains("2.43")));
        assert_eq!(busy_note(""), None);
    }

    #[test]
    fn stolen_time() {
        assert_eq!(stolen_ms("cpu  205821 3186 31027 164216 708 0 156 228 0 0\ncpu0 1 2"), 2280);
        assert_eq!(stolen_ms(""), 0);
    }

    #[test]
    fn the_root_is_where_the_lock_file_is() {
        let root = workspace_root(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("this is a workspace");
        assert!(root.join("crates/testkit").exists());
        assert!(workspace_root(Path::new("/proc")).is_err());
    }
}
