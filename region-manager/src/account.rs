//! The regions of the account, and what is wished of each.

use std::fmt;

use serde::Serialize;

use crate::Settings;

/// A region as the account has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRegion {
    /// Its code, such as `eu-west-1`.
    pub id: String,
    /// Whether it may be used.
    pub status: OptStatus,
}

/// Whether the account may use a region, as AWS says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OptStatus {
    /// Every account may.
    EnabledByDefault,
    /// This one has enabled it.
    Enabled,
    /// It was asked for, and takes minutes to hours.
    Enabling,
    /// It is being given up.
    Disabling,
    /// This account has not enabled it.
    Disabled,
    /// A word that this program does not know.
    #[serde(untagged)]
    Unknown(String),
}

impl OptStatus {
    /// By AWS's word.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        match word {
            "ENABLED_BY_DEFAULT" => Self::EnabledByDefault,
            "ENABLED" => Self::Enabled,
            "ENABLING" => Self::Enabling,
            "DISABLING" => Self::Disabling,
            "DISABLED" => Self::Disabled,
            unknown => Self::Unknown(unknown.to_owned()),
        }
    }
}

impl fmt::Display for OptStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EnabledByDefault => "ENABLED_BY_DEFAULT",
            Self::Enabled => "ENABLED",
            Self::Enabling => "ENABLING",
            Self::Disabling => "DISABLING",
            Self::Disabled => "DISABLED",
            Self::Unknown(word) => word,
        })
    }
}

/// What is wished of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// A producer.
    Producer,
    /// No producer: the operator leaves it out, or the account does not have it any more.
    Nothing,
    /// That the account enables it: the operator allows it.
    Enable,
    /// To wait until AWS is done with it, whatever comes then.
    Wait,
}

/// What is wished of a region. Only one that the settings name is ever enabled, and none is ever disabled.
#[must_use]
pub fn wish(region: &AccountRegion, settings: &Settings) -> Wish {
    let named = |list: &[String]| list.contains(&region.id);
    match region.status {
        _ if named(&settings.leave_out) => Wish::Nothing,
        OptStatus::EnabledByDefault | OptStatus::Enabled => Wish::Producer,
        OptStatus::Disabled if named(&settings.enable) => Wish::Enable,
        OptStatus::Disabled | OptStatus::Disabling => Wish::Nothing,
        OptStatus::Enabling | OptStatus::Unknown(_) => Wish::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_allowed_is_enabled() {
        let mut settings = Settings::example();
        settings.enable = vec!["af-south-1".to_owned(), "ap-east-1".to_owned()];
        settings.leave_out = vec!["us-west-1".to_owned(), "ap-east-1".to_owned()];
        let of = |id: &str, status: &str| {
            wish(&AccountRegion { id: id.to_owned(), status: OptStatus::parse(status) }, &settings)
        };
        for (id, status, wished) in [
            ("us-east-1", "ENABLED_BY_DEFAULT", Wish::Producer),
            ("me-south-1", "ENABLED", Wish::Producer),
            ("me-south-1", "DISABLED", Wish::Nothing),
            ("me-south-1", "DISABLING", Wish::Nothing),
            ("af-south-1", "DISABLED", Wish::Enable),
            ("af-south-1", "ENABLING", Wish::Wait),
            ("af-south-1", "ENABLED", Wish::Producer),
            ("af-south-1", "DISABLING", Wish::Nothing),
            ("us-west-1", "ENABLED_BY_DEFAULT", Wish::Nothing),
            // Leaving out goes before enabling.
            ("ap-east-1", "DISABLED", Wish::Nothing),
            ("us-east-1", "PAUSED", Wish::Wait),
        ] {
            assert_eq!(of(id, status), wished, "{id} {status}");
        }
    }

    #[test]
    fn statuses_are_written_as_they_are_read() {
        for word in ["ENABLED_BY_DEFAULT", "ENABLED", "ENABLING", "DISABLING", "DISABLED", "PAUSED"] {
            let status = OptStatus::parse(word);
            assert_eq!((status.to_string().as_str(), serde_json::to_value(&status).unwrap()), (word, word.into()));
        }
    }
}
