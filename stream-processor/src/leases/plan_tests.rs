//! What a worker decides, case by case; and a world of workers that join, crash, fall asleep and act on what they saw long ago.

use std::collections::{BTreeMap, BTreeSet};

use cloudping_ports::{Expect, Shard, ShardId};
use cloudping_schemas::stored::LeaseItem;
use proptest::prelude::*;

use super::plan::{Action, View, decide, has_readable_parents};
use super::roll_call::{LOOKS_PER_LEASE, RollCall, Sign};
use super::table::{Lease, Leases};

fn id(shard: &str) -> ShardId {
    ShardId(shard.to_owned())
}

fn lease(version: u64, owner: Option<&str>, finished: bool) -> Lease {
    Lease { version, item: LeaseItem { owner: owner.map(str::to_owned), finished } }
}

fn owned(owners: &[(&str, &str)]) -> Leases {
    owners.iter().map(|(shard, owner)| (id(shard), lease(3, Some(owner), false))).collect()
}

/// What a worker wants that reads all that it owns.
fn wants(me: &str, shards: &[Shard], leases: &Leases, live: &[&str]) -> Vec<Action> {
    let mine = leases.iter().filter(|(_, lease)| lease.item.owner.as_deref() == Some(me));
    let held = mine.map(|(shard, lease)| (shard.clone(), lease.version)).collect();
    let live = live.iter().map(|worker| (*worker).to_owned()).collect();
    decide(&View { me, shards, leases, live: &live, held: &held })
}

fn open(shards: &[&str]) -> Vec<Shard> {
    shards.iter().map(|shard| Shard::open(id(shard))).collect()
}

fn take(shard: &str, expect: Expect, from: Option<&str>) -> Action {
    Action::Take { shard: id(shard), expect, from: from.map(str::to_owned) }
}

#[test]
fn what_nobody_reads_is_shared_out() {
    let shards = open(&["1", "2", "3"]);
    let new = |shard| take(shard, Expect::Absent, None);
    assert_eq!(wants("a", &shards, &Leases::new(), &["a"]), ["1", "2", "3"].map(new));
    assert_eq!(wants("a", &shards, &Leases::new(), &["a", "b"]), ["1", "2"].map(new));
    assert_eq!(wants("b", &shards, &Leases::new(), &["a", "b"]), ["3"].map(new));
    // The owner is dead.
    let leases = owned(&[("1", "c"), ("2", "a"), ("3", "b")]);
    assert_eq!(wants("a", &shards, &leases, &["a", "b"]), [take("1", Expect::Version(3), None)]);
    assert_eq!(wants("b", &shards, &leases, &["a", "b"]), []);
}

#[test]
fn one_lease_at_a_time_is_taken_from_who_has_more_than_a_share() {
    let shards = open(&["1", "2", "3", "4"]);
    let leases = owned(&[("1", "a"), ("2", "a"), ("3", "a"), ("4", "a")]);
    assert_eq!(wants("b", &shards, &leases, &["a", "b"]), [take("3", Expect::Version(3), Some("a"))]);
    // Several at once want different ones.
    assert_eq!(wants("b", &shards, &leases, &["a", "b", "c"]), [take("3", Expect::Version(3), Some("a"))]);
    assert_eq!(wants("c", &shards, &leases, &["a", "b", "c"]), [take("4", Expect::Version(3), Some("a"))]);
    assert_eq!(wants("a", &shards, &leases, &["a", "b", "c"]), []);
    // Shares that differ by one are fair.
    let leases = owned(&[("1", "a"), ("2", "b"), ("3", "b"), ("4", "c")]);
    for worker in ["a", "b", "c"] {
        assert_eq!(wants(worker, &shards, &leases, &["a", "b", "c"]), [], "{worker}");
    }
}

#[test]
fn children_wait_until_each_parent_is_finished() {
    let closed = |shard| Shard { closed: true, ..Shard::open(id(shard)) };
    let merged = Shard { parents: vec![id("1"), id("2")], ..Shard::open(id("3")) };
    let shards = [closed("1"), closed("2"), merged];
    let mut leases: Leases = [(id("1"), lease(2, None, true)), (id("2"), lease(1, Some("a"), false))].into();
    assert_eq!(wants("a", &shards, &leases, &["a"]), []);
    leases.insert(id("2"), lease(2, None, true));
    assert_eq!(wants("a", &shards, &leases, &["a"]), [take("3", Expect::Absent, None)]);
    // Once the log has forgotten the parents, so are their leases.
    let shards = open(&["3"]);
    let forget = |shard| Action::Forget { shard: id(shard), version: 2 };
    assert_eq!(wants("a", &shards, &leases, &["a"]), [forget("1"), forget("2"), take("3", Expect::Absent, None)]);
}

#[test]
fn a_lease_that_changed_hands_is_dropped_and_one_that_lapsed_is_taken_again() {
    let (shards, leases) = (open(&["1", "2"]), owned(&[("1", "b"), ("2", "a")]));
    let live = ["a", "b"].map(str::to_owned).into();
    let decide = |held: BTreeMap<ShardId, u64>| {
        decide(&View { me: "a", shards: &shards, leases: &leases, live: &live, held: &held })
    };
    assert_eq!(decide([(id("1"), 2), (id("2"), 3)].into()), [Action::Drop(id("1"))]);
    assert_eq!(decide([].into()), [take("2", Expect::Version(3), None)]);
}

#[test]
fn what_was_begun_comes_to_an_end_even_if_the_log_has_forgotten_it() {
    let leases = owned(&[("1", "dead")]);
    assert_eq!(wants("a", &[], &leases, &["a"]), [take("1", Expect::Version(3), None)]);
}

#[derive(Debug, Clone)]
enum Event {
    Join,
    /// A worker looks, and decides.
    See(usize),
    /// It does the next thing that it decided.
    Act(usize),
    Crash(usize),
    Split(usize),
    Merge(usize, usize),
    /// A closed shard's owner comes to its end.
    Finish(usize),
    /// The log forgets a closed shard, finished or not.
    Expire(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let any = 0..1_000_usize;
    prop_oneof![
        1 => Just(Event::Join),
        8 => any.clone().prop_map(Event::See),
        16 => any.clone().prop_map(Event::Act),
        1 => any.clone().prop_map(Event::Crash),
        1 => any.clone().prop_map(Event::Split),
        1 => (any.clone(), any.clone()).prop_map(|(one, other)| Event::Merge(one, other)),
        2 => any.clone().prop_map(Event::Finish),
        1 => any.prop_map(Event::Expire),
    ]
}

#[derive(Default)]
struct SimWorker {
    name: String,
    beat: u64,
    roll_call: RollCall,
    held: BTreeMap<ShardId, u64>,
    wanted: Vec<Action>,
}

#[derive(Default)]
struct World {
    born: usize,
    workers: Vec<SimWorker>,
    signs: BTreeMap<String, Sign>,
    made: usize,
    shards: Vec<Shard>,
    leases: Leases,
    /// Every shard that was finished, for ever.
    finished: BTreeSet<ShardId>,
    /// The parents of every shard, for ever.
    parents: BTreeMap<ShardId, Vec<ShardId>>,
}

impl World {
    fn new(shards: usize) -> Self {
        let mut world = Self::default();
        (0..shards).for_each(|_| world.make(Vec::new()));
        world.join();
        world
    }

    fn make(&mut self, parents: Vec<ShardId>) {
        let shard = Shard { id: ShardId(format!("{:03}", self.made)), parents, closed: false };
        self.made += 1;
        self.parents.insert(shard.id.clone(), shard.parents.clone());
        self.shards.push(shard);
    }

    fn join(&mut self) {
        self.born += 1;
        self.workers.push(SimWorker { name: format!("w{}", self.born), ..SimWorker::default() });
    }

    fn see(&mut self, nth: usize) {
        let worker = &mut self.workers[nth];
        worker.beat += 1;
        let sign = Sign { version: worker.beat, heartbeat: worker.beat };
        self.signs.insert(worker.name.clone(), sign);
        let presence = worker.roll_call.call(worker.beat, self.signs.clone());
        let (me, held) = (worker.name.as_str(), &worker.held);
        let view = View { me, shards: &self.shards, leases: &self.leases, live: &presence.live, held };
        worker.wanted = decide(&view);
        worker.wanted.reverse();
    }

    fn act(&mut self, nth: usize) {
        let worker = &mut self.workers[nth];
        let Some(action) = worker.wanted.pop() else { return };
        match action {
            Action::Drop(shard) => {
                worker.held.remove(&shard);
            }
            Action::Forget { shard, version } => {
                if self.leases.get(&shard).is_some_and(|lease| lease.version == version) {
                    self.leases.remove(&shard);
                }
            }
            Action::Take { shard, expect, .. } => {
                let stored = self.leases.get(&shard).map_or(Expect::Absent, |lease| Expect::Version(lease.version));
                if stored == expect {
                    let name = worker.name.clone();
                    worker.held.insert(shard.clone(), expect.next_version());
                    self.leases.insert(shard.clone(), lease(expect.next_version(), Some(&name), false));
                    self.check_parents(&shard);
                }
            }
        }
    }

    /// Nobody may read a shard before its parents were read, as far as the log had them.
    fn check_parents(&self, shard: &ShardId) {
        for parent in &self.parents[shard] {
            let listed = self.shards.iter().any(|shard| shard.id == *parent);
            assert!(!listed || self.finished.contains(parent), "{shard} taken before {parent} was finished");
        }
    }

    fn finish(&mut self, nth: usize) {
        let Some(shard) = self.shards.get(nth).filter(|shard| shard.closed) else { return };
        self.end(shard.id.clone());
    }

    fn end(&mut self, shard: ShardId) {
        for worker in &mut self.workers {
            let Some(version) = worker.held.get(&shard).copied() else { continue };
            let Some(stored) = self.leases.get_mut(&shard).filter(|lease| lease.version == version) else { continue };
            *stored = lease(version + 1, None, true);
            self.finished.insert(shard.clone());
            worker.held.remove(&shard);
        }
    }

    fn expire(&mut self, nth: usize) {
        if self.shards.get(nth).is_none_or(|shard| !shard.closed) {
            return;
        }
        let gone = self.shards.remove(nth).id;
        self.shards.iter_mut().for_each(|shard| shard.parents.retain(|parent| *parent != gone));
    }

    fn happen(&mut self, event: &Event) {
        let (workers, shards) = (self.workers.len(), self.shards.len().max(1));
        let open = |world: &Self, nth: usize| world.shards.get(nth).is_some_and(|shard| !shard.closed);
        match *event {
            Event::Join if workers < 6 => self.join(),
            Event::See(nth) => self.see(nth % workers),
            Event::Act(nth) => self.act(nth % workers),
            Event::Crash(nth) if workers > 1 => drop(self.workers.remove(nth % workers)),
            Event::Split(nth) if self.made < 24 && open(self, nth % shards) => {
                self.shards[nth % shards].closed = true;
                let parent = self.shards[nth % shards].id.clone();
                (0..2).for_each(|_| self.make(vec![parent.clone()]));
            }
            Event::Merge(one, other) if one % shards != other % shards => {
                let both = [one % shards, other % shards];
                if both.iter().all(|nth| open(self, *nth)) {
                    both.iter().for_each(|nth| self.shards[*nth].closed = true);
                    self.make(both.map(|nth| self.shards[nth].id.clone()).to_vec());
                }
            }
            Event::Finish(nth) => self.finish(nth % shards),
            Event::Expire(nth) => self.expire(nth % shards),
            _ => {}
        }
    }

    /// No term of a lease has two holders.
    fn check(&self) {
        let mut terms = BTreeSet::new();
        for (shard, version) in self.workers.iter().flat_map(|worker| &worker.held) {
            assert!(terms.insert((shard, version)), "{shard} is held twice in term {version}");
        }
    }

    /// All workers look and act once, and what can end ends; says whether anybody wanted anything.
    fn calm_round(&mut self) -> bool {
        let mut busy = false;
        for nth in 0..self.workers.len() {
            self.see(nth);
            busy |= !self.workers[nth].wanted.is_empty();
            while !self.workers[nth].wanted.is_empty() {
                self.act(nth);
            }
            self.check();
        }
        (0..self.shards.len()).for_each(|nth| self.finish(nth));
        let listed: BTreeSet<&ShardId> = self.shards.iter().map(|shard| &shard.id).collect();
        let gone: Vec<ShardId> = self.leases.keys().filter(|shard| !listed.contains(shard)).cloned().collect();
        gone.into_iter().for_each(|shard| self.end(shard));
        busy
    }

    /// As it must be in the end: every open shard is read by one worker, all others are finished, and the shares are fair.
    fn check_settled(&self) {
        let mut readers: BTreeMap<&ShardId, usize> = BTreeMap::new();
        for worker in &self.workers {
            for (shard, version) in &worker.held {
                assert_eq!(self.leases[shard], lease(*version, Some(&worker.name), false), "{shard}");
                *readers.entry(shard).or_default() += 1;
            }
        }
        for shard in &self.shards {
            let finished = |shard: &ShardId| self.leases.get(shard).is_some_and(|lease| lease.item.finished);
            assert!(has_readable_parents(shard, finished), "{shard:?} waits for its parents");
            assert_eq!(readers.get(&shard.id).copied().unwrap_or(0), usize::from(!shard.closed), "{shard:?}");
            assert_eq!(finished(&shard.id), shard.closed, "{shard:?}");
        }
        let listed = self.leases.keys().all(|shard| self.shards.iter().any(|listed| listed.id == *shard));
        assert!(listed, "leases of forgotten shards: {:?}", self.leases);
        let shares = self.workers.iter().map(|worker| worker.held.len());
        assert!(shares.clone().max() <= shares.min().map(|least| least + 1), "the shares are not fair");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happened_every_shard_gets_one_live_reader_and_nobody_oscillates(
        shards in 1..9_usize, events in prop::collection::vec(event(), 0..300),
    ) {
        let mut world = World::new(shards);
        for event in &events {
            world.happen(event);
            world.check();
        }
        // The dead are found out, then each generation of shards is read to its end, then leases move one by one.
        let enough = LOOKS_PER_LEASE as usize + 3 * world.made + 3;
        let rounds = (0..enough).take_while(|nth| world.calm_round() || *nth <= LOOKS_PER_LEASE as usize).count();
        prop_assert!(rounds < enough, "no rest after {rounds} rounds");
        world.check_settled();
        for _ in 0..10 {
            prop_assert!(!world.calm_round(), "somebody still wants something");
        }
    }
}
