//! Whose numbers a table and a bucket hold: marked at their first use, as a data directory is.
//!
//! On AWS the mark also names the stream. Checkpoints are places in one stream: in another one of the same shape they would
//! silently pass over events.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use cloudping_agent::failure::Failure;
use cloudping_ports::{Change, CommitError, Expect, Key, LiveStore, Write};
use cloudping_schemas::stored::{NetworkMark, WORLD, keys};

use crate::aws::{Clients, Places};

/// How often a mark is looked at again when another process makes it at the same time.
const TRIES: u32 = 3;

/// What to do about a mark.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It is ours.
    Ours,
    /// There is none, and ours may be made.
    Free,
    /// It is another's.
    Refused(String),
}

/// What to do with `place`, which has the mark `found`, and holds data or not; `other` says what to choose instead.
fn judge(mine: &NetworkMark, found: Option<&[u8]>, holds_data: bool, place: &str, other: &str) -> Verdict {
    let network = &mine.network;
    let mixed = |theirs: &str| {
        Verdict::Refused(format!(
            "{place} holds measurements of the {theirs}, and the {network}'s must not be mixed with them; choose another {other}"
        ))
    };
    let Some(found) = found else {
        // What was there before marks were is of the world: only `cloudping up --planet` has ever written of the planet.
        return if holds_data && network != WORLD { mixed(WORLD) } else { Verdict::Free };
    };
    match serde_json::from_slice::<NetworkMark>(found) {
        Ok(theirs) if theirs == *mine => Verdict::Ours,
        Ok(theirs) if theirs.network != *network => mixed(&theirs.network),
        Ok(theirs) => Verdict::Refused(format!(
            "{place} was filled from the stream {}, and its checkpoints mean nothing in {}; choose another {other}",
            theirs.stream, mine.stream
        )),
        Err(error) => Verdict::Refused(format!("{place}: its mark cannot be read ({error}); choose another {other}")),
    }
}

/// Marks the table, or checks that it is marked so.
///
/// # Errors
/// When it is another's, or cannot be read or written.
pub async fn table(store: &dyn LiveStore, places: &Places, mine: &NetworkMark) -> Result<(), Failure> {
    let place = format!("table {}", places.table);
    let cannot = |error: &dyn std::fmt::Display| Failure::setting(format!("{place}: {error}"));
    let key = Key::new(keys::NETWORK, keys::NETWORK);
    for _ in 0..TRIES {
        match of_table(store, &place, mine).await? {
            Verdict::Ours => return Ok(()),
            Verdict::Refused(reason) => return Err(Failure::setting(reason)),
            Verdict::Free => {}
        }
        let change = Change::Put(Bytes::from(encoded(mine)?));
        match store.commit(vec![Write { key: key.clone(), expect: Expect::Absent, change }]).await {
            Ok(()) => return Ok(()),
            Err(CommitError::Conflict(_)) => {}
            Err(error) => return Err(cannot(&error)),
        }
    }
    Err(cannot(&"its mark comes and goes"))
}

/// Checks that what the table holds is ours, and marks nothing. One that was never marked holds the world's, of whichever stream.
///
/// # Errors
/// When it is another's, or cannot be read.
pub async fn is_ours(store: &dyn LiveStore, table: &str, mine: &NetworkMark) -> Result<(), Failure> {
    let place = format!("table {table}");
    match of_table(store, &place, mine).await? {
        Verdict::Ours | Verdict::Free => Ok(()),
        Verdict::Refused(reason) => Err(Failure::setting(reason)),
    }
}

async fn of_table(store: &dyn LiveStore, place: &str, mine: &NetworkMark) -> Result<Verdict, Failure> {
    let cannot = |error: &dyn std::fmt::Display| Failure::setting(format!("{place}: {error}"));
    let found = store.get(&Key::new(keys::NETWORK, keys::NETWORK)).await.map_err(|error| cannot(&error))?;
    let heads = match found {
        Some(_) => Vec::new(),
        None => store.list(keys::HEADS, keys::ALL).await.map_err(|error| cannot(&error))?,
    };
    let found = found.as_ref().map(|item| &item.value[..]);
    Ok(judge(mine, found, !heads.is_empty(), place, "with --table"))
}

/// Marks the folder in the bucket, or checks that it is marked so.
///
/// # Errors
/// When it is another's, or cannot be read or written.
pub async fn bucket(clients: &Clients, places: &Places, mine: &NetworkMark) -> Result<(), Failure> {
    let place = places.archive_url();
    let cannot = |error: String| Failure::setting(format!("{place}: {error}"));
    for _ in 0..TRIES {
        let found = marked(clients, places).await.map_err(cannot)?;
        let holds_data = found.is_none() && holds_data(clients, places).await.map_err(cannot)?;
        match judge(mine, found.as_deref(), holds_data, &place, "with --prefix or --bucket") {
            Verdict::Ours => return Ok(()),
            Verdict::Refused(reason) => return Err(Failure::setting(reason)),
            Verdict::Free => {}
        }
        let put = clients.s3.put_object().bucket(&places.bucket).key(places.key(keys::NETWORK)).if_none_match("*");
        match put.body(ByteStream::from(encoded(mine)?)).send().await {
            Ok(_) => return Ok(()),
            // Another process was faster, or is as fast.
            Err(error) if matches!(error.code(), Some("PreconditionFailed" | "ConditionalRequestConflict")) => {}
            Err(error) => return Err(cannot(crate::aws::told(&error))),
        }
    }
    Err(cannot("its mark comes and goes".to_owned()))
}

async fn marked(clients: &Clients, places: &Places) -> Result<Option<Vec<u8>>, String> {
    let get = clients.s3.get_object().bucket(&places.bucket).key(places.key(keys::NETWORK));
    match get.send().await {
        Ok(answer) => {
            let bytes = answer.body.collect().await.map_err(|error| error.to_string())?;
            Ok(Some(bytes.to_vec()))
        }
        Err(error) if error.as_service_error().is_some_and(|error| error.is_no_such_key()) => Ok(None),
        Err(error) => Err(crate::aws::told(&error)),
    }
}

async fn holds_data(clients: &Clients, places: &Places) -> Result<bool, String> {
    let list = clients.s3.list_objects_v2().bucket(&places.bucket).prefix(places.key("")).max_keys(1);
    let answer = list.send().await.map_err(|error| crate::aws::told(&error))?;
    Ok(!answer.contents().is_empty())
}

fn encoded(mark: &NetworkMark) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(mark).map_err(Failure::runtime)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(network: &str, stream: &str) -> NetworkMark {
        NetworkMark { network: network.to_owned(), stream: stream.to_owned() }
    }

    fn verdict(mine: &NetworkMark, found: Option<&NetworkMark>, holds_data: bool) -> Verdict {
        let found = found.map(|mark| encoded(mark).unwrap());
        judge(mine, found.as_deref(), holds_data, "table t", "with --table")
    }

    fn refusal(verdict: Verdict) -> String {
        match verdict {
            Verdict::Refused(reason) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_first_user_marks_and_the_same_may_come_back() {
        let (planet, world) = (mark("planet", "arn:a"), mark("world", "arn:a"));
        assert_eq!(verdict(&planet, None, false), Verdict::Free);
        assert_eq!(verdict(&world, None, true), Verdict::Free);
        assert_eq!(verdict(&planet, Some(&planet), true), Verdict::Ours);
    }

    #[test]
    fn the_planet_and_the_world_are_kept_apart() {
        let (planet, world) = (mark("planet", "arn:a"), mark("world", "arn:a"));
        for (mine, found) in [(&planet, Some(&world)), (&world, Some(&planet)), (&planet, None)] {
            let reason = refusal(verdict(mine, found, true));
            assert!(
                reason.contains("must not be mixed") && reason.ends_with("choose another with --table"),
                "{reason}"
            );
        }
    }

    #[test]
    fn another_streams_checkpoints_are_refused() {
        let reason = refusal(verdict(&mark("world", "arn:b"), Some(&mark("world", "arn:a")), true));
        assert!(reason.contains("filled from the stream arn:a") && reason.contains("arn:b"), "{reason}");
        let reason = refusal(judge(&mark("world", "arn:b"), Some(b"no json"), true, "table t", "with --table"));
        assert!(reason.contains("cannot be read"), "{reason}");
    }
}
