//! Changes as an Atom feed (RFC 4287), for feed readers.

use atom_syndication::{Entry, Feed, FixedDateTime, Link, Person, Text};
use cloudping_model::UtcMicros;
use cloudping_schemas::api::{RouteChange, RouteChanges};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};
use uuid::Builder;

use crate::text::rfc3339;

/// The feed of these changes, the newest first, as it is at `now`.
///
/// Links are relative: the service does not know by which name it is reached.
pub(super) fn atom(answer: &RouteChanges, now: UtcMicros) -> String {
    // The newest finding is when the feed last changed; one without entries is of now.
    let found = answer.changes.iter().map(|change| change.found_at.as_str()).max();
    let updated = found.map_or_else(|| rfc3339(now), str::to_owned);
    let title = if answer.simulated { "Route changes (simulated) · cloudping" } else { "Route changes · cloudping" };
    let feed = Feed {
        id: urn("changes"),
        title: title.into(),
        updated: time(&updated),
        authors: vec![Person { name: "cloudping".to_owned(), ..Person::default() }],
        links: vec![link("/changes".to_owned())],
        entries: answer.changes.iter().map(entry).collect(),
        ..Feed::default()
    };
    feed.to_string()
}

fn entry(change: &RouteChange) -> Entry {
    let RouteChange { source, target, protocol, family, minute, .. } = change;
    let (before, after, delta) = (change.before_ms, change.after_ms, change.delta_ms);
    let mut summary = format!(
        "The median round-trip time ({protocol}, IPv{family}) went from {before:.1} ms to {after:.1} ms at {minute}. \
         The step is {:.1} times as large as it must be to count as one.",
        change.score
    );
    if let Some((before, after)) = change.moved() {
        summary.push_str(&format!(" The target's address changed with it, from {before} to {after}."));
    }
    Entry {
        id: urn(&format!("{source}\0{target}\0{protocol}\0{family}\0{minute}")),
        title: format!("{source} to {target}: {delta:+.1} ms").into(),
        updated: time(&change.found_at),
        published: Some(time(minute)),
        links: vec![link(format!("/pair/{}/{}", escaped(source), escaped(target)))],
        summary: Some(Text::plain(summary)),
        ..Entry::default()
    }
}

fn link(href: String) -> Link {
    Link { href, rel: "alternate".to_owned(), ..Link::default() }
}

/// Our own times always are ones.
fn time(text: &str) -> FixedDateTime {
    FixedDateTime::parse_from_rfc3339(text).unwrap_or_default()
}

fn escaped(part: &str) -> String {
    utf8_percent_encode(part, NON_ALPHANUMERIC).to_string()
}

/// A name that is always the same for the same thing: a UUID of its own making (RFC 9562, version 8) out of the SHA-256.
fn urn(thing: &str) -> String {
    let hash = Sha256::digest(format!("cloudping {thing}"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    Builder::from_custom_bytes(bytes).into_uuid().urn().to_string()
}
