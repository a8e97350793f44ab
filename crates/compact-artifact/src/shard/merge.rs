//! Shards → one shard, without the rows that are dead.

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use block_format::Workers;
use roaring::RoaringBitmap;
use vector_index::{BuildOptions, Builder};

use super::ids::IdsBuilder;
use super::layout::{SectionKind, ShardWriter};
use super::reader::Shard;
use crate::api::error::{Error, Result};
use crate::format::embeddings::original_len;
use crate::format::settings::Settings;

/// A shard, and the rows of it that are left out.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) shard: Arc<Shard>,
    pub(crate) without: RoaringBitmap,
}

impl Source {
    pub(crate) fn new(shard: &Arc<Shard>, without: RoaringBitmap) -> Self {
        Self { shard: shard.clone(), without }
    }

    /// Of the rows that are left, those in `range`, counted from 0.
    pub(crate) fn slice(&self, range: Range<u64>) -> Self {
        let mut left: RoaringBitmap = (0..self.shard.rows).collect();
        left -= &self.without;
        let row = |number: u64| u32::try_from(number).ok().and_then(|number| left.select(number));
        let mut without = self.without.clone();
        without.insert_range(..row(range.start).unwrap_or(self.shard.rows));
        without.insert_range(row(range.end).unwrap_or(self.shard.rows)..self.shard.rows);
        Self { shard: self.shard.clone(), without }
    }

    /// What each row becomes.
    fn renumbered(&self, next: &mut u32) -> Vec<Option<u32>> {
        let mut rows = vec![None; self.shard.rows as usize];
        for (row, place) in (0..).zip(&mut rows) {
            if !self.without.contains(row) {
                *place = Some(*next);
                *next += 1;
            }
        }
        rows
    }

    /// How many rows are left.
    pub(crate) fn live(&self) -> u64 {
        u64::from(self.shard.rows).saturating_sub(self.without.len())
    }
}

/// Heap that a merge takes for each vector with a graph, beside the codes: what the builder says of itself, lists of links to begin with, and what
/// words and filters of a row take. Measured: see `docs/BENCHMARKS.md`, "Space".
const GRAPH_BYTES: usize = 1000;

/// Heap that merging so many rows takes, about.
pub(crate) fn build_bytes_of(settings: &Settings, rows: u64) -> usize {
    let vectors =
        settings.spaces.iter().map(|space| space.options.dimension + GRAPH_BYTES).max().unwrap_or(0);
    usize::try_from(rows).unwrap_or(usize::MAX).saturating_mul(vectors + 24)
}

/// Writes one shard of all that is left of `sources`, in their order, and returns how many rows that is. All of their
/// bytes are verified before. Vectors are linked to graphs where
/// there are enough of them.
pub(crate) fn merge_linked<W: Write + Send>(
    workers: &Workers,
    settings: &Settings,
    covers: Range<u64>,
    sources: &[Source],
    out: W,
) -> Result<(W, u32)> {
    workers.run(|divided| merge_by(settings, covers, sources, Merging { graphs: true, divided }, out))
}

/// [`merge_linked`] without graphs, by the calling thread.
pub(crate) fn merge<W: Write + Send>(
    settings: &Settings,
    covers: Range<u64>,
    sources: &[Source],
    out: W,
) -> Result<(W, u32)> {
    merge_by(settings, covers, sources, Merging { graphs: false, divided: false }, out)
}

/// How shards are merged.
#[derive(Debug, Clone, Copy)]
struct Merging {
    graphs: bool,
    /// Among the threads of the current rayon pool.
    divided: bool,
}

fn merge_by<W: Write + Send>(
    settings: &Settings,
    covers: Range<u64>,
    sources: &[Source],
    Merging { graphs, divided }: Merging,
    out: W,
) -> Result<(W, u32)> {
    sources.iter().try_for_each(|source| source.shard.check_all())?;
    let mut next = 0;
    let renumbered: Vec<Vec<Option<u32>>> =
        sources.iter().map(|source| source.renumbered(&mut next)).collect();
    let mut writer = ShardWriter::new(out);
    let mut ids = IdsBuilder::default();
    for (source, rows) in sources.iter().zip(&renumbered) {
        let live = source.shard.ids().iter().zip(rows).filter(|(_, row)| row.is_some());
        live.for_each(|(id, _)| {
            ids.push(id);
        });
    }
    writer.section(SectionKind::Ids, 0, |out| ids.write(out))?;
    let words: Vec<_> = sources.iter().map(|source| (&source.shard.words, Some(&source.without))).collect();
    let row_of = |rows: &Vec<Option<u32>>, row: u32| rows.get(row as usize).copied().flatten();
    let merge_filters = || {
        let maps: Vec<_> = renumbered.iter().map(|rows| move |row: u32| row_of(rows, row)).collect();
        let filters: Vec<_> = sources
            .iter()
            .zip(&maps)
            .map(|(source, map)| (&source.shard.filters, map as &dyn Fn(u32) -> Option<u32>))
            .collect();
        let mut bytes = Vec::new();
        metadata_index::merge(&filters, &mut bytes).map(|()| bytes).map_err(Error::from)
    };
    // Where there are many, metadata wait in memory for the words.
    let filters = if divided {
        let write_words =
            || writer.section(SectionKind::Words, 0, |out| Ok(lexical_index::merge(&words, out)?));
        let (written, filters) = rayon::join(write_words, merge_filters);
        written.and(filters)?
    } else {
        writer.section(SectionKind::Words, 0, |out| Ok(lexical_index::merge(&words, out)?))?;
        merge_filters()?
    };
    writer.section(SectionKind::Filters, 0, |out| Ok(out.write_all(&filters)?))?;
    drop(filters);
    for (number, space) in settings.spaces.iter().enumerate() {
        let mut options = BuildOptions::new().parallel(divided);
        if !graphs {
            options = options.graph_from(usize::MAX);
        }
        let builder = Builder::new(options);
        let mut merge = builder.merge();
        let mut any = false;
        for (source, rows) in sources.iter().zip(&renumbered) {
            let Some(vectors) = source.shard.vectors(number).filter(|_| source.live() > 0) else { continue };
            merge.add_index(&vectors.index, |row| {
                let new = row_of(rows, row);
                any |= new.is_some();
                new
            })?;
        }
        if !any {
            continue;
        }
        let built = merge.build()?;
        writer.section(SectionKind::Vectors, number, |out| Ok(built.write(out).map(drop)?))?;
        drop(built);
        let each = original_len(space);
        if each > 0 {
            writer.section(SectionKind::Originals, number, |out| {
                let zeros = vec![0; each];
                for (source, rows) in sources.iter().zip(&renumbered) {
                    let originals =
                        source.shard.vectors(number).and_then(|vectors| vectors.originals.as_ref());
                    let originals = originals.map_or(&[][..], |section| section.as_ref());
                    for (row, _) in rows.iter().enumerate().filter(|(_, new)| new.is_some()) {
                        out.write_all(originals.get(row * each..(row + 1) * each).unwrap_or(&zeros))?;
                    }
                }
                Ok(())
            })?;
        }
    }
    let rows = ids.rows();
    Ok((writer.finish(rows, covers.start, covers.end)?, rows))
}
