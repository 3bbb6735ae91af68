//! How a command ends when it does not succeed: one line that says what to do, and an exit code.

use std::fmt;
use std::process::ExitCode;

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// Something about how it was called, or about its surroundings, must be put right first. Exit code 2.
    Setting(String),
    /// It could not be done this time. Exit code 1.
    Runtime(String),
    /// As `Runtime`, in words that other tools of the kind use, and nothing before them. Exit code 1.
    Verbatim(String),
    /// It was done, and a latency is above the threshold that was set. Exit code 3.
    TooSlow(String),
    /// It was done, and a loss is above the threshold that was set. Exit code 4.
    TooLossy(String),
}

impl Failure {
    /// A wrong setting.
    pub fn setting(message: impl fmt::Display) -> Self {
        Self::Setting(message.to_string())
    }

    /// A failure while running.
    pub fn runtime(message: impl fmt::Display) -> Self {
        Self::Runtime(message.to_string())
    }

    /// The line that standard error gets.
    pub fn line(&self) -> String {
        match self {
            Self::Verbatim(message) => message.clone(),
            other => format!("cloudping: {other}"),
        }
    }

    /// As at each variant.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Setting(_) => ExitCode::from(2),
            Self::Runtime(_) | Self::Verbatim(_) => ExitCode::from(1),
            Self::TooSlow(_) => ExitCode::from(3),
            Self::TooLossy(_) => ExitCode::from(4),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Setting(message)
        | Self::Runtime(message)
        | Self::Verbatim(message)
        | Self::TooSlow(message)
        | Self::TooLossy(message)) = self;
        f.write_str(message)
    }
}
