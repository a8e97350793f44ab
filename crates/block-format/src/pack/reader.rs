//! The bytes of a pack → its files by name.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::by_ranges::RangeFile;
use super::layout::{ALIGN, Entry, HASH_LEN, Header, entry, header, packed_files, place_all};
use crate::directory::file_len;
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::Manifest;
use crate::manifest::layout::header as manifest_header;
use crate::options::Options;
use crate::ranges::RangeReader;
use crate::source::Source;
use crate::sparse;
use crate::vfs::{MappedBytes, VfsFile};

/// Name → offset and length.
pub(super) type Files = BTreeMap<String, (u64, u64)>;

/// Where the bytes of a pack are.
#[derive(Debug)]
pub(super) struct Pack {
    pub(super) bytes: Source,
    /// The file, also where it is mapped: it knows which of its bytes are holes. `None`: in memory.
    file: Option<Arc<dyn VfsFile>>,
    /// Where the pack begins.
    start: u64,
    /// If it lies far away.
    pub(super) ranges: Option<Arc<RangeReader>>,
}

impl Pack {
    /// The pack that begins at `start` in a file.
    pub(super) fn in_file(path: &Path, file: Arc<dyn VfsFile>, start: u64, map: bool) -> Result<Self> {
        let bytes = Source::sealed(path, file_len(&*file, path)?, file.clone(), map);
        Ok(Self { bytes, file: Some(file), start, ranges: None })
    }

    /// The pack at the beginning of bytes in memory.
    pub(super) fn in_memory(path: &Path, bytes: Box<dyn MappedBytes>) -> Self {
        Self { bytes: Source::mapped_from(path, bytes), file: None, start: 0, ranges: None }
    }

    /// The pack that is all of an object.
    pub(super) fn by_ranges(path: &Path, reader: Arc<RangeReader>) -> Self {
        let bytes = Source::file(path, reader.len(), Arc::new(RangeFile(reader.clone())));
        Self { bytes, file: None, start: 0, ranges: Some(reader) }
    }

    /// Refuses `len` bytes most of which are holes of a sparse file, before all of them are read.
    pub(super) fn check_allocated(&self, len: u64) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let range = self.start..self.start.saturating_add(len);
        sparse::check_allocated(&**file, self.bytes.path(), range)
    }

    /// The first place at or behind `at` that is not known to be a hole.
    pub(super) fn next_data(&self, at: u64) -> Result<Option<u64>> {
        let Some(file) = &self.file else { return Ok(Some(at)) };
        let found = file.next_data(self.start.saturating_add(at));
        let found = found.map_err(|e| Error::io(e, "looking for data", self.bytes.path()))?;
        Ok(found.map(|data| data.saturating_sub(self.start)))
    }

    /// Reads all `len` bytes, and compares the BLAKE3 hash.
    pub(super) fn verify(&self, len: u64) -> Result<()> {
        self.check_allocated(len)?;
        let mut hash = blake3::Hasher::new();
        let (mut at, end) = (0, len - HASH_LEN as u64);
        while at < end {
            let step = (end - at).min(1 << 20);
            hash.update(&self.read(at, step)?);
            at += step;
        }
        if self.read(end, HASH_LEN as u64)?[..] != *hash.finalize().as_bytes() {
            let message = "the BLAKE3 hash of the pack does not hold; copy it again from where it came";
            return Err(Error::damaged(message).at(self.bytes.path()));
        }
        Ok(())
    }

    /// The files by name, with offset and length, as the table has them.
    pub(super) fn table(&self) -> Result<Files> {
        let header = self.decode_header()?;
        let end = header.pack_len - HASH_LEN as u64;
        let table = self.read(header::LEN as u64, header.table_end() - header::LEN as u64)?;
        if crc32fast::hash(&table) != header.table_crc {
            return Err(Error::damaged("pack table: its checksum does not hold").at(self.bytes.path()));
        }
        let mut begin = header.table_end();
        let entries = table.as_chunks::<{ entry::LEN }>().0.iter();
        let entries = entries.map(|bytes| {
            // Each behind the one before: what lies in one place is not there twice.
            Entry::decode(bytes, begin, end).inspect(|entry| begin = entry.offset + entry.len)
        });
        let files = entries.map(|entry| entry.map(|entry| (entry.name, (entry.offset, entry.len))));
        files.collect::<Result<_>>().map_err(|e| e.at(self.bytes.path()))
    }

    /// The files by the first manifest that holds.
    pub(super) fn files_of_a_manifest(&self, options: &Options) -> Result<Option<Files>> {
        let mut at = 0;
        while at < self.bytes.len() {
            let head = self.read(at, (self.bytes.len() - at).min(manifest_header::LEN as u64))?;
            if let Some(len) = Manifest::len_in(&head)
                && let Ok(bytes) = self.read(at, len)
                && let Ok(manifest) = Manifest::decode(&bytes, options.steps)
            {
                let entries = place_all(&packed_files(&manifest));
                return Ok(Some(
                    entries.into_iter().map(|file| (file.name, (file.offset, file.len))).collect(),
                ));
            }
            at += ALIGN;
            // A hole of a sparse file can be of any length.
            match self.next_data(at)? {
                Some(data) => at = at.max(data / ALIGN * ALIGN),
                None => return Ok(None),
            }
        }
        Ok(None)
    }

    pub(super) fn header(&self) -> Result<Header> {
        let header = self.decode_header()?;
        let there = self.bytes.len().saturating_sub(self.start);
        if header.pack_len > there {
            let message = format!("expected a pack of {} bytes, found {there}", header.pack_len);
            return Err(Error::new(ErrorKind::Truncated, message).at(self.bytes.path()));
        }
        Ok(header)
    }

    fn decode_header(&self) -> Result<Header> {
        let at = |e: Error| e.at(self.bytes.path());
        let shorter =
            |_| Error::new(ErrorKind::NotAnArtifact, "expected a packed artifact, found a shorter file");
        let bytes = self.read(0, header::LEN as u64).map_err(shorter).map_err(at)?;
        let bytes = bytes.first_chunk().ok_or_else(|| at(Error::damaged("pack header: cut off")))?;
        Header::decode(bytes).map_err(at)
    }

    pub(super) fn read(&self, at: u64, len: u64) -> Result<Cow<'_, [u8]>> {
        self.bytes.read(self.start.saturating_add(at), len)
    }
}
