//! The bytes of a commit record: the payload of a block of kind `Commit`, stored raw.

use wire::{put, u64_at, u128_at};

/// Commit record.
pub(crate) mod commit {
    wire::layout!(64,
        SEQ: 8, COVERED_LEN: 8, SYNC_FLOOR: 8, NEXT_ID: 8, RECORDS: 8, DELETES: 8, CHAIN: 16,
    );
}

pub(crate) const COMMIT_LEN: usize = commit::LEN;
pub(crate) const COMMIT_LEN_U32: u32 = 64;
const _: () = assert!(COMMIT_LEN_U32 as usize == COMMIT_LEN);
/// The fields that the chained hash covers, after the blocks.
pub(crate) const CHAINED_LEN: usize = commit::CHAIN;

/// A commit record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) seq: u64,
    /// Bytes of the blocks since the commit before this one.
    pub(crate) covered_len: u64,
    /// The newest commit that was known to be synced when this one was written.
    pub(crate) sync_floor: u64,
    /// The id that the next record will have.
    pub(crate) next_id: u64,
    pub(crate) records: u64,
    pub(crate) deletes: u64,
    pub(crate) chain: u128,
}

impl Commit {
    pub(crate) fn encode(&self) -> [u8; COMMIT_LEN] {
        let mut bytes = [0; COMMIT_LEN];
        put(&mut bytes, commit::SEQ, self.seq.to_le_bytes());
        put(&mut bytes, commit::COVERED_LEN, self.covered_len.to_le_bytes());
        put(&mut bytes, commit::SYNC_FLOOR, self.sync_floor.to_le_bytes());
        put(&mut bytes, commit::NEXT_ID, self.next_id.to_le_bytes());
        put(&mut bytes, commit::RECORDS, self.records.to_le_bytes());
        put(&mut bytes, commit::DELETES, self.deletes.to_le_bytes());
        put(&mut bytes, commit::CHAIN, self.chain.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; COMMIT_LEN]) -> Self {
        Self {
            seq: u64_at(bytes, commit::SEQ),
            covered_len: u64_at(bytes, commit::COVERED_LEN),
            sync_floor: u64_at(bytes, commit::SYNC_FLOOR),
            next_id: u64_at(bytes, commit::NEXT_ID),
            records: u64_at(bytes, commit::RECORDS),
            deletes: u64_at(bytes, commit::DELETES),
            chain: u128_at(bytes, commit::CHAIN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_golden_bytes_of_a_commit_record_stay() {
        let commit = Commit {
            seq: 1,
            covered_len: 2,
            sync_floor: 3,
            next_id: 4,
            records: 5,
            deletes: 6,
            chain: 7 << 64 | 8,
        };
        let expected: Vec<u8> = [1u64, 2, 3, 4, 5, 6, 8, 7].into_iter().flat_map(u64::to_le_bytes).collect();
        assert_eq!(commit.encode()[..], expected);
        assert_eq!(Commit::decode(&commit.encode()), commit);
    }
}
