//! The rights that a planet needs, and how a process without them gets them.

use std::fs;
use std::io;

use crate::error::PlanetError;
use crate::namespace::open_tun;
use crate::sys;

const CAP_NET_ADMIN: u32 = 12;
const CAP_SYS_ADMIN: u32 = 21;

/// Makes sure that this process may make namespaces and TUN devices.
///
/// If it already may (root), nothing changes. Otherwise the process moves into a new user namespace in which it has all
/// rights, over what is made there only: it stays in the machine's network and file system, and keeps its own user's access
/// to files (but sees that user, and only that user, as root).
///
/// Must be called while the process has one thread: first thing in `main`, before any runtime or logger thread starts.
///
/// # Errors
/// What the machine refuses, with what to do about it.
pub fn acquire_rights() -> Result<(), PlanetError> {
    open_tun()?;
    if may_already(&fs::read_to_string("/proc/self/status").unwrap_or_default()) {
        return Ok(());
    }
    let threads = fs::read_dir("/proc/self/task").map_or(1, |tasks| tasks.count());
    if threads != 1 {
        return Err(PlanetError::NotSingleThreaded { threads });
    }
    let (user, group) = sys::user_and_group();
    sys::unshare(libc::CLONE_NEWUSER).map_err(|source| PlanetError::UserNamespaceRefused {
        hint: hint(&source, |sysctl| fs::read_to_string(sysctl).ok()),
        source,
    })?;
    write_mapping("/proc/self/setgroups", "deny")?;
    write_mapping("/proc/self/uid_map", &format!("0 {user} 1"))?;
    write_mapping("/proc/self/gid_map", &format!("0 {group} 1"))
}

/// Whether the effective capabilities in the text of `/proc/self/status` suffice.
fn may_already(status: &str) -> bool {
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    [CAP_NET_ADMIN, CAP_SYS_ADMIN].iter().all(|bit| effective & (1 << bit) != 0)
}

fn write_mapping(path: &'static str, value: &str) -> Result<(), PlanetError> {
    fs::write(path, value).map_err(|source| PlanetError::MappingRefused { path, source })
}

/// What most likely refused a user namespace. `read` gives the text of a file, if it exists.
fn hint(refusal: &io::Error, read: impl Fn(&str) -> Option<String>) -> String {
    let is = |sysctl, value| read(sysctl).is_some_and(|text| text.trim() == value);
    if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        return "allow it with `sysctl kernel.unprivileged_userns_clone=1`".into();
    }
    if is("/proc/sys/user/max_user_namespaces", "0") || refusal.raw_os_error() == Some(libc::ENOSPC) {
        return "raise `sysctl user.max_user_namespaces`".into();
    }
    if is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        return "allow it with `sysctl kernel.apparmor_restrict_unprivileged_userns=0`, or an AppArmor profile for this program"
            .into();
    }
    "the container or its seccomp profile forbids it: allow unshare(CLONE_NEWUSER)".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities() {
        assert!(may_already("Name:\tx\nCapEff:\t000001ffffffffff\n"));
        assert!(may_already("CapEff:\t0000000000201000\n"));
        assert!(!may_already("CapEff:\t0000000000200000\n"));
        assert!(!may_already("CapEff:\t0000000000000000\nCapBnd:\t000001ffffffffff\n"));
        assert!(!may_already(""));
    }

    #[test]
    fn hints_name_what_refuses() {
        let refused = io::Error::from_raw_os_error(libc::EPERM);
        let with = |path: &'static str, value: &'static str| {
            hint(&refused, move |asked| (asked == path).then(|| value.to_owned()))
        };
        let clone = with("/proc/sys/kernel/unprivileged_userns_clone", "0\n");
        assert!(clone.contains("kernel.unprivileged_userns_clone=1"), "{clone}");
        let most = with("/proc/sys/user/max_user_namespaces", "0\n");
        assert!(most.contains("user.max_user_namespaces"), "{most}");
        let apparmor = with("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n");
        assert!(apparmor.contains("AppArmor"), "{apparmor}");
        let unknown = with("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "0\n");
        assert!(unknown.contains("seccomp"), "{unknown}");
        let full = hint(&io::Error::from_raw_os_error(libc::ENOSPC), |_| None);
        assert!(full.contains("user.max_user_namespaces"), "{full}");
    }
}
