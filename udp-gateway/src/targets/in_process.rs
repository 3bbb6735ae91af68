//! Targets of this process, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::counter::PacketCounter;
use super::{Connect, ConnectError, Handler, Sink, TargetAddress};

/// Makes a handler for a region.
type Make = Box<dyn Fn(&str) -> Arc<dyn Handler> + Send + Sync>;

/// The handlers that a program offers.
pub struct InProcess(BTreeMap<String, Make>);

impl InProcess {
    /// `packet-counter`, and nothing else yet.
    #[must_use]
    pub fn new() -> Self {
        Self(BTreeMap::new()).with("packet-counter", |region| Arc::new(PacketCounter::new(region)))
    }

    /// One more kind of handler; `make` is called for each region that it is to serve.
    #[must_use]
    pub fn with(mut self, name: &str, make: impl Fn(&str) -> Arc<dyn Handler> + Send + Sync + 'static) -> Self {
        self.0.insert(name.to_owned(), Box::new(make));
        self
    }
}

impl Default for InProcess {
    fn default() -> Self {
        Self::new()
    }
}

impl Connect for InProcess {
    fn connect(&self, region: &str, address: &TargetAddress) -> Option<Result<Sink, ConnectError>> {
        let TargetAddress::InProcess(name) = address else { return None };
        let unknown = || {
            let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
            ConnectError(format!("there is no handler {name:?} in this program, expected one of: {}", known.join(", ")))
        };
        Some(self.0.get(name).map(|make| Sink::InProcess(make(region))).ok_or_else(unknown))
    }
}
