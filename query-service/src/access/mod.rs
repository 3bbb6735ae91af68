//! Who may ask how much.
//!
//! Reading is open: an address has a budget of light requests and one of heavy ones. A key gives more, and opens what the operator keeps
//! for those who have one. What decides is pure (`budget`, `client`, `scope`, `known`); `gate` brings it together with the live store, in
//! which the operator has the keys, and `http/access.rs` puts it before the routes. Other doors ask [`Gate::admit`] themselves.

mod addresses;
mod budget;
mod client;
mod gate;
pub mod keys;
mod known;
mod refusal;
mod scope;
mod secret;
mod settings;

pub use budget::{Budget, NoBudget, Standing};
pub(crate) use client::passed_on;
pub use client::{ClientHeader, NoClientHeader, NoNetwork, Proxies};
pub use gate::{Admitted, Gate, Meter};
pub(crate) use gate::{RATE_LIMIT, RATE_LIMIT_POLICY};
pub use refusal::{Kind, Refusal};
pub use scope::{NoScope, Scope};
pub(crate) use scope::{is_legacy, needed};
pub use secret::{KeyId, NoKeyId, NoRandomness, Secret};
pub(crate) use secret::{holds_key, may_hold_key};
pub use settings::AccessSettings;
