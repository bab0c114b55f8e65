//! What the system knows about this process (Linux; elsewhere nothing).

use std::fs;
use std::time::Instant;

/// Forgets the peak of resident memory so far. Returns false where the system cannot.
pub fn reset_peak() -> bool {
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// Resident memory in bytes.
pub fn resident_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Times of the process's threads and of the machine, at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    at: Instant,
    running_secs: f64,
    queued_secs: f64,
    stolen_secs: f64,
}

/// What the threads did between two moments; each a share of the time that passed.
#[derive(Clone, Copy, Debug)]
pub struct Shares {
    /// Processors used.
    pub cpus_used: f64,
    /// Time that threads waited for a processor, added up: something else ran.
    pub runq_wait_share: f64,
    /// Time that the hypervisor gave to others, of all processors.
    pub steal_share: f64,
}

impl Usage {
    /// Now.
    pub fn now() -> Option<Self> {
        let (mut running, mut queued) = (0, 0);
        for task in fs::read_dir("/proc/self/task").ok()?.flatten() {
            // Nanoseconds on a processor, nanoseconds in the queue. A thread may end meanwhile.
            let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            let mut numbers = text.split_whitespace().map(|number| number.parse::<u64>().unwrap_or(0));
            running += numbers.next().unwrap_or(0);
            queued += numbers.next().unwrap_or(0);
        }
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let stolen: u64 = stat.lines().next()?.split_whitespace().nth(8)?.parse().ok()?;
        const TICKS_PER_SEC: f64 = 100.0;
        Some(Self {
            at: Instant::now(),
            running_secs: running as f64 * 1e-9,
            queued_secs: queued as f64 * 1e-9,
            stolen_secs: stolen as f64 / TICKS_PER_SEC,
        })
    }

    /// From `start` to this moment.
    pub fn since(&self, start: &Self) -> Shares {
        let passed = (self.at - start.at).as_secs_f64().max(f64::MIN_POSITIVE);
        Shares {
            cpus_used: (self.running_secs - start.running_secs) / passed,
            runq_wait_share: (self.queued_secs - start.queued_secs) / passed,
            steal_share: (self.stolen_secs - start.stolen_secs) / passed,
        }
    }
}
