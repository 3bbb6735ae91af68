//! The channels of the stream: one for each selection that is followed, with a task that finds what is new.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::body::Bytes;
use cloudping_model::UtcMicros;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::news::{Memory, news};
use super::state::State;
use crate::http::off_thread;
use crate::live_view::{LiveView, Selection};
use crate::service::Shared;

/// The live view is not renewed more often than about so.
const LEAST_GAP: Duration = Duration::from_millis(100);
/// A channel that nobody follows is kept for one to two times this long, for clients that come back.
const LINGER: Duration = Duration::from_secs(15);

type States = watch::Sender<Arc<State>>;

/// All channels. Copies share them.
#[derive(Clone)]
pub(crate) struct Hub(Arc<Mutex<Channels>>);

struct Channels {
    /// By their selections. The tasks own them: a channel whose task has ended is none.
    live: BTreeMap<String, Weak<States>>,
    /// The most of them.
    most: usize,
    /// Tells this process' ids from those of any other.
    process: String,
    made: u64,
}

impl Hub {
    /// No channels, at most so many.
    pub(crate) fn new(most: usize, process: String) -> Self {
        Self(Arc::new(Mutex::new(Channels { live: BTreeMap::new(), most, process, made: 0 })))
    }

    /// Follows a selection, going on after `last` where that is known; `None` when there are too many selections.
    pub(super) fn follow(&self, shared: &Shared, selection: Selection, last: Option<&str>) -> Option<Follower> {
        let name = name(&selection);
        let mut channels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(states) = channels.live.get(&name).and_then(Weak::upgrade) {
            return Some(Follower::new(&states, last));
        }
        channels.make_room().then_some(())?;
        channels.made += 1;
        let id = format!("{}-{}", channels.process, channels.made);
        let states = Arc::new(States::new(Arc::new(State::nothing(id))));
        channels.live.insert(name.clone(), Arc::downgrade(&states));
        // Before the task could find that nobody follows.
        let follower = Follower::new(&states, last);
        let task = Task { hub: self.clone(), name, states, selection, simulated: shared.settings.simulated };
        tokio::spawn(task.run(shared.views(), shared.closing()));
        Some(follower)
    }

    /// Ends a channel unless somebody follows it.
    fn forget(&self, name: &str, states: &Arc<States>) -> bool {
        let mut channels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if states.receiver_count() > 0 {
            return false;
        }
        if channels.live.get(name).is_some_and(|known| known.as_ptr() == Arc::as_ptr(states)) {
            channels.live.remove(name);
        }
        true
    }
}

impl Channels {
    /// Whether there is room for one more. Where there is none, those go that nobody follows.
    fn make_room(&mut self) -> bool {
        if self.live.len() >= self.most {
            self.live.retain(|_, states| states.upgrade().is_some_and(|states| states.receiver_count() > 0));
        }
        self.live.len() < self.most
    }
}

/// What tells one selection from another.
fn name(selection: &Selection) -> String {
    let Selection { window, statistic, protocol, source, target } = selection;
    format!("{} {statistic} {} {source:?} {target:?}", window.name(), protocol.name())
}

/// One client's place in a channel.
pub(super) struct Follower {
    states: watch::Receiver<Arc<State>>,
    /// What the client has been told; `None`: nothing.
    at: Option<u64>,
}

impl Follower {
    fn new(states: &States, last: Option<&str>) -> Self {
        let at = last.and_then(|last| states.borrow().generation_of(last));
        Self { states: states.subscribe(), at }
    }

    /// Everything that the client has not been told, as soon as there is something; `None` when the channel has ended.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        loop {
            let state = Arc::clone(&self.states.borrow_and_update());
            if let Some(events) = state.since(self.at) {
                self.at = Some(state.generation());
                return Some(events);
            }
            self.states.changed().await.ok()?;
        }
    }
}

/// What keeps one channel going.
struct Task {
    hub: Hub,
    name: String,
    states: Arc<States>,
    selection: Selection,
    simulated: bool,
}

impl Task {
    async fn run(self, mut views: watch::Receiver<Arc<LiveView>>, mut closing: watch::Receiver<bool>) {
        // What is there already is news to the first client.
        views.mark_changed();
        let mut pace = interval(LEAST_GAP);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut linger, mut deserted) = (interval(LINGER), false);
        let mut memory = Memory::default();
        loop {
            tokio::select! {
                () = closed(&mut closing) => return,
                _ = linger.tick() => {
                    let nobody = self.states.receiver_count() == 0;
                    if nobody && deserted && self.hub.forget(&self.name, &self.states) {
                        return;
                    }
                    deserted = nobody;
                }
                more = next_view(&mut pace, &mut views) => {
                    let view = Arc::clone(&views.borrow_and_update());
                    let Some(told) = self.tell(view, memory).await.filter(|_| more) else {
                        return;
                    };
                    memory = told;
                }
            }
        }
    }

    /// Tells what a view has that is new. `None` where that could not be found out: clients then come again, and get everything.
    async fn tell(&self, view: Arc<LiveView>, memory: Memory) -> Option<Memory> {
        if view.now == UtcMicros(0) {
            // Nothing was read yet: what comes next is no news.
            return Some(memory);
        }
        let (selection, simulated) = (self.selection.clone(), self.simulated);
        let before = Arc::clone(&self.states.borrow());
        let found = off_thread(move || {
            let (news, memory) = news(&view, &selection, memory, simulated);
            (news.map(|news| before.with(news)), memory)
        });
        let (state, memory) = found.await.ok()?;
        if let Some(state) = state {
            self.states.send_replace(Arc::new(state));
        }
        Some(memory)
    }
}

/// Waits for the service to shut down, or to be gone.
async fn closed(closing: &mut watch::Receiver<bool>) {
    // Nothing of the channel may be held while others wait for it.
    let _ = closing.wait_for(|closing| *closing).await;
}

/// Waits for the pace and then for a new view; false when there will be none.
async fn next_view(pace: &mut Interval, views: &mut watch::Receiver<Arc<LiveView>>) -> bool {
    pace.tick().await;
    views.changed().await.is_ok()
}
