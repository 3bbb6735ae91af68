//! Route steps: an online change-point test on the minute medians of one series.
//!
//! A [`Detector`] is given the median of each settled minute, and says when the level has moved for good:
//! "from 10:42 on 84.1 ms instead of 72.1 ms". It needs four minutes of the new level to say so. What a user may expect of
//! it, with the rates that were measured, is in `docs/changes.md`; `benches/stream/changes.rs` measures them.
//!
//! # The test
//!
//! A two-sided CUSUM (Page 1954) with reference value `k` = 1 and decision interval `h` = 8 standard deviations, of which one
//! side is run at a time. Around it:
//!
//! - **Level**: a running mean of the residuals, first of all minutes since the level began, then with a memory of 32
//!   minutes. Each residual is divided by the uncertainty of that mean as well, so a young level may be tested at once: the
//!   self-starting CUSUM (Hawkins 1987; Hawkins & Olwell 1998, chapter 7).
//! - **Clipping**: a residual counts 3.2 standard deviations at most (Lucas & Crosier 1982, the robust CUSUM), in the sum and
//!   in the level. Four minutes must agree before `h` is passed; a spike of three cannot do it alone.
//! - **Scale**: the mean absolute residual above the level, and that below, each on its own, since delays are skewed: what
//!   is wild downwards is quite usual upwards. Never less than a quarter of the least step that is reported.
//! - **Correlation**: minutes that resemble their neighbours wander, and a CUSUM that takes them for independent alarms all
//!   the time (Johnson & Bagshaw 1974). So the correlation of neighbouring minutes is estimated and the scale raised to that of
//!   the long run, by sqrt((1 + r) / (1 - r)). A new series starts with the suspicion of a high one.
//! - **Congestion**: where neighbouring minutes differ by more than they used to (von Neumann 1941: a step makes one large
//!   difference, noise makes many), the scale is raised at once, with a memory of 16 minutes.
//! - **Size**: the median of the run since the sum was last zero (its latest five minutes) must differ from the level at its
//!   beginning by 0.5 ms, 0.5 % of it and 1.5 standard deviations, and at most one of these minutes may contradict. A run that
//!   passes `h` without that is a drift: its median becomes the level, and nothing is reported.
//!
//! The change is dated to the first minute of the run, where the sum left zero: Page's own estimate of the moment.
//!
//! # The state
//!
//! 48 bytes of integers, stored as they are: a detector that was stored and read back decides as if it had never been away.
//! Arithmetic in between is IEEE 754 addition, multiplication and division of `f32`, which is the same on every machine.
//!
//! # Sources
//!
//! - E. S. Page, "Continuous inspection schemes", Biometrika 41 (1954), 100-115.
//! - D. M. Hawkins, "Self-starting cusum charts for location and scale", The Statistician 36 (1987), 299-316.
//! - D. M. Hawkins, D. H. Olwell, "Cumulative Sum Charts and Charting for Quality Improvement", Springer 1998.
//! - J. M. Lucas, R. B. Crosier, "Robust cusum", Communications in Statistics: Theory and Methods 11 (1982), 2669-2687.
//! - R. A. Johnson, M. Bagshaw, "The effect of serial correlation on the performance of CUSUM tests", Technometrics 16
//!   (1974), 103-112.
//! - J. von Neumann, "Distribution of the ratio of the mean square successive difference to the variance", Annals of
//!   Mathematical Statistics 12 (1941), 367-395.

mod codec;
mod detector;
mod tables;
#[cfg(test)]
mod tests;

pub use codec::ChangeStateError;
pub use detector::{Detector, Step};
