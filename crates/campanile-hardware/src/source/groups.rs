//! Where the process's control groups lie.

use std::path::{Path, PathBuf};

use super::parse::{self, Membership, Mount, Version};

/// The directories of the control groups that the process is in. Innermost first, and outwards as far as they can be
/// seen: a limit on any of them holds.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// Of the one hierarchy of version 2.
    pub(super) two: Vec<PathBuf>,
    /// Of the controller `cpu` of version 1.
    pub(super) cpu: Vec<PathBuf>,
    /// Of the controller `memory` of version 1.
    pub(super) memory: Vec<PathBuf>,
}

// ===== impl Groups =====

impl Groups {
    /// From the texts of `/proc/self/cgroup` and `/proc/self/mountinfo`, below `root`.
    pub(super) fn new(root: &Path, cgroup: &str, mountinfo: &str) -> Self {
        let memberships = parse::memberships(cgroup);
        let mounts = parse::mounts(mountinfo);
        let one = |controller: &str| {
            let has = |names: &[String]| names.iter().any(|name| name == controller);
            let member = memberships.iter().find(|m| has(&m.controllers));
            let mount = mounts
                .iter()
                .find(|m| matches!(&m.version, Version::One(names) if has(names)));
            chain(root, member, mount)
        };
        let member = memberships.iter().find(|m| m.controllers.is_empty());
        let mount = mounts.iter().find(|m| m.version == Version::Two);
        Self {
            two: chain(root, member, mount),
            cpu: one("cpu"),
            memory: one("memory"),
        }
    }
}

fn chain(root: &Path, member: Option<&Membership>, mount: Option<&Mount>) -> Vec<PathBuf> {
    let (Some(member), Some(mount)) = (member, mount) else {
        return Vec::new();
    };
    let point = root.join(mount.point.trim_start_matches('/'));
    // A path outside of what is mounted is that of another namespace: what is mounted is all there is to see.
    let below = Path::new(&member.path)
        .strip_prefix(&mount.root)
        .ok()
        .filter(|below| !below.components().any(|part| part.as_os_str() == ".."))
        .unwrap_or(Path::new(""));
    let innermost = point.join(below);
    innermost
        .ancestors()
        .take_while(|directory| directory.starts_with(&point))
        // Without the slash that joining nothing leaves.
        .map(|directory| directory.components().collect())
        .collect()
}
