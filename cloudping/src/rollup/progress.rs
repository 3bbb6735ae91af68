//! How far long work is: a bar on a terminal, elsewhere a line now and then. Both on standard error.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use cloudping_batch_rollup::Progress;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

/// Time between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// Time between two pictures of a bar whose work says nothing.
const TICK: Duration = Duration::from_millis(200);

/// Shows how far work is, as suits where standard error goes.
pub fn shown() -> Box<dyn Progress> {
    match std::io::stderr().is_terminal() {
        true => Box::new(Bar(ProgressBar::no_length())),
        false => Box::new(Lines(Mutex::new(Stage::begin("", 0, "")))),
    }
}

/// A bar, which goes when the work is done.
struct Bar(ProgressBar);

impl Progress for Bar {
    fn stage(&self, doing: &str, steps: u64, unit: &'static str) {
        let style = match steps {
            0 => format!("{{spinner}} {{msg}}  {{human_pos}} {unit}  {{elapsed}}"),
            _ => format!("{{msg}}  {{wide_bar}}  {{human_pos}} of {{human_len}} {unit}  {{eta}} to go"),
        };
        // A template that is none is left out: a plain bar is as true.
        if let Ok(style) = ProgressStyle::with_template(&style) {
            self.0.set_style(style);
        }
        match steps {
            0 => self.0.unset_length(),
            _ => self.0.set_length(steps),
        }
        self.0.reset();
        self.0.set_message(doing.to_owned());
        self.0.enable_steady_tick(TICK);
    }

    fn advance(&self, steps: u64) {
        self.0.inc(steps);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A line of what is under way, not more often than every [`LINE_EVERY`].
struct Lines(Mutex<Stage>);

struct Stage {
    doing: String,
    steps: u64,
    unit: &'static str,
    done: u64,
    said: Instant,
}

impl Stage {
    fn begin(doing: &str, steps: u64, unit: &'static str) -> Self {
        Self { doing: doing.to_owned(), steps, unit, done: 0, said: Instant::now() }
    }

    fn line(&self) -> String {
        let Self { doing, steps, unit, done, .. } = self;
        match steps {
            0 => format!("{doing}: {} {unit}", HumanCount(*done)),
            _ => format!("{doing}: {} of {} {unit}", HumanCount(*done), HumanCount(*steps)),
        }
    }
}

impl Progress for Lines {
    fn stage(&self, doing: &str, steps: u64, unit: &'static str) {
        let mut stage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Many short stages are as long as one: the last line counts.
        let said = stage.said;
        *stage = Stage { said, ..Stage::begin(doing, steps, unit) };
    }

    fn advance(&self, steps: u64) {
        let mut stage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stage.done += steps;
        if stage.said.elapsed() >= LINE_EVERY {
            stage.said = Instant::now();
            eprintln!("{}", stage.line());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_done_of_how_much() {
        let mut stage = Stage::begin("merging 2026-03-01", 2_000_000, "rows");
        stage.done = 1_234_567;
        assert_eq!(stage.line(), "merging 2026-03-01: 1,234,567 of 2,000,000 rows");
        assert_eq!(Stage::begin("listing", 0, "files").line(), "listing: 0 files");
    }

    #[test]
    fn a_bar_that_nobody_sees_counts_all_the_same() {
        let bar = Bar(ProgressBar::hidden());
        for (steps, unit) in [(10, "files"), (0, "rows")] {
            bar.stage("reading", steps, unit);
            bar.advance(3);
            bar.advance(4);
            assert_eq!((bar.0.position(), bar.0.length()), (7, (steps > 0).then_some(steps)));
        }
    }
}
