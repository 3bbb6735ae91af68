//! The fleet against a model of an account: what is planned, what is done, and what is left when something fails.

mod fleet;
mod golden;
mod model;
mod plans;
