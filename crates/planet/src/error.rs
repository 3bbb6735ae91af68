//! What can keep a planet from starting, in words that say what to do about it.

use std::io;

/// Why the planet cannot run here. Every message is one line and names the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanetError {
    /// The kernel refuses new user namespaces to this user.
    #[error("cannot make a user namespace ({source}): {hint}; or run as root (CAP_SYS_ADMIN and CAP_NET_ADMIN)")]
    UserNamespaceRefused {
        /// The sysctl or policy that most likely refuses, and how to lift it.
        hint: String,
        /// The kernel's answer to `unshare(CLONE_NEWUSER)`.
        source: io::Error,
    },

    /// A user namespace can only be entered while the process has one thread.
    #[error(
        "rights must be acquired while the process has one thread, but it has {threads}: call acquire_rights() first thing in main"
    )]
    NotSingleThreaded {
        /// Threads found in `/proc/self/task`.
        threads: usize,
    },

    /// The mapping of this user to the namespace's root was refused.
    #[error(
        "cannot write {path} of the new user namespace ({source}): a security policy (AppArmor, SELinux, a container) restricts it; run as root or lift that policy"
    )]
    MappingRefused {
        /// The file under `/proc/self` that refused.
        path: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },

    /// `/dev/net/tun` does not exist.
    #[error(
        "/dev/net/tun is missing: load it with `modprobe tun`, or in a container pass the device (--device /dev/net/tun)"
    )]
    TunMissing,

    /// `/dev/net/tun` exists, but this user may not open it.
    #[error(
        "/dev/net/tun may not be opened ({source}): run as root, or give this user access (`chmod 666 /dev/net/tun`, the usual mode)"
    )]
    TunRefused {
        /// The kernel's answer to `open`.
        source: io::Error,
    },

    /// The kernel refuses a network namespace.
    #[error(
        "cannot make a network namespace ({source}): call acquire_rights() first; if that was done, raise `user.max_net_namespaces` or allow CAP_SYS_ADMIN to this container"
    )]
    NetworkNamespaceRefused {
        /// The kernel's answer to `unshare(CLONE_NEWNET)`.
        source: io::Error,
    },

    /// A step of setting up a namespace failed.
    #[error("cannot {step} ({source}): this kernel or container lacks what the simulated network needs")]
    Setup {
        /// What was being done, as a verb phrase.
        step: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },

    /// The world has no region, or more than the address plan holds.
    #[error("a planet needs 1 to {max} regions, not {found}")]
    RegionCount {
        /// Regions asked for.
        found: usize,
        /// Most regions the address plan can tell apart.
        max: usize,
    },
}

impl PlanetError {
    /// For `map_err`: a failed setup `step`.
    pub(crate) fn setup(step: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Setup { step, source }
    }
}
