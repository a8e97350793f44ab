//! Records → a shard in memory.

use std::sync::Arc;

use block_format::{RecordId, Workers};
use lexical_index::MemoryIndex;
use roaring::RoaringTreemap;
use serde_json::{Map, Value};
use vector_index::{BuildOptions, Builder, Codes, IndexBytes};

use super::ids::IdsBuilder;
use super::layout::{SectionKind, ShardWriter};
use super::{Shard, TEXT_FIELD};
use crate::embeddings::{Embedding, original_len};
use crate::error::Result;
use crate::filter::FilterBuilder;
use crate::settings::Settings;

/// What an index has to know of a record.
#[derive(Debug)]
pub(crate) struct Doc<'a> {
    pub(crate) id: RecordId,
    pub(crate) key: Option<&'a str>,
    pub(crate) metadata: Option<&'a Map<String, Value>>,
    pub(crate) text: Option<&'a str>,
    /// By the number of the space.
    pub(crate) embeddings: Vec<(usize, &'a Embedding)>,
}

/// From so many records on, words and metadata are indexed side by side.
const WORTH_THE_POOL: usize = 256;

/// Builds a shard of `docs` that covers the ids in `covers`; those below are indexed again. Vectors are scanned, not linked to a graph: the tail changes too fast.
pub(crate) fn build(
    settings: &Settings,
    covers: std::ops::Range<u64>,
    docs: &[Doc<'_>],
    carriers: RoaringTreemap,
) -> Result<Shard> {
    assemble(settings, covers, docs, carriers, (words_of(settings, docs), filters_of(docs)))
}

/// [`build`], divided among threads if there are many records.
pub(crate) fn build_divided(
    workers: &Workers,
    settings: &Settings,
    covers: std::ops::Range<u64>,
    docs: &[Doc<'_>],
    carriers: RoaringTreemap,
) -> Result<Shard> {
    // A few records do not wait for a pool that may be busy with sealing.
    if docs.len() < WORTH_THE_POOL {
        return build(settings, covers, docs, carriers);
    }
    let parts = workers.run(|divided| {
        if divided {
            rayon::join(|| words_of(settings, docs), || filters_of(docs))
        } else {
            (words_of(settings, docs), filters_of(docs))
        }
    });
    assemble(settings, covers, docs, carriers, parts)
}

fn assemble(
    settings: &Settings,
    covers: std::ops::Range<u64>,
    docs: &[Doc<'_>],
    carriers: RoaringTreemap,
    (words, filters): (Result<MemoryIndex>, FilterBuilder),
) -> Result<Shard> {
    let mut writer = ShardWriter::new(IndexBytes::default());
    let mut ids = IdsBuilder::default();
    for doc in docs {
        ids.push(doc.id);
    }
    let words = words?;
    writer.section(SectionKind::Ids, 0, |out| ids.write(out))?;
    writer.section(SectionKind::Words, 0, |out| Ok(words.write(out)?))?;
    writer.section(SectionKind::Filters, 0, |out| filters.write(out))?;
    for (number, space) in settings.spaces.iter().enumerate() {
        let mut codes = Codes::new(space.quantizer.clone());
        let mut originals = vec![0; original_len(space) * docs.len()];
        for (row, doc) in (0..).zip(docs) {
            let Some((_, embedding)) = doc.embeddings.iter().find(|(of, _)| *of == number) else { continue };
            codes.push_codes(row, &embedding.codes, embedding.scale)?;
            let (at, len) = (row as usize * original_len(space), embedding.original.len());
            originals[at..at + len].copy_from_slice(&embedding.original);
        }
        if codes.is_empty() {
            continue;
        }
        let built = Builder::new(BuildOptions::new().graph_from(usize::MAX).parallel(false)).build(codes)?;
        writer.section(SectionKind::Vectors, number, |out| Ok(built.write(out).map(drop)?))?;
        if !originals.is_empty() {
            writer.section(SectionKind::Originals, number, |out| Ok(out.write_all(&originals)?))?;
        }
    }
    let bytes = writer.finish(ids.rows(), covers.start, covers.end)?;
    let reindexed = docs.iter().map(|doc| doc.id.0).filter(|&id| id < covers.start).collect();
    Shard::open_memory(bytes, carriers, reindexed, settings)
}

fn words_of(settings: &Settings, docs: &[Doc<'_>]) -> Result<MemoryIndex> {
    let mut words = MemoryIndex::new(Arc::clone(&settings.analyzer), &[TEXT_FIELD], true)?;
    for doc in docs {
        let text = doc.text.map(|text| (0, text));
        words.add(text.as_slice())?;
    }
    Ok(words)
}

fn filters_of(docs: &[Doc<'_>]) -> FilterBuilder {
    let (mut filters, none) = (FilterBuilder::new(), Map::new());
    for (row, doc) in (0..).zip(docs) {
        filters.add(row, doc.key, doc.metadata.unwrap_or(&none));
    }
    filters
}
