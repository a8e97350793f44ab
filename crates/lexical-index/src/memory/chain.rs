//! Many growing byte strings in one buffer: each a chain of chunks, every chunk twice as long as the one before.

use wire::varint_at;

const FIRST_CHUNK: usize = 12;
const LAST_DOUBLING: u8 = 8;
const LINK_LEN: usize = 4;

/// One byte string, or its end to be written at.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Chain {
    head: u32,
    at: u32,
    end: u32,
    chunks: u8,
}

fn chunk_len(number: u8) -> usize {
    FIRST_CHUNK << number.min(LAST_DOUBLING)
}

/// A place in the pool, which the index keeps below 4 GiB.
fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

impl Chain {
    #[inline]
    fn push(&mut self, pool: &mut Vec<u8>, byte: u8) {
        if self.at == self.end {
            self.grow(pool);
        }
        pool[self.at as usize] = byte;
        self.at += 1;
    }

    fn grow(&mut self, pool: &mut Vec<u8>) {
        let start = pool.len();
        let len = chunk_len(self.chunks);
        pool.resize(start + len + LINK_LEN, 0);
        if self.chunks == 0 {
            self.head = place(start);
        } else {
            let link = self.end as usize;
            pool[link..link + LINK_LEN].copy_from_slice(&place(start).to_le_bytes());
        }
        self.chunks = self.chunks.saturating_add(1);
        (self.at, self.end) = (place(start), place(start + len));
    }

    #[inline]
    pub(crate) fn put_varint(&mut self, pool: &mut Vec<u8>, mut value: u64) {
        while value >= 0x80 {
            self.push(pool, value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.push(pool, value.to_le_bytes()[0]);
    }

    pub(crate) fn reader(self, pool: &[u8]) -> ChainReader<'_> {
        let at = self.head as usize;
        let chunk_end = if self.chunks == 0 { at } else { at + chunk_len(0) };
        ChainReader { pool, at, chunk_end, chunk: 0, end: self.at as usize, one: None }
    }
}

/// Reads a chain from its beginning to where it ended when the reader was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChainReader<'a> {
    pool: &'a [u8],
    at: usize,
    chunk_end: usize,
    chunk: u8,
    end: usize,
    /// All there is, of a chain that was never made.
    one: Option<u64>,
}

impl ChainReader<'_> {
    /// Reads a single integer.
    pub(crate) fn of_one(value: u64) -> Self {
        Self { pool: &[], at: 0, chunk_end: 0, chunk: 0, end: 0, one: Some(value) }
    }

    /// The next varint; `None` at the end.
    #[inline]
    pub(crate) fn varint(&mut self) -> Option<u64> {
        if self.at + 10 <= self.chunk_end && self.at + 10 <= self.pool.len() && self.at != self.end {
            return varint_at(self.pool, &mut self.at);
        }
        if let Some(one) = self.one.take() {
            return Some(one);
        }
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn byte(&mut self) -> Option<u8> {
        if self.at == self.end {
            return None;
        }
        if self.at == self.chunk_end {
            let link: [u8; LINK_LEN] = *self.pool.get(self.at..)?.first_chunk()?;
            self.at = u32::from_le_bytes(link) as usize;
            self.chunk = self.chunk.saturating_add(1);
            self.chunk_end = self.at + chunk_len(self.chunk);
        }
        let byte = *self.pool.get(self.at)?;
        self.at += 1;
        Some(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_in_one_pool_come_back_each() {
        let mut pool = Vec::new();
        let mut chains = [Chain::default(); 3];
        for value in 0..5_000u64 {
            for (chain, factor) in chains.iter_mut().zip([1, 77, u64::MAX / 5_000]) {
                chain.put_varint(&mut pool, value * factor);
            }
        }
        for (chain, factor) in chains.iter().zip([1, 77, u64::MAX / 5_000]) {
            let mut reader = chain.reader(&pool);
            assert!((0..5_000).all(|value| reader.varint() == Some(value * factor)));
            assert_eq!(reader.varint(), None);
        }
        assert_eq!(Chain::default().reader(&pool).varint(), None);
    }
}
