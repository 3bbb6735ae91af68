//! TCP connect, see [`crate::tcp`].

use async_trait::async_trait;
use cloudping_model::Protocol;

use super::{Prober, Reading, Request};

/// One TCP handshake, timed by the kernel.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tcp;

#[async_trait]
impl Prober for Tcp {
    fn protocol(&self) -> Protocol {
        Protocol::TcpConnect
    }

    async fn probe(&self, request: &Request) -> Reading {
        crate::tcp::connect(request.address, request.source, request.timeout).await
    }
}
