//! What a process holds, as Linux tells it.

use std::{fs, path::Path, time::Duration};

/// Processor time is told in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// What a process holds at one time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Vitals {
    /// Resident memory, in bytes.
    pub memory: usize,
    pub threads: usize,
    pub descriptors: usize,
    /// Files of its data folder.
    pub files: usize,
}

impl Vitals {
    pub fn read(pid: u32, data: &Path) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let number = |name: &str| -> usize {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        Self {
            memory: number("VmRSS:") << 10,
            threads: number("Threads:"),
            descriptors: fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count(),
            files: files(data),
        }
    }

    /// The most of each.
    pub fn most(samples: &[Self]) -> Self {
        let most = |of: fn(&Self) -> usize| samples.iter().map(of).max().unwrap_or(0);
        Self {
            memory: most(|one| one.memory),
            threads: most(|one| one.threads),
            descriptors: most(|one| one.descriptors),
            files: most(|one| one.files),
        }
    }
}

/// Files come and go while they are counted.
fn files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let count = |entry: fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => files(&entry.path()),
        Ok(_) => 1,
        Err(_) => 0,
    };
    entries.map(count).sum()
}

/// The processor time that a process has taken since it began.
pub fn worked(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name, in brackets, may hold blanks; user and system time are the twelfth and thirteenth fields behind it.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u32 = fields[11..13]
        .iter()
        .map(|field| field.parse::<u32>().unwrap())
        .sum();
    TICK * ticks
}
