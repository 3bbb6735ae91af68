//! A table that fits: columns are left out, the least important first, until its lines are no wider than the terminal.

/// One column: its header, its cells, how it is set, and how dear it is.
#[derive(Debug, Clone)]
pub struct Column {
    header: &'static str,
    cells: Vec<String>,
    right: bool,
    /// The column with the greatest rank is left out first; one of rank 0 never.
    rank: u8,
}

/// Between columns.
const GAP: usize = 2;

impl Column {
    /// A column of text.
    pub fn text(rank: u8, header: &'static str, cells: impl Iterator<Item = String>) -> Self {
        Self { header, cells: cells.collect(), right: false, rank }
    }

    /// A column of numbers, aligned at the right.
    pub fn number(rank: u8, header: &'static str, cells: impl Iterator<Item = String>) -> Self {
        Self { right: true, ..Self::text(rank, header, cells) }
    }

    fn width(&self) -> usize {
        let widths = self.cells.iter().map(|cell| cell.chars().count());
        widths.chain([self.header.chars().count()]).max().unwrap_or(0)
    }

    fn padded(&self, cell: &str) -> String {
        let width = self.width();
        match self.right {
            true => format!("{cell:>width$}"),
            false => format!("{cell:<width$}"),
        }
    }
}

/// How wide the lines of a table of these columns are.
fn width_of(columns: &[Column]) -> usize {
    columns.iter().map(Column::width).sum::<usize>() + GAP * columns.len().saturating_sub(1)
}

/// Leaves columns out until `width` holds the rest and `reserve` characters beside it.
fn fitting(mut columns: Vec<Column>, width: usize, reserve: usize) -> Vec<Column> {
    while width_of(&columns) + reserve > width {
        let Some(most) = columns.iter().map(|column| column.rank).max().filter(|rank| *rank > 0) else {
            break;
        };
        columns.retain(|column| column.rank != most);
    }
    columns
}

/// The lines of the table, header first, each at most `width` characters. `line` draws the last column, of row and room:
/// it takes what the others leave, up to `most`, and gives way to them below `least`.
pub fn table(
    columns: Vec<Column>,
    width: usize,
    (least, most): (usize, usize),
    header: &'static str,
    line: impl Fn(usize, usize) -> String,
) -> Vec<String> {
    let columns = fitting(columns, width, least + GAP);
    let room = width.saturating_sub(width_of(&columns) + GAP).min(most);
    let rows = columns.iter().map(|column| column.cells.len()).max().unwrap_or(0);
    let row = |cells: Vec<&str>, last: String| {
        let cells = columns.iter().zip(cells).map(|(column, cell)| column.padded(cell));
        let cells: Vec<String> = cells.chain((room >= least).then_some(last)).collect();
        cut(cells.join(&" ".repeat(GAP)).trim_end(), width)
    };
    let head = row(columns.iter().map(|column| column.header).collect(), header.to_owned());
    let body =
        (0..rows).map(|at| row(columns.iter().map(|column| column.cells[at].as_str()).collect(), line(at, room)));
    std::iter::once(head).chain(body).collect()
}

/// The text in at most `width` characters.
pub fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    kept + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(width: usize) -> Vec<String> {
        let of = |texts: [&str; 2]| texts.map(str::to_owned).into_iter();
        let columns = vec![
            Column::text(0, "target", of(["example.com", "a"])),
            Column::text(2, "address", of(["192.0.2.1", "192.0.2.200"])),
            Column::number(1, "loss", of(["0%", "100%"])),
        ];
        table(columns, width, (4, 6), "last", |_, room| "x".repeat(room))
    }

    #[test]
    fn columns_give_way_by_their_rank() {
        let header = |width| drawn(width)[0].split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(drawn(80)[1], "example.com  192.0.2.1      0%  xxxxxx");
        assert_eq!(drawn(80)[2], "a            192.0.2.200  100%  xxxxxx");
        assert_eq!(drawn(36)[2], "a            192.0.2.200  100%  xxxx");
        assert_eq!(header(35), ["target", "loss", "last"]);
        assert_eq!(header(20), ["target", "last"]);
        assert_eq!(drawn(14), ["target", "example.com", "a"]);
        assert_eq!(drawn(8), ["target", "example…", "a"]);
    }

    #[test]
    fn no_line_is_wider_than_asked() {
        for width in 1..80 {
            assert!(drawn(width).iter().all(|line| line.chars().count() <= width), "{width}");
        }
    }
}
