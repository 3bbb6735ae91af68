//! What a worker does at a look: a pure function of what it sees.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use cloudping_ports::{Expect, Shard, ShardId};

use super::table::Leases;

/// What a worker sees at one look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    /// Its own id.
    pub(crate) me: &'a str,
    /// The shards that the log lists.
    pub(crate) shards: &'a [Shard],
    /// The leases, read before the workers: an owner who is in none of both has left.
    pub(crate) leases: &'a Leases,
    /// The workers that are alive; it is one of them.
    pub(crate) live: &'a BTreeSet<String>,
    /// The leases that it reads under, with the version of each.
    pub(crate) held: &'a BTreeMap<ShardId, u64>,
}

/// What it does then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Takes a lease, if it is still as it was seen.
    Take {
        /// Whose.
        shard: ShardId,
        /// As it was seen.
        expect: Expect,
        /// The worker, alive, that had it and has more than its share.
        from: Option<String>,
    },
    /// Stops reading a shard that is another's now.
    Drop(ShardId),
    /// Deletes the lease, which has this version, of a finished shard that the log has forgotten.
    Forget {
        /// Which.
        shard: ShardId,
        /// The lease's version.
        version: u64,
    },
}

/// Whether a shard may be read: each of its parents, as far as the log still has them, was read to its end.
pub(crate) fn has_readable_parents(shard: &Shard, finished: impl Fn(&ShardId) -> bool) -> bool {
    shard.parents.iter().all(finished)
}

/// Decides. Of workers with the same view no two want the same lease, and when all have done what they wanted often enough, every
/// shard that may be read has an owner, their numbers differ by one at most, and nobody wants anything.
pub(crate) fn decide(view: &View<'_>) -> Vec<Action> {
    let mut actions = dropped(view);
    actions.extend(forgotten(view));
    let (mut loads, free, lapsed) = spread(view);
    // Owned by this worker, yet not read: the answer to its taking was lost, or its reader broke.
    actions.extend(lapsed.into_iter().map(|shard| take(view, shard, None)));
    let quotas = quotas(&loads, free.len());
    for shard in free {
        let Some(worker) = neediest(&loads, &quotas).next() else { break };
        if worker == view.me {
            actions.push(take(view, shard, None));
        }
        loads.entry(worker).or_default().push(shard);
    }
    let surplus = loads.iter().flat_map(|(worker, shards)| {
        let kept = quotas.get(worker).copied().unwrap_or(0).min(shards.len());
        shards[kept..].iter().map(|shard| (*worker, *shard))
    });
    let moves = neediest(&loads, &quotas).zip(surplus);
    actions.extend(moves.filter(|(to, _)| *to == view.me).map(|(_, (from, shard))| take(view, shard, Some(from))));
    actions
}

fn take(view: &View<'_>, shard: &ShardId, from: Option<&str>) -> Action {
    let expect = view.leases.get(shard).map_or(Expect::Absent, |lease| Expect::Version(lease.version));
    Action::Take { shard: shard.clone(), expect, from: from.map(str::to_owned) }
}

/// Leases that are held no more. A reader that has just finished its shard ends by itself.
fn dropped(view: &View<'_>) -> Vec<Action> {
    let lost = |(shard, version): &(&ShardId, &u64)| match view.leases.get(*shard) {
        Some(lease) => lease.version != **version && !(lease.item.finished && lease.version == **version + 1),
        None => true,
    };
    view.held.iter().filter(lost).map(|(shard, _)| Action::Drop(shard.clone())).collect()
}

fn forgotten(view: &View<'_>) -> Vec<Action> {
    let listed: BTreeSet<&ShardId> = view.shards.iter().map(|shard| &shard.id).collect();
    let over = view.leases.iter().filter(|(shard, lease)| lease.item.finished && !listed.contains(shard));
    over.map(|(shard, lease)| Action::Forget { shard: shard.clone(), version: lease.version }).collect()
}

type Loads<'a> = BTreeMap<&'a str, Vec<&'a ShardId>>;

/// The shards that may be read: of each live worker; of nobody; and those of this worker's that it does not read.
fn spread<'a>(view: &View<'a>) -> (Loads<'a>, BTreeSet<&'a ShardId>, Vec<&'a ShardId>) {
    let finished = |shard: &ShardId| view.leases.get(shard).is_some_and(|lease| lease.item.finished);
    let listed = view.shards.iter().filter(|shard| has_readable_parents(shard, finished)).map(|shard| &shard.id);
    // What was begun may be read, whether or not it is still listed: a shard whose records expired unread must come to an end too.
    let readable: BTreeSet<&ShardId> = listed.chain(view.leases.keys()).filter(|shard| !finished(shard)).collect();
    let mut loads: Loads<'a> = view.live.iter().map(|worker| (worker.as_str(), Vec::new())).collect();
    let (mut free, mut lapsed) = (BTreeSet::new(), Vec::new());
    for shard in readable {
        let owner = view.leases.get(shard).and_then(|lease| lease.item.owner.as_deref());
        match owner.and_then(|owner| loads.get_mut(owner)) {
            None => {
                free.insert(shard);
            }
            Some(load) => {
                load.push(shard);
                if owner == Some(view.me) && !view.held.contains_key(shard) {
                    lapsed.push(shard);
                }
            }
        }
    }
    (loads, free, lapsed)
}

/// How many shards each worker should have: numbers that differ by one at most, the larger to who has most already, so that nothing
/// moves without need.
fn quotas<'a>(loads: &Loads<'a>, free: usize) -> BTreeMap<&'a str, usize> {
    let total = free + loads.values().map(Vec::len).sum::<usize>();
    let (least, larger) = (total / loads.len().max(1), total % loads.len().max(1));
    let mut workers: Vec<(&str, usize)> = loads.iter().map(|(worker, shards)| (*worker, shards.len())).collect();
    workers.sort_by_key(|(worker, load)| (Reverse(*load), *worker));
    workers.into_iter().enumerate().map(|(nth, (worker, _))| (worker, least + usize::from(nth < larger))).collect()
}

/// The workers that have less than their quota, those that lack most first.
fn neediest<'a>(loads: &Loads<'a>, quotas: &BTreeMap<&'a str, usize>) -> impl Iterator<Item = &'a str> + use<'a> {
    let lack = |worker: &'a str, quota: usize| quota.saturating_sub(loads.get(worker).map_or(0, Vec::len));
    let mut needy: Vec<(usize, &str)> = quotas.iter().map(|(worker, quota)| (lack(worker, *quota), *worker)).collect();
    needy.retain(|(lack, _)| *lack > 0);
    needy.sort_by_key(|(lack, worker)| (Reverse(*lack), *worker));
    needy.into_iter().map(|(_, worker)| worker)
}
