//! What batch writers hold: records that were added and are not committed yet.

use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::Mutex;

/// Records of one batch writer that are not committed yet.
#[derive(Debug, Clone, Copy, Default)]
#[cfg_attr(not(feature = "analyzers"), expect(dead_code, reason = "who asks is left out"))]
pub(crate) struct Pending {
    /// Records that wait to be committed.
    pub(crate) records: u64,
    /// Bytes of these, and of those that are being committed.
    pub(crate) bytes: u64,
    /// Since when the oldest one waits.
    pub(crate) since: Option<Instant>,
}

/// Where a batch writer keeps its account.
#[derive(Debug, Default)]
pub(crate) struct PendingAccount(Mutex<Pending>);

impl PendingAccount {
    pub(super) fn set(&self, pending: Pending) {
        *self.0.lock() = pending;
    }
}

/// The batch writers of an artifact.
#[derive(Debug, Default)]
pub(crate) struct PendingAccounts(Mutex<Vec<Weak<PendingAccount>>>);

impl PendingAccounts {
    /// The account of a new batch writer.
    pub(super) fn add(&self) -> Arc<PendingAccount> {
        let account = Arc::new(PendingAccount::default());
        let mut accounts = self.0.lock();
        accounts.retain(|account| account.strong_count() > 0);
        accounts.push(Arc::downgrade(&account));
        account
    }

    /// What each batch writer holds.
    #[cfg(feature = "analyzers")]
    pub(crate) fn all(&self) -> Vec<Pending> {
        self.0.lock().iter().filter_map(|account| Some(*account.upgrade()?.0.lock())).collect()
    }
}
