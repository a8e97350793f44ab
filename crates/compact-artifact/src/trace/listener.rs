//! Hears what the store says of blocks and syncs, and hands it on.

use std::time::Duration;

use block_format::{Observer, RecordId};

use super::figures;

/// Hands on what the store says.
#[derive(Debug)]
pub(super) struct Listener;

impl Observer for Listener {
    fn is_listening(&self) -> bool {
        #[cfg(feature = "analyzers")]
        let in_account = super::account::is_on();
        #[cfg(not(feature = "analyzers"))]
        let in_account = false;
        cfg!(feature = "metrics") || in_account
    }

    fn block_was_cached(&self) {
        figures::block_was_cached();
        #[cfg(feature = "analyzers")]
        super::record(|account| account.blocks_cached += 1);
    }

    fn block_was_decoded(&self, id: RecordId, took: Duration) {
        figures::block_was_decoded();
        #[cfg(feature = "analyzers")]
        super::record(|account| account.missed(id, took));
        #[cfg(not(feature = "analyzers"))]
        let _ = (id, took);
    }

    fn payload_was_decompressed(&self, took: Duration) {
        #[cfg(feature = "analyzers")]
        super::record(|account| account.add(super::Work::Decompression, took));
        #[cfg(not(feature = "analyzers"))]
        let _ = took;
    }

    fn file_was_synced(&self, took: Duration) {
        figures::synced(took);
        #[cfg(feature = "analyzers")]
        super::record(|account| account.add(super::Work::Sync, took));
    }
}
