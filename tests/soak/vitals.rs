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
        Self::each(samples, |sorted| sorted[sorted.len() - 1])
    }

    /// What half of the samples do not exceed, of each: a leak grows at every moment, what a call takes for a while does not.
    pub fn usual(samples: &[Self]) -> Self {
        Self::each(samples, |sorted| sorted[sorted.len() / 2])
    }

    fn each(samples: &[Self], pick: fn(&[usize]) -> usize) -> Self {
        let pick = |of: fn(&Self) -> usize| {
            let mut sorted: Vec<usize> = samples.iter().map(of).collect();
            sorted.sort_unstable();
            pick(&sorted)
        };
        Self {
            memory: pick(|one| one.memory),
            threads: pick(|one| one.threads),
            descriptors: pick(|one| one.descriptors),
            files: pick(|one| one.files),
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
