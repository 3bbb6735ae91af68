//! `cloudping matrix`.

use std::collections::HashMap;

use cloudping_schemas::api::{Cell, Matrix};

use crate::cli::{Format, MatrixArgs};
use crate::failure::Failure;
use crate::{ask, output};

/// Prints the live matrix: as a grid, or as a list where one end is fixed.
pub fn run(args: MatrixArgs) -> Result<(), Failure> {
    let mut parameters = vec![("percentile", args.percentile.as_str()), ("window", args.window.as_str())];
    parameters.extend(args.from.as_deref().map(|from| ("source", from)));
    parameters.extend(args.to.as_deref().map(|to| ("target", to)));
    let matrix: Matrix = ask::get(&args.server.url, "/api/v1/matrix", &parameters)?;
    if output::chosen(args.server.output) == Format::Json {
        return output::json(&matrix);
    }
    let simulated = if matrix.simulated { ", SIMULATED network" } else { "" };
    let as_of = matrix.as_of.as_deref().unwrap_or("no data yet");
    output::print(format_args!("{} over {}, ms, as of {as_of}{simulated}\n", matrix.percentile, matrix.window))?;
    if args.from.is_some() || args.to.is_some() || matrix.sources.len() == 1 {
        return output::print(list(matrix.cells));
    }
    output::print(grid(&matrix))
}

fn list(mut cells: Vec<Cell>) -> comfy_table::Table {
    let rank = |cell: &Cell| cell.rtt_ms.unwrap_or(f64::INFINITY);
    cells.sort_by(|a, b| rank(a).total_cmp(&rank(b)));
    let row = |cell: &Cell| {
        let mark = if cell.low_count { "*" } else { "" };
        vec![
            cell.source.clone(),
            cell.target.clone(),
            output::ms(cell.rtt_ms) + mark,
            output::ms(cell.jitter_ms),
            cell.count.to_string(),
            output::percent(cell.loss),
        ]
    };
    let header = ["source", "target", "ms (* few samples)", "jitter", "samples", "loss"];
    output::table(&header, cells.iter().map(row).collect(), 2)
}

/// One row a source; columns carry the numbers of their targets, so that 39 of them fit.
fn grid(matrix: &Matrix) -> String {
    let cells: HashMap<(&str, &str), &Cell> =
        (matrix.cells.iter()).map(|cell| ((cell.source.as_str(), cell.target.as_str()), cell)).collect();
    // Of what is small as a rule whole milliseconds would all be 0.
    let decimals = if matrix.percentile == "jitter" { 2 } else { 0 };
    let numbers: Vec<String> = (1..=matrix.targets.len()).map(|n| n.to_string()).collect();
    let mut header = vec![""];
    header.extend(numbers.iter().map(String::as_str));
    let row = |source: &String| {
        let number = matrix.targets.iter().position(|target| target == source);
        let label = number.map_or_else(|| source.clone(), |at| format!("{:>2} {source}", at + 1));
        let value = |target: &String| match cells.get(&(source.as_str(), target.as_str())) {
            Some(cell) => cell.rtt_ms.map_or_else(|| "lost".to_owned(), |ms| format!("{ms:.decimals$}")),
            None => "·".to_owned(),
        };
        std::iter::once(label).chain(matrix.targets.iter().map(value)).collect()
    };
    let mut table = output::table(&header, matrix.sources.iter().map(row).collect(), 1);
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    let legend = matrix.targets.iter().zip(1..).filter(|(target, _)| !matrix.sources.contains(target));
    let legend: Vec<String> = legend.map(|(target, number)| format!("{number} {target}")).collect();
    format!("{table}\n{}", legend.join("  "))
}
