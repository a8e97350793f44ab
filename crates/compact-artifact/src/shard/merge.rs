//! Shards → one shard, without the rows that are dead.

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use block_format::{RecordId, Workers};
use lexical_index::MemoryIndex;
use roaring::RoaringBitmap;
use vector_index::{AlignedBytes, BuildOptions, Builder, Built, RowSet};

use super::ids::IdsBuilder;
use super::layout::{self, SectionKind, ShardWriter};
use super::reader::Shard;
use crate::api::error::Result;
use crate::format::embeddings::original_len;
use crate::format::parts::row_set;
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

    /// The records of the rows that are left, in the order of those.
    pub(crate) fn ids(&self) -> impl Iterator<Item = RecordId> {
        let ids = (0..).zip(self.shard.ids().iter());
        ids.filter(|(row, _)| !self.without.contains(*row)).map(|(_, id)| id)
    }

    /// How many rows are left.
    pub(crate) fn live(&self) -> u64 {
        u64::from(self.shard.rows).saturating_sub(self.without.len())
    }
}

/// Heap that a merge takes for each vector with a graph, beside the codes: what the builder says of itself, lists of links to begin with, and what
/// words and filters of a row take. Measured: see `docs/BENCHMARKS.md`, "Space".
const GRAPH_BYTES: usize = 1000;

/// New words of so many bytes may always be in memory until they are written.
pub(crate) const WORDS_HEAP: usize = 4 << 20;

/// Heap that merging so many rows takes, about.
pub(crate) fn build_bytes_of(settings: &Settings, rows: u64) -> usize {
    let len = |dimension: usize| dimension + vector_index::outline_len(dimension) + GRAPH_BYTES;
    let vectors = settings.spaces.iter().map(|space| len(space.options.dimension)).max().unwrap_or(0);
    usize::try_from(rows).unwrap_or(usize::MAX).saturating_mul(vectors + 24)
}

/// Writes one shard of all that is left of `sources`, in their order, and returns how many rows that is. All of their bytes are verified before. Vectors
/// are linked to graphs where there are `graph_from` or more. New words of at most `words_heap` bytes, about, are in memory until they are written: before there is a graph,
/// if memory `is_limited`, and else beside it.
pub(crate) fn merge_linked<W: Write + Send>(
    workers: &Workers,
    settings: &Settings,
    graph_from: usize,
    (words_heap, is_limited): (usize, bool),
    covers: Range<u64>,
    sources: &[Source],
    out: W,
) -> Result<(W, u32)> {
    workers.run(|divided| {
        let merge = Merge::new(settings, sources, graph_from, divided)?;
        let is_beside = divided && !is_limited;
        Merge { words_heap, words_beside: is_beside, filters_beside: is_beside, ..merge }.write(covers, out)
    })
}

/// Writes one shard of what is left of `source`, with these words in the place of its own.
pub(crate) fn merge_reindexed<W: Write + Send>(
    workers: &Workers,
    settings: &Settings,
    (graph_from, is_limited): (usize, bool),
    covers: Range<u64>,
    (source, words): (&Source, &MemoryIndex),
    out: W,
) -> Result<(W, u32)> {
    workers.run(|divided| {
        let merge = Merge::new(settings, std::slice::from_ref(source), graph_from, divided)?;
        Merge { words: Some(words), filters_beside: divided && !is_limited, ..merge }.write(covers, out)
    })
}

/// [`merge_linked`] without graphs, by the calling thread.
pub(crate) fn merge<W: Write + Send>(
    settings: &Settings,
    covers: Range<u64>,
    sources: &[Source],
    out: W,
) -> Result<(W, u32)> {
    Merge::new(settings, sources, usize::MAX, false)?.write(covers, out)
}

/// Shards that are being merged.
struct Merge<'a> {
    settings: &'a Settings,
    sources: &'a [Source],
    /// What each row of each source becomes.
    renumbered: Vec<Vec<Option<u32>>>,
    /// From how many vectors on they are linked.
    graph_from: usize,
    /// Whether the work is divided among the threads of the current rayon pool.
    divided: bool,
    /// New words of so many bytes may be in memory.
    words_heap: usize,
    /// Words are written while the first graph is built.
    words_beside: bool,
    /// Metadata are merged while words are written, and wait in memory for them.
    filters_beside: bool,
    /// The words of all rows that are left, if they are not those of the sources.
    words: Option<&'a MemoryIndex>,
}

impl<'a> Merge<'a> {
    fn new(settings: &'a Settings, sources: &'a [Source], graph_from: usize, divided: bool) -> Result<Self> {
        sources.iter().try_for_each(|source| source.shard.check_all())?;
        let mut next = 0;
        let renumbered = sources.iter().map(|source| source.renumbered(&mut next)).collect();
        Ok(Self {
            settings,
            sources,
            renumbered,
            graph_from,
            divided,
            words_heap: WORDS_HEAP,
            words_beside: false,
            filters_beside: false,
            words: None,
        })
    }

    fn write<W: Write + Send>(&self, covers: Range<u64>, out: W) -> Result<(W, u32)> {
        let mut writer = ShardWriter::new(out);
        let ids = self.ids();
        writer.section(SectionKind::Ids, 0, |out| ids.write(out))?;
        let records = self.metadata_records();
        if !records.is_empty() {
            let write = |out: &mut dyn Write| Ok(layout::write_metadata_records(&records, out)?);
            writer.section(SectionKind::MetadataRecords, 0, write)?;
        }
        let mut spaces = self.settings.kept_spaces().map(|(number, _)| number);
        let first = if self.words_beside { spaces.next() } else { None };
        match first {
            Some(first) => {
                let write_words = || self.write_words_and_filters(&mut writer);
                let (written, built) = rayon::join(write_words, || self.build_vectors(first));
                written?;
                self.write_vectors(first, built?, &mut writer)?;
            }
            None => self.write_words_and_filters(&mut writer)?,
        }
        for number in spaces {
            self.write_vectors(number, self.build_vectors(number)?, &mut writer)?;
        }
        Ok((writer.finish(ids.rows(), covers.start, covers.end)?, ids.rows()))
    }

    fn ids(&self) -> IdsBuilder {
        let mut ids = IdsBuilder::default();
        for (source, rows) in self.sources.iter().zip(&self.renumbered) {
            for (id, _) in source.shard.ids().iter().zip(rows).filter(|(_, row)| row.is_some()) {
                ids.push(id);
            }
        }
        ids
    }

    /// Rows that are left whose metadata were changed, and the records of the store that have those.
    fn metadata_records(&self) -> Vec<(u32, u64)> {
        let mut records = Vec::new();
        for (source, rows) in self.sources.iter().zip(&self.renumbered) {
            let stored = source.shard.metadata_records.iter();
            records.extend(stored.filter_map(|(row, id)| Some((new_row(rows, row)?, id))));
        }
        records
    }

    fn write_words_and_filters<W: Write + Send>(&self, writer: &mut ShardWriter<W>) -> Result<()> {
        let without: Vec<RowSet> = self.sources.iter().map(|source| row_set(&source.without)).collect();
        let words: Vec<_> = self
            .sources
            .iter()
            .zip(&without)
            .map(|(source, rows)| (&source.shard.words, Some(rows)))
            .collect();
        let mut write_words = || {
            writer.section(SectionKind::Words, 0, |out| match self.words {
                Some(words) => Ok(words.write(out)?),
                None => Ok(lexical_index::merge_within(&words, self.words_heap, out)?),
            })
        };
        if self.copied().is_some() {
            write_words()?;
            return self.copy(SectionKind::Filters, 0, writer).map(drop);
        }
        if self.filters_beside {
            let mut filters = AlignedBytes::default(); // which says when it gets no memory
            let (written, merged) = rayon::join(write_words, || self.write_filters(&mut filters));
            written.and(merged)?;
            return writer.section(SectionKind::Filters, 0, |out| Ok(out.write_all(filters.as_ref())?));
        }
        write_words()?;
        writer.section(SectionKind::Filters, 0, |out| self.write_filters(out))
    }

    /// The source, if all that is new of it are its words: everything else is copied as it is, graphs included.
    fn copied(&self) -> Option<&Shard> {
        match self.sources {
            [source] if self.words.is_some() && source.without.is_empty() => Some(&source.shard),
            _ => None,
        }
    }

    /// Copies a section, if there is a source to copy from. Returns whether that was done.
    fn copy<W: Write>(&self, kind: SectionKind, number: usize, writer: &mut ShardWriter<W>) -> Result<bool> {
        let Some(shard) = self.copied() else { return Ok(false) };
        if let Some(section) = shard.section(kind, number)? {
            writer.section(kind, number, |out| Ok(out.write_all(section.as_ref())?))?;
        }
        Ok(true)
    }

    /// Writes the merged index of metadata.
    fn write_filters(&self, out: &mut dyn Write) -> Result<()> {
        let maps: Vec<_> = self.renumbered.iter().map(|rows| move |row: u32| new_row(rows, row)).collect();
        let filters: Vec<_> = self
            .sources
            .iter()
            .zip(&maps)
            .map(|(source, map)| (&source.shard.filters, map as &dyn Fn(u32) -> Option<u32>))
            .collect();
        Ok(metadata_index::merge(&filters, out)?)
    }

    /// The index of the vectors of one space, if a row that is left has any, and they are not copied.
    fn build_vectors(&self, number: usize) -> Result<Option<Built>> {
        if self.copied().is_some() {
            return Ok(None);
        }
        let options = BuildOptions::new().graph_from(self.graph_from).parallel(self.divided);
        let builder = Builder::new(options);
        let mut merge = builder.merge();
        let mut any = false;
        for (source, rows) in self.sources.iter().zip(&self.renumbered) {
            let Some(vectors) = source.shard.vectors(number).filter(|_| source.live() > 0) else { continue };
            merge.add_index(&vectors.index, |row| {
                let new = new_row(rows, row);
                any |= new.is_some();
                new
            })?;
        }
        if any { Ok(Some(merge.build()?)) } else { Ok(None) }
    }

    /// The vectors of one space, if a row that is left has any.
    fn write_vectors<W: Write>(
        &self,
        number: usize,
        built: Option<Built>,
        writer: &mut ShardWriter<W>,
    ) -> Result<()> {
        if self.copy(SectionKind::Vectors, number, writer)? {
            return self.copy(SectionKind::Originals, number, writer).map(drop);
        }
        let Some(built) = built else { return Ok(()) };
        writer.section(SectionKind::Vectors, number, |out| Ok(built.write(out).map(drop)?))?;
        drop(built);
        let each = original_len(&self.settings.spaces[number]);
        if each == 0 {
            return Ok(());
        }
        writer.section(SectionKind::Originals, number, |out| self.write_originals(number, each, out))
    }

    /// The originals of one space, of `each` bytes: zeros where a row has none.
    fn write_originals(&self, number: usize, each: usize, out: &mut dyn Write) -> Result<()> {
        let zeros = vec![0; each];
        for (source, rows) in self.sources.iter().zip(&self.renumbered) {
            let originals = source.shard.vectors(number).and_then(|vectors| vectors.originals.as_ref());
            let originals = originals.map_or(&[][..], |section| section.as_ref());
            for (row, _) in rows.iter().enumerate().filter(|(_, new)| new.is_some()) {
                out.write_all(originals.get(row * each..(row + 1) * each).unwrap_or(&zeros))?;
            }
        }
        Ok(())
    }
}

/// What a row becomes; `None` if it is left out.
fn new_row(rows: &[Option<u32>], row: u32) -> Option<u32> {
    rows.get(row as usize).copied().flatten()
}
