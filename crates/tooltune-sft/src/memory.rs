//! Memory of the process and of the system, where the system tells (Linux).

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;

/// Peak resident memory in bytes (`VmHWM`).
pub fn peak_bytes() -> Option<u64> {
    kib_of(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")
}

/// Bytes that the process may still take for tensors on `device`: what the system has (`MemAvailable`), or what the limit of its control
/// group leaves if that is less. `None` for a device with memory of its own.
pub fn available_bytes(device: &Device) -> Option<u64> {
    // Only devices with memory of their own manage it in pools.
    if device.memory_pool_usage().is_some() {
        return None;
    }
    let system = kib_of(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")?;
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let left = left_in_groups(Path::new("/sys/fs/cgroup"), &groups);
    Some(left.map_or(system, |left| left.min(system)))
}

/// The value of a line such as `MemAvailable:  123 kB`.
fn kib_of(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1024)
}

/// The least that any of the control groups in `groups` (`/proc/self/cgroup`) leaves, mounted at `root`. Both versions of their interface; the
/// limits of a group's ancestors hold as well, and a container may see its own group as the root.
fn left_in_groups(root: &Path, groups: &str) -> Option<u64> {
    let lefts = groups.lines().flat_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let (folder, names) = match controllers {
            "" => (root.to_owned(), ["memory.max", "memory.current", "inactive_file"]),
            "memory" => (
                root.join("memory"),
                ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"],
            ),
            _ => return Vec::new(),
        };
        let group = Path::new(path.trim_start_matches('/'));
        group.ancestors().filter_map(|ancestor| left_in_group(&folder.join(ancestor), names)).collect()
    });
    lefts.min()
}

/// Limit less use; what is used for files that can be dropped counts as free.
fn left_in_group(folder: &Path, [limit, used, droppable]: [&str; 3]) -> Option<u64> {
    let number = |path: PathBuf| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    // "max", which is not a number, is no limit.
    let (limit, used) = (number(folder.join(limit))?, number(folder.join(used))?);
    let statistics = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let mut lines = statistics.lines().filter_map(|line| line.split_once(' '));
    let droppable = lines.find(|(name, _)| *name == droppable).and_then(|(_, bytes)| bytes.parse().ok());
    Some(limit.saturating_sub(used.saturating_sub(droppable.unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells() {
        if cfg!(target_os = "linux") {
            let device = Device::flex();
            assert!(peak_bytes().unwrap() > 1 << 20);
            assert!(available_bytes(&device).unwrap() > 1 << 20);
        }
        assert_eq!(kib_of("MemTotal: 9 kB\nMemAvailable:   17 kB\n", "MemAvailable:"), Some(17 * 1024));
        assert_eq!(kib_of("MemAvailable: much", "MemAvailable:"), None);
        assert_eq!(kib_of("", "MemAvailable:"), None);
    }

    #[test]
    fn the_tightest_group_counts() {
        let root = std::env::temp_dir().join(format!("tooltune-groups-{}", std::process::id()));
        let write = |folder: &str, files: &[(&str, &str)]| {
            fs::create_dir_all(root.join(folder)).unwrap();
            files.iter().for_each(|(name, text)| fs::write(root.join(folder).join(name), text).unwrap());
        };
        write("a/b", &[("memory.max", "max\n"), ("memory.current", "100\n")]);
        assert_eq!(left_in_groups(&root, "0::/a/b\n"), None);
        write("a", &[("memory.max", "1000\n"), ("memory.current", "300\n")]);
        assert_eq!(left_in_groups(&root, "0::/a/b\n"), Some(700));
        write("a", &[("memory.stat", "anon 200\ninactive_file 100\n")]);
        assert_eq!(left_in_groups(&root, "0::/a/b\n"), Some(800));
        write("memory/c", &[("memory.limit_in_bytes", "50"), ("memory.usage_in_bytes", "60")]);
        assert_eq!(left_in_groups(&root, "4:memory:/c\n0::/a/b\n"), Some(0));
        assert_eq!(left_in_groups(&root, "3:cpu:/c\nnonsense\n"), None);
        fs::remove_dir_all(&root).unwrap();
    }
}
