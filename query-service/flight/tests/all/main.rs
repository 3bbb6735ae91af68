//! The Flight SQL door over real connections: Arrow's own client, and ADBC from Python. One program, so that the engine is linked once.

mod adbc;
mod common;
mod protocol;
