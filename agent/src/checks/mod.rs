//! Checks of the host: facts are gathered by [`folder`], [`kernel`] and [`clock::ask`], and judged by functions that do nothing else.

pub mod clock;
pub mod finding;
pub mod folder;
pub mod kernel;
pub mod prober;
