//! The UDP gateways that the service tells of. It routes nothing itself, and knows no gateway but by what it says of itself.

mod board;
mod control;

use std::fmt::Debug;

use async_trait::async_trait;
use cloudping_schemas::api::GatewaySeen;

pub(crate) use board::Board;
pub use control::{ControlAddress, ControlAddressError, GatewayControl, TwiceError, controls};

/// A gateway, in this process or elsewhere.
#[async_trait]
pub trait GatewaySource: Debug + Send + Sync {
    /// What it says of itself now; or why it says nothing, within seconds, since whoever looks waits for it.
    async fn look(&self) -> GatewaySeen;
}
