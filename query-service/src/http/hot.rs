//! Finished live answers, to be given again until the next view comes.
//!
//! An answer on one of these routes is a function of the live view and of its [`Key`]. It is kept as it went out, headers and compressed body, and
//! belongs to one generation of the view. Of several requests that miss the same answer one makes it; the others get the one before, if
//! the view that it is of is not too old, and else wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use cloudping_model::UtcMicros;
use tokio::sync::Mutex as Turn;

/// Answers that are kept. A client that asks for ever other percentiles fills the places of one view at most.
const ENTRIES: usize = 4_096;
/// What an entry costs beyond its body: key, headers, bookkeeping.
const ENTRY_BYTES: usize = 2_048;
/// Longer keys are not worth a place.
const KEY_BYTES: usize = 1_024;

/// Whether a path's answers are functions of the live view and the request alone.
pub(in crate::http) fn is_live(path: &str) -> bool {
    let rest = path.strip_prefix("/api/v1/").unwrap_or("");
    matches!(rest, "matrix" | "nearest" | "rank" | "diff" | "regions") || rest.starts_with("badge/")
}

/// What tells answers apart: address, form and encoding. The headers are taken as they come: clients of a kind send the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::http) struct Key {
    target: String,
    accept: Option<HeaderValue>,
    encoding: Option<HeaderValue>,
}

impl Key {
    /// The key of a request whose answer may be kept.
    pub(in crate::http) fn of(request: &Request) -> Option<Self> {
        let uri = request.uri();
        if request.method() != Method::GET || !is_live(uri.path()) {
            return None;
        }
        let (accept, encoding) =
            (only(request.headers(), &header::ACCEPT)?, only(request.headers(), &header::ACCEPT_ENCODING)?);
        let target = uri.path_and_query()?.as_str().to_owned();
        let bytes = target.len() + [&accept, &encoding].into_iter().flatten().map(HeaderValue::len).sum::<usize>();
        (bytes <= KEY_BYTES).then_some(Self { target, accept, encoding })
    }
}

/// A header's value, if it has one; `None` where it has several.
fn only(headers: &HeaderMap, name: &HeaderName) -> Option<Option<HeaderValue>> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().cloned();
    values.next().is_none().then_some(value)
}

/// An answer as it went out.
#[derive(Debug, Clone)]
pub(in crate::http) struct Finished {
    pub(in crate::http) status: StatusCode,
    pub(in crate::http) headers: HeaderMap,
    pub(in crate::http) body: Bytes,
    /// The template of its route.
    pub(in crate::http) route: Option<Arc<str>>,
}

impl Finished {
    /// The answer, to be sent.
    pub(in crate::http) fn response(&self) -> Response {
        let mut response = Response::new(Body::from(self.body.clone()));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        response
    }

    fn bytes(&self) -> usize {
        self.body.len() + ENTRY_BYTES
    }
}

/// Which view there is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Counts the views.
    pub(crate) generation: u64,
    /// The moment that an answer made now tells of, or an earlier one.
    pub(crate) as_of: UtcMicros,
    /// Answers of before this are too old.
    pub(crate) oldest: UtcMicros,
}

/// What to do with a request.
pub(in crate::http) enum Look {
    /// Give this answer.
    Hit(Arc<Finished>),
    /// Answer it without the cache.
    Aside,
    /// Make the answer when it is your turn, or give the one before, if there is one.
    Make { turn: Arc<Turn<()>>, before: Option<Arc<Finished>> },
}

#[derive(Debug, Default)]
struct Entry {
    turn: Arc<Turn<()>>,
    kept: Option<Kept>,
}

#[derive(Debug)]
struct Kept {
    generation: u64,
    as_of: UtcMicros,
    /// `None`: an answer of this generation is not to be kept.
    answer: Option<Arc<Finished>>,
}

#[derive(Debug, Default)]
struct Table {
    entries: HashMap<Key, Entry>,
    bytes: usize,
}

/// The answers.
#[derive(Debug)]
pub(crate) struct Hot {
    table: Mutex<Table>,
    limit: usize,
}

impl Hot {
    /// A cache of so many bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { table: Mutex::default(), limit }
    }

    /// What to do with a request.
    pub(in crate::http) fn look(&self, key: &Key, at: Moment) -> Look {
        let mut table = self.table();
        if let Some(entry) = table.entries.get(key) {
            let fresh = |kept: &&Kept| kept.as_of >= at.oldest;
            return match entry.kept.as_ref().filter(fresh) {
                Some(Kept { generation, answer: Some(answer), .. }) if *generation == at.generation => {
                    Look::Hit(Arc::clone(answer))
                }
                Some(Kept { generation, answer: None, .. }) if *generation == at.generation => Look::Aside,
                older => {
                    let before = older.and_then(|kept| kept.answer.clone());
                    Look::Make { turn: Arc::clone(&entry.turn), before }
                }
            };
        }
        if table.entries.len() >= ENTRIES {
            table.forget_before(at.generation);
        }
        if table.entries.len() >= ENTRIES {
            return Look::Aside;
        }
        let entry = table.entries.entry(key.clone()).or_default();
        Look::Make { turn: Arc::clone(&entry.turn), before: None }
    }

    /// Keeps an answer that was made at that moment or later; `None`: it is not to be kept.
    pub(in crate::http) fn keep(&self, key: &Key, at: Moment, answer: Option<Arc<Finished>>) {
        let mut table = self.table();
        let table = &mut *table;
        let Some(entry) = table.entries.get_mut(key) else {
            return;
        };
        table.bytes -= entry.kept.take().as_ref().map_or(0, Kept::bytes);
        let mut kept = Kept { generation: at.generation, as_of: at.as_of, answer };
        if table.bytes + kept.bytes() > self.limit {
            table.forget_before(at.generation);
        }
        if table.bytes + kept.bytes() > self.limit {
            kept.answer = None;
        }
        if let Some(entry) = table.entries.get_mut(key) {
            table.bytes += kept.bytes();
            entry.kept = Some(kept);
        }
    }

    /// How many bytes it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.table().bytes
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn bytes(&self) -> usize {
        self.answer.as_ref().map_or(0, |answer| answer.bytes())
    }
}

impl Table {
    /// Drops what is not of this generation and nobody is making.
    fn forget_before(&mut self, generation: u64) {
        self.entries.retain(|_, entry| {
            let current = entry.kept.as_ref().is_some_and(|kept| kept.generation == generation);
            current || Arc::strong_count(&entry.turn) > 1
        });
        self.bytes = self.entries.values().filter_map(|entry| entry.kept.as_ref()).map(Kept::bytes).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(target: &str) -> Key {
        Key::of(&Request::get(format!("/api/v1/matrix?{target}")).body(Body::empty()).unwrap()).unwrap()
    }

    fn finished(bytes: usize) -> Arc<Finished> {
        let body = Bytes::from(vec![0; bytes]);
        Arc::new(Finished { status: StatusCode::OK, headers: HeaderMap::new(), body, route: None })
    }

    fn moment(generation: u64, as_of: i64) -> Moment {
        Moment { generation, as_of: UtcMicros(as_of), oldest: UtcMicros(as_of - 3) }
    }

    fn make(hot: &Hot, key: &Key, at: Moment, bytes: usize) {
        let Look::Make { turn, .. } = hot.look(key, at) else { panic!("{key:?} {at:?}") };
        hot.keep(key, at, Some(finished(bytes)));
        drop(turn);
    }

    #[test]
    fn an_answer_is_given_while_its_view_is_the_newest_and_young() {
        let (hot, key) = (Hot::new(1 << 20), key("a"));
        make(&hot, &key, moment(1, 10), 5);
        assert!(matches!(hot.look(&key, moment(1, 13)), Look::Hit(_)));
        assert!(matches!(hot.look(&key, moment(1, 14)), Look::Make { before: None, .. }));
        assert!(matches!(hot.look(&key, moment(2, 13)), Look::Make { before: Some(_), .. }));
        assert!(matches!(hot.look(&key, moment(2, 14)), Look::Make { before: None, .. }));
    }

    #[test]
    fn what_is_not_to_be_kept_is_answered_aside_until_the_next_view() {
        let (hot, key) = (Hot::new(1 << 20), key("a"));
        assert!(matches!(hot.look(&key, moment(1, 10)), Look::Make { .. }));
        hot.keep(&key, moment(1, 10), None);
        assert!(matches!(hot.look(&key, moment(1, 10)), Look::Aside));
        assert!(matches!(hot.look(&key, moment(2, 10)), Look::Make { before: None, .. }));
    }

    #[test]
    fn bytes_are_bounded_and_older_views_go_first() {
        let hot = Hot::new(3 * (ENTRY_BYTES + 100));
        for name in ["a", "b", "c"] {
            make(&hot, &key(name), moment(1, 10), 100);
        }
        make(&hot, &key("d"), moment(1, 10), 100);
        assert!(matches!(hot.look(&key("d"), moment(1, 10)), Look::Aside));
        assert!(matches!(hot.look(&key("a"), moment(1, 10)), Look::Hit(_)));
        make(&hot, &key("d"), moment(2, 11), 100);
        assert_eq!(hot.bytes(), ENTRY_BYTES + 100);
        make(&hot, &key("a"), moment(2, 11), 50);
        make(&hot, &key("a"), moment(3, 12), 70);
        assert_eq!(hot.bytes(), 2 * ENTRY_BYTES + 170);
    }

    #[test]
    fn places_are_bounded() {
        let hot = Hot::new(usize::MAX);
        for at in 0..ENTRIES {
            make(&hot, &key(&at.to_string()), moment(1, 10), 0);
        }
        assert!(matches!(hot.look(&key("more"), moment(1, 10)), Look::Aside));
        assert!(matches!(hot.look(&key("more"), moment(2, 11)), Look::Make { .. }));
        assert_eq!(hot.table().entries.len(), 1);
    }

    #[test]
    fn form_and_encoding_tell_answers_apart() {
        let with = |name: &str, value: &str| {
            let request = Request::get("/api/v1/matrix?a").header(name, value).body(Body::empty()).unwrap();
            Key::of(&request)
        };
        assert_ne!(with("accept", "text/csv"), Some(key("a")));
        assert_ne!(with("accept-encoding", "gzip"), with("accept-encoding", "br"));
        assert_eq!(with("user-agent", "x"), Some(key("a")));
        assert_eq!(with("accept", &"x".repeat(KEY_BYTES)), None);
        for path in ["/api/v1/series", "/api/v1/matrix/", "/latencies", "/"] {
            assert_eq!(Key::of(&Request::get(path).body(Body::empty()).unwrap()), None);
        }
        let twice = Request::get("/api/v1/matrix").header("accept", "a").header("accept", "b");
        assert_eq!(Key::of(&twice.body(Body::empty()).unwrap()), None);
    }
}
