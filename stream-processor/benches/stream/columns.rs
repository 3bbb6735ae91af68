//! The same events as columns, for whoever does not read records. Second deliveries are among them.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use cloudping_model::Outcome;

use crate::generator::{Deliveries, Shape};

/// One value a sample, in the order of arrival.
#[derive(Debug, Default)]
pub struct Columns {
    /// Index of the vantage point.
    pub source: Vec<u16>,
    /// Index of the target.
    pub target: Vec<u16>,
    /// When the probe left, µs since 1970.
    pub ts_us: Vec<i64>,
    /// Round-trip time in µs, 0 where there is none.
    pub rtt_us: Vec<u32>,
    /// 0 for an answer, 2 for a timeout, as in events.
    pub outcome: Vec<u8>,
}

impl Columns {
    /// About so many distinct samples.
    pub fn generate(shape: Shape, samples: u64) -> Self {
        let deliveries = Deliveries::new(shape, samples);
        let (vantages, targets) = (deliveries.vantage_index(), deliveries.target_index());
        let mut columns = Self::default();
        for delivery in deliveries {
            let round = &delivery.round;
            for sample in &round.samples {
                columns.source.push(vantages[&round.id.vantage]);
                columns.target.push(targets[&sample.target]);
                columns.ts_us.push(round.sent_at(sample).0);
                columns.rtt_us.push(sample.rtt_us.unwrap_or(0));
                columns.outcome.push(if sample.outcome == Outcome::Answered { 0 } else { 2 });
            }
        }
        columns
    }

    /// How many samples.
    pub fn len(&self) -> usize {
        self.outcome.len()
    }

    /// Writes a file a column, little-endian, named `NAME.TYPE` as numpy names types.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Box<dyn Error>> {
        write(folder, "source.u2", self.source.iter().map(|value| value.to_le_bytes()))?;
        write(folder, "target.u2", self.target.iter().map(|value| value.to_le_bytes()))?;
        write(folder, "ts_us.i8", self.ts_us.iter().map(|value| value.to_le_bytes()))?;
        write(folder, "rtt_us.u4", self.rtt_us.iter().map(|value| value.to_le_bytes()))?;
        write(folder, "outcome.u1", self.outcome.iter().map(|value| value.to_le_bytes()))
    }
}

fn write<const N: usize>(
    folder: &Path,
    name: &str,
    values: impl Iterator<Item = [u8; N]>,
) -> Result<(), Box<dyn Error>> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(folder.join(name))?);
    for value in values {
        file.write_all(&value)?;
    }
    Ok(file.flush()?)
}
