//! Around everything: an id for each request, who asks, and a line in the log when its answer has gone out.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use cloudping_model::UtcMicros;
use http_body::{Frame, SizeHint};

use crate::access::{self, KeyId, Meter};
use crate::service::Shared;

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id that is taken over.
const MOST_ID: usize = 64;
/// The longest part of a query that is logged.
const MOST_QUERY: usize = 512;
/// The status of a request whose client left before the answer began, as nginx has it.
const CLIENT_LEFT: u16 = 499;

tokio::task_local! {
    static REQUEST_ID: HeaderValue;
}

/// The id of the request that this task answers, if it answers one.
pub(super) fn request_id() -> Option<String> {
    REQUEST_ID.try_with(|id| id.to_str().unwrap_or_default().to_owned()).ok()
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) address: IpAddr,
    /// It has no limits as an address.
    pub(super) free: bool,
}

impl Client {
    /// This process itself, by no connection.
    pub(super) const IN_PROCESS: Self = Self { address: IpAddr::V4(Ipv4Addr::LOCALHOST), free: true };

    fn of(request: &Request, settings: &access::AccessSettings) -> Self {
        let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() else {
            return Self::IN_PROCESS;
        };
        let address = settings.proxies.client(peer.ip(), request.headers());
        // A proxy on this machine that is not known as one speaks for others than this machine's people.
        let free = settings.loopback_is_free && address.is_loopback() && !access::passed_on(request.headers());
        Self { address, free }
    }
}

/// What the gate tells of a request that it has let in.
#[derive(Clone)]
pub(super) struct Told {
    pub(super) key: Option<KeyId>,
    /// Runs until the answer has gone out.
    pub(super) _meter: Option<Arc<Meter>>,
}

/// Gives a request its id, and writes its line when the answer has gone out or was given up.
pub(super) async fn log(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let settings = shared.gate.settings();
    let client = Client::of(&request, settings);
    let id = id_of(request.headers());
    hide_secrets(request.headers_mut());
    request.extensions_mut().insert(client);
    let mut line = settings.log.then(|| Line::new(&request, client.address, id.clone(), shared.clock));
    let mut response = REQUEST_ID.scope(id.clone(), next.run(request)).await;
    response.headers_mut().insert(X_REQUEST_ID, id);
    let told = response.extensions_mut().remove::<Told>();
    if let Some(line) = &mut line {
        line.status = response.status().as_u16();
        line.key = told.as_ref().and_then(|told| told.key);
    }
    let meter = told.and_then(|told| told._meter);
    if line.is_none() && meter.is_none() {
        return response;
    }
    response.map(|body| Body::new(Watched { body, line, _meter: meter }))
}

/// Whoever prints these headers prints `Sensitive`.
fn hide_secrets(headers: &mut HeaderMap) {
    for name in [header::AUTHORIZATION, header::COOKIE, HeaderName::from_static("x-api-key")] {
        if let header::Entry::Occupied(mut entry) = headers.entry(name) {
            entry.iter_mut().for_each(|value| value.set_sensitive(true));
        }
    }
}

/// The client's id where it is a plain one, else a new one.
fn id_of(headers: &HeaderMap) -> HeaderValue {
    let mut given = headers.get_all(X_REQUEST_ID).iter();
    match (given.next(), given.next()) {
        (Some(id), None) if is_plain(id.as_bytes()) => id.clone(),
        _ => new_id(),
    }
}

fn is_plain(id: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let short = (1..=MOST_ID).contains(&id.len());
    short && id.iter().all(plain) && std::str::from_utf8(id).is_ok_and(|id| !access::may_hold_key(id))
}

/// 32 hex digits that nobody can guess or has had before.
fn new_id() -> HeaderValue {
    static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(|| [RandomState::new(), RandomState::new()]);
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let [first, second] = KEYS.each_ref().map(|key| key.hash_one(number));
    HeaderValue::try_from(format!("{first:016x}{second:016x}")).unwrap_or_else(|_| HeaderValue::from_static("none"))
}

/// The line of one request; it is written when this is dropped.
struct Line {
    id: HeaderValue,
    method: Method,
    uri: Uri,
    address: IpAddr,
    key: Option<KeyId>,
    status: u16,
    bytes: u64,
    since: UtcMicros,
    clock: fn() -> UtcMicros,
}

impl Line {
    fn new(request: &Request, address: IpAddr, id: HeaderValue, clock: fn() -> UtcMicros) -> Self {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        Self { id, method, uri, address, key: None, status: CLIENT_LEFT, bytes: 0, since: clock(), clock }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let ms = (self.clock)().since(self.since).as_secs_f64() * 1e3;
        tracing::info!(
            target: "access",
            request_id = self.id.to_str().unwrap_or_default(),
            method = self.method.as_str(),
            path = shown(self.uri.path()),
            query = shown(self.uri.query().unwrap_or_default()),
            status = self.status,
            bytes = self.bytes,
            ms = (ms * 1e3).round() / 1e3,
            key = self.key.map(tracing::field::display),
            address = %self.address,
        );
    }
}

/// A part of an address as far as it may be logged.
fn shown(text: &str) -> &str {
    if access::may_hold_key(text) {
        return "(withheld: a key may stand in it)";
    }
    // An address is ASCII.
    text.get(..MOST_QUERY).unwrap_or(text)
}

/// A body whose bytes are counted.
struct Watched {
    body: Body,
    line: Option<Line>,
    _meter: Option<Arc<Meter>>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let (Poll::Ready(Some(Ok(frame))), Some(line)) = (&polled, &mut self.line) {
            line.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(lines: &[&str]) -> String {
        let headers = lines.iter().map(|line| (X_REQUEST_ID, HeaderValue::from_bytes(line.as_bytes()).unwrap()));
        id_of(&headers.collect()).to_str().unwrap().to_owned()
    }

    #[test]
    fn a_plain_id_is_taken_over_and_any_other_replaced() {
        assert_eq!(id(&["a-1_2.Z"]), "a-1_2.Z");
        let longest = "z".repeat(64);
        assert_eq!(id(&[&longest]), longest);
        let key = crate::access::Secret::generate().unwrap().to_text();
        for odd in [
            &[][..],
            &[""],
            &["a b"],
            &["a\tb"],
            &["é"],
            &["a;b"],
            &[&"z".repeat(65)],
            &["a", "b"],
            &[&key],
            &[&key[..60]],
        ] {
            let made = id(odd);
            assert!(made.len() == 32 && made.bytes().all(|byte| byte.is_ascii_hexdigit()), "{odd:?}: {made}");
            assert_ne!(made, id(odd));
        }
    }

    #[test]
    fn secrets_of_headers_are_hidden_from_whoever_prints_them() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer cp_1"),
            ("authorization", "Bearer cp_2"),
            ("x-api-key", "cp_3"),
            ("cookie", "cp_4"),
        ] {
            headers.append(name, value.parse().unwrap());
        }
        hide_secrets(&mut headers);
        assert!(!format!("{headers:?}").contains("cp_"), "{headers:?}");
    }
}
