//! What a UDP gateway says of itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Answer of `GET /api/v1/gateways`: the UDP gateways that the service tells of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Gateways {
    /// Whether the network is simulated.
    pub simulated: bool,
    /// When they were asked.
    pub as_of: String,
    /// In the order in which the service was given them.
    pub gateways: Vec<GatewaySeen>,
}

/// A gateway, as the service sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GatewaySeen {
    /// Its name in the service's settings.
    pub name: String,
    /// What it said of itself; the last it said, where there is an `error`; null if it has never answered.
    pub state: Option<GatewayState>,
    /// Why it says nothing now; null where it does.
    pub error: Option<String>,
}

/// Answer of a gateway's `GET /v1/state`. Counts are since its start, of datagrams unless they say otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GatewayState {
    /// The region in which it receives.
    pub region: String,
    /// When this was so.
    pub as_of: String,
    /// The latency matrix that it routes by; null without one.
    pub matrix: Option<GatewayMatrix>,
    /// Senders that lost their place in the table to another.
    pub displaced_senders: u64,
    /// Its sockets.
    pub listeners: Vec<GatewayListener>,
    /// Where batches go.
    pub destinations: Vec<GatewayDestination>,
}

/// What a gateway knows of the latency matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GatewayMatrix {
    /// Whom it asks.
    pub url: String,
    /// Seconds since it was last answered; null if it never was.
    pub age_seconds: Option<f64>,
    /// Regions whose distance it knows from there.
    pub regions: u64,
    /// Whether the network is simulated.
    pub simulated: bool,
    /// Why it was not answered the last time; null if it was. It goes on with the last answer.
    pub error: Option<String>,
}

/// A socket of a gateway. `received` is `not_allowed + rate_limited + accepted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GatewayListener {
    /// Where it is bound.
    pub address: String,
    /// The domain name that destinations are told.
    pub domain: String,
    /// The kernel's buffer, in bytes.
    pub receive_buffer_bytes: u64,
    /// Taken from the socket.
    pub received: u64,
    /// Their payloads' bytes.
    pub received_bytes: u64,
    /// Dropped: of no allowed network.
    pub not_allowed: u64,
    /// Dropped: their senders sent too much.
    pub rate_limited: u64,
    /// Offered to each of its destinations.
    pub accepted: u64,
    /// Dropped by the kernel before the gateway took them: they came faster than it.
    pub kernel_dropped: u64,
    /// Replies that were sent.
    pub replies: u64,
    /// Replies that the kernel did not take.
    pub replies_unsent: u64,
}

/// A destination of a gateway. `offered` is `waiting + delivered` and all that is `dropped`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GatewayDestination {
    /// Its name.
    pub name: String,
    /// How payloads are written: base64, hex, ascii or utf8.
    pub formatter: String,
    /// The region whose target the next batch goes to; null where there is none that is well.
    pub serving: Option<String>,
    /// Offered by its listeners.
    pub offered: u64,
    /// On their way.
    pub waiting: u64,
    /// In a batch that a target took.
    pub delivered: u64,
    /// By reason: queue_full, unfair_share, no_target, failed.
    pub dropped: BTreeMap<String, u64>,
    /// Batches that a target took.
    pub batches: u64,
    /// Batches that were tried a second time.
    pub retried: u64,
    /// Attempts of which nobody knows whether the target counted them.
    pub unknown_outcome: u64,
    /// Replies that could not be sent, by reason: unknown_tag, repeated_tag, unreadable, too_large; and whole answers: unreadable_answer.
    pub unusable_replies: BTreeMap<String, u64>,
    /// In the order in which they are tried.
    pub targets: Vec<GatewayTarget>,
}

/// A target of a destination. Counts are since it was set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GatewayTarget {
    /// Under which region it was set, or `*`.
    pub region: String,
    /// Where it is.
    pub target: String,
    /// Its breaker: closed (batches pass), open (none does) or half_open (one finds out).
    pub breaker: String,
    /// The measured round-trip time from the gateway's region to this one, in ms; null where it is not known.
    pub rtt_ms: Option<f64>,
    /// Batches that it took.
    pub batches: u64,
    /// The datagrams in them.
    pub packets: u64,
    /// Batches that it did not take.
    pub failures: u64,
    /// Replies that it gave and that could be sent.
    pub replies: u64,
    /// Why it failed last; null if it never did.
    pub last_failure: Option<String>,
}

/// Body of a gateway's `PUT /v1/destinations/{name}/targets/{region}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GatewayTargetSetting {
    /// An ARN of Lambda or Kinesis, an address of http or https, or `in-process:NAME`.
    pub target: String,
}
