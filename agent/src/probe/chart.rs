//! Pictures out of letters: the last results as a line, all of them as a histogram.

use super::distribution::Distribution;
use super::tally::{Mark, Tally};

/// Heights of a sparkline.
const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Parts of a bar, by eighths.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
/// The full height of a sparkline is at least this share of its least value, so that noise is not drawn as mountains.
const LEAST_SPAN: f64 = 0.2;
/// Rows of a histogram, a tail not counted.
const MOST_BINS: i64 = 10;
/// Length of the longest bar, where there is room for it.
const LONGEST_BAR: usize = 40;

/// The last results in at most `width` characters: low to high, `×` for lost, `·` for unknown.
pub fn sparkline(marks: &[Mark], width: usize) -> String {
    let marks = &marks[marks.len().saturating_sub(width)..];
    let rtts = marks.iter().filter_map(|mark| match mark {
        Mark::Rtt(rtt) => Some(f64::from(*rtt)),
        Mark::Lost | Mark::Unknown => None,
    });
    let (low, high) = rtts.fold((f64::INFINITY, 0.0_f64), |(low, high), rtt| (low.min(rtt), high.max(rtt)));
    let span = (high - low).max(LEAST_SPAN * low).max(1.0);
    let letter = |mark: &Mark| match mark {
        Mark::Rtt(rtt) => STEPS[(((f64::from(*rtt) - low) / span * 7.0).round() as usize).min(7)],
        Mark::Lost => '×',
        Mark::Unknown => '·',
    };
    marks.iter().map(letter).collect()
}

/// The values of `from_us..to_us`; the last bin may be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bin {
    from_us: i64,
    /// `None`: everything from there on.
    to_us: Option<i64>,
    count: u64,
}

/// Equal bins of a round width from the least value to the 99th percentile; what lies beyond is one open bin, so that a
/// few outliers do not squeeze everything else into one row.
fn bins(rtts: &Distribution) -> Vec<Bin> {
    let (Some((least, _)), Some((greatest, _)), Some(upper_ms)) =
        (rtts.values().next(), rtts.values().last(), rtts.quantile_ms(0.99))
    else {
        return Vec::new();
    };
    let upper = ((upper_ms * 1_000.0).floor() as i64).clamp(least, greatest);
    let step = round_step(upper - least);
    let start = least.div_euclid(step) * step;
    let full = (upper - start) / step + 1;
    let edge = |bin: i64| start + bin * step;
    let mut bins: Vec<Bin> =
        (0..full).map(|bin| Bin { from_us: edge(bin), to_us: Some(edge(bin + 1)), count: 0 }).collect();
    if greatest >= edge(full) {
        bins.push(Bin { from_us: edge(full), to_us: None, count: 0 });
    }
    let last = bins.len() - 1;
    for (value, count) in rtts.values() {
        bins[(((value - start) / step) as usize).min(last)].count += count;
    }
    bins
}

/// The least of 1, 2, 5, 10, 20, 50, … µs that covers `span_us` in fewer than [`MOST_BINS`] steps.
fn round_step(span_us: i64) -> i64 {
    let mut decade = 1;
    loop {
        for step in [decade, 2 * decade, 5 * decade] {
            if span_us / step < MOST_BINS - 1 {
                return step;
            }
        }
        decade *= 10;
    }
}

/// A target's round-trip times as a histogram, with its lost probes below; lines of at most about `columns` characters.
pub fn histogram(tally: &Tally, columns: usize) -> Vec<String> {
    let bins = bins(&tally.rtts);
    let most = bins.iter().map(|bin| bin.count).chain([tally.lost]).max().unwrap_or(0).max(1);
    let label = |bin: &Bin| match bin.to_us {
        Some(to) => format!("{:.3} – {:.3}", bin.from_us as f64 / 1_000.0, to as f64 / 1_000.0),
        None => format!("from {:.3}", bin.from_us as f64 / 1_000.0),
    };
    let lost = (tally.lost > 0).then(|| ("lost".to_owned(), tally.lost));
    let rows: Vec<(String, u64)> = bins.iter().map(|bin| (label(bin), bin.count)).chain(lost).collect();
    let width = rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
    let digits = most.to_string().len();
    let longest = columns.saturating_sub(width + digits + 6).clamp(5, LONGEST_BAR);
    let row = |(label, count): (String, u64)| {
        let bar = bar(count as f64 / most as f64 * longest as f64);
        format!("  {label:>width$}  {count:>digits$}  {bar}").trim_end().to_owned()
    };
    rows.into_iter().map(row).collect()
}

/// A bar of that length, to an eighth of a character; what is not zero is never invisible.
fn bar(length: f64) -> String {
    let eighths = (length * 8.0).round() as usize;
    let eighths = if length > 0.0 { eighths.max(1) } else { 0 };
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

#[cfg(test)]
mod tests {
    use cloudping_model::{Outcome, Protocol};
    use cloudping_producers::probers::Reading;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_line_shows_heights_losses_and_gaps() {
        let marks = [Mark::Rtt(10_000), Mark::Rtt(20_000), Mark::Lost, Mark::Unknown, Mark::Rtt(15_000)];
        assert_eq!(sparkline(&marks, 60), "▁█×·▅");
        assert_eq!(sparkline(&marks, 2), "·▁");
        assert_eq!(sparkline(&[], 60), "");
    }

    #[test]
    fn noise_is_not_drawn_as_mountains() {
        let marks: Vec<Mark> = (0..10).map(|n| Mark::Rtt(100_000 + n * 100)).collect();
        assert_eq!(sparkline(&marks, 60), "▁".repeat(10));
    }

    fn tally(rtts: &[u32], lost: u64) -> Tally {
        let mut tally = Tally::new("a", Protocol::TcpConnect, None);
        let answered = rtts.iter().map(|rtt| Reading { rtt_us: Some(*rtt), ..Reading::failed(Outcome::Answered) });
        let lost = (0..lost).map(|_| Reading::failed(Outcome::Timeout));
        (1..).zip(answered.chain(lost)).for_each(|(number, reading)| tally.add(number, reading));
        tally
    }

    #[test]
    fn a_histogram_has_a_row_a_bin_and_one_for_the_lost() {
        let expected = [
            "  10.000 – 10.500  4  ████████████████████████████████████████",
            "  10.500 – 11.000  0",
            "  11.000 – 11.500  0",
            "  11.500 – 12.000  0",
            "      from 12.000  1  ██████████",
            "             lost  1  ██████████",
        ];
        assert_eq!(histogram(&tally(&[10_100, 10_200, 10_300, 10_300, 12_000], 1), 80), expected);
        assert!(histogram(&tally(&[], 0), 80).is_empty());
        assert_eq!(histogram(&tally(&[7], 0), 80).len(), 1);
    }

    #[test]
    fn bars_shrink_where_there_is_little_room() {
        let lines = histogram(&tally(&[10_100, 10_200], 1), 40);
        assert!(lines.iter().all(|line| line.chars().count() <= 40), "{lines:?}");
    }

    proptest! {
        #[test]
        fn every_value_is_in_its_bin_and_bins_are_few(rtts in prop::collection::vec(0..10_000_000_u32, 1..300)) {
            let bins = bins(&tally(&rtts, 0).rtts);
            prop_assert!(bins.len() as i64 <= MOST_BINS + 1, "{}", bins.len());
            for bin in &bins {
                let holds = |rtt: &&u32| {
                    let rtt = i64::from(**rtt);
                    rtt >= bin.from_us && bin.to_us.is_none_or(|to| rtt < to)
                };
                prop_assert_eq!(rtts.iter().filter(holds).count() as u64, bin.count);
            }
            prop_assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>(), rtts.len() as u64);
        }
    }
}
