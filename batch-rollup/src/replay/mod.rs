//! Back from the table of samples to the rounds that it was made of.
//!
//! - [`SampleRounds`] reads them, a day at a time.
//! - [`recompute_rollups`] has the next run of the rollup compute windows anew.

mod recompute;
mod round_fold;
mod sample_rounds;

pub use recompute::recompute_rollups;
pub use round_fold::RowError;
pub use sample_rounds::SampleRounds;
