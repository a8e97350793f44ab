//! The bytes of a part → its content.

use std::borrow::Cow;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::sync::OnceLock;

use wire::VerifiedSet;

use super::PartKind;
use super::fetched::Fetched;
use super::layout::{CHUNK_CRC_LEN, CHUNK_LEN, FOOTER_LEN, Footer, chunk_crc, chunk_offset, table_len};
use crate::checksum::Binding;
use crate::damage::Damage;
use crate::error::{Error, Result};
use crate::id::FileId;
use crate::manifest::PartEntry;
use crate::protocol::{Step, Steps};
use crate::source::{Source, Window};

/// Checksums of chunks that are compared at a time, in bytes.
const TABLE_AT_ONCE: u64 = 64 << 10;

/// A part of a snapshot: see [`Snapshot::parts`](crate::Snapshot::parts).
#[derive(Debug)]
pub struct Part {
    pub(crate) entry: PartEntry,
    source: Source,
    binding: Binding,
    steps: Steps,
    content_len: u64,
    /// Why nothing of it can be read.
    fault: Option<Error>,
    verified: OnceLock<VerifiedSet>,
    /// What came of it, if it is fetched.
    fetched: Option<Fetched>,
}

impl Part {
    pub(crate) fn open(source: Source, binding: Binding, entry: PartEntry, steps: Steps) -> Result<Self> {
        let (fault, verified, fetched) = Default::default();
        let mut part = Self { entry, source, binding, steps, content_len: 0, fault, verified, fetched };
        part.content_len = part.footer().map_err(|e| part.source.not_held(e))?.content_len;
        part.fetched = part.fetched()?;
        Ok(part)
    }

    /// The same part, of which nothing came yet; what this one has is taken from it. `None` for a part that is not fetched.
    pub(crate) fn renewed(&self) -> Option<Self> {
        let source = self.source.reopened()?;
        let before = self.fetched.as_ref()?;
        let Self { entry, steps, content_len, .. } = *self;
        let binding = self.binding.clone();
        let (fault, verified) = Default::default();
        let fetched = Some(self.fetched().ok()??.follow(before));
        Some(Self { entry, source, binding, steps, content_len, fault, verified, fetched })
    }

    /// Room for what comes of it, if it is read by ranges.
    fn fetched(&self) -> Result<Option<Fetched>> {
        let Some((reader, start)) = self.source.by_ranges() else { return Ok(None) };
        let fetched = Fetched::new(reader.clone(), start, self.content_len);
        fetched.map(Some).map_err(|e| Error::io(e, "finding memory for what is fetched", self.source.path()))
    }

    /// A part that is listed, and of which nothing can be read.
    pub(crate) fn lost(path: &Path, binding: Binding, entry: PartEntry, steps: Steps, fault: Error) -> Self {
        let source = Source::missing(path);
        let (verified, fetched) = Default::default();
        Self { entry, source, binding, steps, content_len: 0, fault: Some(fault), verified, fetched }
    }

    /// Why nothing of it can be read, if so.
    pub(crate) fn fault(&self) -> Option<&Error> {
        self.fault.as_ref()
    }

    /// The damage for which nothing of it can be read, if so.
    pub(crate) fn damage(&self) -> Option<Damage> {
        let fault = self.fault()?;
        let range = fault.offset().unwrap_or(0)..self.entry.len;
        Some(Damage { is_derived: true, ..Damage::new(self.source.path(), range, fault, 0..0) })
    }

    /// The number of its file.
    pub fn id(&self) -> FileId {
        self.entry.file
    }

    /// The kind that its writer gave it.
    pub fn kind(&self) -> PartKind {
        PartKind(self.entry.kind)
    }

    /// A number of its writer's choice, for instance of the segment that it belongs to.
    pub fn tag(&self) -> u64 {
        self.entry.tag
    }

    /// Length of the content in bytes; 0 if the file is missing, cut off, or has a damaged footer.
    #[expect(clippy::len_without_is_empty, reason = "a length in bytes, not a collection")]
    pub fn len(&self) -> u64 {
        self.content_len
    }

    /// The content, mapped if the artifact is, or where it is fetched by ranges (then borrowed, and aligned to 4 KiB), otherwise read.
    ///
    /// Borrowed content is not verified here, so that opening a part takes no time: call [`check`](Self::check) for the bytes that are
    /// about to be used. Content that is read is verified as a whole.
    ///
    /// The error of a part whose file is missing, cut off, or has a damaged footer says so every time.
    pub fn content(&self) -> Result<Cow<'_, [u8]>> {
        self.check_fault()?;
        if let Some(fetched) = &self.fetched {
            return Ok(Cow::Borrowed(fetched.content()));
        }
        let content = self.source.read(0, self.content_len)?;
        if let Cow::Owned(bytes) = &content {
            let table = self.table()?;
            for (number, chunk) in bytes.chunks(CHUNK_LEN).enumerate() {
                self.check_chunk(number, chunk, &table, Step::CheckChunk)?;
            }
        }
        Ok(content)
    }

    /// Compares the checksums of a range of the content, and remembers that they hold: asked for the same bytes again, it takes a few
    /// instructions.
    ///
    /// No byte of [`content`](Self::content) that is borrowed may be used before. Fails with
    /// [`Damaged`](crate::ErrorKind::Damaged) and the place of the first 4 KiB that do not hold.
    pub fn check(&self, range: Range<u64>) -> Result<()> {
        self.check_fault()?;
        if range.is_empty() || self.is_verified() {
            return Ok(());
        }
        if range.end > self.content_len {
            let message = format!("part: expected {} bytes, found {}", range.end, self.content_len);
            return Err(Error::damaged(message).at(self.source.path()));
        }
        let chunk_of = |offset: u64| usize::try_from(offset / CHUNK_LEN as u64).unwrap_or(usize::MAX);
        let (first, last) = (chunk_of(range.start), chunk_of(range.end - 1));
        let verified = self.verified_chunks()?;
        let mut missing = verified.missing(first..=last).peekable();
        if missing.peek().is_none() {
            return Ok(());
        }
        if let Some(fetched) = &self.fetched {
            return self.fetch(fetched, &[first..=last]);
        }
        let table = self.source.read(self.content_len, self.table_len())?;
        for number in missing {
            let offset = chunk_offset(number);
            let chunk = self.source.read(offset, self.chunk_len(offset))?;
            self.check_chunk(number, &chunk, &table, Step::CheckChunk)?;
        }
        Ok(())
    }

    /// Whether it is read by ranges, so that it is worth some work to say what [will be needed](Self::will_need).
    pub fn is_far(&self) -> bool {
        self.fetched.is_some()
    }

    /// Says which ranges of the content will be [checked](Self::check) soon. Where it is read by ranges, what of them is missing is fetched, all of it at
    /// once; elsewhere nothing happens. What fails is told by `check`.
    pub fn will_need(&self, ranges: &[Range<u64>]) {
        let Some(fetched) = self.fetched.as_ref().filter(|_| !self.is_verified()) else { return };
        let within = |range: &Range<u64>| !range.is_empty() && range.end <= self.content_len;
        let chunk_of = |offset: u64| usize::try_from(offset / CHUNK_LEN as u64).unwrap_or(usize::MAX);
        let chunks = |range: &Range<u64>| chunk_of(range.start)..=chunk_of(range.end - 1);
        let chunks: Vec<_> = ranges.iter().filter(|range| within(range)).map(chunks).collect();
        drop(self.fetch(fetched, &chunks));
    }

    /// Fetches what is missing of some chunks, has it verified, and keeps it.
    fn fetch(&self, fetched: &Fetched, chunks: &[RangeInclusive<usize>]) -> Result<()> {
        let verified = self.verified_chunks()?;
        let table = fetched.table(|| self.table().map(Cow::into_owned))?;
        for number in chunks.iter().flat_map(|chunks| verified.missing(chunks.clone())) {
            if fetched.keep_from_before(number) {
                verified.insert(number);
            }
        }
        for batch in fetched.batches(verified, chunks) {
            let failed = |e| Error::io(e, "reading ranges", self.source.path());
            for (number, page) in fetched.load(&batch).map_err(failed)? {
                let len = usize::try_from(self.chunk_len(chunk_offset(number))).unwrap_or(0);
                let chunk = page.get(..len).unwrap_or_default();
                let held = self.check_chunk(number, chunk, table, Step::CheckChunk);
                held.map_err(|e| self.source.not_held(e))?;
            }
        }
        Ok(())
    }

    /// Whether every byte of the content was verified by this process.
    pub fn is_verified(&self) -> bool {
        self.verified.get().is_some_and(VerifiedSet::is_complete)
    }

    /// Reads the whole part and compares every checksum, also those that held before.
    pub fn verify(&self) -> Result<()> {
        self.check_fault()?;
        if !self.steps.take(Step::CheckPart) {
            return Ok(());
        }
        let footer = self.footer()?;
        if footer.content_len != self.content_len {
            return Err(self.fault_at("part footer: has changed since it was opened", self.entry.len));
        }
        let table = self.table()?;
        let mut window = Window::new(&self.source);
        for number in 0..table.len() / CHUNK_CRC_LEN {
            let offset = chunk_offset(number);
            let chunk = window.read(offset, self.chunk_len(offset))?;
            let held = self.check_chunk(number, chunk, &table, Step::CheckPart);
            held.map_err(|e| self.source.not_held(e))?;
        }
        Ok(())
    }

    fn check_fault(&self) -> Result<()> {
        self.fault.as_ref().map_or(Ok(()), |fault| Err(fault.duplicate()))
    }

    fn fault_at(&self, message: &str, offset: u64) -> Error {
        Error::damaged(message).at(self.source.path()).at_offset(offset)
    }

    fn table_len(&self) -> u64 {
        table_len(self.content_len)
    }

    /// The length of the chunk at `offset`.
    fn chunk_len(&self, offset: u64) -> u64 {
        (self.content_len - offset).min(CHUNK_LEN as u64)
    }

    /// The checksums of the chunks, which hold themselves, in a part that is what the manifest says.
    fn table(&self) -> Result<Cow<'_, [u8]>> {
        let footer = self.footer().map_err(|e| self.source.not_held(e))?;
        if (footer.kind, footer.tag) != (self.entry.kind, self.entry.tag) {
            return Err(self.fault_at("part footer: not the kind and tag in the manifest", self.content_len));
        }
        let damaged = || self.fault_at("part: the checksums of its chunks are damaged", self.content_len);
        if self.fetched.is_some() {
            let table = self.source.read(self.content_len, self.table_len())?;
            let holds = self.binding.crc(self.content_len, &table) == footer.table_crc;
            return if holds { Ok(table) } else { Err(self.source.not_held(damaged())) };
        }
        if self.table_crc()? != footer.table_crc {
            return Err(damaged());
        }
        self.source.read(self.content_len, self.table_len())
    }

    /// The checksum of the checksums. A piece of them that is all zeros is a hole of a sparse file, and ends the reading.
    fn table_crc(&self) -> Result<u32> {
        let mut crc = self.binding.begin(self.content_len);
        let (mut window, mut at, end) = (Window::new(&self.source), 0, self.table_len());
        while at < end {
            let len = (end - at).min(TABLE_AT_ONCE);
            let piece = window.read(self.content_len + at, len)?;
            if len == TABLE_AT_ONCE && piece.iter().all(|&byte| byte == 0) {
                return Err(
                    self.fault_at("part: the checksums of its chunks are a hole", self.content_len + at)
                );
            }
            crc.update(piece);
            at += len;
        }
        Ok(crc.finalize())
    }

    /// The chunks that hold; begins with none, once the checksums themselves hold.
    fn verified_chunks(&self) -> Result<&VerifiedSet> {
        if let Some(verified) = self.verified.get() {
            return Ok(verified);
        }
        let chunks = match &self.fetched {
            Some(_) => usize::try_from(self.table_len()).unwrap_or(usize::MAX) / CHUNK_CRC_LEN,
            None => self.table()?.len() / CHUNK_CRC_LEN,
        };
        Ok(self.verified.get_or_init(|| VerifiedSet::new(chunks)))
    }

    /// Compares the checksum of a chunk with the one in the table, unless a test leaves `step` out.
    fn check_chunk(&self, number: usize, chunk: &[u8], table: &[u8], step: Step) -> Result<()> {
        let offset = chunk_offset(number);
        let holds = chunk_crc(table, number) == Some(self.binding.crc(offset, chunk));
        if !holds && self.steps.take(step) {
            let message = format!("part: the checksum of a chunk of length {} does not hold", chunk.len());
            return Err(self.fault_at(&message, offset));
        }
        if let Some(fetched) = &self.fetched {
            fetched.keep(number, chunk);
        }
        self.verified_chunks()?.insert(number);
        Ok(())
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    pub(crate) fn footer(&self) -> Result<Footer> {
        let fault = || Error::damaged("part: shorter than its footer").at(self.source.path());
        let offset = self.entry.len.checked_sub(FOOTER_LEN as u64).ok_or_else(fault)?;
        let bytes = self.source.read(offset, FOOTER_LEN as u64)?;
        let bytes: &[u8; FOOTER_LEN] = bytes.first_chunk().ok_or_else(fault)?;
        Footer::decode(bytes, &self.binding, offset).map_err(|e| e.at(self.source.path()))
    }
}
