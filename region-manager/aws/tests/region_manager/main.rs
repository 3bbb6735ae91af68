//! The region manager on a real server of Lambda, EventBridge and CloudWatch Logs, with 39 regions.

mod account;
mod fleet;
mod program;
mod rig;
