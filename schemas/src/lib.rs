//! The contracts between the components: the event, the stored items, the tables, the API's shapes, the gateway's batches
//! and the region catalogue.
//!
//! Every version that was ever written stays readable: `golden/` holds bytes of each, and tests decode them.

pub mod api;
pub mod catalogue;
pub mod event;
pub mod gateway;
pub mod ingest;
pub mod stored;
pub mod tables;
