//! What a process has used so far, as Linux counts it: `/proc/self`. Elsewhere nothing is known.

use std::time::Duration;

use crate::report::Cost;

/// What this process has used since it began.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Used {
    cpu: Option<Duration>,
    written: Option<u64>,
}

/// Ticks of a second in which Linux tells programs their time.
const TICKS: u64 = 100;

impl Used {
    pub(crate) fn now() -> Self {
        let read = |name: &str| std::fs::read_to_string(format!("/proc/self/{name}")).ok();
        let cpu = read("stat").as_deref().and_then(cpu_ticks);
        let written = read("io").as_deref().and_then(|io| number(io, "wchar:"));
        Self { cpu: cpu.map(|ticks| Duration::from_millis(ticks * (1000 / TICKS))), written }
    }

    /// What was used since, in `elapsed`, and the memory that is resident now.
    pub(crate) fn cost_since(before: Self, elapsed: Duration) -> Cost {
        let now = Self::now();
        let cpu = now.cpu.zip(before.cpu).map(|(now, before)| now.saturating_sub(before).as_secs_f64());
        Cost {
            cpu_seconds: cpu,
            processors: cpu.map(|cpu| cpu / elapsed.as_secs_f64().max(1e-9)),
            resident_bytes: resident(),
            written_bytes: now.written.zip(before.written).map(|(now, before)| now.saturating_sub(before)),
        }
    }
}

/// Memory of this process that is resident.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    number(&status, "VmRSS:").map(|kib| kib * 1024)
}

/// User and system time: the 12th and 13th field behind the name, which ends with the last parenthesis.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

/// The number behind a name at the beginning of a line.
fn number(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The name of the processor.
pub(crate) fn processor() -> String {
    let known = std::fs::read_to_string("/proc/cpuinfo").ok();
    let name =
        known.as_deref().and_then(|info| info.lines().find_map(|line| line.strip_prefix("model name")));
    name.map_or(std::env::consts::ARCH, |name| name.trim_start_matches([':', '\t', ' '])).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_where_linux_puts_them() {
        assert_eq!(cpu_ticks("1 (a) b) S 1 2 3 4 5 6 7 8 9 10 30 12 13"), Some(42));
        assert_eq!(cpu_ticks("1 (a"), None);
        assert_eq!(number("rchar: 1\nwchar: 77 \n", "wchar:"), Some(77));
        assert_eq!(number("VmRSS:\t  12 kB", "VmRSS:"), Some(12));
        assert_eq!(number("", "wchar:"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn work_costs_time_on_processors() {
        let (before, begun) = (Used::now(), std::time::Instant::now());
        let mut sum = 0u64;
        while begun.elapsed() < Duration::from_millis(300) {
            sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(7));
        }
        let cost = Used::cost_since(before, begun.elapsed());
        assert!(cost.cpu_seconds.unwrap() > 0.02, "{cost:?}");
        assert!(cost.resident_bytes.unwrap() > 1 << 20, "{cost:?}");
    }
}
