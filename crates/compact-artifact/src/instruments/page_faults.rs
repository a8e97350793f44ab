//! Page faults of the calling thread, and its time on a processor, as Linux counts them. Elsewhere there are none.

use std::time::{Duration, Instant};

/// What the system has counted of the calling thread.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ThreadCounts {
    /// Pages that were in memory, and had to be mapped.
    pub(super) minor: u64,
    /// Pages that had to be read from a disk.
    pub(super) major: u64,
    /// Time on a processor; `None` where the system does not say.
    pub(super) on_cpu: Option<Duration>,
}

impl ThreadCounts {
    /// Of this thread, so far.
    pub(super) fn now() -> Self {
        let read = |name: &str| std::fs::read_to_string(format!("/proc/thread-self/{name}")).ok();
        let (minor, major) = read("stat").as_deref().and_then(faults).unwrap_or_default();
        let nanos = read("schedstat").and_then(|text| text.split_whitespace().next()?.parse().ok());
        Self { minor, major, on_cpu: nanos.map(Duration::from_nanos) }
    }

    /// What came since.
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            minor: self.minor.saturating_sub(before.minor),
            major: self.major.saturating_sub(before.major),
            // Systems that do not count say 0.
            on_cpu: self
                .on_cpu
                .zip(before.on_cpu)
                .map(|(now, before)| now.saturating_sub(before))
                .filter(|time| !time.is_zero()),
        }
    }
}

/// Minor and major faults from the line of `/proc/thread-self/stat`: the 8th and the 10th field behind the name, which ends with the last parenthesis.
fn faults(stat: &str) -> Option<(u64, u64)> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some((fields.get(7)?.parse().ok()?, fields.get(9)?.parse().ok()?))
}

/// What a minor fault takes on this machine, measured by writing to memory for the first and for the second time. 0 where none can be had.
///
/// Of several rounds the fastest count: a thread that is put aside in one of them would make the second time the longer one.
pub(super) fn time_of_a_fault() -> Duration {
    const ROUNDS: usize = 8;
    let rounds: Vec<Round> = (0..ROUNDS).map_while(|_| touch_new_memory()).collect();
    let fastest = |time: fn(&Round) -> Duration| rounds.iter().map(time).min().unwrap_or_default();
    let faults = rounds.iter().map(|round| round.faults).max().unwrap_or_default();
    fastest(|round| round.first)
        .saturating_sub(fastest(|round| round.second))
        .checked_div(faults)
        .unwrap_or_default()
}

/// How long the same memory took to be written for the first and for the second time, and the faults of the first.
struct Round {
    first: Duration,
    second: Duration,
    faults: u32,
}

fn touch_new_memory() -> Option<Round> {
    /// More than allocators keep of what was freed, so that it comes from the system: pages that nobody has touched. (That of glibc keeps up to 64 MiB.)
    const ROOM: usize = 80 << 20;
    const USED: usize = 1 << 20;
    const PAGE: usize = 4096;
    let mut room: Vec<u8> = Vec::new();
    room.try_reserve_exact(ROOM).ok()?;
    let mut touch = || {
        let begun = Instant::now();
        for page in room.spare_capacity_mut()[..USED].chunks_mut(PAGE) {
            page[0].write(1);
        }
        std::hint::black_box(&mut room);
        begun.elapsed()
    };
    let before = ThreadCounts::now();
    let first = touch();
    let faults = u32::try_from(ThreadCounts::now().since(before).minor).unwrap_or(u32::MAX);
    Some(Round { first, second: touch(), faults })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_behind_any_name_of_a_thread() {
        let line = "7 (a) (b c) R 1 2 3 4 5 6 70 8 90 10 11";
        assert_eq!(faults(line), Some((70, 90)));
        assert_eq!(faults("7 (a"), None);
        assert_eq!(faults("7 (a) R 1"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn pages_that_are_touched_first_are_counted() {
        let before = ThreadCounts::now();
        let room = std::hint::black_box(vec![1u8; 40 << 20]);
        assert!(ThreadCounts::now().since(before).minor >= 20, "some of them may be large");
        drop(room);
        let time = time_of_a_fault();
        assert!(time > Duration::ZERO && time < Duration::from_millis(10), "{time:?}");
    }
}
