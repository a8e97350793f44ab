//! The bytes of a shard, mapped or in memory, and the sections in them.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use block_format::Part;
use vector_index::{AlignedBytes, Index};

use super::layout::{SectionEntry, SectionKind};
use crate::api::damage::Damage;
use crate::api::error::{Error, ErrorKind, Result};
use crate::api::space::{Space, Stage};
use crate::format::embeddings::{Embedding, original_len};
use crate::format::settings::Settings;
use crate::protocol::{Step, Steps};

/// Bytes at the beginning and the end of a section that are read before anything else: headers, trailers, tables of sections.
const END: u64 = 4 << 10;

/// The bytes of a shard.
#[derive(Debug, Clone)]
pub(super) enum Bytes {
    Mapped(Arc<Part>),
    Memory(Arc<AlignedBytes>),
}

impl Bytes {
    pub(super) fn of_part(part: &Arc<Part>) -> Result<Self> {
        Ok(match part.content()? {
            Cow::Borrowed(_) => Self::Mapped(part.clone()),
            Cow::Owned(bytes) => {
                let no_memory = |_| {
                    let message = format!("there is no memory for the {} bytes of an index", bytes.len());
                    Error::new(ErrorKind::OutOfMemory, message)
                };
                let mut aligned = AlignedBytes::try_zeroed(bytes.len()).map_err(no_memory)?;
                aligned.as_mut().copy_from_slice(&bytes);
                Self::Memory(Arc::new(aligned))
            }
        })
    }

    /// Verifies a range, before it is used. What lies in memory was verified when it was read, or never left it.
    pub(super) fn check(&self, range: Range<u64>) -> Result<()> {
        match self {
            Self::Mapped(part) => Ok(part.check(range)?),
            Self::Memory(_) => Ok(()),
        }
    }

    /// Has bytes there that are parsed under checksums of their own, where they would have to be fetched: the ends of ranges, in one round.
    pub(super) fn fetch_ends(&self, ranges: &[Range<u64>]) -> Result<()> {
        let Self::Mapped(part) = self else { return Ok(()) };
        if !part.is_far() {
            return Ok(());
        }
        let ends = |range: &Range<u64>| {
            let near = END.min(range.end - range.start);
            [range.start..range.start + near, range.end - near..range.end]
        };
        let ends: Vec<Range<u64>> = ranges.iter().flat_map(ends).collect();
        part.will_need(&ends);
        Ok(ends.into_iter().try_for_each(|end| part.check(end))?)
    }

    pub(super) fn all(&self) -> &[u8] {
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
    pub(super) bytes: Bytes,
    pub(super) range: Range<usize>,
    kind: SectionKind,
    pub(super) steps: Steps,
}

impl Section {
    pub(super) fn find(
        bytes: &Bytes,
        entries: &[SectionEntry],
        kind: SectionKind,
        (space, steps): (usize, Steps),
    ) -> Option<Self> {
        let at = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        let entry =
            entries.iter().find(|entry| entry.kind == kind as u32 && entry.space as usize == space)?;
        let range = at(entry.offset)..at(entry.offset + entry.len);
        Some(Self { bytes: bytes.clone(), range, kind, steps })
    }
}

impl Section {
    /// Verifies a range of it, before it is used.
    pub(crate) fn check(&self, range: Range<usize>) -> Result<()> {
        if !self.steps.take(self.kind.check()) {
            return Ok(());
        }
        let start = self.range.start as u64;
        self.bytes.check(start + range.start as u64..start + range.end as u64)
    }

    pub(super) fn check_all(&self) -> Result<()> {
        self.check(0..self.range.len())
    }
}

impl SectionKind {
    /// The verification of its bytes.
    fn check(self) -> Step {
        match self {
            Self::Ids | Self::MetadataRecords => Step::CheckIds,
            Self::Words => Step::CheckWords,
            Self::Filters => Step::CheckFilters,
            Self::Vectors => Step::CheckVectors,
            Self::Originals => Step::CheckOriginals,
        }
    }
}

impl AsRef<[u8]> for Section {
    fn as_ref(&self) -> &[u8] {
        self.bytes.all().get(self.range.clone()).unwrap_or_default()
    }
}

impl vector_index::Bytes for Section {
    fn check(&self, range: Range<usize>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Self::check(self, range).map_err(|e| match e.kind() {
            ErrorKind::Damaged => Box::new(e) as Box<_>,
            _ => Box::new(std::io::Error::from(e)) as Box<_>,
        })
    }

    fn is_far(&self) -> bool {
        matches!(&self.bytes, Bytes::Mapped(part) if part.is_far())
    }

    fn will_need(&self, ranges: &[Range<usize>]) {
        if let Bytes::Mapped(part) = &self.bytes
            && part.is_far()
        {
            let start = self.range.start as u64;
            let place = |range: &Range<usize>| start + range.start as u64..start + range.end as u64;
            part.will_need(&ranges.iter().map(place).collect::<Vec<_>>());
        }
    }

    fn is_verified(&self) -> bool {
        match &self.bytes {
            Bytes::Mapped(part) => part.is_verified(),
            Bytes::Memory(_) => true,
        }
    }
}

/// The vectors of a space.
#[derive(Debug)]
pub(crate) struct Vectors {
    pub(crate) index: Index<Section>,
    pub(crate) originals: Option<Section>,
}

impl Vectors {
    /// The embedding of a row, if it has one.
    pub(crate) fn embedding(&self, row: u32, space: &Space) -> Result<Option<Embedding>> {
        let Some((codes, scale)) = self.index.codes(row)? else { return Ok(None) };
        let each = original_len(space);
        let original = self.originals.as_ref().map_or(&[][..], |section| section.as_ref());
        let at = row as usize * each;
        if let Some(section) = self.originals.as_ref().filter(|_| each > 0) {
            section.check(at..at + each)?;
        }
        let original = original.get(at..at + each).unwrap_or_default().to_vec();
        Ok(Some(Embedding { codes, scale, original }))
    }

    /// Bytes of the index and of the originals.
    pub(crate) fn byte_len(&self) -> u64 {
        let originals = self.originals.as_ref().map_or(0, |section| section.as_ref().len());
        (self.index.byte_len() + originals) as u64
    }
}

/// The vectors of each space, and what of them cannot be read.
pub(super) fn open_vectors(
    bytes: &Bytes,
    entries: &[SectionEntry],
    rows: u32,
    number: u64,
    (settings, steps): (&Settings, Steps),
) -> Result<(Vec<Option<Vectors>>, Vec<Damage>)> {
    let mut losses = Vec::new();
    let mut open = |at: usize, space: &Space| {
        let Some(section) = Section::find(bytes, entries, SectionKind::Vectors, (at, steps)) else {
            return Ok(None);
        };
        let index = Index::open(section.clone());
        let vectors = format!("the vectors of space {:?} in shard {number}", space.name);
        let message = match index {
            Ok(index) if *index.quantizer() == space.quantizer => {
                let originals = Section::find(bytes, entries, SectionKind::Originals, (at, steps));
                let fits = |section: &Section| {
                    section.range.len() == original_len(space).saturating_mul(rows as usize)
                };
                let originals = originals.filter(fits);
                if originals.is_none() && original_len(space) > 0 && space.stage != Stage::Dropped {
                    let message = format!("{vectors} have lost their originals, and are compared by codes");
                    losses.push(Damage::new(message).in_shard(number).in_space(&space.name));
                }
                return Ok(Some(Vectors { index, originals }));
            }
            Ok(_) => format!("{vectors} are not of that space"),
            Err(e) if e.kind() == vector_index::ErrorKind::Io => return Err(Error::from(e)),
            // Unless a damaged byte says so.
            Err(e) if e.kind() == vector_index::ErrorKind::NewerFormat && section.check_all().is_ok() => {
                return Err(Error::from(e));
            }
            Err(e) => format!("{vectors}: {e}"),
        };
        if space.stage != Stage::Dropped {
            losses.push(Damage::new(message).in_shard(number).in_space(&space.name));
        }
        Ok(None)
    };
    let vectors =
        settings.spaces.iter().enumerate().map(|(at, space)| open(at, space)).collect::<Result<_>>()?;
    Ok((vectors, losses))
}
