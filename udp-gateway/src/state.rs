//! What a gateway says of itself.

use std::time::{Instant, SystemTime};

use cloudping_model::UtcMicros;
use cloudping_schemas::api::{GatewayDestination, GatewayListener, GatewayMatrix, GatewayState, GatewayTarget};

use crate::breaker::BreakerState;
use crate::destination::{Destination, TargetView};
use crate::gateway::Shared;
use crate::listener::Listener;
use crate::sys;
use crate::tally::DestinationTally;

/// The state at this moment, which both clocks tell.
pub fn state(shared: &Shared, now: Instant, at: UtcMicros) -> GatewayState {
    let matrix = shared.matrix_url.as_ref().map(|url| {
        let status = shared.matrix();
        GatewayMatrix {
            url: url.clone(),
            age_seconds: status.answered.map(|answered| now.saturating_duration_since(answered).as_secs_f64()),
            regions: status.regions,
            simulated: status.simulated,
            error: status.error,
        }
    });
    GatewayState {
        region: shared.region.clone(),
        as_of: rfc3339(at),
        matrix,
        displaced_senders: shared.displaced.get(),
        listeners: shared.listeners.iter().map(listener).collect(),
        destinations: shared.destinations.iter().map(|it| destination(it, now)).collect(),
    }
}

fn listener(it: &Listener) -> GatewayListener {
    let tally = &it.tally;
    GatewayListener {
        address: it.address.to_string(),
        domain: it.domain.clone(),
        receive_buffer_bytes: it.receive_buffer as u64,
        received: tally.received.get(),
        received_bytes: tally.bytes.get(),
        not_allowed: tally.not_allowed.get(),
        rate_limited: tally.rate_limited.get(),
        accepted: tally.accepted.get(),
        kernel_dropped: sys::kernel_drops(&it.socket),
        replies: tally.replies.get(),
        replies_unsent: tally.replies_unsent.get(),
    }
}

fn destination(it: &Destination, now: Instant) -> GatewayDestination {
    let (tally, targets) = (&it.tally, it.targets(now));
    let serving = targets.iter().find(|target| target.breaker != BreakerState::Open);
    // What waits is read first: what is delivered meanwhile must not be missing in the sum.
    let waiting = tally.waiting();
    GatewayDestination {
        name: it.name.clone(),
        formatter: it.handling.formatter.name().to_owned(),
        serving: serving.map(|target| target.region.to_string()),
        offered: tally.offered.get(),
        waiting,
        delivered: tally.delivered.get(),
        dropped: dropped(tally).map(|(reason, count)| (reason.to_owned(), count)).into(),
        batches: tally.batches.get(),
        retried: tally.retried.get(),
        unknown_outcome: tally.unknown_outcome.get(),
        unusable_replies: unusable(tally).map(|(reason, count)| (reason.to_owned(), count)).into(),
        targets: targets.iter().map(target).collect(),
    }
}

/// Datagrams that were dropped, by reason.
pub fn dropped(tally: &DestinationTally) -> [(&'static str, u64); 4] {
    [
        ("queue_full", tally.queue_full.get()),
        ("unfair_share", tally.unfair_share.get()),
        ("no_target", tally.no_target.get()),
        ("failed", tally.failed.get()),
    ]
}

/// Replies that could not be sent, by reason.
pub fn unusable(tally: &DestinationTally) -> [(&'static str, u64); 5] {
    [
        ("unknown_tag", tally.unknown_tag.get()),
        ("repeated_tag", tally.repeated_tag.get()),
        ("unreadable", tally.unreadable_reply.get()),
        ("too_large", tally.too_large_reply.get()),
        ("unreadable_answer", tally.unreadable_answer.get()),
    ]
}

fn target(view: &TargetView) -> GatewayTarget {
    let breaker = match view.breaker {
        BreakerState::Closed => "closed",
        BreakerState::Open => "open",
        BreakerState::HalfOpen => "half_open",
    };
    GatewayTarget {
        region: view.region.to_string(),
        target: view.address.to_string(),
        breaker: breaker.to_owned(),
        rtt_ms: view.rtt_ms,
        batches: view.tally.batches.get(),
        packets: view.tally.packets.get(),
        failures: view.tally.failures.get(),
        replies: view.tally.replies.get(),
        last_failure: view.last_failure.clone(),
    }
}

fn rfc3339(at: UtcMicros) -> String {
    let since_1970 = std::time::Duration::from_micros(u64::try_from(at.0).unwrap_or(0));
    humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + since_1970).to_string()
}
