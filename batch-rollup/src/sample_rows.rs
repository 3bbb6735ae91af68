//! Samples as columns, and as rows of their table.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::Range;

use cloudping_model::{Family, Gap, Outcome, Protocol, Round, UtcMicros};
use cloudping_schemas::tables::Origin;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;

use crate::sample_arrays::sample_arrays;

/// Stands for no address, and for a series that has no place yet.
pub(crate) const NONE: u32 = u32::MAX;

/// Places that a target has in a source's table of series: one a protocol and family.
const SERIES_PER_TARGET: usize = Protocol::ALL.len() * 2;

/// Rounds as rows, in the order of a file: (source, target, protocol, family, ts), which makes files smallest and a pair's queries quickest. What is
/// missing before a round stands at its first sample.
///
/// # Errors
/// [`ArrowError`] when the rows are not of the table's schema, which no round can cause.
pub(crate) fn sample_rows(rounds: &[Round], origin: Origin) -> Result<RecordBatch, ArrowError> {
    let mut samples = SampleColumns::default();
    for round in rounds {
        let source = samples.sources.id(round.id.vantage.as_str());
        samples.begin_round(round.id.epoch, round.id.number, round.gap);
        for sample in &round.samples {
            let target = samples.targets.id(sample.target.as_str());
            samples.push(NewSample {
                series: Series { source, target, protocol: sample.protocol, family: sample.family },
                at: round.sent_at(sample),
                outcome: sample.outcome,
                rtt_us: sample.rtt_us.unwrap_or(0),
                connect_us: sample.connect_us,
                retransmits: sample.retransmits,
                address: sample.address,
            });
        }
    }
    sample_arrays(&samples, origin)
}

/// Texts, each by the place at which it was first seen.
#[derive(Debug, Default)]
pub(crate) struct Names {
    texts: Vec<String>,
    ids: HashMap<String, u32>,
}

impl Names {
    /// The place of a text that was seen.
    pub(crate) fn get(&self, text: &str) -> Option<u32> {
        self.ids.get(text).copied()
    }

    /// The place of a text.
    pub(crate) fn id(&mut self, text: &str) -> u32 {
        self.get(text).unwrap_or_else(|| {
            let id = self.texts.len() as u32;
            self.texts.push(text.to_owned());
            self.ids.insert(text.to_owned(), id);
            id
        })
    }

    pub(crate) fn texts(&self) -> &[String] {
        &self.texts
    }
}

/// What is measured: places in [`SampleColumns::sources`] and [`SampleColumns::targets`], and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Series {
    pub(crate) source: u32,
    pub(crate) target: u32,
    pub(crate) protocol: Protocol,
    pub(crate) family: Family,
}

/// A sample on its way into the columns.
pub(crate) struct NewSample {
    pub(crate) series: Series,
    pub(crate) at: UtcMicros,
    pub(crate) outcome: Outcome,
    /// 0 is unknown.
    pub(crate) rtt_us: u32,
    pub(crate) connect_us: Option<u32>,
    pub(crate) retransmits: u32,
    pub(crate) address: Option<IpAddr>,
}

/// A round whose samples stand together in the columns.
#[derive(Debug)]
pub(crate) struct RoundOf {
    pub(crate) epoch: u64,
    pub(crate) number: u64,
    pub(crate) gap: Option<Gap>,
    /// Where its samples stand.
    pub(crate) samples: Range<usize>,
    /// Whether it is left out of the rows.
    pub(crate) left_out: bool,
}

/// Samples in the order in which they came, by column. Nothing is allocated for each of them.
#[derive(Debug, Default)]
pub(crate) struct SampleColumns {
    pub(crate) sources: Names,
    pub(crate) targets: Names,
    pub(crate) rounds: Vec<RoundOf>,
    pub(crate) addresses: Vec<IpAddr>,
    /// The series, and for each the address of its newest sample: it hardly ever changes.
    pub(crate) series: Vec<Series>,
    newest_address: Vec<u32>,
    address_ids: HashMap<IpAddr, u32>,
    /// By source: each series' place in `series`, or [`NONE`].
    places: Vec<Vec<u32>>,
    /// One element a sample from here on: its place in `series`.
    pub(crate) of_series: Vec<u32>,
    /// Its place in `rounds`.
    pub(crate) of_round: Vec<u32>,
    /// When it left, µs.
    pub(crate) at: Vec<i64>,
    pub(crate) outcome: Vec<Outcome>,
    /// 0 is unknown.
    pub(crate) rtt_us: Vec<u32>,
    pub(crate) connect_us: Vec<Option<u32>>,
    pub(crate) retransmits: Vec<u32>,
    /// Its place in `addresses`, or [`NONE`].
    pub(crate) address: Vec<u32>,
}

impl SampleColumns {
    /// The samples that follow are of this round.
    pub(crate) fn begin_round(&mut self, epoch: u64, number: u64, gap: Option<Gap>) {
        let samples = self.at.len()..self.at.len();
        self.rounds.push(RoundOf { epoch, number, gap, samples, left_out: false });
    }

    /// Takes a sample of the newest round.
    pub(crate) fn push(&mut self, sample: NewSample) {
        let series = self.place(sample.series);
        let address = sample.address.map_or(NONE, |address| self.address_id(series, address));
        if let Some(round) = self.rounds.last_mut() {
            round.samples.end += 1;
        }
        self.of_series.push(series);
        self.of_round.push((self.rounds.len() - 1) as u32);
        self.at.push(sample.at.0);
        self.outcome.push(sample.outcome);
        self.rtt_us.push(sample.rtt_us);
        self.connect_us.push(sample.connect_us);
        self.retransmits.push(sample.retransmits);
        self.address.push(address);
    }

    fn place(&mut self, series: Series) -> u32 {
        let (source, target) = (series.source as usize, series.target as usize);
        if self.places.len() <= source {
            self.places.resize(source + 1, Vec::new());
        }
        let places = &mut self.places[source];
        let of_target = target * SERIES_PER_TARGET;
        if places.len() <= of_target {
            places.resize(of_target + SERIES_PER_TARGET, NONE);
        }
        let place = &mut places[of_target + series.protocol as usize * 2 + usize::from(series.family == Family::V6)];
        if *place == NONE {
            *place = self.series.len() as u32;
            self.series.push(series);
            self.newest_address.push(NONE);
        }
        *place
    }

    fn address_id(&mut self, series: u32, address: IpAddr) -> u32 {
        let newest = &mut self.newest_address[series as usize];
        if self.addresses.get(*newest as usize) != Some(&address) {
            *newest = *self.address_ids.entry(address).or_insert_with(|| {
                self.addresses.push(address);
                (self.addresses.len() - 1) as u32
            });
        }
        *newest
    }

    /// How many samples are not left out.
    pub(crate) fn rows(&self) -> usize {
        self.live_rounds().map(|round| round.samples.len()).sum()
    }

    /// The rounds that are not left out.
    pub(crate) fn live_rounds(&self) -> impl Iterator<Item = &RoundOf> {
        self.rounds.iter().filter(|round| !round.left_out)
    }

    /// The samples in the order of the rows, and how many of each series in turn: a counting sort by series, in each of which the samples nearly
    /// always came in their order.
    pub(crate) fn order(&self) -> (Vec<u32>, Vec<(Series, usize)>) {
        let mut lengths = vec![0; self.series.len()];
        for round in self.live_rounds() {
            for series in &self.of_series[round.samples.clone()] {
                lengths[*series as usize] += 1;
            }
        }
        let mut ranked: Vec<usize> = (0..self.series.len()).filter(|series| lengths[*series] > 0).collect();
        ranked.sort_by_key(|place| self.sort_key(&self.series[*place]));
        let mut next = vec![0; self.series.len()];
        let mut rows = 0;
        for place in &ranked {
            next[*place] = rows;
            rows += lengths[*place];
        }
        let mut order = vec![0; rows];
        for round in self.live_rounds() {
            for sample in round.samples.clone() {
                let row = &mut next[self.of_series[sample] as usize];
                order[*row] = sample as u32;
                *row += 1;
            }
        }
        let mut rest = &mut order[..];
        for place in &ranked {
            let (of_series, behind) = rest.split_at_mut(lengths[*place]);
            if !of_series.is_sorted_by_key(|sample| self.at[*sample as usize]) {
                of_series.sort_by_key(|sample| self.time_key(*sample as usize));
            }
            rest = behind;
        }
        (order, ranked.into_iter().map(|place| (self.series[place], lengths[place])).collect())
    }

    fn sort_key(&self, series: &Series) -> (&str, &str, &'static str, u8) {
        let source = self.sources.texts()[series.source as usize].as_str();
        let target = self.targets.texts()[series.target as usize].as_str();
        (source, target, series.protocol.name(), series.family.number())
    }

    fn time_key(&self, sample: usize) -> (i64, u64, u64) {
        let round = &self.rounds[self.of_round[sample] as usize];
        (self.at[sample], round.epoch, round.number)
    }
}
