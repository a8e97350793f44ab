//! Records → a shard in memory.

use std::io::Write;
use std::sync::Arc;

use block_format::{RecordId, Workers};
use lexical_index::MemoryIndex;
use metadata_index::Builder as MetadataBuilder;
use rayon::prelude::*;
use roaring::RoaringTreemap;
use serde_json::{Map, Value};
use vector_index::{AlignedBytes, BuildOptions, Builder, Codes};

use super::ids::IdsBuilder;
use super::layout::{self, SectionKind, ShardWriter};
use super::reader::Shard;
use crate::api::error::Result;
use crate::format::embeddings::{Embedding, original_len};
use crate::format::settings::Settings;

/// What an index has to know of a record.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    pub(crate) id: RecordId,
    pub(crate) key: Option<&'a str>,
    pub(crate) metadata: Option<&'a Map<String, Value>>,
    /// The record of the store that has its metadata, if that is not its own.
    pub(crate) metadata_record: Option<RecordId>,
    pub(crate) text: Option<&'a str>,
    /// Names and texts of its fields.
    pub(crate) fields: Vec<(&'a str, &'a str)>,
    /// By the number of the space.
    pub(crate) embeddings: Vec<(usize, &'a Embedding)>,
}

/// From so many records on, threads divide among themselves what is done with them: a few do not wait for a pool that may be busy with sealing.
pub(crate) const MIN_RECORDS_TO_DIVIDE: usize = 256;

/// Builds a shard of `documents` that covers the ids in `covers`; those below are indexed again. Vectors are scanned, not linked to a graph: the tail changes too fast.
pub(crate) fn build(
    settings: &Settings,
    covers: std::ops::Range<u64>,
    documents: &[Document<'_>],
    superseded: RoaringTreemap,
) -> Result<Shard> {
    let sections = sections_of(settings, documents);
    assemble(settings, covers, documents, superseded, words_of(settings, documents), sections)
}

/// [`build`], and `other` work, which is told whether it runs in the pool of the workers. If there are many records, threads divide this among them.
pub(crate) fn build_beside<T: Send>(
    workers: &Workers,
    settings: &Settings,
    covers: std::ops::Range<u64>,
    documents: &[Document<'_>],
    superseded: RoaringTreemap,
    other: impl FnOnce(bool) -> T + Send,
) -> (Result<Shard>, T) {
    if documents.len() < MIN_RECORDS_TO_DIVIDE {
        return (build(settings, covers, documents, superseded), other(false));
    }
    let (words, (sections, other)) = workers.run(|divided| {
        let rest = || (sections_of(settings, documents), other(divided));
        if !divided {
            return (words_of(settings, documents), rest());
        }
        // All threads find words first, which takes longest; then one writes them while others do the rest.
        let words = words_by_all(settings, documents);
        rayon::join(|| write_words(&words?), rest)
    });
    (assemble(settings, covers, documents, superseded, words, sections), other)
}

fn assemble(
    settings: &Settings,
    covers: std::ops::Range<u64>,
    documents: &[Document<'_>],
    superseded: RoaringTreemap,
    words: Result<Vec<u8>>,
    sections: Result<Vec<Section>>,
) -> Result<Shard> {
    let mut ids = IdsBuilder::default();
    for document in documents {
        ids.push(document.id);
    }
    let section = |kind, bytes| Section { kind, space: 0, bytes };
    let mut all = vec![section(SectionKind::Ids, written(|out| ids.write(out))?)];
    let changed: Vec<(u32, u64)> =
        (0..).zip(documents).filter_map(|(row, document)| Some((row, document.metadata_record?.0))).collect();
    if !changed.is_empty() {
        let records = written(|out| Ok(layout::write_metadata_records(&changed, out)?));
        all.push(section(SectionKind::MetadataRecords, records?));
    }
    all.push(section(SectionKind::Words, words?));
    all.extend(sections?);
    // Memory on a boundary is copied whenever it grows, or gives back what it has too much.
    let len = layout::len_of(all.iter().map(|section| section.bytes.len()));
    let bytes = AlignedBytes::try_with_capacity(len).map_err(std::io::Error::from)?;
    let mut writer = ShardWriter::new(bytes);
    for Section { kind, space, bytes } in all {
        writer.section(kind, space, |out| Ok(out.write_all(&bytes)?))?;
    }
    let bytes = writer.finish(ids.rows(), covers.start, covers.end)?;
    let reindexed = documents.iter().map(|document| document.id.0).filter(|&id| id < covers.start).collect();
    Shard::open_memory(bytes, superseded, reindexed, settings)
}

/// The bytes that `write` writes.
fn written(write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write(&mut bytes)?;
    Ok(bytes)
}

/// A section that was written ahead.
struct Section {
    kind: SectionKind,
    /// The number of the space.
    space: usize,
    bytes: Vec<u8>,
}

/// The sections of filters and vectors.
fn sections_of(settings: &Settings, documents: &[Document<'_>]) -> Result<Vec<Section>> {
    let mut filters = Vec::new();
    filters_of(documents).write(&mut filters as &mut dyn Write)?;
    let mut sections = vec![Section { kind: SectionKind::Filters, space: 0, bytes: filters }];
    for (number, space) in settings.kept_spaces() {
        let mut codes = Codes::new(space.quantizer.clone());
        let mut originals = vec![0; original_len(space) * documents.len()];
        for (row, document) in (0..).zip(documents) {
            let Some((_, embedding)) = document.embeddings.iter().find(|(space, _)| *space == number) else {
                continue;
            };
            codes.push_codes(row, &embedding.codes, embedding.scale)?;
            let (at, len) = (row as usize * original_len(space), embedding.original.len());
            originals[at..at + len].copy_from_slice(&embedding.original);
        }
        if codes.is_empty() {
            continue;
        }
        let built = Builder::new(BuildOptions::new().graph_from(usize::MAX).parallel(false)).build(codes)?;
        let mut bytes = Vec::new();
        built.write(&mut bytes)?;
        sections.push(Section { kind: SectionKind::Vectors, space: number, bytes });
        if !originals.is_empty() {
            sections.push(Section { kind: SectionKind::Originals, space: number, bytes: originals });
        }
    }
    Ok(sections)
}

/// The section of words.
fn words_of(settings: &Settings, documents: &[Document<'_>]) -> Result<Vec<u8>> {
    write_words(&[words_in(settings, fields_used(settings, documents)?, documents)?])
}

/// Threads find the words of so many texts each, or more.
const MIN_TEXTS_OF_THREAD: usize = 128;
/// In so many indexes at most, which are then written as one.
const MAX_INDEXES: usize = 4;

/// The words of all documents, found by the threads of the pool.
fn words_by_all(settings: &Settings, documents: &[Document<'_>]) -> Result<Vec<MemoryIndex>> {
    let fields = fields_used(settings, documents)?;
    let len = documents.len().div_ceil(rayon::current_num_threads().clamp(1, MAX_INDEXES));
    let some = documents.par_chunks(len.max(MIN_TEXTS_OF_THREAD));
    some.map(|documents| words_in(settings, fields, documents)).collect()
}

/// How many fields documents have: those that none has, and that stand behind all that one has, take no room.
fn fields_used(settings: &Settings, documents: &[Document<'_>]) -> Result<usize> {
    let mut names = documents.iter().flat_map(|document| &document.fields);
    names.try_fold(0, |used, (name, _)| Ok(used.max(settings.field(name)?.0 + 1)))
}

fn words_in(settings: &Settings, fields: usize, documents: &[Document<'_>]) -> Result<MemoryIndex> {
    let mut words =
        MemoryIndex::new(Arc::clone(&settings.analyzer), &settings.word_fields()[..=fields], true)?;
    for document in documents {
        add_words(&mut words, settings, &document.fields, document.text)?;
    }
    Ok(words)
}

fn write_words(words: &[MemoryIndex]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    MemoryIndex::write_together(words, &mut bytes as &mut dyn Write)?; // compiled once for all writers
    Ok(bytes)
}

/// Gives the next row to a text and its fields, whose words are also found as words of the text.
pub(crate) fn add_words(
    words: &mut MemoryIndex,
    settings: &Settings,
    fields: &[(&str, &str)],
    text: Option<&str>,
) -> Result<()> {
    // The text is first: small places take less.
    let mut texts: Vec<(usize, &str)> = text.map(|text| (0, text)).into_iter().collect();
    for (name, text) in fields {
        let (number, field) = settings.field(name)?;
        texts.extend((0..field.weight).map(|_| (0, *text)));
        texts.push((number + 1, *text));
    }
    words.add(&texts)?;
    Ok(())
}

fn filters_of(documents: &[Document<'_>]) -> MetadataBuilder {
    let (mut filters, none) = (MetadataBuilder::new(), Map::new());
    for (row, document) in (0..).zip(documents) {
        filters.add(row, document.key, document.metadata.unwrap_or(&none));
    }
    filters
}
