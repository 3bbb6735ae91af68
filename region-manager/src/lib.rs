//! The region manager: which regions the account has, which of them the operator lets it enable, and a producer in each.
//!
//! What is to be done follows from what a region has and what it should have ([`plan`]), so a run may be cut off anywhere: the next one
//! finds what is there and does the rest. What a region should have is [`Deployment`]'s, from the same settings as the stacks of `cdk/`.

mod account;
mod cloud;
mod deployment;
mod fleet;
mod plan;
mod producer;
mod report;
mod settings;

pub use account::{AccountRegion, OptStatus, Wish, wish};
pub use cloud::{Cloud, CloudError, Fault};
pub use deployment::{Code, CodeError, Deployment};
pub use fleet::{Fleet, FleetError, Mode};
pub use plan::{Step, plan};
pub use producer::{
    Alarm, Configuration, Fires, Function, LogGroup, Names, Permission, Producer, Rule, RuleKind, Tags, Target,
};
pub use report::{Outcome, RegionReport, Report};
pub use settings::{Settings, SettingsError};
