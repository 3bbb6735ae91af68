//! What must hold of the rounds of a request before any is written.

use bytes::Bytes;
use cloudping_model::{IdError, TargetId, UtcMicros, VantageId};
use cloudping_schemas::event::{self, Columns, EventError};
use cloudping_schemas::ingest::Rounds;

use crate::limits::Limits;
use crate::refusal::{Reason, Refusal};

/// Who signed, and when that was looked at.
pub struct Signed<'a> {
    pub vantage: &'a VantageId,
    pub now: UtcMicros,
}

/// The rounds of a body, each of which may be appended as it is.
pub fn check(body: &Bytes, signed: &Signed<'_>, limits: &Limits) -> Result<Vec<Bytes>, Refusal> {
    let mut columns = Columns::default();
    let mut rounds = Vec::new();
    for (at, round) in Rounds::of(body).enumerate() {
        let round = round.map_err(|error| Refusal::new(Reason::Body, error.to_string()).round(at))?;
        if at == limits.rounds {
            let detail = format!("the body has more than {at} rounds");
            return Err(Refusal::new(Reason::TooLarge, detail).field("rounds", format!("at most {at}")));
        }
        if round.len() > limits.round_bytes {
            let detail = format!("round {at} has {} bytes", round.len());
            let expected = format!("at most {} bytes", limits.round_bytes);
            return Err(Refusal::new(Reason::TooLarge, detail).round(at).field("round", expected));
        }
        check_round(round, &mut columns, signed, limits).map_err(|refusal| refusal.round(at))?;
        rounds.push(body.slice_ref(round));
    }
    if rounds.is_empty() {
        return Err(Refusal::new(Reason::Body, "the body is empty").field("body", "one round at least"));
    }
    Ok(rounds)
}

fn check_round(round: &[u8], columns: &mut Columns, signed: &Signed<'_>, limits: &Limits) -> Result<(), Refusal> {
    if event::is_change(round) {
        let detail = "a route change is found by the stream processor, never sent";
        return Err(Refusal::new(Reason::Schema, detail).field("event", "a ProbeRound"));
    }
    let head = columns.read(round).map_err(|error| schema(&error))?;
    let vantage = head.vantage().map_err(|error| schema(&error))?;
    if vantage != *signed.vantage {
        let detail = format!("the round is of {vantage}, and signed by {}", signed.vantage);
        let refusal = Refusal::new(Reason::OtherVantage, detail);
        return Err(refusal.field("vantage_id", signed.vantage.as_str()));
    }
    for target in head.targets() {
        let id = target.and_then(|text| TargetId::new(text).map_err(EventError::Id));
        id.map_err(|error| schema(&error))?;
    }
    // A round of the future would make all later ones look late.
    let (first, last) = (signed.now - limits.oldest_us, signed.now + limits.clock_us);
    if !(first..=last).contains(&head.started_at) {
        let detail =
            format!("the round started at {} us, and the door's clock is at {}", head.started_at.0, signed.now.0);
        let refusal = Refusal::new(Reason::RoundTime, detail).door_time(signed.now);
        return Err(refusal.field("started_at_us", format!("{} to {}", first.0, last.0)));
    }
    // An epoch is the moment when its producer started: one of the future would make all that come after it look forgotten.
    if i64::try_from(head.epoch).is_ok_and(|epoch| epoch <= last.0) {
        return Ok(());
    }
    let detail = format!("the round's epoch is {}, and the door's clock is at {}", head.epoch, signed.now.0);
    Err(Refusal::new(Reason::RoundTime, detail).door_time(signed.now).field("epoch", format!("at most {}", last.0)))
}

fn schema(error: &EventError) -> Refusal {
    let refusal = Refusal::new(Reason::Schema, error.to_string());
    match error {
        EventError::Protobuf(_) => refusal.field("event", "a ProbeRound in protobuf"),
        EventError::Version(_) => refusal.field("schema_version", format!("1 to {}", event::SCHEMA_VERSION)),
        EventError::Id(IdError { kind, .. }) => {
            let field = if *kind == "vantage" { "vantage_id" } else { "targets" };
            refusal.field(field, "1 to 64 characters out of a-z, 0-9 and . _ : -")
        }
        EventError::Field { field, expected, .. } => refusal.field(*field, *expected),
        EventError::Length { field, expected, .. } => refusal.field(*field, format!("{expected} values, as in target")),
    }
}
