//! A shard: everything by which a run of records is found, in one piece that never changes. In memory it is the tail, in a part of the
//! store it is sealed; the bytes are the same.

mod builder;
mod dead;
mod ids;
pub(crate) mod layout;
mod merge;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use block_format::{Part, RecordId};
use lexical_index::Part as Words;
use roaring::{RoaringBitmap, RoaringTreemap};
use vector_index::{Index, IndexBytes};

pub(crate) use builder::{Doc, build, build_divided};
pub(crate) use dead::{Dead, row_set};
pub(crate) use ids::Ids;
use layout::{SectionEntry, SectionKind};
pub(crate) use merge::{Source, build_bytes_of, merge, merge_linked};

use crate::embeddings::original_len;
use crate::error::{Error, Result};
use crate::filter::FilterIndex;
use crate::settings::{Settings, Space};

/// The field of words that texts are in.
pub(crate) const TEXT_FIELD: &str = "text";

/// The bytes of a shard.
#[derive(Debug, Clone)]
enum Bytes {
    Mapped(Arc<Part>),
    Memory(Arc<IndexBytes>),
}

impl Bytes {
    fn of_part(part: &Arc<Part>) -> Result<Self> {
        Ok(match part.content()? {
            Cow::Borrowed(_) => Self::Mapped(part.clone()),
            Cow::Owned(bytes) => Self::Memory(Arc::new(bytes.as_slice().into())),
        })
    }

    /// Verifies a range, before it is used. What lies in memory was verified when it was read, or never left it.
    fn check(&self, range: Range<u64>) -> Result<()> {
        match self {
            Self::Mapped(part) => Ok(part.check(range)?),
            Self::Memory(_) => Ok(()),
        }
    }

    fn all(&self) -> &[u8] {
        match self {
            Self::Mapped(part) => match part.content() {
                Ok(Cow::Borrowed(bytes)) => bytes,
                _ => &[], // was seen to be mapped when the shard was opened
            },
            Self::Memory(bytes) => (**bytes).as_ref(),
        }
    }
}

/// A section of a shard.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    bytes: Bytes,
    range: Range<usize>,
}

impl Section {
    fn find(bytes: &Bytes, entries: &[SectionEntry], kind: SectionKind, space: usize) -> Option<Self> {
        let at = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        let entry =
            entries.iter().find(|entry| entry.kind == kind as u32 && entry.space as usize == space)?;
        Some(Self { bytes: bytes.clone(), range: at(entry.offset)..at(entry.offset + entry.len) })
    }
}

impl Section {
    /// Verifies a range of it, before it is used.
    pub(crate) fn check(&self, range: Range<usize>) -> Result<()> {
        let start = self.range.start as u64;
        self.bytes.check(start + range.start as u64..start + range.end as u64)
    }

    fn check_all(&self) -> Result<()> {
        self.check(0..self.range.len())
    }
}

impl AsRef<[u8]> for Section {
    fn as_ref(&self) -> &[u8] {
        self.bytes.all().get(self.range.clone()).unwrap_or_default()
    }
}

impl vector_index::Bytes for Section {
    fn check(&self, range: Range<usize>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self::check(self, range)?)
    }

    fn is_verified(&self) -> bool {
        match &self.bytes {
            Bytes::Mapped(part) => part.is_verified(),
            Bytes::Memory(_) => true,
        }
    }
}

impl lexical_index::Bytes for Section {
    fn check(&self, range: Range<usize>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        vector_index::Bytes::check(self, range)
    }

    fn is_verified(&self) -> bool {
        vector_index::Bytes::is_verified(self)
    }
}

/// The vectors of a space.
#[derive(Debug)]
pub(crate) struct Vectors {
    pub(crate) index: Index<Section>,
    pub(crate) originals: Option<Section>,
}

/// An opened shard.
#[derive(Debug)]
pub(crate) struct Shard {
    /// The tag of its part; 0 in memory.
    pub(crate) number: u64,
    /// The ids of the log that it was made of. It has the records among them that are alive, and earlier ones that were indexed again.
    pub(crate) covers: Range<u64>,
    pub(crate) rows: u32,
    pub(crate) byte_len: u64,
    ids: Section,
    pub(crate) words: Words<Section>,
    pub(crate) filters: FilterIndex<Section>,
    /// Of each space of the artifact that it has vectors of.
    pub(crate) vectors: Vec<Option<Vectors>>,
    /// In memory: ids of the records that carried the embeddings in here; they are deleted when the shard is sealed.
    pub(crate) carriers: RoaringTreemap,
    /// In memory: ids of earlier records that are indexed again in here, because an embedding came late. Their older rows are dead.
    pub(crate) reindexed: RoaringTreemap,
    /// Names of sections that cannot be read.
    pub(crate) losses: Vec<String>,
}

impl Shard {
    /// The numbers of sealed shards. Writers begin with the first, and never come to the last.
    pub(crate) const NUMBERS: std::ops::RangeInclusive<u64> = 1..=u64::MAX / 2;

    /// Opens the shard in a part of the store.
    pub(crate) fn open_part(part: &Arc<Part>, settings: &Settings) -> Result<Self> {
        if !Self::NUMBERS.contains(&part.tag()) {
            return Err(Error::damaged(format!("shard {}: a number that no writer gives", part.tag())));
        }
        Self::open(Bytes::of_part(part)?, part.tag(), settings)
    }

    /// Opens a shard in memory.
    pub(crate) fn open_memory(
        bytes: IndexBytes,
        carriers: RoaringTreemap,
        reindexed: RoaringTreemap,
        settings: &Settings,
    ) -> Result<Self> {
        let shard = Self::open(Bytes::Memory(Arc::new(bytes)), 0, settings)?;
        Ok(Self { carriers, reindexed, ..shard })
    }

    fn open(bytes: Bytes, number: u64, settings: &Settings) -> Result<Self> {
        let fault = |message: &str| Error::damaged(format!("shard {number}: {message}"));
        let byte_len = bytes.all().len() as u64;
        let (trailer, entries) = layout::decode(bytes.all())?;
        let find = |kind: SectionKind| Section::find(&bytes, &entries, kind, 0);
        let ids = find(SectionKind::Ids).ok_or_else(|| fault("has no ids"))?;
        verified_ids(&ids, trailer.rows)?;
        let words = Words::open(find(SectionKind::Words).ok_or_else(|| fault("has no words"))?)?;
        if words.rows() != trailer.rows {
            return Err(fault("has another number of rows than its words"));
        }
        let filters = FilterIndex::open(find(SectionKind::Filters).ok_or_else(|| fault("has no filters"))?)?;
        let (vectors, losses) = open_vectors(&bytes, &entries, trailer.rows, number, settings);
        let covers = trailer.start..trailer.end;
        let (carriers, reindexed) = Default::default();
        Ok(Self {
            number,
            covers,
            rows: trailer.rows,
            byte_len,
            ids,
            words,
            filters,
            vectors,
            carriers,
            reindexed,
            losses,
        })
    }

    /// Whether it is a map of a file, rather than on the heap.
    pub(crate) fn is_mapped(&self) -> bool {
        matches!(self.ids.bytes, Bytes::Mapped(_))
    }

    /// Whether it lies in a part of the store.
    pub(crate) fn is_sealed(&self) -> bool {
        self.number != 0
    }

    pub(crate) fn ids(&self) -> Ids<'_> {
        Ids::open(self.ids.as_ref(), self.rows).unwrap_or_else(|_| Ids::none()) // was opened before
    }

    pub(crate) fn row_of(&self, id: RecordId) -> Option<u32> {
        self.ids().row_of(id)
    }

    /// The vectors of a space, if the shard has any.
    pub(crate) fn vectors(&self, space: usize) -> Option<&Vectors> {
        self.vectors.get(space)?.as_ref()
    }

    /// Verifies all of its bytes, for whoever makes another file of them.
    pub(crate) fn check_all(&self) -> Result<()> {
        self.ids.bytes.check(0..self.byte_len)
    }

    /// About how many bytes belong to some rows: of the words by how many tokens they have, of the rest by their number.
    pub(crate) fn len_of(&self, rows: &RoaringBitmap) -> Result<u64> {
        let words = self.words.len_bytes() as u64;
        let of_words = share(words, self.words.tokens_of(rows.iter())?, self.words.tokens());
        Ok(of_words + share(self.byte_len.saturating_sub(words), rows.len(), self.rows.into()))
    }

    /// Reads everything and compares every checksum.
    pub(crate) fn verify(&self) -> Result<()> {
        self.ids().verify()?;
        self.words.verify()?;
        self.filters.verify(self.rows)?;
        for vectors in self.vectors.iter().flatten() {
            vectors.index.verify()?;
        }
        match self.losses.first() {
            Some(loss) => Err(Error::damaged(loss.clone())),
            None => Ok(()),
        }
    }
}

/// So much of `bytes` as `part` is of `whole`.
fn share(bytes: u64, part: u64, whole: u64) -> u64 {
    let of = u128::from(bytes) * u128::from(part.min(whole)) / u128::from(whole.max(1));
    u64::try_from(of).unwrap_or(bytes)
}

/// The vectors of each space, and what of them cannot be read.
fn open_vectors(
    bytes: &Bytes,
    entries: &[SectionEntry],
    rows: u32,
    number: u64,
    settings: &Settings,
) -> (Vec<Option<Vectors>>, Vec<String>) {
    let mut losses = Vec::new();
    let mut open = |of: usize, space: &Space| {
        let index = Index::open(Section::find(bytes, entries, SectionKind::Vectors, of)?);
        match index {
            Ok(index) if *index.quantizer() == space.quantizer => {
                let originals = Section::find(bytes, entries, SectionKind::Originals, of);
                let fits = |section: &Section| {
                    section.range.len() == original_len(space).saturating_mul(rows as usize)
                };
                return Some(Vectors { index, originals: originals.filter(fits) });
            }
            Ok(_) => losses.push(format!(
                "the vectors of space {:?} in shard {number} are not of that space",
                space.name
            )),
            Err(e) => losses.push(format!("the vectors of space {:?} in shard {number}: {e}", space.name)),
        }
        None
    };
    let vectors = settings.spaces.iter().enumerate().map(|(of, space)| open(of, space)).collect();
    (vectors, losses)
}

/// Ids are few and everything rests on them: they are verified as a whole when a shard is opened.
fn verified_ids(section: &Section, rows: u32) -> Result<()> {
    section.check_all()?;
    Ids::open(section.as_ref(), rows)?.verify()
}

/// What is left of a damaged shard that cannot be made anew from records: vectors.
#[derive(Debug)]
pub(crate) struct Rescued {
    ids: Section,
    rows: u32,
    dead: RoaringBitmap,
    pub(crate) vectors: Vec<Option<Vectors>>,
}

impl Rescued {
    /// The vectors in a part that is not a shard as a whole, if its ids are sound. Rows in `dead` are of no use.
    pub(crate) fn open(part: &Arc<Part>, dead: RoaringBitmap, settings: &Settings) -> Option<Self> {
        let bytes = Bytes::of_part(part).ok()?;
        let (trailer, entries) = layout::decode(bytes.all()).ok()?;
        let ids = Section::find(&bytes, &entries, SectionKind::Ids, 0)?;
        verified_ids(&ids, trailer.rows).ok()?;
        let (vectors, _) = open_vectors(&bytes, &entries, trailer.rows, part.tag(), settings);
        Some(Self { ids, rows: trailer.rows, dead, vectors })
    }

    pub(crate) fn live_row_of(&self, id: RecordId) -> Option<u32> {
        let row = Ids::open(self.ids.as_ref(), self.rows).ok()?.row_of(id)?;
        (!self.dead.contains(row)).then_some(row)
    }
}
