//! Who may use the doors that take a key in their own way: as a password, or as a bearer's token.

use std::net::IpAddr;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::access::{Gate, Meter, Scope};

/// Says who may come in. It is asked when a client connects and again for each statement, so that a key ends with its revocation.
pub trait Doorkeeper: Send + Sync + 'static {
    /// Whether a client at this address may ask statements, with the key that it showed, if any.
    ///
    /// # Errors
    /// Why not, in words for the client.
    fn admit<'a>(&'a self, presented: Option<&'a str>, address: IpAddr) -> BoxFuture<'a, Result<Admission, String>>;
}

/// That somebody was let in. What it lasts counts as time of SQL: keep it until the statement has ended.
#[derive(Default)]
pub struct Admission {
    _meter: Option<Meter>,
}

/// By the same budgets, keys and quotas as over HTTP.
impl Doorkeeper for Gate {
    fn admit<'a>(&'a self, presented: Option<&'a str>, address: IpAddr) -> BoxFuture<'a, Result<Admission, String>> {
        async move {
            let admitted = Gate::admit(self, presented, address, Scope::Sql).await;
            let admitted = admitted.map_err(|refusal| refusal.to_string())?;
            Ok(Admission { _meter: Some(admitted.meter()) })
        }
        .boxed()
    }
}

/// Lets everybody in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Everyone;

impl Doorkeeper for Everyone {
    fn admit<'a>(&'a self, _: Option<&'a str>, _: IpAddr) -> BoxFuture<'a, Result<Admission, String>> {
        async { Ok(Admission::default()) }.boxed()
    }
}
