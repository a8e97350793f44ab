//! Where the time of calls goes that a thread makes while somebody keeps an account of it.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use block_format::RecordId;

use crate::api::results::Explain;

/// What takes time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Decompressing payloads of blocks.
    Decompression,
    /// Comparing vectors of records that are not sealed.
    Tail,
    /// Waiting for files to be on disk.
    Sync,
    /// Waiting for other threads of this process.
    Lock,
}

/// How long, and how often.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    pub(crate) time: Duration,
    pub(crate) times: u64,
}

impl Spent {
    pub(crate) fn add(&mut self, time: Duration) {
        self.time += time;
        self.times += 1;
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.time += other.time;
        self.times += other.times;
    }
}

/// The most ids of records that an account has.
pub(crate) const MAX_IDS: usize = 1000;

/// Where time went.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) blocks_cached: u64,
    pub(crate) misses: Spent,
    /// The records whose blocks were not in the cache, the first [`MAX_IDS`] of them.
    pub(crate) missed: Vec<RecordId>,
    pub(crate) decompression: Spent,
    pub(crate) syncs: Spent,
    pub(crate) locks: Spent,
    pub(crate) tail: Spent,
    /// Filters that let through half of all records or more.
    pub(crate) wide_filters: Spent,
}

impl Account {
    pub(crate) fn add(&mut self, work: Work, took: Duration) {
        let spent = match work {
            Work::Decompression => &mut self.decompression,
            Work::Tail => &mut self.tail,
            Work::Sync => &mut self.syncs,
            Work::Lock => &mut self.locks,
        };
        spent.add(took);
    }

    pub(super) fn missed(&mut self, id: RecordId, took: Duration) {
        self.misses.add(took);
        if self.missed.len() < MAX_IDS {
            self.missed.push(id);
        }
    }

    /// A ranking that was made. Words are looked up in all shards together: the tail has the part of that time that it has of the records.
    #[expect(clippy::cast_precision_loss, reason = "a part of a time")]
    fn searched(&mut self, explain: &Explain) {
        if explain.records == 0 {
            return;
        }
        if explain.filter_matches.is_some_and(|matches| matches >= explain.records.div_ceil(2)) {
            self.wide_filters.add(explain.filter_time);
        }
        let part = explain.tail_records as f64 / explain.records as f64;
        let words = explain.lists.iter().filter(|list| list.list == "words").map(|list| list.time);
        if part > 0.0 {
            words.for_each(|time| self.tail.add(time.mul_f64(part.min(1.0))));
        }
    }

    /// Adds what another account has.
    pub(crate) fn merge(&mut self, other: Self) {
        self.blocks_cached += other.blocks_cached;
        self.misses.merge(other.misses);
        let room = MAX_IDS.saturating_sub(self.missed.len());
        self.missed.extend(other.missed.into_iter().take(room));
        self.decompression.merge(other.decompression);
        self.syncs.merge(other.syncs);
        self.locks.merge(other.locks);
        self.tail.merge(other.tail);
        self.wide_filters.merge(other.wide_filters);
    }
}

thread_local! {
    static ACCOUNT: RefCell<Option<Account>> = const { RefCell::new(None) };
}

/// Whether an account is kept of this thread.
pub(super) fn is_on() -> bool {
    ACCOUNT.try_with(|account| account.try_borrow().is_ok_and(|account| account.is_some())).unwrap_or(false)
}

/// Writes to the account of this thread, if one is kept.
pub(crate) fn record(write: impl FnOnce(&mut Account)) {
    let _ = ACCOUNT.try_with(|account| {
        if let Ok(mut account) = account.try_borrow_mut()
            && let Some(account) = &mut *account
        {
            write(account);
        }
    });
}

/// Does `work`, whose time goes to the account of this thread, if one is kept.
pub(crate) fn timed<T>(kind: Work, work: impl FnOnce() -> T) -> T {
    if !is_on() {
        return work();
    }
    let begun = Instant::now();
    let done = work();
    record(|account| account.add(kind, begun.elapsed()));
    done
}

/// Writes down how a ranking was made.
pub(crate) fn searched(explain: &Explain) {
    record(|account| account.searched(explain));
}

/// Keeps an account of what this thread does in `call`. One inside of another has its part to itself.
pub(crate) fn in_thread<T>(call: impl FnOnce() -> T) -> (T, Account) {
    /// Puts the outer account back, also where `call` panics.
    struct Outer(Option<Account>);
    impl Drop for Outer {
        fn drop(&mut self) {
            let outer = self.0.take();
            let _ = ACCOUNT.try_with(|account| account.replace(outer));
        }
    }
    let outer = Outer(ACCOUNT.with(|account| account.replace(Some(Account::default()))));
    let done = call();
    let account = ACCOUNT.with(RefCell::take).unwrap_or_default();
    drop(outer);
    (done, account)
}
