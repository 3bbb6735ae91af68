//! Hostile statements, in a process of their own so that its memory can be measured, while someone else asks for the live matrix.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::common::*;

/// What the process may take at its most: the statements' memory, the batches in their hands, and the program itself, which is not optimised.
const PEAK_BYTES: u64 = 1_200 << 20;
/// What all statements together may keep.
const MEMORY_BYTES: usize = 128 << 20;
const WALL_TIME: Duration = Duration::from_millis(1500);
/// No statement takes longer than this to be answered or refused: planning is not stopped by the time, but bounded by the length.
const ANSWER_TIME: Duration = Duration::from_secs(20);
/// Until a statement that was given up gives its place back.
const PLACE_TIME: Duration = Duration::from_secs(60);
/// The live answers' limit. The program is not optimised, and the machine may be busy.
const LIVE_TIME: Duration = Duration::from_secs(1);
/// The test that runs them.
const CHILD: &str = "abuse::hostile_statements";

/// The statements, with what stands for repetitions written out.
fn statements() -> Vec<String> {
    let lines = include_str!("hostile.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(expanded).collect()
}

fn expanded(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, more)) = rest.split_once('{') {
        out.push_str(before);
        let times = more.split_once('*').and_then(|(times, more)| Some((times.parse::<usize>().ok()?, more)));
        match times.and_then(|(times, more)| Some((times, more.split_once('}')?))) {
            Some((times, (text, after))) => {
                out.push_str(&text.repeat(times));
                rest = after;
            }
            None => {
                out.push('{');
                rest = more;
            }
        }
    }
    out + rest
}

#[test]
fn repetitions_are_written_out() {
    assert_eq!(expanded("a{3*bc}d{2*)}"), "abcbcbcd))");
    assert_eq!(expanded("x{1,100}"), "x{1,100}");
    assert!(statements().len() >= 200, "{}", statements().len());
}

/// The greatest memory that this process ever had.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "runs in a process of its own, started by the test below"]
async fn hostile_statements() {
    let world = Arc::new({
        let world = archived_with(|settings| {
            (settings.sql.memory_bytes, settings.sql.spill_bytes) = (MEMORY_BYTES, 64 << 20);
            settings.sql.wall_time = WALL_TIME;
            settings.sql.queue_time = Duration::from_secs(2);
        })
        .await;
        world.fill().await;
        world
    });
    let done = Arc::new(AtomicBool::new(false));
    let live = tokio::spawn(asking(Arc::clone(&world), Arc::clone(&done)));
    let (mut before, mut slowest) = (peak(), Duration::ZERO);
    for statement in statements() {
        let start: String = statement.chars().take(100).collect();
        let (answer, took) = answered_at_last(&world, &statement).await;
        slowest = slowest.max(took);
        let risen = peak().saturating_sub(before) >> 20;
        before = peak();
        if risen > 20 || took > WALL_TIME {
            println!("{start}: {} in {took:?}, memory rose by {risen} MiB", answer.status);
        }
        let known = [200, 400, 413, 422].contains(&answer.status.as_u16());
        assert!(known, "{start}: {} {}", answer.status, &answer.body[..answer.body.len().min(300)]);
        assert!(took < ANSWER_TIME, "{start}: {took:?}");
        for secret in ["root:", "/tables", "file:/", world.folder.path().to_str().unwrap()] {
            assert!(
                statement.contains(secret) || !answer.body.contains(secret),
                "{start}: {secret} in {}",
                answer.body
            );
        }
    }
    done.store(true, Ordering::Relaxed);
    let slowest_live = live.await.unwrap();
    println!("peak {} MiB, slowest statement {slowest:?}, slowest live answer {slowest_live:?}", peak() >> 20);
    assert!(peak() < PEAK_BYTES, "{} MiB", peak() >> 20);
    assert!(slowest_live < LIVE_TIME, "{slowest_live:?}");
    assert_eq!(world.sql("select count(*) from samples").await.ok()["rows"][0][0], 124);
}

/// The answer, and how long it took. The planning of the statements before may still hold every place for a while.
async fn answered_at_last(world: &World, statement: &str) -> (Answer, Duration) {
    let first = Instant::now();
    loop {
        let started = Instant::now();
        let answer = world.sql(statement).await;
        if answer.status != 429 {
            return (answer, started.elapsed());
        }
        assert!(first.elapsed() < PLACE_TIME, "statements before this one still hold every place: {statement}");
    }
}

/// Asks for the matrix until the statements are done; the longest that it took.
async fn asking(world: Arc<World>, done: Arc<AtomicBool>) -> Duration {
    let mut slowest = Duration::ZERO;
    while !done.load(Ordering::Relaxed) {
        let started = Instant::now();
        world.get("/api/v1/matrix").await.ok();
        slowest = slowest.max(started.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    slowest
}

#[test]
fn hostile_statements_are_bounded() {
    let program = std::env::current_exe().unwrap();
    let arguments = ["--exact", CHILD, "--ignored", "--nocapture"];
    let output = Command::new(program).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success());
    assert!(text.contains("1 passed"), "the statements were not run");
}
