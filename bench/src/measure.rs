//! Percentiles of durations, and what the kernel counts of a process.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

/// The kernel counts processor time in ticks of 10 ms on every Linux that runs on servers (`getconf CLK_TCK`).
const MS_PER_TICK: u64 = 10;

/// How long calls took.
#[derive(Clone, Debug, Default)]
pub struct Durations {
    micros: Vec<u32>,
}

impl Durations {
    /// Adds one.
    pub fn push(&mut self, duration: Duration) {
        self.micros.push(u32::try_from(duration.as_micros()).unwrap_or(u32::MAX));
    }

    /// Adds all of another.
    pub fn append(&mut self, mut other: Self) {
        self.micros.append(&mut other.micros);
    }

    /// The figures that are printed.
    pub fn latency(mut self) -> Latency {
        self.micros.sort_unstable();
        Latency {
            p50_ms: rank(&self.micros, 50),
            p99_ms: rank(&self.micros, 99),
            max_ms: rank(&self.micros, 100),
        }
    }
}

/// Percentiles in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Half of the calls took no longer.
    pub p50_ms: f64,
    /// 99 of 100 calls took no longer.
    pub p99_ms: f64,
    /// No call took longer.
    pub max_ms: f64,
}

/// The nearest-rank percentile of sorted values: the smallest that `percent` of all do not exceed. 0 of nothing.
fn rank(sorted: &[u32], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.max(1) - 1).map_or(0.0, |micros| rounded(f64::from(*micros) / 1_000.0))
}

/// Three digits after the point are more than is repeatable.
pub fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// How many processors there are to share.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// So many per second.
pub fn per_second(count: u64, elapsed: Duration) -> f64 {
    (count as f64 / elapsed.as_secs_f64().max(1e-9)).round()
}

/// What the kernel counts of a process, threads that have ended included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time, user and system, in milliseconds.
    pub cpu_ms: u64,
    /// The most memory it ever had, in KiB.
    pub peak_kib: u64,
}

impl Usage {
    /// Reads them of a process.
    pub fn of(pid: u32) -> io::Result<Self> {
        let folder = format!("/proc/{pid}");
        let stat = fs::read_to_string(format!("{folder}/stat"))?;
        let status = fs::read_to_string(format!("{folder}/status"))?;
        let unreadable = || io::Error::other(format!("{folder} is not written as expected"));
        Ok(Self {
            cpu_ms: cpu_ms(&stat).ok_or_else(unreadable)?,
            peak_kib: peak_kib(&status).ok_or_else(unreadable)?,
        })
    }

    /// The peak in MiB.
    pub fn peak_mib(self) -> f64 {
        rounded(self.peak_kib as f64 / 1_024.0)
    }
}

/// `utime` and `stime` are the 12th and 13th fields behind the name, which may itself hold blanks and parentheses.
fn cpu_ms(stat: &str) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) * MS_PER_TICK)
}

fn peak_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Processor time that all processes of the machine have used, and that the machine stole, in milliseconds.
pub fn machine_cpu_ms() -> io::Result<u64> {
    let stat = fs::read_to_string("/proc/stat")?;
    busy_ms(&stat).ok_or_else(|| io::Error::other("/proc/stat is not written as expected"))
}

/// The first line: user, nice, system, idle, waiting for disks, interrupts, soft interrupts, stolen; then guests, which
/// are counted as user already.
fn busy_ms(stat: &str) -> Option<u64> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line.split_whitespace().take(8).map_while(|field| field.parse().ok()).collect();
    let [user, nice, system, _idle, _waiting, hard, soft, stolen] = ticks[..] else { return None };
    Some((user + nice + system + hard + soft + stolen) * MS_PER_TICK)
}

/// The bytes of all files below a folder. What vanishes while we look counts as nothing.
pub fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(data) if data.is_dir() => folder_bytes(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

/// The value of a counter in the text that Prometheus reads, summed over its labels.
pub fn counter(metrics: &str, name: &str) -> Option<f64> {
    let values = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let value = match rest.strip_prefix('{') {
            Some(labels) => labels.rsplit_once("} ")?.1,
            None => rest.strip_prefix(' ')?,
        };
        value.split_whitespace().next()?.parse::<f64>().ok()
    });
    values.reduce(|sum, value| sum + value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let latency = |micros: &[u64]| {
            let mut durations = Durations::default();
            micros.iter().for_each(|m| durations.push(Duration::from_micros(*m)));
            durations.latency()
        };
        assert_eq!(latency(&[]), Latency::default());
        assert_eq!(latency(&[5_000]), Latency { p50_ms: 5.0, p99_ms: 5.0, max_ms: 5.0 });
        let hundred: Vec<u64> = (1..=100).rev().map(|n| n * 1_000).collect();
        assert_eq!(latency(&hundred), Latency { p50_ms: 50.0, p99_ms: 99.0, max_ms: 100.0 });
        assert_eq!(latency(&[1_000, 2_000, 3_000]), Latency { p50_ms: 2.0, p99_ms: 3.0, max_ms: 3.0 });
    }

    #[test]
    fn the_kernel_is_read() {
        let stat = "42 (a) b (c)) S 1 42 42 0 -1 4194560 100 0 0 0 17 25 0 0 20 0 4 0 100 0 0";
        assert_eq!(cpu_ms(stat), Some(420));
        assert_eq!(peak_kib("Name:\tx\nVmHWM:\t   2048 kB\nVmRSS:\t 1 kB\n"), Some(2_048));
        let own = Usage::of(std::process::id()).unwrap();
        assert!(own.peak_mib() > 0.1);
        assert_eq!(busy_ms("cpu  1 2 3 400 500 6 7 8 90 100\ncpu0 1\n"), Some(270));
        assert!(machine_cpu_ms().unwrap() > 0);
    }

    #[test]
    fn a_counter_is_summed_over_its_labels() {
        let text = "# TYPE commits counter\ncommits 12\ncommits_other 5\nsent{kind=\"a b\"} 3\nsent{kind=\"c\"} 4 17\n";
        assert_eq!(counter(text, "commits"), Some(12.0));
        assert_eq!(counter(text, "sent"), Some(7.0));
        assert_eq!(counter(text, "absent"), None);
    }
}
