//! What the fuzz targets check beyond "it does not panic": each target reads bytes of unknown origin with one decoder, and what
//! that decoder takes for valid must keep the promises made here.

mod memory;
mod promises;

pub use memory::within;
pub use promises::{comes_back, digest, summary};
