//! Bills for people, and for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::bill::{Basis, Bill};
use crate::prices::Prices;

/// All bills, with what they rest on.
pub fn json(prices: &Prices, bills: &[Bill]) -> Value {
    json!({ "prices_as_of": prices.as_of, "region": prices.region, "currency": "USD", "a_month": bills })
}

/// All bills, one below the other.
pub fn table(prices: &Prices, bills: &[Bill]) -> String {
    let mut text = format!(
        "US dollars a month, by list prices of {} as of {} (xtask/prices.toml; check them), without free tiers.\n\
         counted: the code was run and what it asked for counted. assumed: see xtask/cost/src/assumptions.rs.\n",
        prices.region, prices.as_of
    );
    for bill in bills {
        bill_table(prices, bill, &mut text);
    }
    text
}

fn bill_table(prices: &Prices, bill: &Bill, text: &mut String) {
    let Bill { regions, targets, interval_s, window_s, .. } = bill;
    let rate = match interval_s {
        1 => "one round a second".to_owned(),
        60 => "one round a minute".to_owned(),
        other => format!("one round in {other} s"),
    };
    let mut line = |line: String| {
        // A String takes everything.
        let _ = writeln!(text, "{}", line.trim_end());
    };
    line(format!(
        "\n{regions} regions, {targets} targets each, {rate}; batches of {window_s} s: {:.2} a month\n",
        bill.total_usd
    ));
    for entry in &bill.lines {
        let basis = match entry.basis {
            Basis::Counted => "counted",
            Basis::Given => "",
            Basis::Assumed => "assumed",
        };
        let per = prices.get(entry.price).map_or("", |price| &price.per);
        let (usd, what, quantity) = (entry.usd, entry.what, number(entry.quantity));
        line(format!("{usd:>10.2}  {what:<42} {quantity:>8}  {basis:<8} {per}"));
    }
    for (title, units) in [("written", &bill.write_units), ("read for the live view", &bill.view_units)] {
        let units: Vec<String> = units.iter().map(|(kind, units)| format!("{kind} {}", number(*units))).collect();
        line(format!("\n  Units {title}: {}", units.join(", ")));
    }
    let (hot, head) = (bill.heads_write_units_a_second, bill.head_bytes);
    line(format!("  Heads: {head} bytes each; {hot:.0} write units a second in their partition, which may take 1000."));
}

/// Three digits that matter, with k, M or G.
fn number(value: f64) -> String {
    let (scaled, suffix) = match value {
        value if value >= 1e9 => (value / 1e9, "G"),
        value if value >= 1e6 => (value / 1e6, "M"),
        value if value >= 1e3 => (value / 1e3, "k"),
        value => (value, ""),
    };
    match scaled {
        scaled if scaled >= 100.0 => format!("{scaled:.0}{suffix}"),
        scaled if scaled >= 10.0 => format!("{scaled:.1}{suffix}"),
        scaled => format!("{scaled:.2}{suffix}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bill::Line;

    fn bill() -> Bill {
        let line = |what, usd, basis| Line { what, quantity: 1_234_567.0, price: "lambda-request", usd, basis };
        Bill {
            interval_s: 1,
            window_s: 10,
            regions: 36,
            targets: 35,
            total_usd: 12.345,
            lines: vec![line("producers: requests", 12.0, Basis::Given), line("logs", 0.345, Basis::Assumed)],
            write_units: vec![("heads".to_owned(), 1_500.0)],
            view_units: Vec::new(),
            heads_write_units_a_second: 36.4,
            head_bytes: 900,
        }
    }

    #[test]
    fn a_table_says_what_how_much_and_whence() {
        let text = table(&Prices::built_in().unwrap(), &[bill()]);
        for expected in [
            "36 regions, 35 targets each, one round a second; batches of 10 s: 12.35 a month",
            "     12.00  producers: requests                           1.23M           request",
            "      0.34  logs                                          1.23M  assumed  request",
            "Units written: heads 1.50k",
            "900 bytes each; 36 write units a second",
        ] {
            assert!(text.contains(expected), "{expected:?} in\n{text}");
        }
    }

    #[test]
    fn json_has_every_line() {
        let value = json(&Prices::built_in().unwrap(), &[bill()]);
        assert_eq!(value["a_month"][0]["lines"][1]["basis"], "assumed");
        assert_eq!((&value["currency"], &value["a_month"][0]["total_usd"]), (&"USD".into(), &12.345.into()));
    }

    #[test]
    fn numbers_have_three_digits() {
        let numbers = [0.5, 36.0, 999.0, 1_000.0, 45_600.0, 2.5e6, 1.5e9].map(number);
        assert_eq!(numbers, ["0.50", "36.0", "999", "1.00k", "45.6k", "2.50M", "1.50G"]);
    }
}
