//! One verified block → its records.

use std::ops::Range;

use super::layout::{self, BlockKind, BodyKind, Header, Large};
use crate::error::{Error, Result};

/// A decoded block of records. Its directory was checked once, when the value was made.
#[derive(Debug)]
pub(crate) struct Block {
    first_id: u64,
    count: u32,
    lens_at: usize,
    bodies_at: usize,
    raw: Vec<u8>,
}

/// The body of a record inside its block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    /// The content is these bytes of [`Block::raw`].
    Inline(Range<usize>),
    /// The content is in frames.
    Large(Large),
}

impl Block {
    /// Takes the raw bytes of a block of records apart: ids that do not overflow, bodies that fill the block exactly.
    pub(crate) fn new(header: &Header, raw: Vec<u8>) -> Result<Self> {
        debug_assert_eq!(header.kind, BlockKind::Records);
        let fault = |what: &str| Error::damaged(format!("record directory: {what}"));
        let mut rest = &raw[..];
        let mut next = Some(header.first_id);
        for _ in 0..header.count {
            let gap = layout::take_id_gap(&mut rest).ok_or_else(|| fault("ids are cut off"))?;
            next = next.and_then(|id| id.checked_add(gap)?.checked_add(1));
        }
        next.ok_or_else(|| fault("ids overflow"))?;
        let lens_at = raw.len() - rest.len();
        let mut total = 0usize;
        let mut large = false;
        for _ in 0..header.count {
            let (len, kind) = layout::take_body_len(&mut rest).ok_or_else(|| fault("lengths are cut off"))?;
            total = total.checked_add(len).ok_or_else(|| fault("lengths overflow"))?;
            large |= kind == BodyKind::Large;
        }
        if total != rest.len() {
            return Err(fault(&format!("expected bodies of {total} bytes, found {}", rest.len())));
        }
        let bodies_at = raw.len() - rest.len();
        let block = Self { first_id: header.first_id, count: header.count, lens_at, bodies_at, raw };
        if large && block.entries().any(|(_, kind, range)| block.body(kind, range).is_none()) {
            return Err(fault("the description of a large record is damaged"));
        }
        Ok(block)
    }

    pub(crate) fn raw(&self) -> &[u8] {
        &self.raw
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// The body of record `id`, if this block has it.
    pub(crate) fn find(&self, id: u64) -> Option<Body> {
        let mut gaps = &self.raw[..];
        let mut current = self.first_id;
        let mut index = 0;
        // The directory was checked: no integer in it is cut off.
        while index < self.count {
            current += layout::take_id_gap(&mut gaps)?;
            if current >= id {
                break;
            }
            current += 1;
            index += 1;
        }
        if index == self.count || current != id {
            return None;
        }
        let mut lens = &self.raw[self.lens_at..];
        let mut at = self.bodies_at;
        for _ in 0..index {
            at += layout::take_body_len(&mut lens)?.0;
        }
        let (len, kind) = layout::take_body_len(&mut lens)?;
        self.body(kind, at..at + len)
    }

    /// All records in the order of their ids.
    pub(crate) fn records(&self) -> impl Iterator<Item = (u64, Body)> {
        self.entries().filter_map(|(id, kind, range)| Some((id, self.body(kind, range)?)))
    }

    /// The ids of all records, and what each takes of the raw block: its body, and its two bytes or so of the directory.
    pub(crate) fn body_lens(&self) -> impl Iterator<Item = (u64, u64)> {
        self.entries().map(|(id, _, range)| (id, range.len() as u64 + 2))
    }

    fn entries(&self) -> impl Iterator<Item = (u64, BodyKind, Range<usize>)> {
        let (mut gaps, mut lens) = (&self.raw[..], &self.raw[self.lens_at..]);
        let (mut next, mut at) = (self.first_id, self.bodies_at);
        (0..self.count).map_while(move |_| {
            let id = next + layout::take_id_gap(&mut gaps)?;
            let (len, kind) = layout::take_body_len(&mut lens)?;
            let range = at..at + len;
            next = id + 1;
            at = range.end;
            Some((id, kind, range))
        })
    }

    fn body(&self, kind: BodyKind, range: Range<usize>) -> Option<Body> {
        match kind {
            BodyKind::Inline => Some(Body::Inline(range)),
            BodyKind::Large => Large::decode(&self.raw[range]).map(Body::Large),
        }
    }
}

/// The ids in a block of deletes, ascending.
pub(crate) fn deleted_ids(header: &Header, raw: &[u8]) -> Result<Vec<u64>> {
    debug_assert_eq!(header.kind, BlockKind::Deletes);
    let fault = || Error::damaged("list of deleted ids: cut off or out of range");
    let mut ids = Vec::with_capacity((header.count as usize).min(raw.len()));
    let (mut rest, mut next) = (raw, header.first_id);
    for _ in 0..header.count {
        let gap = layout::take_id_gap(&mut rest).ok_or_else(fault)?;
        let id = next.checked_add(gap).ok_or_else(fault)?;
        next = id.checked_add(1).ok_or_else(fault)?;
        ids.push(id);
    }
    if rest.is_empty() { Ok(ids) } else { Err(fault()) }
}

#[cfg(test)]
mod tests {
    use super::super::codec::Codec;
    use super::super::writer::{BlockLimits, Packer, RawBlocks};
    use super::*;
    use crate::checksum::Binding;
    use crate::id::{ArtifactId, FileId};
    use crate::options::Compression;
    use crate::protocol::Steps;
    use proptest::prelude::*;

    const LIMITS: BlockLimits =
        BlockLimits { block_len: 600, small_len: 600, inline_max: 900, frame_len: 512 };

    fn header_of(block: &super::super::writer::EncodedBlock) -> Header {
        let binding = Binding::new(ArtifactId([0; 16]), FileId(0));
        let mut bytes = Vec::new();
        block.append_to(0, &binding, 64, &mut bytes).unwrap();
        Header::decode(bytes[..32].try_into().unwrap(), &binding, 64, Steps::default()).unwrap()
    }

    proptest! {
        #[test]
        fn what_is_packed_is_found_again(
            records in prop::collection::vec((0u64..5, prop::collection::vec(any::<u8>(), 0..1500)), 0..30)
        ) {
            let codec = Codec::new(Compression::Zstd(3));
            let mut packer = Packer::new(LIMITS);
            let mut model = Vec::new();
            let mut id = 0;
            for (gap, content) in records {
                id += gap;
                packer.push(id, &content).unwrap();
                model.push((id, content));
                id += 1;
            }
            packer.end_block().unwrap();
            let (mut frames, mut found) = (Vec::new(), Vec::new());
            for block in packer.take().encode(&codec, None, false).unwrap() {
                let header = header_of(&block);
                let raw = codec.decompress(block.codec, &block.stored, header.raw_len as usize, None).unwrap();
                if header.kind == BlockKind::Frame {
                    assert_eq!(header.count as usize, frames.len() / LIMITS.frame_len);
                    frames.extend(raw);
                    continue;
                }
                let block = Block::new(&header, raw).unwrap();
                for (id, body) in block.records() {
                    prop_assert_eq!(block.find(id), Some(body.clone()));
                    found.push((id, match body {
                        Body::Inline(range) => block.raw()[range].to_vec(),
                        Body::Large(large) => {
                            assert_eq!(large.content_len, frames.len() as u64);
                            std::mem::take(&mut frames)
                        }
                    }));
                }
                let (first, last) = (header.first_id, found.last().unwrap().0);
                for absent in (first..last + 3).filter(|id| !found.iter().any(|(found, _)| found == id)) {
                    prop_assert_eq!(block.find(absent), None);
                }
            }
            prop_assert_eq!(found, model);
        }

        #[test]
        fn deleted_ids_come_back(ids in prop::collection::btree_set(any::<u64>(), 1..50)) {
            let ids: Vec<u64> = ids.into_iter().filter(|&id| id != u64::MAX).collect();
            if !ids.is_empty() {
                let codec = Codec::new(Compression::None);
                let mut blocks = RawBlocks::default();
                blocks.push_deletes(&ids);
                let block = blocks.encode(&codec, None, false).unwrap().remove(0);
                prop_assert_eq!(deleted_ids(&header_of(&block), &block.stored).unwrap(), ids);
            }
        }

        #[test]
        fn hostile_directories_are_an_error_or_make_sense(
            raw in prop::collection::vec(any::<u8>(), 0..200), count in 0u32..20, first_id: u64
        ) {
            let header = Header {
                kind: BlockKind::Records, codec: layout::CodecId::Raw, stored_len: 0, raw_len: 0, count, first_id,
                payload_crc: 0,
            };
            if let Ok(block) = Block::new(&header, raw) {
                prop_assert_eq!(block.records().count(), count as usize);
            }
        }
    }
}
