//! Who may use the doors that take a key in their own way: as a password, or as a bearer's token.

use std::net::IpAddr;

use futures::FutureExt;
use futures::future::BoxFuture;

/// Says who may come in. It is asked when a client connects and again for each statement, so that a key ends with its revocation.
pub trait Doorkeeper: Send + Sync + 'static {
    /// Whether a client at this address may ask statements, with the key that it showed, if any.
    ///
    /// # Errors
    /// Why not, in words for the client.
    fn admit<'a>(&'a self, presented: Option<&'a str>, address: IpAddr) -> BoxFuture<'a, Result<(), String>>;
}

/// Lets everybody in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Everyone;

impl Doorkeeper for Everyone {
    fn admit<'a>(&'a self, _: Option<&'a str>, _: IpAddr) -> BoxFuture<'a, Result<(), String>> {
        async { Ok(()) }.boxed()
    }
}
