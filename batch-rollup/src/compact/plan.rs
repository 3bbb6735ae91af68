//! Which files to make into fewer: a decision over what the table's log says, nothing read and nothing written.
//!
//! Files grow like the levels of a log-structured merge: those of a closed hour become one, those of a closed day a few large ones in the order of
//! pairs. A file is rewritten only together with others that hold a tenth of its rows at least, so a late round never costs a day: late files
//! gather first. In the usual course a sample is thus written three times: by the archiver, with its hour and with its day.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate, NaiveTime};
use cloudping_model::{Pane, UtcMicros};

use crate::Table;

/// Files that are left alone when there are fewer: two or three small ones beside a large one cost a reader little.
const MIN_UNITS: usize = 4;
/// A file is rewritten only with others that hold at least one part in so many of its rows.
const SHARE: u64 = 10;

/// What decides about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The value of the partition column, as the log has it; empty where there is none.
    pub(crate) partition: String,
    /// The hour of its last row.
    pub(crate) last_hour: Option<UtcMicros>,
    /// Its size.
    pub(crate) bytes: u64,
    /// Its rows.
    pub(crate) rows: u64,
}

/// From when on, and how far, files are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// After its end an hour is closed, in microseconds.
    pub(crate) hour_grace_us: i64,
    /// After its end a day is closed, in microseconds.
    pub(crate) day_grace_us: i64,
    /// Where a file may be cut in two. One of half as many bytes is full: it is rewritten only with all full ones of its partition.
    pub(crate) file_bytes: u64,
    /// Files that are read at once at most: each takes memory.
    pub(crate) fan_in: usize,
}

/// Files of one partition to put into the order of pairs together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    /// The partition's value.
    pub(crate) partition: String,
    /// Places in the list of candidates, ascending.
    pub(crate) files: Vec<usize>,
    /// Whether the result may be cut into several files. An hour's is not: only whole files tell what is still to be merged.
    pub(crate) cut: bool,
}

/// The jobs that a table needs now. They share no file, so they can be done in any order; afterwards there may be more to do.
///
/// Doing all that is asked for, again and again, comes to an end: every job leaves fewer files that are not full.
pub(crate) fn plan(table: Table, candidates: &[Candidate], now: UtcMicros, bounds: &Bounds) -> Vec<Job> {
    let mut partitions: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (nth, file) in candidates.iter().enumerate() {
        partitions.entry(&file.partition).or_default().push(nth);
    }
    let mut jobs = Vec::new();
    for (partition, files) in partitions {
        let groups = match table {
            Table::Samples if files.len() > bounds.fan_in || !is_closed(partition, now, bounds.day_grace_us) => {
                closed_hours(candidates, &files, now, bounds)
            }
            Table::Rollup1h if !is_closed(partition, now, bounds.day_grace_us) => Vec::new(),
            // A month gets little: it need not be closed.
            _ => vec![(files, true)],
        };
        let worth = groups.into_iter().filter_map(|(files, cut)| {
            let files = worth_merging(candidates, &files, bounds)?;
            Some(Job { partition: partition.to_owned(), files, cut })
        });
        jobs.extend(worth);
    }
    jobs
}

/// The files of each closed hour. When all hours of a closed day are done and there are still too many files, the day itself.
fn closed_hours(candidates: &[Candidate], files: &[usize], now: UtcMicros, bounds: &Bounds) -> Vec<(Vec<usize>, bool)> {
    let mut hours: BTreeMap<UtcMicros, Vec<usize>> = BTreeMap::new();
    for &file in files {
        if let Some(hour) = candidates[file].last_hour {
            hours.entry(hour).or_default().push(file);
        }
    }
    hours.retain(|hour, _| *hour + Pane::Hour.micros() + bounds.hour_grace_us <= now);
    let closed: Vec<_> =
        hours.into_values().filter(|files| worth_merging(candidates, files, bounds).is_some()).collect();
    let whole_day = || is_closed(&candidates[files[0]].partition, now, bounds.day_grace_us);
    if closed.is_empty() && whole_day() {
        return vec![(files.to_vec(), true)];
    }
    closed.into_iter().map(|files| (files, false)).collect()
}

/// Whether a day is over since the grace; a partition that is no day never is.
fn is_closed(partition: &str, now: UtcMicros, grace_us: i64) -> bool {
    let day = NaiveDate::parse_from_str(partition, "%Y-%m-%d").ok();
    let end =
        day.and_then(|day| day.checked_add_days(Days::new(1))).map(|next| next.and_time(NaiveTime::MIN).and_utc());
    end.is_some_and(|end| now.0 >= end.timestamp_micros().saturating_add(grace_us))
}

/// Those of a group's files that should become one; none where it does not pay.
///
/// Taken are the smallest, up to the last that the others make up [`SHARE`] of. All full files count as one, the largest.
fn worth_merging(candidates: &[Candidate], group: &[usize], bounds: &Bounds) -> Option<Vec<usize>> {
    let is_full = |file: &&usize| candidates[**file].bytes >= bounds.file_bytes / 2;
    let rows = |file: &usize| candidates[*file].rows;
    let (full, mut small): (Vec<usize>, Vec<usize>) = group.iter().partition(is_full);
    small.sort_by_key(rows);
    let mut units: Vec<Vec<usize>> = small.into_iter().take(bounds.fan_in).map(|file| vec![file]).collect();
    let alone = full.is_empty();
    let fits = units.len() + full.len() <= bounds.fan_in;
    if !alone && fits {
        units.push(full);
    }
    let mut below = 0_u64;
    let mut taken = 0;
    for (nth, unit) in units.iter().enumerate() {
        let rows: u64 = unit.iter().map(rows).sum();
        if nth > 0 && rows <= below.saturating_mul(SHARE) {
            taken = nth + 1;
        }
        below += rows;
    }
    let into_one = alone && taken == group.len() && taken >= 2;
    if !into_one && taken < MIN_UNITS {
        return None;
    }
    let mut files: Vec<usize> = units.into_iter().take(taken).flatten().collect();
    files.sort_unstable();
    Some(files)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600_000_000;
    const DAY: i64 = 24 * HOUR;
    const BOUNDS: Bounds = Bounds { hour_grace_us: HOUR / 4, day_grace_us: HOUR, file_bytes: 1_000_000, fan_in: 8 };

    fn file(hour: i64, bytes: u64) -> Candidate {
        Candidate {
            partition: "1970-01-02".to_owned(),
            last_hour: Some(UtcMicros(DAY + hour * HOUR)),
            bytes,
            rows: bytes,
        }
    }

    fn taken(table: Table, files: &[Candidate], now: i64) -> Vec<Vec<usize>> {
        plan(table, files, UtcMicros(now), &BOUNDS).into_iter().map(|job| job.files).collect()
    }

    #[test]
    fn an_hour_is_merged_once_it_is_closed() {
        let files: Vec<_> = [0, 0, 1, 1, 0].map(|hour| file(hour, 10)).into();
        let end = DAY + HOUR + HOUR / 4;
        assert!(taken(Table::Samples, &files, end - 1).is_empty());
        assert_eq!(taken(Table::Samples, &files, end), [vec![0, 1, 4]]);
        assert_eq!(taken(Table::Samples, &files, end + HOUR), [vec![0, 1, 4], vec![2, 3]]);
        assert!(plan(Table::Samples, &files, UtcMicros(end), &BOUNDS).iter().all(|job| !job.cut));
    }

    #[test]
    fn a_day_is_merged_once_it_is_closed() {
        let files: Vec<_> = (0..5).map(|hour| file(hour, 100)).collect();
        let end = 2 * DAY + HOUR;
        for table in [Table::Samples, Table::Rollup1h] {
            assert!(taken(table, &files, end - 1).is_empty());
            assert_eq!(taken(table, &files, end), [vec![0, 1, 2, 3, 4]]);
        }
        assert_eq!(taken(Table::Changes, &files, 0), [vec![0, 1, 2, 3, 4]], "a month need not be closed");
        assert!(plan(Table::Samples, &files, UtcMicros(end), &BOUNDS)[0].cut);
    }

    #[test]
    fn a_day_of_many_files_is_merged_by_the_hour_first() {
        let files: Vec<_> = (0..12).map(|nth| file(nth / 4, 100)).collect();
        let jobs = taken(Table::Samples, &files, 3 * DAY);
        assert_eq!(jobs, [vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![8, 9, 10, 11]]);
        let each_its_own: Vec<_> = (0..12).map(|hour| file(hour, 100)).collect();
        assert_eq!(
            taken(Table::Samples, &each_its_own, 3 * DAY),
            [(0..8).collect::<Vec<_>>()],
            "as many as are read at once"
        );
    }

    #[test]
    fn a_late_file_does_not_cost_a_day() {
        let mut files = vec![file(20, 100_000), file(3, 100), file(3, 90), file(4, 80)];
        assert!(taken(Table::Samples, &files, 3 * DAY).is_empty(), "few small ones are left alone");
        files.push(file(5, 70));
        assert_eq!(taken(Table::Samples, &files, 3 * DAY), [vec![1, 2, 3, 4]], "they gather");
        files.push(file(6, 9_660));
        assert_eq!(taken(Table::Samples, &files, 3 * DAY), [vec![0, 1, 2, 3, 4, 5]], "a tenth of the day is worth it");
    }

    #[test]
    fn a_sorted_day_of_full_files_is_left_alone() {
        let mut files = vec![file(23, 1_100_000), file(23, 1_050_000), file(23, 800_000), file(23, 400_000)];
        assert!(taken(Table::Samples, &files, 3 * DAY).is_empty());
        files.extend([file(1, 10), file(2, 10), file(3, 10)]);
        assert_eq!(taken(Table::Samples, &files, 3 * DAY), [vec![0, 1, 2, 3, 4, 5, 6]], "with the rest, that is large");
        files[3] = file(23, 10);
        assert_eq!(taken(Table::Samples, &files, 3 * DAY), [vec![3, 4, 5, 6]], "among themselves");
    }

    /// What a job leaves behind.
    fn done(files: &mut Vec<Candidate>, job: &Job, bounds: &Bounds) {
        let inputs: Vec<_> = job.files.iter().map(|file| files[*file].clone()).collect();
        let mut nth = 0;
        files.retain(|_| {
            nth += 1;
            !job.files.contains(&(nth - 1))
        });
        let mut bytes: u64 = inputs.iter().map(|file| file.bytes).sum();
        let last_hour = inputs.iter().filter_map(|file| file.last_hour).max();
        let cut = if job.cut { bounds.file_bytes } else { u64::MAX };
        while bytes > 0 {
            let part = bytes.min(cut);
            files.push(Candidate { partition: job.partition.clone(), last_hour, bytes: part, rows: part });
            bytes -= part;
        }
    }

    proptest! {
        #[test]
        fn it_comes_to_an_end_with_few_files(
            sizes in vec((0..24_i64, prop_oneof![1..100_u64, 1..100_000_u64, 1..3_000_000_u64]), 0..80),
        ) {
            let mut files: Vec<_> = sizes.into_iter().map(|(hour, bytes)| file(hour, bytes)).collect();
            let total: u64 = files.iter().map(|file| file.bytes).sum();
            let mut jobs = 0;
            while let Some(job) = plan(Table::Samples, &files, UtcMicros(3 * DAY), &BOUNDS).first() {
                let small = |files: &[Candidate]| files.iter().filter(|file| file.bytes < BOUNDS.file_bytes / 2).count();
                let before = small(&files);
                prop_assert!(job.files.len() <= BOUNDS.fan_in);
                done(&mut files, job, &BOUNDS);
                prop_assert!(small(&files) < before);
                jobs += 1;
            }
            prop_assert!(jobs < 80);
            prop_assert_eq!(files.iter().map(|file| file.bytes).sum::<u64>(), total);
            let small = files.iter().filter(|file| file.bytes < BOUNDS.file_bytes / 2).count();
            // Each more than ten times as large as all before it, but for the first few.
            prop_assert!(small <= MIN_UNITS + 6, "{} small files", small);
        }
    }
}
