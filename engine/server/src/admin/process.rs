//! What the kernel says of this process. Source: proc(5).

/// Memory and files of this process; what cannot be read is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) resident_bytes: u64,
    pub(super) n_open_files: u64,
}

/// Looks.
///
/// - Cost: two small files of the kernel: for a reader, not for a tick.
pub(super) fn look() -> Process {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    Process {
        resident_bytes: resident_kib(&status).unwrap_or(0) * 1024,
        n_open_files: std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count) as u64,
    }
}

fn resident_kib(status: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_open_files() {
        let process = look();
        assert!(process.resident_bytes > 1 << 20 && process.n_open_files >= 3, "{process:?}");
        assert_eq!(resident_kib("Name:\tx\nVmRSS:\t  123 kB\n"), Some(123));
        assert_eq!(resident_kib("VmRSS:\n"), None);
    }
}
