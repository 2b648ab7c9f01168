//! What the kernel says of this process. Source: proc(5).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Memory, files and the start of this process; what cannot be read is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Process {
    pub(super) resident_bytes: u64,
    pub(super) n_open_files: u64,
    pub(super) started_unix_seconds: f64,
}

/// Looks.
///
/// - Cost: two small files of the kernel: for a reader, not for a tick.
pub(super) fn look(uptime: Duration) -> Process {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let started = SystemTime::now().checked_sub(uptime).unwrap_or(UNIX_EPOCH);
    Process {
        resident_bytes: resident_kib(&status).unwrap_or(0) * 1024,
        n_open_files: std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count) as u64,
        started_unix_seconds: started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
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
        let process = look(Duration::from_secs(1));
        assert!(process.resident_bytes > 1 << 20 && process.n_open_files >= 3, "{process:?}");
        assert_eq!(resident_kib("Name:\tx\nVmRSS:\t  123 kB\n"), Some(123));
        assert_eq!(resident_kib("VmRSS:\n"), None);
    }
}
