use std::{
    fmt, fs,
    path::{Path, PathBuf},
    thread,
};

use super::{
    Source,
    groups::Groups,
    parse::{self, Limit},
    search::{Search, tighter},
};
use crate::hardware::{Cores, Figure, Hardware, Load, Memory, Missing, Stall, Throttling};

/// The machine that the process runs on.
///
/// | figure | read from |
/// |---|---|
/// | cores | `/sys/devices/system/cpu/online`, `Cpus_allowed_list` in `/proc/self/status`, else [`thread::available_parallelism`] |
/// | quota | `cpu.max` (control groups version 2), else `cpu.cfs_quota_us` and `cpu.cfs_period_us` (version 1); on every level |
/// | memory | `sysinfo`; `memory.max` and `memory.high` with `memory.current`, else `memory.limit_in_bytes` with `memory.usage_in_bytes`; on every level, without the pages of files that can be dropped |
/// | pressure | `cpu.pressure` and `memory.pressure` of the own group, else `/proc/pressure` |
/// | throttling | `cpu.stat` of the group whose quota is tightest |
/// | load | `/proc/loadavg`, else `sysinfo` |
///
/// Where there is no `/proc`, only the standard library's and `sysinfo`'s figures are known. Processor shares and weights
/// are no limit, and not read.
pub struct System {
    root: PathBuf,
    sysinfo: Option<sysinfo::System>,
}

/// One reading under way.
struct Reader<'a> {
    root: &'a Path,
    missing: Vec<Missing>,
}

// ===== impl System =====

impl System {
    /// The machine.
    #[must_use]
    pub fn new() -> Self {
        Self::at("/")
    }

    /// The machine whose `/proc` and `/sys` lie below `root`: where the host's are mounted into a container, or a recorded
    /// tree. The machine's memory is still this one's.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        Self {
            root: std::path::absolute(&root).unwrap_or(root),
            sysinfo: sysinfo::System::new().ok(),
        }
    }

    /// Total and available memory of the machine.
    fn memory(&mut self) -> Option<(u64, u64)> {
        let system = self.sysinfo.as_mut()?;
        system.refresh_memory_specifics(sysinfo::MemoryRefreshKind::nothing().with_ram());
        let total = system.total_memory();
        (total > 0).then(|| (total, system.available_memory()))
    }
}

impl Default for System {
    fn default() -> Self {
        Self::new()
    }
}

impl Source for System {
    fn read(&mut self) -> Hardware {
        let memory = self.memory();
        let mut reader = Reader {
            root: &self.root,
            missing: Vec::new(),
        };
        reader.read(memory)
    }
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

// ===== impl Reader =====

impl Reader<'_> {
    fn read(&mut self, machine: Option<(u64, u64)>) -> Hardware {
        // A process can be moved to another group, so they are looked up anew.
        let text = |path: &str| fs::read_to_string(self.root.join(path)).unwrap_or_default();
        let groups = Groups::new(
            self.root,
            &text("proc/self/cgroup"),
            &text("proc/self/mountinfo"),
        );
        let (quota, throttling) = self.quota(&groups);
        let cores = self.cores(quota);
        let memory = self.memory(&groups, machine);
        let own = groups.two.first();
        Hardware {
            cores,
            memory,
            cpu_pressure: self.pressure(own, "cpu", Figure::CpuPressure),
            memory_pressure: self.pressure(own, "memory", Figure::MemoryPressure),
            throttling,
            load: self.load(),
            missing: std::mem::take(&mut self.missing),
        }
    }

    /// Looks for a figure; what is not found is noted.
    fn find<T>(
        &mut self,
        figure: Figure,
        look: impl FnOnce(&mut Search<'_>) -> Option<T>,
    ) -> Option<T> {
        let mut search = Search::new(self.root);
        let found = look(&mut search);
        if found.is_none() {
            let tried = search.into_tried();
            self.missing.push(Missing { figure, tried });
        }
        found
    }

    fn cores(&mut self, quota: Option<f64>) -> Cores {
        let allowed = self
            .find(Figure::AllowedCores, |search| {
                search.file("proc/self/status", parse::allowed)
            })
            .or_else(|| u32::try_from(thread::available_parallelism().ok()?.get()).ok())
            .unwrap_or(1)
            .max(1);
        let machine = self
            .find(Figure::OnlineCores, |search| {
                search.file("sys/devices/system/cpu/online", parse::cpu_list)
            })
            .unwrap_or(allowed);
        Cores {
            machine: machine.max(1),
            allowed,
            quota,
        }
    }

    /// The tightest quota of all levels, and how often it was used up.
    fn quota(&mut self, groups: &Groups) -> (Option<f64>, Option<Throttling>) {
        let tightest = self.find(Figure::CpuQuota, |search| {
            search
                .tightest(&groups.two, |search, group| {
                    search.file(group.join("cpu.max"), parse::cpu_max)
                })
                .or_else(|| {
                    search.tightest(&groups.cpu, |search, group| {
                        let period = search.file(group.join("cpu.cfs_period_us"), |text| {
                            Some(text.to_owned())
                        })?;
                        search.file(group.join("cpu.cfs_quota_us"), |quota| {
                            parse::cpu_cfs(quota, &period)
                        })
                    })
                })
        });
        let Some(Some((quota, group))) = tightest else {
            return (None, None);
        };
        let throttling = self.find(Figure::Throttling, |search| {
            search.file(group.join("cpu.stat"), parse::throttling)
        });
        (Some(quota), throttling)
    }

    fn memory(&mut self, groups: &Groups, machine: Option<(u64, u64)>) -> Memory {
        // Version 2 may be mounted beside version 1, without memory.
        let files: [(&[PathBuf], &[&str], &str, &str); 2] = [
            (
                &groups.two,
                &["memory.max", "memory.high"],
                "memory.current",
                "inactive_file",
            ),
            (
                &groups.memory,
                &["memory.limit_in_bytes"],
                "memory.usage_in_bytes",
                "total_inactive_file",
            ),
        ];
        let mut limited = Vec::new();
        let known = self.find(Figure::MemoryLimit, |search| {
            files.iter().find_map(|(levels, names, usage, cache)| {
                let mut seen = None;
                for group in *levels {
                    let mut limit = None;
                    for name in *names {
                        if let Some(found) = search.file(group.join(name), parse::bytes) {
                            seen = Some(());
                            limit = tighter(limit, found.into_option());
                        }
                    }
                    if let Some(limit) = limit {
                        limited.push((group, limit, *usage, *cache));
                    }
                }
                seen
            })
        });
        let machine = match machine {
            Some(machine) => machine,
            None => {
                self.find::<()>(Figure::MachineMemory, |search| {
                    search.tried("sysinfo");
                    None
                });
                (0, u64::MAX)
            }
        };
        let mut memory = Memory {
            machine: machine.0,
            limit: None,
            available: machine.1,
        };
        if known.is_some() {
            for (group, limit, usage, cache) in limited {
                memory.limit = tighter(memory.limit, Some(limit));
                let used = self.find(Figure::MemoryUsage, |search| {
                    match search.file(group.join(usage), parse::bytes)? {
                        Limit::At(used) => Some(used),
                        Limit::None => None,
                    }
                });
                // What the kernel would drop before it kills anybody.
                let cache = fs::read_to_string(group.join("memory.stat"))
                    .ok()
                    .and_then(|text| parse::field(&text, cache))
                    .unwrap_or(0);
                let used = used.unwrap_or(0).saturating_sub(cache);
                memory.available = memory.available.min(limit.saturating_sub(used));
            }
        }
        memory.available = memory.available.min(memory.usable());
        memory
    }

    fn pressure(&mut self, own: Option<&PathBuf>, kind: &str, figure: Figure) -> Option<Stall> {
        self.find(figure, |search| {
            own.and_then(|own| search.file(own.join(format!("{kind}.pressure")), parse::stall))
                .or_else(|| search.file(format!("proc/pressure/{kind}"), parse::stall))
        })
    }

    fn load(&mut self) -> Option<Load> {
        self.find(Figure::Load, |search| {
            search.file("proc/loadavg", parse::load).or_else(|| {
                let average = sysinfo::System::load_average()
                    .inspect_err(|error| search.tried(format!("sysinfo: {error}")))
                    .ok()?;
                Some(Load {
                    one: average.one,
                    running: None,
                })
            })
        })
    }
}
