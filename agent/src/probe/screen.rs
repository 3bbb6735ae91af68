//! The table on a terminal, drawn over its last state.

use std::io::{self, IsTerminal, Write};

use terminal_size::{Height, Width, terminal_size};

use super::layout;
use super::tally::Tally;
use super::view;
use crate::failure::Failure;

/// Where nobody sees the width: as wide as needed.
const NO_TERMINAL: (usize, usize) = (400, usize::MAX);

/// Columns and rows of the terminal.
pub fn size() -> (usize, usize) {
    if !io::stdout().is_terminal() {
        return NO_TERMINAL;
    }
    match terminal_size() {
        Some((Width(columns), Height(rows))) if columns > 0 => (usize::from(columns), usize::from(rows)),
        _ => (80, 24),
    }
}

/// What a terminal shows of a running `probe`.
#[derive(Debug, Default)]
pub struct Screen {
    /// How long the lines are that were drawn: in a terminal that became narrower since, they take more rows.
    drawn: Vec<usize>,
}

impl Screen {
    /// Draws the present state over the last one.
    pub fn draw(&mut self, tallies: &[Tally], (columns, rows): (usize, usize)) -> Result<(), Failure> {
        let lines = frame(tallies, columns, rows);
        let text = over(height(&self.drawn, columns), &lines);
        self.drawn = lines.iter().map(|line| line.chars().count()).collect();
        write(&text)
    }

    /// Leaves an empty place where the last state was.
    pub fn clear(&mut self, (columns, _): (usize, usize)) -> Result<(), Failure> {
        let text = over(height(&self.drawn, columns), &[]);
        self.drawn.clear();
        write(&text)
    }
}

/// The lines to show in a terminal of that size. One row stays free for the cursor.
fn frame(tallies: &[Tally], columns: usize, rows: usize) -> Vec<String> {
    let hint = "Ctrl-C ends with the summary";
    let mut lines = vec![layout::cut(view::legend(tallies), columns)];
    lines.extend(view::table(tallies, columns));
    let room = rows.saturating_sub(2).max(1);
    let hidden = lines.len().saturating_sub(room);
    lines.truncate(room);
    let below = if hidden > 0 { format!("… and {} more; {hint}", hidden) } else { hint.to_owned() };
    lines.push(layout::cut(&below, columns));
    lines
}

/// How many rows lines of these lengths take.
fn height(lengths: &[usize], columns: usize) -> usize {
    lengths.iter().map(|length| length.div_ceil(columns.max(1)).max(1)).sum()
}

/// The letters that replace `drawn` rows above the cursor by `lines`: all at once where the terminal knows how
/// (synchronized update, mode 2026), and without erasing first, so that nothing flickers.
fn over(drawn: usize, lines: &[String]) -> String {
    let up = if drawn > 0 { format!("\x1b[{drawn}A\r") } else { String::new() };
    let body: String = lines.iter().map(|line| format!("{line}\x1b[K\n")).collect();
    format!("\x1b[?2026h{up}{body}\x1b[J\x1b[?2026l")
}

fn write(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| Failure::runtime(format!("cannot write to the terminal: {error}")))
}

#[cfg(test)]
mod tests {
    use cloudping_model::Protocol;

    use super::*;

    #[test]
    fn a_frame_never_outgrows_the_terminal() {
        let tallies: Vec<Tally> =
            (0..50).map(|n| Tally::new(&format!("host-{n}.example.com"), Protocol::TcpConnect, None)).collect();
        for (columns, rows) in [(120, 40), (40, 10), (1, 3)] {
            let lines = frame(&tallies, columns, rows);
            assert!(lines.len() < rows, "{} {rows}", lines.len());
            assert!(lines.iter().all(|line| line.chars().count() <= columns), "{lines:?}");
        }
        let lines = frame(&tallies, 120, 12);
        assert!(lines[10].starts_with("… and 42 more"), "{lines:?}");
        assert_eq!(frame(&tallies[..2], 120, 12).len(), 5);
    }

    #[test]
    fn a_narrower_terminal_has_wrapped_what_was_drawn() {
        assert_eq!(height(&[70, 0, 30], 70), 3);
        assert_eq!(height(&[70, 0, 30], 40), 4);
        assert_eq!(height(&[], 40), 0);
    }

    #[test]
    fn the_cursor_goes_up_by_what_was_drawn() {
        assert_eq!(over(0, &["a".to_owned()]), "\x1b[?2026ha\x1b[K\n\x1b[J\x1b[?2026l");
        assert_eq!(over(2, &[]), "\x1b[?2026h\x1b[2A\r\x1b[J\x1b[?2026l");
    }
}
