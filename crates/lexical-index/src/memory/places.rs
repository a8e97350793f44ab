//! Which places in a list have a hash: the table behind the terms in memory.

use std::collections::TryReserveError;

/// A hash table of places, with linear probing (Knuth, The Art of Computer Programming, volume 3, 6.4, algorithm L). It keeps 32 bits of each hash,
/// so that it grows, and passes most others by, without a look at the list.
#[derive(Debug, Default)]
pub(super) struct PlaceTable {
    /// A power of two of slots, or none; at most three quarters are taken.
    slots: Vec<Slot>,
    len: usize,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    hash: u32,
    place: u32,
}

/// The place of a slot that is free.
const FREE: u32 = u32::MAX;

impl PlaceTable {
    /// Heap in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
    }

    /// A place with this hash that is meant.
    #[inline]
    pub(super) fn find(&self, hash: u32, mut is_meant: impl FnMut(u32) -> bool) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot.place == FREE {
                return None;
            }
            if slot.hash == hash && is_meant(slot.place) {
                return Some(slot.place);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a place, of which there are fewer than 2^32 - 1.
    pub(super) fn insert(&mut self, hash: u32, place: u32) -> Result<(), TryReserveError> {
        if 4 * (self.len + 1) > 3 * self.slots.len() {
            let free = Slot { hash: 0, place: FREE };
            let (mut larger, len) = (Vec::new(), (2 * self.slots.len()).max(16));
            larger.try_reserve_exact(len)?;
            larger.resize(len, free);
            for slot in std::mem::replace(&mut self.slots, larger) {
                if slot.place != FREE {
                    self.put(slot);
                }
            }
        }
        self.put(Slot { hash, place });
        self.len += 1;
        Ok(())
    }

    fn put(&mut self, slot: Slot) {
        let mask = self.slots.len() - 1;
        let mut at = slot.hash as usize & mask;
        while self.slots[at].place != FREE {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn a_table_of_places_finds_what_a_map_of_the_standard_library_finds() {
        let (mut table, mut map) = (PlaceTable::default(), HashMap::new());
        let mut keys: Vec<u64> = Vec::new();
        let mut number = 1u64;
        for _ in 0..5_000 {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let key = number >> 51; // 8,192 keys, so that many come twice
            let hash = u32::try_from(key % 64).unwrap(); // and many have one hash
            let found = table.find(hash, |place| keys[place as usize] == key);
            assert_eq!(found, map.get(&key).copied());
            if found.is_none() {
                let place = u32::try_from(keys.len()).unwrap();
                keys.push(key);
                table.insert(hash, place).unwrap();
                map.insert(key, place);
            }
        }
        assert!(PlaceTable::default().find(7, |_| true).is_none());
    }
}
