//! Records → blocks: packed, compressed in parallel, then framed in order.

use std::ops::Range;

use rayon::prelude::*;

use super::codec::Codec;
use super::dictionary::Encoder;
use super::layout::{self, BlockKind, BodyKind, CodecId, HEADER_LEN, Header, Large};
use crate::checksum::Binding;
use crate::error::{Error, Result};
use crate::room::{copied, make_room};

/// Blocks before compression, in one buffer. Ids are relative to where the records will begin, which is known only at
/// the commit.
#[derive(Debug, Default)]
pub(crate) struct RawBlocks {
    raw: Vec<u8>,
    blocks: Vec<RawBlock>,
}

#[derive(Debug)]
struct RawBlock {
    kind: BlockKind,
    first: u64,
    last: u64,
    count: u32,
    range: Range<usize>,
    /// Whether compression would make it hardly shorter.
    is_dense: bool,
}

/// Raw bytes that take about half a millisecond to compress.
const WORTH_DIVIDING: usize = 64 << 10;

impl RawBlocks {
    /// Ends a block that began at `start` of the buffer.
    fn end(&mut self, kind: BlockKind, (first, last): (u64, u64), count: u32, start: usize) {
        let range = start..self.raw.len();
        self.blocks.push(RawBlock { kind, first, last, count, range, is_dense: false });
    }

    /// Says of the blocks from one on that compression would make them hardly shorter.
    fn set_dense_from(&mut self, first: usize) {
        self.blocks[first..].iter_mut().for_each(|block| block.is_dense = true);
    }

    /// Adds the blocks of a sorted list of deleted ids.
    pub(crate) fn push_deletes(&mut self, ids: &[u64]) {
        // 64 Ki ids of at most 10 bytes stay well below the largest raw length.
        for ids in ids.chunks(1 << 16) {
            let start = self.raw.len();
            let (first, last) = (ids[0], ids[ids.len() - 1]);
            let mut next = first;
            for &id in ids {
                layout::put_id_gap(&mut self.raw, id - next);
                next = id.saturating_add(1); // any id may be asked for; only the last one can be the largest
            }
            let count = u32::try_from(ids.len()).unwrap_or(u32::MAX);
            self.end(BlockKind::Deletes, (first, last), count, start);
        }
    }

    /// All raw bytes, block after block.
    #[cfg(feature = "dictionaries")]
    pub(crate) fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Whether compressing takes longer than waking threads for it.
    pub(crate) fn is_worth_dividing(&self) -> bool {
        self.blocks.len() > 1 && self.raw.len() >= WORTH_DIVIDING
    }

    /// Compresses all blocks, divided among the threads of the current rayon pool or by the calling thread; the order stays.
    pub(crate) fn encode(
        &self,
        codec: &Codec,
        dictionary: Option<&Encoder>,
        divided: bool,
    ) -> Result<Vec<EncodedBlock>> {
        let encode = |block: &RawBlock| {
            let RawBlock { kind, first, last, count, ref range, is_dense } = *block;
            let raw = &self.raw[range.clone()];
            let is_small = kind == BlockKind::Records && raw.len() <= MAX_DICTIONARY_BLOCK;
            let dictionary = dictionary.filter(|_| is_small);
            let (codec, stored) = if is_dense {
                (CodecId::Raw, copied(raw, PACKED)?)
            } else {
                codec.compress(raw, dictionary)?
            };
            let raw_len = u32::try_from(raw.len()).unwrap_or(u32::MAX); // cut far below by the packer
            Ok(EncodedBlock { kind, codec, first, last, count, raw_len, stored })
        };
        if divided {
            return self.blocks.par_iter().map(encode).collect();
        }
        self.blocks.iter().map(encode).collect()
    }
}

/// A block that lacks only its place: everything that takes time has been done.
#[derive(Debug)]
pub(crate) struct EncodedBlock {
    pub(crate) kind: BlockKind,
    pub(crate) codec: CodecId,
    pub(crate) first: u64,
    /// The id of its last record.
    pub(crate) last: u64,
    pub(crate) count: u32,
    pub(crate) raw_len: u32,
    pub(crate) stored: Vec<u8>,
}

/// Lengths at which blocks are cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockLimits {
    /// No block takes another record that would bring it above this.
    pub(crate) block_len: usize,
    /// At this length a block of small records ends: `block_len`, or less where there is a dictionary.
    pub(crate) small_len: usize,
    pub(crate) inline_max: usize,
    pub(crate) frame_len: usize,
}

/// A block of small records does not end before it has so many: what a read decodes beside its own record is a multiple of that.
const MIN_SMALL_RECORDS: u32 = 16;

/// Raw bytes of a small record, on the average of its block.
const SMALL_RECORD_LEN: usize = 2 << 10;

/// Raw bytes of the longest block that a dictionary is used for: a longer one learns from itself, and is decoded faster without.
const MAX_DICTIONARY_BLOCK: usize = MIN_SMALL_RECORDS as usize * SMALL_RECORD_LEN;

/// Fewer bytes that compression would save hardly anything of are not worth a block.
const MIN_DENSE: usize = 4 << 10;

/// What there may be no memory for.
const PACKED: &str = "bytes of records in blocks";

/// Packs records in the order of their ids into raw blocks. After an error it is of no more use.
#[derive(Debug)]
pub(crate) struct Packer {
    limits: BlockLimits,
    first: u64,
    next: u64,
    count: u32,
    gaps: Vec<u8>,
    lens: Vec<u8>,
    bodies: Vec<u8>,
    done: RawBlocks,
}

impl Packer {
    pub(crate) fn new(limits: BlockLimits) -> Self {
        Self {
            limits,
            first: 0,
            next: 0,
            count: 0,
            gaps: Vec::new(),
            lens: Vec::new(),
            bodies: Vec::new(),
            done: RawBlocks::default(),
        }
    }

    pub(crate) fn limits(&self) -> BlockLimits {
        self.limits
    }

    /// Adds record `id`, which is larger than those before it.
    pub(crate) fn push(&mut self, id: u64, content: &[u8]) -> Result<()> {
        if content.len() <= self.limits.inline_max {
            return self.push_body(id, BodyKind::Inline, content);
        }
        let no_memory =
            |_| Error::out_of_memory("bytes of a record; add it with a reader", content.len() as u64);
        self.done.raw.try_reserve(content.len()).map_err(no_memory)?;
        for (number, frame) in content.chunks(self.limits.frame_len).enumerate() {
            self.push_frame(id, frame_number(number as u64)?, frame)?;
        }
        self.push_large(id, content.len() as u64)
    }

    /// Adds record `id`, of which compression would save hardly anything: if it is long, as blocks of its own, which are stored as they are.
    pub(crate) fn push_dense(&mut self, id: u64, content: &[u8]) -> Result<()> {
        if content.len() < MIN_DENSE {
            return self.push(id, content);
        }
        self.end_block()?;
        let first = self.done.blocks.len();
        self.push(id, content)?;
        self.end_block()?;
        self.done.set_dense_from(first);
        Ok(())
    }

    /// Adds a record to a block, however long it is.
    pub(crate) fn push_inline(&mut self, id: u64, content: &[u8]) -> Result<()> {
        self.push_body(id, BodyKind::Inline, content)
    }

    /// Adds one frame of the large record `id`. All frames are added in order, then [`Packer::push_large`].
    pub(crate) fn push_frame(&mut self, id: u64, number: u32, frame: &[u8]) -> Result<()> {
        self.end_block()?;
        let start = self.done.raw.len();
        make_room(&mut self.done.raw, frame.len(), PACKED)?;
        self.done.raw.extend_from_slice(frame);
        self.done.end(BlockKind::Frame, (id, id), number, start);
        Ok(())
    }

    /// Adds the entry of a large record behind its frames: always the first of its block.
    pub(crate) fn push_large(&mut self, id: u64, content_len: u64) -> Result<()> {
        let frame_len = u32::try_from(self.limits.frame_len).unwrap_or(u32::MAX);
        self.push_large_as(id, Large { content_len, frame_len })
    }

    /// Adds the entry of a large record whose frames were cut by somebody else.
    pub(crate) fn push_large_as(&mut self, id: u64, large: Large) -> Result<()> {
        self.end_block()?;
        self.push_body(id, BodyKind::Large, &large.encode())
    }

    fn push_body(&mut self, id: u64, kind: BodyKind, body: &[u8]) -> Result<()> {
        if self.count > 0 && self.bodies.len() + body.len() > self.max_bodies() {
            self.end_block()?;
        }
        if self.count == 0 {
            (self.first, self.next) = (id, id);
            make_room(&mut self.bodies, self.limits.block_len.max(body.len()), PACKED)?;
        }
        layout::put_id_gap(&mut self.gaps, id - self.next);
        layout::put_body_len(&mut self.lens, body.len(), kind);
        self.bodies.extend_from_slice(body);
        self.next = id + 1;
        self.count += 1;
        // Empty records are free of bytes but not of directory entries.
        let max = self.max_bodies();
        if self.bodies.len() >= max || self.lens.len() + self.gaps.len() >= max {
            self.end_block()?;
        }
        Ok(())
    }

    fn max_bodies(&self) -> usize {
        let has_small_records =
            self.count >= MIN_SMALL_RECORDS && self.held_in_block() / self.count as usize <= SMALL_RECORD_LEN;
        if has_small_records { self.limits.small_len } else { self.limits.block_len }
    }

    /// Raw bytes of the block under construction.
    fn held_in_block(&self) -> usize {
        self.gaps.len() + self.lens.len() + self.bodies.len()
    }

    /// Ends the block under construction, if there is one.
    pub(crate) fn end_block(&mut self) -> Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        let held = self.held_in_block();
        make_room(&mut self.done.raw, held, PACKED)?;
        let start = self.done.raw.len();
        for piece in [&mut self.gaps, &mut self.lens, &mut self.bodies] {
            self.done.raw.append(piece);
        }
        let count = std::mem::take(&mut self.count);
        self.done.end(BlockKind::Records, (self.first, self.next - 1), count, start);
        Ok(())
    }

    /// Raw bytes in finished blocks.
    pub(crate) fn done_len(&self) -> usize {
        self.done.raw.len()
    }

    /// Raw bytes held, finished or not.
    pub(crate) fn held_len(&self) -> usize {
        self.done.raw.len() + self.held_in_block()
    }

    /// Takes the finished blocks.
    pub(crate) fn take(&mut self) -> RawBlocks {
        std::mem::take(&mut self.done)
    }

    /// Gives back what was taken, for the sake of its memory.
    pub(crate) fn recycle(&mut self, mut blocks: RawBlocks) {
        if self.done.blocks.is_empty() {
            blocks.raw.clear();
            blocks.blocks.clear();
            self.done = blocks;
        }
    }
}

/// The number of a frame, of which a large record has at most 2^32 - 1.
pub(crate) fn frame_number(number: u64) -> Result<u32> {
    let fits = u32::try_from(number).ok().filter(|&number| number < u32::MAX);
    fits.ok_or_else(|| Error::invalid("a large record has at most 2^32 - 1 frames: use a larger frame_len"))
}

impl EncodedBlock {
    /// The block of a dictionary.
    pub(crate) fn dictionary(bytes: &[u8], codec: &Codec) -> Result<Self> {
        let raw_len = u32::try_from(bytes.len()).unwrap_or(u32::MAX); // at most MAX_DICTIONARY_LEN
        let (codec, stored) = codec.compress(bytes, None)?;
        Ok(Self { kind: BlockKind::Dictionary, codec, first: 0, last: 0, count: 0, raw_len, stored })
    }

    /// Appends header and payload to `out` for their place at `offset`, with ids counted from `base`.
    pub(crate) fn append_to(
        &self,
        base: u64,
        binding: &Binding,
        offset: u64,
        out: &mut Vec<u8>,
    ) -> Result<Header> {
        make_room(out, HEADER_LEN + self.stored.len(), "bytes of blocks to be written")?;
        let first_id = if self.kind == BlockKind::Deletes { self.first } else { base + self.first };
        let header = Header {
            kind: self.kind,
            codec: self.codec,
            stored_len: u32::try_from(self.stored.len()).unwrap_or(u32::MAX), // not longer than raw
            raw_len: self.raw_len,
            count: self.count,
            first_id,
            payload_crc: binding.crc(offset, &self.stored),
        };
        out.extend_from_slice(&header.encode(binding, offset));
        out.extend_from_slice(&self.stored);
        Ok(header)
    }

    /// Header and payload in bytes.
    pub(crate) fn block_len(&self) -> u64 {
        (HEADER_LEN + self.stored.len()) as u64
    }
}
