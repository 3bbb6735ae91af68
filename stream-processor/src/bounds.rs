//! What a vantage point may at most take up: its head, series table and watch must fit into a commit (DynamoDB takes 4 MB), or one that
//! sends nonsense under a stolen key would hold up its shard for everybody. A round that asks for more goes to the dead letters.

/// The most series of a vantage point. A series takes up to 72 bytes of the series table and 60 of the watch, 2.6 MB in all; a round may
/// have ten thousand targets, over both families.
pub(crate) const MAX_SERIES: usize = 20_000;
/// The most separate ranges of numbers of one epoch: each is a hole in what came, and holes never close again once the log has forgotten
/// them. A producer that restarts begins anew.
pub(crate) const MAX_RANGES_OF_AN_EPOCH: usize = 4_096;
/// The most ranges of all epochs: up to 18 bytes each in the head, 0.3 MB in all.
pub(crate) const MAX_RANGES: usize = 16_384;
/// The most hours in the ledger: twice what is kept behind the watermark and then some, for a clock that runs ahead.
pub(crate) const MAX_HOURS: usize = 128;
/// The most epochs of all hours in the ledger: up to 31 bytes each in the head, 0.6 MB in all; a producer that starts anew every ten
/// seconds for as long as the ledger is kept needs fewer.
pub(crate) const MAX_EPOCHS_OF_HOURS: usize = 20_000;

/// A bound that a round would go beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Bound {
    /// [`MAX_SERIES`].
    #[error("its vantage point would have more than {MAX_SERIES} series")]
    Series,
    /// [`MAX_RANGES_OF_AN_EPOCH`] or [`MAX_RANGES`].
    #[error(
        "the numbers that came of its vantage point would be in more than {MAX_RANGES_OF_AN_EPOCH} separate ranges \
         of one epoch, or {MAX_RANGES} of all"
    )]
    Ranges,
    /// [`MAX_HOURS`].
    #[error("the ledger of its vantage point would have more than {MAX_HOURS} hours")]
    Hours,
    /// [`MAX_EPOCHS_OF_HOURS`].
    #[error("the hours of its vantage point's ledger would have more than {MAX_EPOCHS_OF_HOURS} epochs")]
    Epochs,
}
