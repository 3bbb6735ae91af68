//! The ingest door: takes rounds over HTTPS from vantage points that cannot write to the event log themselves (another partition of the
//! cloud, another cloud, a laptop) and appends them to that log.
//!
//! A vantage point signs each request with an Ed25519 key of its own. The live store has the SHA-256 of its public keys, nothing more:
//! what leaks from there forges nothing. A stolen key writes as its own vantage point only, until it is revoked, and a request that was
//! overheard is taken no second time. A request is taken as a whole: when one of its rounds is refused, none is written.
//!
//! Bodies are signed, not secret; TLS belongs in front. [`cloudping_schemas::ingest`] says what a request looks like.

mod bucket;
mod counters;
mod door;
mod http;
mod limits;
mod refusal;
pub mod registry;
mod replay;
mod request;
mod rounds;

pub use counters::Counters;
pub use door::{Clock, Door};
pub use http::{router, serve};
pub use limits::Limits;
pub use refusal::Reason;
