//! The statistics of several targets as a table.

use cloudping_model::Protocol;

use super::chart;
use super::layout::{self, Column};
use super::tally::{RECENT, Summary, Tally};
use crate::output;

/// The least and the greatest length of the line of last results.
const LINE: (usize, usize) = (8, RECENT);

/// The table's lines, each at most `width` characters, one row a target.
pub fn table(tallies: &[Tally], width: usize) -> Vec<String> {
    let summaries: Vec<Summary> = tallies.iter().map(Tally::summary).collect();
    let each = |cell: fn(&Summary) -> String| summaries.iter().map(cell);
    let columns = vec![
        Column::text(0, "target", each(|it| layout::cut(&it.target, 40))),
        Column::text(6, "address", each(address)),
        Column::number(3, "sent", each(|it| it.sent.to_string())),
        Column::number(1, "loss", each(|it| it.loss.map_or_else(|| "-".to_owned(), output::percent))),
        Column::number(2, "last", each(last)),
        Column::number(4, "min", each(|it| ms(it.min_ms))),
        Column::number(1, "p50", each(|it| ms(it.p50_ms))),
        Column::number(5, "p90", each(|it| ms(it.p90_ms))),
        Column::number(4, "p99", each(|it| ms(it.p99_ms))),
        Column::number(4, "max", each(|it| ms(it.max_ms))),
        Column::number(7, "own error", each(|it| ms(it.own_error_p50_ms))),
    ];
    layout::table(columns, width, LINE, "last results", |row, room| chart::sparkline(&tallies[row].recent(), room))
}

/// What the table's numbers are, for those who read it the first time.
pub fn legend(tallies: &[Tally]) -> &'static str {
    match tallies.first().map_or(Protocol::TcpConnect, |tally| tally.kind) {
        Protocol::TcpConnect => {
            "TCP handshakes, ms by the kernel's clock; own error: what user space would have added (median); × lost"
        }
        Protocol::TlsHandshake => "TLS handshakes on an open TCP connection, ms, timed in user space; × lost",
        Protocol::HttpsTtfb => {
            "HTTPS, ms from sending a request to the first byte of its answer, in user space; × lost"
        }
        Protocol::IcmpEcho => {
            "ICMP echoes, ms by the kernel's clock; own error: what user space would have added (median); × lost"
        }
        Protocol::UdpStamp => {
            "STAMP over UDP, ms less the reflector's; own error: what user space would have added (median); × lost"
        }
    }
}

/// The address where the target's text is not the address itself.
fn address(summary: &Summary) -> String {
    match summary.address {
        None => "none".to_owned(),
        Some(address) if summary.target.contains(&address.ip().to_string()) => String::new(),
        Some(address) => address.ip().to_string(),
    }
}

fn last(summary: &Summary) -> String {
    let outcome = || summary.last.unwrap_or("-").to_owned();
    summary.last_ms.map_or_else(outcome, |rtt| ms(Some(rtt)))
}

/// Milliseconds: to the microsecond below one, else to two decimals.
fn ms(value: Option<f64>) -> String {
    match value {
        Some(value) if value.abs() < 1.0 => format!("{value:.3}"),
        value => output::ms(value),
    }
}

#[cfg(test)]
mod tests {
    use cloudping_model::Outcome;
    use cloudping_producers::probers::Reading;

    use super::*;

    #[test]
    fn a_row_a_target_with_what_is_known() {
        let mut near = Tally::new("example.com", Protocol::TcpConnect, Some(([192, 0, 2, 1], 443).into()));
        near.add(1, Reading { rtt_us: Some(12_345), connect_us: Some(12_400), ..Reading::failed(Outcome::Answered) });
        near.add(2, Reading::failed(Outcome::Timeout));
        let unknown = Tally::new("192.0.2.9:22", Protocol::TcpConnect, Some(([192, 0, 2, 9], 22).into()));
        let lines = table(&[near, unknown], 200);
        let words = |line: usize| lines[line].split_whitespace().collect::<Vec<_>>();
        let expected = "target address sent loss last min p50 p90 p99 max own error last results";
        assert_eq!(words(0), expected.split(' ').collect::<Vec<_>>());
        let expected = "example.com 192.0.2.1 2 50.00% timeout 12.35 12.35 12.35 12.35 12.35 0.055 ▁×";
        assert_eq!(words(1), expected.split(' ').collect::<Vec<_>>());
        assert_eq!(words(2), ["192.0.2.9:22", "0", "-", "-", "-", "-", "-", "-", "-", "-"]);
    }
}
