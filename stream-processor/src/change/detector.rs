//! The test itself; what it does and where it comes from is said one level up.

use super::tables;

/// Levels and deviations are kept in sixteenths of a microsecond, so that slow averages do not stall on rounding.
pub(super) const FINE: u32 = 16;
/// Medians above this (268 s) are taken for it: the largest whose sixteenths fit a level.
pub(super) const LARGEST_US: u32 = u32::MAX / FINE;

/// So many medians make the first level, and so many of a run's latest are remembered.
pub(super) const RECENT: usize = 5;
/// The level's memory in minutes.
pub(super) const LEVEL_MEMORY: u8 = 32;
/// No alarm before so many minutes were seen: the scale is not known yet.
const WARM_UP: u8 = 20;
/// What the scale knew counts as no more than so many minutes after a step: the new route may have a jitter of its own.
const TRAINED_AFTER: u8 = 64;
/// Memory in minutes of how much neighbouring minutes differ.
const RANGE_MEMORY: f32 = 16.0;
/// How much neighbours may differ on average before the scale is raised, in standard deviations. 1.13 is usual (normal
/// distribution, uncorrelated); the rest is for the fluctuation of a mean of so few.
const RANGE_FREE: f32 = 1.35;
/// The correlation that a new series is suspected of, ...
const FIRST_CORRELATION: f32 = 0.75;
/// ... and how many minutes it takes to outweigh the suspicion.
const CORRELATION_PRIOR: f32 = 50.0;
const LARGEST_CORRELATION: f32 = 0.97;

/// Page's reference value `k`, in standard deviations: what a minute must exceed to add to the sum.
const ALLOWANCE: f32 = 1.0;
/// Page's decision interval `h`, in standard deviations.
const THRESHOLD: f32 = 8.0;
/// A residual counts as at most so many standard deviations: three minutes come to 3 (3.2 - 1) = 6.6 < `h`, four to 8.8.
const CLIP: f32 = 3.2;

/// A step below this is not reported, in microseconds, ...
const LEAST_STEP_US: f32 = 500.0;
/// ... nor one below this share of the level, ...
const LEAST_STEP_SHARE: f32 = 0.005;
/// ... nor one below so many standard deviations.
const LEAST_STEP_DEVIATIONS: f32 = 1.5;
/// The scale is at least this share of the least step.
const SCALE_FLOOR_SHARE: f32 = 0.25;
/// A longer gap (minutes) ends a run: what was before is no evidence of what comes after.
const LONGEST_GAP: i64 = 10;
/// A run that has come to nothing in so many minutes is a drift.
const LONGEST_RUN: u8 = 60;

/// Standard deviation over mean absolute deviation of a normal distribution: sqrt(pi / 2).
const DEVIATION_PER_MEAN: f32 = 1.253_314_1;

/// Units of the fixed-point fields.
const SUM_UNIT: f32 = 1_024.0;
const RANGE_UNIT: f32 = 256.0;
const LAST_UNIT: f32 = 32.0;
const CORRELATION_UNIT: f32 = 32_768.0;
const CORRELATION_STEPS: usize = 32;

const ALLOWANCE_UNITS: i16 = (ALLOWANCE * SUM_UNIT) as i16;
const THRESHOLD_UNITS: i16 = (THRESHOLD * SUM_UNIT) as i16;
/// The sum grows no further, so that a run whose minutes contradict each other does not live on from its past.
pub(super) const LARGEST_SUM: i16 = 2 * THRESHOLD_UNITS;
pub(super) const LARGEST_LAST: i8 = (CLIP * LAST_UNIT) as i8;

static LEVEL_WEIGHTS: [f32; LEVEL_MEMORY as usize + 1] = tables::reciprocals(1.0);
static SELF_STARTING: [f32; LEVEL_MEMORY as usize + 1] = tables::self_starting();
// Each side of the level sees half of the minutes, so it weighs twice.
static SCALE_WEIGHTS: [f32; 256] = tables::reciprocals(2.0);
static CORRELATION_WEIGHTS: [f32; 256] = tables::reciprocals(CORRELATION_PRIOR);
static SHORT_OF_LONG_RUN: [f32; CORRELATION_STEPS] = tables::short_of_long_run();

/// What one series has shown so far; `Default` is a series of which nothing was seen.
///
/// Its memory is the minutes since the level began, not a clock: the same minutes in the same order give the same steps
/// anywhere, whether the detector was stored in between ([`put`](Self::put), [`take`](Self::take)) or not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Detector {
    /// The latest minute seen, since 1970.
    pub(super) minute: i32,
    /// 1/16 µs; 0 while there is none (`seen` is 0).
    pub(super) level: u32,
    /// Standard deviation above the level, 1/16 µs.
    pub(super) up: u32,
    /// The same below the level.
    pub(super) down: u32,
    /// While there is no level: all medians so far; in a run: its latest. µs, newest last, 0 where there is none.
    pub(super) recent: [u32; RECENT],
    /// Mean difference of neighbouring minutes, 1/256 standard deviation.
    pub(super) range: u16,
    /// How far the level went since the run began, µs.
    pub(super) moved: i16,
    /// Correlation of neighbouring minutes, 1/32768.
    pub(super) correlation: i16,
    /// The CUSUM, 1/1024 standard deviation; its sign is the side. Not 0 means in a run.
    pub(super) sum: i16,
    /// The latest residual, 1/32 standard deviation.
    pub(super) last: i8,
    /// Minutes that the level is made of, up to its memory; 0: no level yet.
    pub(super) seen: u8,
    /// Minutes that the scale is made of.
    pub(super) trained: u8,
    /// Minutes since the run's first.
    pub(super) age: u8,
}

/// The level of a series moved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The first minute of the new level, in minutes (60,000,000 µs) since 1970.
    pub minute: i64,
    /// The level before, in µs: the mean of the minute medians of the last half an hour or so, without the wild ones.
    pub before_us: u32,
    /// The level after, in µs: the median of the four or five latest minute medians.
    pub after_us: u32,
    /// The size of the step over the least size that would have been reported of this series at this moment. At least 1;
    /// from 2 on it is beyond doubt.
    pub score: f32,
}

impl Detector {
    /// Takes the median of one more settled minute, and says whether the level has moved.
    ///
    /// Minutes come in ascending order; gaps are allowed. A minute that is not later than the latest is ignored, and so is
    /// one beyond the year 6053. Medians are taken to be between 1 µs and 268 s.
    pub fn observe(&mut self, minute: i64, median_us: u32) -> Option<Step> {
        let minute = i32::try_from(minute).ok()?;
        let gap = i64::from(minute) - i64::from(self.minute);
        if gap <= 0 && *self != Self::default() {
            return None;
        }
        self.minute = minute;
        let median_us = median_us.clamp(1, LARGEST_US);
        if self.seen == 0 {
            self.begin(median_us);
            return None;
        }
        self.pass(gap);
        let least = (LEAST_STEP_US * FINE as f32).max(self.level as f32 * LEAST_STEP_SHARE);
        let residual = (i64::from(median_us * FINE) - i64::from(self.level)) as f32;
        let deviation = if residual > 0.0 { self.up } else { self.down } as f32;
        let scale = deviation.max(least * SCALE_FLOOR_SHARE);
        let plain = residual / scale;
        let trust = self.trust();
        let scored = (plain * trust * SELF_STARTING[usize::from(self.seen)]).clamp(-CLIP, CLIP);
        let plain = plain.clamp(-CLIP, CLIP);
        let moved = self.follow(plain * scale);
        self.learn(plain, scale);
        self.add(scored, median_us, moved);
        let alarm = self.sum.abs() >= THRESHOLD_UNITS || self.age > LONGEST_RUN;
        if !alarm || self.trained < WARM_UP {
            return None;
        }
        self.judge(least.max(scale / trust * LEAST_STEP_DEVIATIONS))
    }

    /// Collects the first medians; the last of them makes the level and the scale.
    fn begin(&mut self, median_us: u32) {
        self.remember(median_us);
        if self.recent[0] == 0 {
            return;
        }
        let (_, middle, _) = middles(&self.recent);
        let apart: u64 = self.recent.iter().map(|median| u64::from(median.abs_diff(middle))).sum();
        // The mean over one less than there are, and DEVIATION_PER_MEAN is 5/4.
        let deviation = apart * u64::from(FINE) * 5 / 16;
        self.level = middle * FINE;
        self.up = u32::try_from(deviation).unwrap_or(u32::MAX);
        self.down = self.up;
        self.correlation = (FIRST_CORRELATION * CORRELATION_UNIT) as i16;
        self.seen = RECENT as u8;
        self.trained = RECENT as u8;
        self.recent = [0; RECENT];
    }

    /// Time passes; after a long gap nothing that was suspected before holds.
    fn pass(&mut self, gap: i64) {
        if gap > LONGEST_GAP {
            self.last = 0;
            self.close();
        } else if self.sum != 0 {
            self.age = self.age.saturating_add(gap as u8);
        }
    }

    /// What a residual's standard deviation is multiplied by because minutes are correlated or wilder than they were.
    fn trust(&self) -> f32 {
        let step = self.correlation.max(0) as usize * CORRELATION_STEPS / CORRELATION_UNIT as usize;
        let range = f32::from(self.range) * (1.0 / (RANGE_UNIT * RANGE_FREE));
        let short_of_long_run = SHORT_OF_LONG_RUN[step];
        if range > 1.0 { short_of_long_run / range } else { short_of_long_run }
    }

    /// Moves the level towards a clipped residual (1/16 µs). Returns by how much, in µs.
    fn follow(&mut self, clipped: f32) -> i16 {
        let step = nearest(clipped * LEVEL_WEIGHTS[usize::from(self.seen)]);
        self.level = self.level.saturating_add_signed(step);
        self.seen = (self.seen + 1).min(LEVEL_MEMORY);
        (step / FINE as i32).clamp(i16::MIN.into(), i16::MAX.into()) as i16
    }

    /// Learns scale, range and correlation from a clipped residual, given in standard deviations.
    fn learn(&mut self, plain: f32, scale: f32) {
        let trained = usize::from(self.trained);
        let side = if plain > 0.0 { &mut self.up } else { &mut self.down };
        let surplus = plain.abs() * scale * DEVIATION_PER_MEAN - *side as f32;
        *side = side.saturating_add_signed(nearest(surplus * 2.0 * SCALE_WEIGHTS[trained]));

        let last = f32::from(self.last) * (1.0 / LAST_UNIT);
        let surplus = (plain - last).abs() * RANGE_UNIT - f32::from(self.range);
        self.range = self.range.saturating_add_signed(nearest(surplus * (1.0 / RANGE_MEMORY)) as i16);

        let correlation = f32::from(self.correlation) * (1.0 / CORRELATION_UNIT);
        let better = correlation + last * (plain - correlation * last) * CORRELATION_WEIGHTS[trained];
        let bounded = better.clamp(-LARGEST_CORRELATION, LARGEST_CORRELATION);
        self.correlation = nearest(bounded * CORRELATION_UNIT) as i16;
        self.last = (plain * LAST_UNIT) as i8;
        self.trained = self.trained.saturating_add(1);
    }

    /// One step of the CUSUM. A side that falls to zero ends its run; the same minute may begin one of the other side.
    fn add(&mut self, scored: f32, median_us: u32, moved: i16) {
        let scored = nearest(scored * SUM_UNIT) as i16;
        let side = self.sum.signum();
        let sum = (self.sum.abs() + side * scored - ALLOWANCE_UNITS).clamp(0, LARGEST_SUM);
        if side != 0 && sum > 0 {
            self.sum = side * sum;
            self.moved = self.moved.saturating_add(moved);
            self.remember(median_us);
            return;
        }
        self.close();
        let excess = scored.abs() - ALLOWANCE_UNITS;
        if excess > 0 {
            self.sum = scored.signum() * excess;
            self.moved = moved;
            self.remember(median_us);
        }
    }

    fn remember(&mut self, median_us: u32) {
        self.recent.rotate_left(1);
        self.recent[RECENT - 1] = median_us;
    }

    /// Ends the run.
    fn close(&mut self) {
        self.sum = 0;
        self.age = 0;
        self.moved = 0;
        self.recent = [0; RECENT];
    }

    /// The sum has passed the threshold: is it a step of at least `bound` (1/16 µs)?
    #[cold]
    fn judge(&mut self, bound: f32) -> Option<Step> {
        let missing = self.recent.iter().take_while(|median| **median == 0).count();
        let run = &self.recent[missing..];
        let before = self.level.saturating_add_signed(-i32::from(self.moved) * FINE as i32);
        let side = f32::from(self.sum.signum());
        let size = |median: u32| (i64::from(median * FINE) - i64::from(before)) as f32 * side;
        let (lower, middle, upper) = middles(run);
        // Of an even number, the one nearer to the old level: two wild minutes of four are no new level.
        let cautious = size(if self.sum > 0 { lower } else { upper });
        let contradicting = run.iter().filter(|median| size(**median) < bound / 2.0).count();
        let in_time = self.age <= LONGEST_RUN;
        let holds = cautious >= bound && contradicting <= 1;
        if !holds && in_time && size(self.recent[RECENT - 1]) >= bound {
            // The run may have begun with ordinary minutes just before the step: the next ones will tell.
            return None;
        }
        let step = Step {
            minute: i64::from(self.minute) - i64::from(self.age),
            before_us: before.saturating_add(FINE / 2) / FINE,
            after_us: middle,
            score: cautious / bound,
        };
        self.level = middle * FINE;
        self.seen = run.len() as u8;
        self.trained = self.trained.min(TRAINED_AFTER);
        self.close();
        (holds && in_time).then_some(step)
    }
}

/// The lower middle, the median and the upper middle of one to five values.
fn middles(values: &[u32]) -> (u32, u32, u32) {
    let mut sorted = [0; RECENT];
    let sorted = &mut sorted[..values.len()];
    sorted.copy_from_slice(values);
    sorted.sort_unstable();
    let (lower, upper) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    (lower, lower.midpoint(upper), upper)
}

/// The nearest integer; `f32::round` is a call into the C library where the processor is not known to have an instruction.
fn nearest(value: f32) -> i32 {
    (value + 0.5_f32.copysign(value)) as i32
}
