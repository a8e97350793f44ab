//! The bytes of a vocabulary: its hash table, and the texts of its tokens; `docs/FORMAT.md`, "Model sections", says the same in words.

/// The most slots that looking up one piece of a word reads.
pub(crate) const MAX_PROBES: u32 = 256;
/// Bits of the number of a token; all ones are none.
pub(crate) const TOKEN_BITS: u32 = 20;
/// The slot of no token.
const EMPTY: u32 = u32::MAX;
/// Set in the offset of a token that continues a word.
pub(crate) const CONTINUES: u32 = 1 << 31;

/// The hash table of the tokens: a slot has a token and 12 bits of its hash, or nothing. A token is in the first free slot from the one
/// that its hash says, the first following the last.
pub(crate) struct SlotWriter {
    slots: Vec<u32>,
    /// The most slots that finding a token takes.
    probes: u32,
}

impl SlotWriter {
    pub(crate) fn new(slots: usize) -> Self {
        Self { slots: vec![EMPTY; slots], probes: 1 }
    }

    pub(crate) fn insert(&mut self, hash: u64, token: u32) {
        let mut slot = home(hash, self.slots.len());
        let mut probes = 1;
        while self.slots[slot] != EMPTY {
            slot = if slot + 1 == self.slots.len() { 0 } else { slot + 1 };
            probes += 1;
        }
        self.slots[slot] = tag(hash) | token;
        self.probes = self.probes.max(probes);
    }

    pub(crate) fn probes(&self) -> u32 {
        self.probes
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        u32s_to_bytes(self.slots.iter().copied())
    }
}

/// The same table, read where it lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slots<'a> {
    bytes: &'a [u8],
    probes: u32,
}

impl<'a> Slots<'a> {
    pub(crate) fn new(bytes: &'a [u8], probes: u32) -> Self {
        Self { bytes, probes }
    }

    /// The token with a hash that `is_token` says yes to.
    #[inline]
    pub(crate) fn find(self, hash: u64, mut is_token: impl FnMut(u32) -> bool) -> Option<u32> {
        let slots = self.bytes.as_chunks::<4>().0;
        let mut slot = home(hash, slots.len());
        for _ in 0..self.probes {
            let entry = u32::from_le_bytes(*slots.get(slot)?);
            if entry == EMPTY {
                return None;
            }
            let token = entry & ((1 << TOKEN_BITS) - 1);
            if entry & !((1 << TOKEN_BITS) - 1) == tag(hash) && is_token(token) {
                return Some(token);
            }
            slot = if slot + 1 == slots.len() { 0 } else { slot + 1 };
        }
        None
    }
}

/// The slot at which the search for a hash begins: the lower 32 bits, brought to the number of slots.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "less than the number of slots, which is a `usize`")]
fn home(hash: u64, slots: usize) -> usize {
    ((u64::from(hash as u32) * slots as u64) >> 32) as usize
}

/// The upper 12 bits of a hash, in the upper 12 bits of a slot.
#[inline]
fn tag(hash: u64) -> u32 {
    let upper = (hash >> 32) as u32;
    upper & !((1 << TOKEN_BITS) - 1)
}

/// The hash of a token: of its bytes, eight at a time, and of whether it continues a word.
#[inline]
pub(crate) fn token_hash(text: &[u8], continues: bool) -> u64 {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut hash = (text.len() as u64) << 1 | u64::from(continues);
    let mut add = |word: u64| {
        hash = (hash ^ word).wrapping_mul(FACTOR);
        hash ^= hash >> 32;
    };
    let (words, rest) = text.as_chunks::<8>();
    for word in words {
        add(u64::from_le_bytes(*word));
    }
    if !rest.is_empty() {
        add(last_word(rest));
    }
    hash
}

/// 1 to 7 bytes and zeros behind them as one number, from two reads that may overlap.
#[inline]
fn last_word(bytes: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let [first, last] = [first, last].map(|four| u64::from(u32::from_le_bytes(*four)));
        return first | last << (8 * (bytes.len() - 4));
    }
    let byte = |at: usize| u64::from(bytes[at]) << (8 * at);
    byte(0) | byte(bytes.len() / 2) | byte(bytes.len() - 1)
}

/// The texts of the tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenTexts<'a> {
    pub(crate) offsets: &'a [u8],
    pub(crate) text: &'a [u8],
}

impl<'a> TokenTexts<'a> {
    /// The text of a token, and whether it continues a word; `None` if there is no such token.
    #[inline]
    pub(crate) fn get(self, token: u32) -> Option<(&'a [u8], bool)> {
        let offsets = self.offsets.as_chunks::<4>().0.get(token as usize..)?;
        let [start, end] = [offsets.first()?, offsets.get(1)?].map(|offset| u32::from_le_bytes(*offset));
        let text = self.text.get((start & !CONTINUES) as usize..(end & !CONTINUES) as usize)?;
        Some((text, start & CONTINUES != 0))
    }
}

/// An entry of the table of offsets.
pub(crate) fn offset_entry(offset: usize, continues: bool) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX) & !CONTINUES | if continues { CONTINUES } else { 0 }
}

/// The bytes of a table of 32-bit integers.
pub(crate) fn u32s_to_bytes(values: impl Iterator<Item = u32>) -> Vec<u8> {
    values.flat_map(u32::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bytes_are_one_number_with_zeros_behind_them() {
        for len in 1..8 {
            let bytes: Vec<u8> = (0..len).map(|byte| 0x91 + byte).collect();
            let mut padded = [0; 8];
            padded[..bytes.len()].copy_from_slice(&bytes);
            assert_eq!(last_word(&bytes), u64::from_le_bytes(padded));
        }
    }

    #[test]
    fn the_golden_hashes_stay() {
        assert_eq!(token_hash(b"", false), 0);
        assert_eq!(token_hash(b"the", false), 0x0456_C8B3_E18A_01E9);
        assert_eq!(token_hash(b"the", true), 0xA28E_426D_C7A9_0702);
        assert_eq!(token_hash(b"international", false), 0x10B7_E4E3_7C71_7899);
    }

    #[test]
    fn tokens_are_found_in_the_table_and_nothing_else_is() {
        let mut slots = SlotWriter::new(1_500);
        let hash = |token: u32| token_hash(&token.to_le_bytes(), false);
        (0..1_000).for_each(|token| slots.insert(hash(token), token));
        let bytes = slots.to_bytes();
        let found = Slots::new(&bytes, slots.probes());
        for token in 0..2_000 {
            assert_eq!(found.find(hash(token), |found| found == token), (token < 1_000).then_some(token));
        }
        assert!(slots.probes() < 40, "{}", slots.probes());
        assert_eq!(Slots::new(&[], 5).find(1, |_| true), None);
    }
}
