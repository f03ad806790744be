//! What the process takes, as Linux tells it; nothing elsewhere.

use std::fs;

use super::families::{Families, Kind};

/// Linux counts time for programs in hundredths of a second, whatever the kernel's own clock is.
const TICKS: f64 = 100.0;

/// What is known of the process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Process {
    cpu_seconds: f64,
    resident: f64,
    virtual_memory: f64,
    threads: f64,
    open_fds: Option<f64>,
}

// ===== impl Process =====

impl Process {
    pub(super) fn read() -> Option<Self> {
        let mut process = Self::parse(
            &fs::read_to_string("/proc/self/stat").ok()?,
            &fs::read_to_string("/proc/self/status").ok()?,
        )?;
        #[allow(clippy::cast_precision_loss)] // there are fewer files than that
        let open = fs::read_dir("/proc/self/fd").map(|open| open.count() as f64);
        process.open_fds = open.ok();
        Some(process)
    }

    fn parse(stat: &str, status: &str) -> Option<Self> {
        // The second field is the program's name, which may have anything in it but ends with the last parenthesis.
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // `rest` begins with the third of those that proc(5) numbers from 1: utime is the 14th, stime the 15th.
        let number = |place: usize| fields.get(place - 3)?.parse::<f64>().ok();
        let line = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<f64>().ok()
        };
        Some(Self {
            cpu_seconds: (number(14)? + number(15)?) / TICKS,
            resident: line("VmRSS:")? * 1024.0,
            virtual_memory: line("VmSize:")? * 1024.0,
            threads: line("Threads:")?,
            open_fds: None,
        })
    }

    pub(super) fn write(&self, families: &mut Families) {
        families.single(
            "process_cpu_seconds",
            "Total user and system CPU time spent in seconds.",
            Kind::Counter,
            self.cpu_seconds,
        );
        let mut gauge = |name, help, value| families.single(name, help, Kind::Gauge, value);
        gauge(
            "process_resident_memory_bytes",
            "Resident memory size in bytes.",
            self.resident,
        );
        gauge(
            "process_virtual_memory_bytes",
            "Virtual memory size in bytes.",
            self.virtual_memory,
        );
        gauge(
            "process_threads",
            "Number of OS threads in the process.",
            self.threads,
        );
        if let Some(open) = self.open_fds {
            gauge("process_open_fds", "Number of open file descriptors.", open);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_parentheses_is_one_field() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 900 0 0 0 250 50 0 0 20 0 3 0 100 1000 200 0";
        let status = "Name:\ta b) c\nVmSize:\t  2048 kB\nVmRSS:\t  1024 kB\nThreads:\t3\n";
        let process = Process::parse(stat, status).unwrap();
        assert_eq!(
            (process.cpu_seconds, process.threads, process.resident),
            (3.0, 3.0, 1_048_576.0)
        );
        assert_eq!(process.virtual_memory, 2_097_152.0);
        assert_eq!(Process::parse("nothing", status), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_one_is_read() {
        let process = Process::read().unwrap();
        assert!(process.resident > 0.0 && process.threads >= 1.0);
        assert!(process.open_fds.is_some_and(|open| open >= 1.0));
    }
}
