//! Bills for people, and for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::bill::{Basis, Bill, Bursts, Line};
use crate::burst::Burst;
use crate::prices::Prices;

/// The bill, with what it rests on.
pub fn json(prices: &Prices, bill: &Bill) -> Value {
    json!({ "prices_as_of": prices.as_of, "region": prices.region, "currency": "USD", "a_month": bill })
}

/// `bench-results/cost.json`: the total against its bar, and every line.
pub fn figures(bill: &Bill, bar_usd: Option<f64>) -> Value {
    let total = json!({
        "figure": "a month, all of it", "value": bill.total_usd, "unit": "USD",
        "bar": bar_usd.map(|bar| format!("<= {bar}")), "holds": bar_usd.map(|bar| bill.total_usd <= bar),
    });
    let line =
        |line: &Line| json!({ "figure": line.what, "value": line.usd, "unit": "USD", "bar": null, "holds": null });
    std::iter::once(total).chain(bill.lines.iter().map(line)).collect()
}

/// The bill as a table.
pub fn table(prices: &Prices, bill: &Bill) -> String {
    let mut text = format!(
        "US dollars a month, by list prices of {} as of {} (xtask/prices.toml; check them), without free tiers.\n\
         counted: the code was run and what it asked for counted. assumed: see xtask/cost/src/assumptions.rs.\n",
        prices.region, prices.as_of
    );
    let mut line = |line: String| {
        // A String takes everything.
        let _ = writeln!(text, "{}", line.trim_end());
    };
    let Bill { regions, targets, probes, interval_s, .. } = bill;
    line(format!(
        "\n{regions} regions, {targets} targets each, {probes} probes each {interval_s} s: {:.2} a month\n",
        bill.total_usd
    ));
    for entry in &bill.lines {
        let basis = match entry.basis {
            Basis::Counted => "counted",
            Basis::Given => "",
            Basis::Assumed => "assumed",
        };
        let per = prices.get(&entry.price).map_or("", |price| &price.per);
        let (usd, share) = (entry.usd, 100.0 * entry.usd / bill.total_usd);
        let (what, quantity) = (&entry.what, number(entry.quantity));
        line(format!("{usd:>10.2} {share:>4.0} %  {what:<42} {quantity:>8}  {basis:<8} {per}"));
    }
    let (written, read) = bill.store_units_a_second;
    line(format!(
        "\n  Live store: {written:.1} write and {read:.1} read units a second; a head of {} bytes.",
        bill.head_bytes
    ));
    for Bursts { what, units, burst: Burst { most, least_left, late_s } } in &bill.bursts {
        line(match *late_s > 0.0 {
            false => format!(
                "  {what}: {units} a second; of a burst of {most} in a window {least_left:.0} unused ones are left."
            ),
            true => format!(
                "  {what}: {units} a second; a burst of {most} in a window makes requests late by {late_s:.0} s."
            ),
        });
    }
    if let Some(seconds) = bill.year_of_days_s {
        line(format!(
            "  A start of the query service after a year reads for {:.0} minutes, less what was left unused; the newest comes first.",
            seconds / 60.0
        ));
    }
    text
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

    fn bill() -> Bill {
        let line = |what: &str, usd, basis| Line {
            what: what.into(),
            quantity: 1_234_567.0,
            price: "lambda-request".into(),
            usd,
            basis,
        };
        Bill {
            regions: 36,
            targets: 35,
            probes: 5,
            interval_s: 60,
            total_usd: 12.345,
            lines: vec![line("producers: requests", 12.0, Basis::Given), line("logs", 0.345, Basis::Assumed)],
            store_units_a_second: (9.5, 12.25),
            head_bytes: 900,
            bursts: [(1_000.0, 0.0), (-50.0, 2.5)]
                .map(|(least_left, late_s)| {
                    let burst = Burst { most: 5_000, least_left, late_s };
                    Bursts { what: "live store: writes", units: 20.0, burst }
                })
                .into(),
            year_of_days_s: Some(600.0),
        }
    }

    #[test]
    fn a_table_says_what_how_much_and_whence() {
        let text = table(&Prices::built_in().unwrap(), &bill());
        for expected in [
            "36 regions, 35 targets each, 5 probes each 60 s: 12.35 a month",
            "     12.00   97 %  producers: requests                           1.23M           request",
            "      0.34    3 %  logs                                          1.23M  assumed  request",
            "9.5 write and 12.2 read units a second; a head of 900 bytes",
        ] {
            assert!(text.contains(expected), "{expected:?} in\n{text}");
        }
    }

    #[test]
    fn json_has_every_line_and_figures_their_bar() {
        let value = json(&Prices::built_in().unwrap(), &bill());
        assert_eq!(value["a_month"]["lines"][1]["basis"], "assumed");
        assert_eq!((&value["currency"], &value["a_month"]["total_usd"]), (&"USD".into(), &12.345.into()));
        let of = |bar| figures(&bill(), bar)[0]["holds"].clone();
        assert_eq!([of(Some(60.0)), of(Some(12.0)), of(None)], [true.into(), false.into(), Value::Null]);
        assert_eq!(figures(&bill(), None).as_array().unwrap().len(), 3);
    }

    #[test]
    fn numbers_have_three_digits() {
        let numbers = [0.5, 36.0, 999.0, 1_000.0, 45_600.0, 2.5e6, 1.5e9].map(number);
        assert_eq!(numbers, ["0.50", "36.0", "999", "1.00k", "45.6k", "2.50M", "1.50G"]);
    }
}
