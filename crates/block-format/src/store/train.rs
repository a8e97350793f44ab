//! What is to be sealed → a dictionary for it, if one pays.

use roaring::RoaringTreemap;

use crate::block::codec::Codec;
use crate::block::dictionary::{Encoder, train};
use crate::block::writer::{BlockLimits, EncodedBlock, Packer, RawBlocks};
use crate::block::{Block, BlockKind, Body};
use crate::directory::Directory;
use crate::error::Result;
use crate::run::Run;

/// Raw bytes that a dictionary is made from and tried on, at the most.
const SAMPLE_LEN: u64 = 2 << 20;

/// Raw bytes of records for each byte of dictionary, at the least.
const RAW_PER_BYTE: u64 = 64;

/// What zstd's own tools take, too.
const MAX_LEN: u64 = 112 << 10;

/// Shorter ones have little room beside their tables.
const MIN_LEN: u64 = 256;

/// A dictionary for the live records of `runs`, which will be packed by `limits` and compressed by `codec`, at `level`.
pub(super) fn dictionary_for(
    runs: &[&dyn Run],
    deletes: &RoaringTreemap,
    directory: &Directory,
    limits: BlockLimits,
    codec: &Codec,
    level: i32,
) -> Result<Option<Vec<u8>>> {
    let raw_len = records_len(runs)?;
    let len = (raw_len / RAW_PER_BYTE).min(MAX_LEN);
    if len < MIN_LEN {
        return Ok(None);
    }
    let blocks = sample(runs, deletes, limits, raw_len.div_ceil(SAMPLE_LEN))?;
    let trained = train(blocks.raw(), usize::try_from(len).unwrap_or(usize::MAX));
    let Some(dictionary) = trained else { return Ok(None) };
    let encoder = Encoder::new(&dictionary, level)?;
    let stored_len = |encoder| -> Result<u64> {
        Ok(directory.encode_with(&blocks, codec, encoder)?.iter().map(EncodedBlock::block_len).sum())
    };
    let saved = stored_len(None)?.saturating_sub(stored_len(Some(&encoder))?);
    let saved_in_all = u128::from(saved) * u128::from(raw_len) / (blocks.raw().len().max(1) as u128);
    Ok((saved_in_all > dictionary.len() as u128).then_some(dictionary))
}

/// Raw bytes of all blocks of records.
fn records_len(runs: &[&dyn Run]) -> Result<u64> {
    let mut sum = 0u64;
    for run in runs {
        for index in 0..run.block_count()? {
            let (header, _) = run.file().open(run.place(index)?)?;
            if header.kind == BlockKind::Records {
                sum = sum.saturating_add(header.raw_len.into());
            }
        }
    }
    Ok(sum)
}

/// Every `step`-th block or so, by length.
fn sample(runs: &[&dyn Run], deletes: &RoaringTreemap, limits: BlockLimits, step: u64) -> Result<RawBlocks> {
    let mut packer = Packer::new(limits);
    let (mut at, mut next, mut number) = (0u64, 0u64, 0u64);
    for run in runs {
        for index in 0..run.block_count()? {
            let place = run.place(index)?;
            if at >= next && (packer.held_len() as u64) < SAMPLE_LEN {
                next = at.saturating_add(place.len.saturating_mul(step));
                let (header, stored) = run.file().open(place)?;
                if header.kind == BlockKind::Records {
                    let raw = run.file().decode(&header, &stored, place.offset)?;
                    let block = Block::new(&header, raw)
                        .map_err(|e| e.at(run.file().path()).at_offset(place.offset))?;
                    push_live(&block, deletes, &mut packer, &mut number)?;
                }
            }
            at = at.saturating_add(place.len);
        }
    }
    packer.end_block()?;
    Ok(packer.take())
}

/// Adds records under numbers of their own: the ids of a file that somebody made need not ascend.
fn push_live(block: &Block, deletes: &RoaringTreemap, packer: &mut Packer, number: &mut u64) -> Result<()> {
    for (id, body) in block.records() {
        if let Body::Inline(range) = body
            && !deletes.contains(id)
        {
            packer.push_inline(*number, &block.raw()[range])?;
            *number += 1;
        }
    }
    Ok(())
}
