//! What a channel has told up to a moment, as text, so that any client can be brought up to it from what it had.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use cloudping_schemas::api::Cell;

/// How many states back a client may be to get no more than it has missed: some two minutes of a busy stream.
const REACH: u64 = 1_000;
/// The most events `change` and `gap` that are kept for clients that are behind.
const EVENTS: usize = 1_000;

/// What is new since the state before.
#[derive(Debug, Default)]
pub(super) struct News {
    /// The state of the live view that shows it.
    pub(super) as_of: Option<String>,
    /// The cells that changed, and whether they are still in the window.
    pub(super) cells: Vec<(Cell, bool)>,
    /// Other events: names and data in JSON.
    pub(super) events: Vec<(&'static str, String)>,
}

/// Everything that has been told, and since when.
#[derive(Debug)]
pub(super) struct State {
    channel: String,
    /// Counts the states; 0: nothing was read yet.
    generation: u64,
    /// Clients that were told everything up to this generation need not be told all again.
    reach: u64,
    as_of: String,
    /// By source and target.
    cells: BTreeMap<Arc<(String, String)>, Told>,
    events: VecDeque<(u64, Arc<str>)>,
    /// What has been written, by what the client had; 0: nothing.
    written: Mutex<BTreeMap<u64, Bytes>>,
}

#[derive(Debug, Clone)]
struct Told {
    generation: u64,
    json: Arc<str>,
    in_window: bool,
}

impl State {
    /// Before anything was read.
    pub(super) fn nothing(channel: String) -> Self {
        let (cells, events, written) = (BTreeMap::new(), VecDeque::new(), Mutex::default());
        Self { channel, generation: 0, reach: 1, as_of: "null".to_owned(), cells, events, written }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Of which generation an event's id is; `None` where that is not one of this channel's.
    pub(super) fn generation_of(&self, id: &str) -> Option<u64> {
        let (channel, generation) = id.rsplit_once('-')?;
        let generation = generation.parse().ok().filter(|generation| *generation <= self.generation)?;
        (channel == self.channel).then_some(generation)
    }

    /// The next state.
    pub(super) fn with(&self, news: News) -> Self {
        let generation = self.generation + 1;
        let (mut cells, mut events) = (self.cells.clone(), self.events.clone());
        for (cell, in_window) in news.cells {
            let json = json(&cell).into();
            cells.insert(Arc::new((cell.source, cell.target)), Told { generation, json, in_window });
        }
        let new = news.events.into_iter().map(|(name, data)| format!("event: {name}\ndata: {data}\n").into());
        events.extend(new.map(|event: Arc<str>| (generation, event)));
        let mut reach = self.reach.max(generation.saturating_sub(REACH));
        while events.len() > EVENTS {
            reach = events.pop_front().map_or(reach, |(lost, _)| reach.max(lost));
        }
        // Clients that are told of what has gone are those that knew it.
        cells.retain(|_, told| told.in_window || told.generation > reach);
        let as_of = json(&news.as_of);
        let state =
            Self { channel: self.channel.clone(), generation, reach, as_of, cells, events, written: Mutex::default() };
        // What nearly every client will ask for is written before any does.
        let _ = state.since((generation > 1).then_some(self.generation));
        state
    }

    /// The events that bring a client up to this state; `None` where it is.
    pub(super) fn since(&self, known: Option<u64>) -> Option<Bytes> {
        if self.generation == 0 || known == Some(self.generation) {
            return None;
        }
        let known = known.filter(|known| *known >= self.reach).unwrap_or(0);
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        Some(written.entry(known).or_insert_with(|| self.write(known)).clone())
    }

    fn write(&self, known: u64) -> Bytes {
        let wanted = |told: &&Told| told.generation > known && (known > 0 || told.in_window);
        let cells: Vec<&str> = self.cells.values().filter(wanted).map(|told| &*told.json).collect();
        let mut events = Vec::new();
        if known == 0 || !cells.is_empty() {
            let (as_of, cells) = (&self.as_of, cells.join(","));
            events.push(format!("event: cell\ndata: {{\"as_of\":{as_of},\"cells\":[{cells}]}}\n"));
        }
        if known > 0 {
            let new = self.events.iter().filter(|(generation, _)| *generation > known);
            events.extend(new.map(|(_, event)| event.to_string()));
        }
        // With the last one only: whoever has not got that far has missed something.
        let id = format!("\nid: {}-{}\n\n", self.channel, self.generation);
        let text = events.join("\n");
        (text.strip_suffix('\n').unwrap_or(&text).to_owned() + &id).into()
    }
}

/// Every shape of ours can be written as JSON.
fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}
