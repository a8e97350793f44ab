//! Blocks found by walking through a file, where nothing says where they begin.

use std::ops::Range;

use crate::block::Header;
use crate::block::layout::{HEADER_LEN, MAGIC_BYTES};
use crate::error::Result;
use crate::run::{BlockFile, Place, Run};
use crate::source::Window;

/// Bytes that are searched at a time.
const STRETCH: u64 = 64 << 10;

/// The next place in `from..end` where a block header holds and its block ends before `end`.
pub(crate) fn next_sound(
    file: &BlockFile,
    window: &mut Window<'_>,
    from: u64,
    end: u64,
) -> Result<Option<(u64, Header)>> {
    let mut at = from;
    while at + HEADER_LEN as u64 <= end {
        // A stretch is searched for the magic; its last bytes are looked at again with the next stretch.
        let stretch = window.read(at, (end - at).min(STRETCH))?;
        let last = stretch.len() - HEADER_LEN;
        for start in 0..=last {
            if let Some(head) = stretch[start..].first_chunk()
                && head.starts_with(&MAGIC_BYTES)
            {
                let offset = at + start as u64;
                if let Ok(header) = Header::decode(head, &file.binding, offset, file.steps)
                    && offset + header.block_len() <= end
                {
                    return Ok(Some((offset, header)));
                }
            }
        }
        let is_blank = stretch.iter().all(|&byte| byte == 0);
        at += last as u64 + 1;
        if is_blank {
            // A hole of a sparse file can be of any length: the work is bounded by what is allocated.
            match file.source.next_data(at)? {
                Some(data) => at = at.max(data),
                None => return Ok(None),
            }
        }
    }
    Ok(None)
}

/// A run of blocks that were found by walking.
#[derive(Debug)]
pub(crate) struct WalkedBlocks {
    pub(crate) file: BlockFile,
    pub(crate) places: Vec<Place>,
    /// One more than the largest id that can be in it.
    pub(crate) next_id: u64,
}

impl Run for WalkedBlocks {
    fn file(&self) -> &BlockFile {
        &self.file
    }

    fn block_count(&self) -> Result<usize> {
        Ok(self.places.len())
    }

    fn place(&self, index: usize) -> Result<Place> {
        Ok(self.places[index])
    }

    fn lost(&self) -> &[Range<u64>] {
        &[]
    }

    fn ids(&self) -> Option<(u64, u64)> {
        Some((self.places.first()?.first_id, self.next_id.saturating_sub(1)))
    }
}
