//! Who is near: decided and printed.

use serde::Serialize;

use super::Place;
use crate::output;
use crate::probe::{Summary, Tally};

/// A region with what was measured of it. Times in ms, `None` where nothing is known.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ranked {
    /// From 1 by median; `None` without one.
    pub rank: Option<usize>,
    /// The region.
    pub id: String,
    /// Its provider.
    pub provider: String,
    /// Where it is.
    pub city: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// What was probed.
    pub endpoint: String,
    /// The address that was probed, if the name has one.
    pub address: Option<std::net::IpAddr>,
    /// Probes that left and whose outcome is known.
    pub sent: u64,
    /// `lost / sent`.
    pub loss: Option<f64>,
    /// Outcome of the probe that ended last.
    pub last: Option<&'static str>,
    /// Least round-trip time.
    pub min_ms: Option<f64>,
    /// Median.
    pub p50_ms: Option<f64>,
    /// Greatest.
    pub max_ms: Option<f64>,
}

/// By median; where it is the same, by least time, then by id. What has none stands last, by id.
pub fn rank(places: &[Place], tallies: &[Tally]) -> Vec<Ranked> {
    let mut ranked: Vec<Ranked> =
        places.iter().zip(tallies).map(|(place, tally)| unranked(place, tally.summary())).collect();
    let key = |it: &Ranked| [it.p50_ms, it.min_ms].map(|ms| ms.unwrap_or(f64::INFINITY));
    ranked.sort_by(|a, b| {
        let ([p50_a, min_a], [p50_b, min_b]) = (key(a), key(b));
        p50_a.total_cmp(&p50_b).then(min_a.total_cmp(&min_b)).then_with(|| a.id.cmp(&b.id))
    });
    for (rank, it) in (1..).zip(ranked.iter_mut().filter(|it| it.p50_ms.is_some())) {
        it.rank = Some(rank);
    }
    ranked
}

fn unranked(Place { region, endpoint }: &Place, summary: Summary) -> Ranked {
    Ranked {
        rank: None,
        id: region.id.clone(),
        provider: region.provider.clone(),
        city: region.city.clone(),
        country: region.country.clone(),
        endpoint: format!("{}:{}", endpoint.host, endpoint.port),
        address: summary.address.map(|address| address.ip()),
        sent: summary.sent,
        loss: summary.loss,
        last: summary.last,
        min_ms: summary.min_ms,
        p50_ms: summary.p50_ms,
        max_ms: summary.max_ms,
    }
}

/// As a table.
pub fn table(ranked: &[Ranked]) -> comfy_table::Table {
    let row = |it: &Ranked| {
        vec![
            it.rank.map_or_else(|| "-".to_owned(), |rank| rank.to_string()),
            it.id.clone(),
            it.provider.clone(),
            it.city.clone(),
            it.country.clone(),
            if it.p50_ms.is_none() { it.last.unwrap_or("-").to_owned() } else { output::ms(it.p50_ms) },
            output::ms(it.min_ms),
            output::ms(it.max_ms),
            it.sent.to_string(),
            it.loss.map_or_else(|| "-".to_owned(), output::percent),
        ]
    };
    let header = ["#", "region", "provider", "city", "country", "p50 ms", "min", "max", "sent", "loss"];
    output::table(&header, ranked.iter().map(row).collect(), 5)
}

/// As CSV, without the last line's end.
pub fn csv(ranked: &[Ranked]) -> String {
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let row = |it: &Ranked| {
        let (rank, address) = (it.rank.map(|rank| rank.to_string()), it.address.map(|address| address.to_string()));
        let fields = [
            rank.unwrap_or_default(),
            it.id.clone(),
            it.provider.clone(),
            it.city.clone(),
            it.country.clone(),
            it.endpoint.clone(),
            address.unwrap_or_default(),
            it.sent.to_string(),
            number(it.loss),
            it.last.unwrap_or_default().to_owned(),
            number(it.min_ms),
            number(it.p50_ms),
            number(it.max_ms),
        ];
        output::csv(fields.iter().map(String::as_str))
    };
    let header = "rank,id,provider,city,country,endpoint,address,sent,loss,last,min_ms,p50_ms,max_ms";
    std::iter::once(header.to_owned()).chain(ranked.iter().map(row)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use cloudping_model::{Outcome, Protocol};
    use cloudping_producers::probers::Reading;
    use cloudping_producers::targets::Endpoint;
    use cloudping_schemas::catalogue::{Catalogue, Region};

    use super::*;

    #[test]
    fn the_nearest_first_and_the_unreached_last() {
        let catalogue = Catalogue::built_in().unwrap();
        let regions = &catalogue.regions()[..5];
        let endpoint = Endpoint::parse("host.example:443").unwrap();
        let places: Vec<Place> =
            regions.iter().map(|region| Place { region: region.clone(), endpoint: endpoint.clone() }).collect();
        let answered = |rtt: u32| Reading { rtt_us: Some(rtt), ..Reading::failed(Outcome::Answered) };
        let readings: [&[Reading]; 5] = [
            &[Reading::failed(Outcome::DnsFailure)],
            &[answered(30_000), answered(10_000), answered(20_000)],
            &[answered(5_000), Reading::failed(Outcome::Timeout)],
            &[Reading::failed(Outcome::Refused)],
            &[answered(20_000), answered(20_000), answered(20_000)],
        ];
        let tally = |(region, readings): (&Region, &[Reading])| {
            let mut tally = Tally::new(&region.id, Protocol::TcpConnect, None);
            (1..).zip(readings).for_each(|(number, reading)| tally.add(number, *reading));
            tally
        };
        let tallies: Vec<Tally> = regions.iter().zip(readings).map(tally).collect();
        let ranked = rank(&places, &tallies);
        let order: Vec<_> = ranked.iter().map(|it| (it.rank, it.id.as_str(), it.p50_ms)).collect();
        let ids: Vec<&str> = regions.iter().map(|region| region.id.as_str()).collect();
        let expected = [
            (Some(1), ids[2], Some(5.0)),
            (Some(2), ids[1], Some(20.0)),
            (Some(3), ids[4], Some(20.0)),
            (None, ids[0], None),
            (None, ids[3], None),
        ];
        assert_eq!(order, expected);
        assert_eq!((ranked[0].loss, ranked[4].last), (Some(0.5), Some("refused")));
        assert!(csv(&ranked).starts_with("rank,id,"));
        assert_eq!(csv(&ranked).lines().count(), 6);
    }
}
