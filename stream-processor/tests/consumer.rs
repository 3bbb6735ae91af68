//! Workers that share the shards of a log: whoever joins, leaves, dies, sleeps or fails, while shards split and merge, the live store is
//! that of one processor that read everything once.

mod common;
mod fleet;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cloudping_model::UtcMicros;
use cloudping_ports::{Change, CommitError, EventLog, Expect, Key, LiveStore, MAX_WRITES_PER_COMMIT, ShardId, Write};
use cloudping_schemas::event;
use cloudping_schemas::stored::{LeaseItem, keys};
use cloudping_stream_processor::{ALLOWED_LATENESS_US, Fence, Fenced, Surroundings, run};
use cloudping_testkit::{FaultPlan, Faulty, MemoryStore, Operation, When};
use common::check;
use fleet::{Running, World, rounds};
use tokio::sync::watch;

const LONG: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn three_workers_share_any_number_of_shards_and_do_nothing_twice() {
    let rounds = rounds();
    for shards in 1..=8 {
        let world = World::new(shards);
        let workers = ["a", "b", "c"].map(|name| Running::on(name, &world.machine(None)));
        world.produce(&rounds).await;
        world.settle(&rounds).await;
        tokio::time::sleep(LONG).await;
        let shares = world.shares().await;
        // A split and a merge leave as many open shards as there were.
        let counts = || shares.iter().map(|(_, count)| *count);
        assert_eq!(counts().sum::<usize>(), shards, "{shares:?}");
        assert_eq!((counts().max(), counts().count()), (Some(shards.div_ceil(3)), shards.min(3)), "{shares:?}");
        let before = world.leases().await;
        tokio::time::sleep(LONG).await;
        assert_eq!(world.leases().await, before, "leases move although nothing happened");
        for worker in workers {
            worker.shut_down().await;
        }
        assert_eq!((world.duplicates().await, world.signs_of_life().await), (0, Vec::new()));
        check(&world.store, &rounds, 0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn workers_come_and_go() {
    let (rounds, world) = (rounds(), World::new(4));
    let first = Running::on("a", &world.machine(None));
    world.produce(&rounds[..120]).await;
    assert_eq!(world.shares().await, [("a".to_owned(), 4)]);
    let second = Running::on("b", &world.machine(None));
    tokio::time::sleep(LONG).await;
    assert_eq!(world.shares().await, [("a".to_owned(), 2), ("b".to_owned(), 2)]);
    world.produce(&rounds[120..240]).await;
    first.shut_down().await;
    // Who takes leave is not waited for: the other takes over at its next look.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(world.shares().await, [("b".to_owned(), 4)]);
    world.produce(&rounds[240..]).await;
    world.settle(&rounds).await;
    assert_eq!(world.duplicates().await, 0);
    second.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_killed_at_any_call_changes_no_number() {
    let (rounds, mut kills) = (rounds(), 0);
    for when in [When::BeforeActing, When::AfterActing] {
        for call in 1.. {
            let world = World::new(2);
            let machine = world.machine(Some((call, when)));
            let victim = Running::on("a", &machine);
            let others = ["b", "c"].map(|name| Running::on(name, &world.machine(None)));
            let kill = async {
                machine.stopped().await;
                victim.task.abort();
            };
            let work = async {
                world.produce(&rounds).await;
                world.settle(&rounds).await;
            };
            tokio::select! {
                () = async { kill.await; std::future::pending().await } => {}
                () = work => {}
            }
            for worker in others {
                worker.shut_down().await;
            }
            if !machine.has_stopped() {
                // It may come to that call yet.
                machine.wake();
                victim.shut_down().await;
                break;
            }
            kills += 1;
        }
    }
    assert!(kills > 200, "{kills} kills");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_wakes_from_the_dead_is_refused() {
    let (rounds, mut refused) = (rounds(), 0);
    for call in 1.. {
        let world = World::new(2);
        let machine = world.machine(Some((call, When::BeforeActing)));
        let zombie = Running::on("a", &machine);
        let others = ["b", "c"].map(|name| Running::on(name, &world.machine(None)));
        world.produce(&rounds).await;
        world.settle(&rounds).await;
        let asleep = machine.has_stopped();
        if asleep {
            world.wait_until_without_leases("a").await;
            machine.wake();
            tokio::time::sleep(LONG).await;
            for commit in machine.overslept() {
                let key = commit.expect_err("a commit under a lease that was lost took effect");
                assert_eq!(key.partition, keys::LEASES, "call {call}");
                refused += 1;
            }
            check(&world.store, &rounds, call).await;
            // It is one of them again.
            assert_eq!(world.signs_of_life().await, ["a", "b", "c"]);
        }
        machine.wake();
        for worker in others.into_iter().chain([zombie]) {
            worker.shut_down().await;
        }
        if !asleep {
            break;
        }
    }
    assert!(refused > 1, "{refused} commits refused: the test tests little");
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_any_call_changes_no_number() {
    use Operation::{Commit, Get, List, Read, Shards};
    let rounds = rounds();
    for when in [When::BeforeActing, When::AfterActing] {
        for (operation, call) in
            [Shards, Read, Get, List, Commit].map(|of| (1..24).map(move |call| (of, call))).into_iter().flatten()
        {
            let world = World::new(2);
            let plan = FaultPlan::none().fail(operation, call, when).fail(operation, call + 1, when);
            let log = Arc::new(Faulty::new(world.machine(None), plan.clone()));
            let store = Arc::new(Faulty::new(world.store.clone(), plan));
            let one = Running::start("a", log, store);
            let other = Running::on("b", &world.machine(None));
            world.produce(&rounds).await;
            world.settle(&rounds).await;
            one.shut_down().await;
            other.shut_down().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_log_has_forgotten_comes_to_an_end() {
    let (rounds, world) = (rounds(), World::new(1));
    let whole = world.log.shards().await.unwrap().remove(0).id;
    world.log.append("v0", Bytes::from(event::encode(&rounds[0]))).await.unwrap();
    let halves = world.log.split(&whole);
    let lease = Write {
        key: Key::new(keys::LEASES, whole.0.clone()),
        expect: Expect::Absent,
        change: Change::Put(Bytes::from(LeaseItem { owner: Some("dead".to_owned()), finished: false }.encode())),
    };
    world.store.commit(vec![lease]).await.unwrap();
    // Its owner died, and its records expired before anybody else came.
    world.log.expire(&whole);
    let worker = Running::on("a", &world.machine(None));
    tokio::time::sleep(LONG).await;
    assert_eq!(world.leases().await.into_keys().collect::<Vec<_>>(), halves);
    // A shard that was read leaves its checkpoint; both go when the log forgets it.
    world.log.append("v0", Bytes::from(event::encode(&rounds[6]))).await.unwrap();
    let merged = world.log.merge(&halves[0], &halves[1]);
    tokio::time::sleep(LONG).await;
    let checkpoints = async || world.store.list(keys::CHECKPOINTS, keys::ALL).await.unwrap().len();
    assert_eq!((world.leases().await.len(), checkpoints().await), (3, 1));
    halves.iter().for_each(|half| world.log.expire(half));
    tokio::time::sleep(LONG).await;
    assert_eq!(world.leases().await.into_keys().collect::<Vec<_>>(), [merged]);
    assert_eq!((world.counted().await, checkpoints().await), (1, 0));
    worker.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_workers_sign_of_life_is_cleared_away() {
    let world = World::new(1);
    let (one, other) = (Running::on("a", &world.machine(None)), Running::on("b", &world.machine(None)));
    tokio::time::sleep(LONG).await;
    one.task.abort();
    tokio::time::sleep(LONG).await;
    assert_eq!(world.signs_of_life().await, ["a", "b"]);
    tokio::time::sleep(LONG).await;
    assert_eq!(world.signs_of_life().await, ["b"]);
    other.shut_down().await;
}

#[tokio::test]
async fn a_single_process_without_leases_reads_parents_first_too() {
    let (rounds, world) = (rounds(), World::new(3));
    let producing = world.produce(&rounds);
    let (stop, shutdown) = watch::channel(false);
    let machine = world.machine(None);
    let surroundings = Surroundings {
        log: machine.clone(),
        store: machine,
        clock: || UtcMicros(i64::MAX),
        allowed_lateness_us: ALLOWED_LATENESS_US,
        news: None,
    };
    // It finds the split and the merge in the past: all shards are listed from the start.
    tokio::time::pause();
    producing.await;
    stop.send_replace(true);
    run(surroundings, shutdown).await;
    check(&world.store, &rounds, 0).await;
    assert_eq!(world.duplicates().await, 0);
    assert_eq!(world.reads_too_early(), Vec::<String>::new());
}

#[tokio::test]
async fn a_fence_takes_one_place_of_a_commit() {
    let store = Arc::new(MemoryStore::new());
    let shard = ShardId("0".to_owned());
    let put = |key: Key| Write { key, expect: Expect::Absent, change: Change::Put(Bytes::from_static(b"v")) };
    let puts = |count: usize| (0..count).map(|n| put(Key::new("p", n.to_string()))).collect::<Vec<_>>();
    let fence = Fence::of(&shard, 1);
    let fenced = Fenced::new(store.clone(), fence.clone());
    // Not taken yet, taken, and lost.
    let conflict =
        |refused: Result<(), CommitError>| matches!(refused, Err(CommitError::Conflict(key)) if key == fence.key);
    assert!(conflict(fenced.commit(puts(1)).await));
    store.commit(vec![put(fence.key.clone())]).await.unwrap();
    assert!(matches!(fenced.commit(puts(MAX_WRITES_PER_COMMIT)).await, Err(CommitError::Invalid(_))));
    assert!(matches!(fenced.commit(Vec::new()).await, Err(CommitError::Invalid(_))));
    fenced.commit(puts(MAX_WRITES_PER_COMMIT - 1)).await.unwrap();
    let lost = Write { expect: Expect::Version(1), ..put(fence.key.clone()) };
    store.commit(vec![lost]).await.unwrap();
    assert!(conflict(fenced.commit(vec![put(Key::new("q", "1"))]).await));
    assert_eq!(fenced.get(&Key::new("q", "1")).await.unwrap(), None);
}
