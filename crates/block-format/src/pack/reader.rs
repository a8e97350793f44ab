//! A pack → a read-only file system with the files of one artifact.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::layout::{ALIGN, Entry, HASH_LEN, Header, entry, header, packed_files};
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::Manifest;
use crate::manifest::layout::header as manifest_header;
use crate::options::Options;
use crate::report::RecoveryReport;
use crate::source::Source;
use crate::store::Store;
use crate::vfs::{Access, Container, DiskVfs, MappedBytes, Vfs, VfsFile, VfsLock};

/// The files of a packed artifact, which lies in a file or in memory. Nothing can be written here.
#[derive(Debug, Clone)]
pub struct PackVfs {
    pack: Arc<Pack>,
    files: Arc<Files>,
    len: u64,
}

/// Name → offset and length.
type Files = BTreeMap<String, (u64, u64)>;

/// Where the bytes of a pack are.
#[derive(Debug)]
struct Pack {
    bytes: Source,
    /// Where the pack begins.
    start: u64,
}

/// Bytes in memory as a map.
struct InMemory<B>(B);

impl<B> fmt::Debug for InMemory<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InMemory")
    }
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for InMemory<B> {
    fn as_ref(&self) -> &[u8] {
        self.0.as_ref()
    }
}

impl<B: AsRef<[u8]> + Send + Sync> MappedBytes for InMemory<B> {}

/// A copy that begins on a multiple of 64 in memory.
struct Aligned {
    buf: Vec<u8>,
    start: usize,
}

const MEMORY_ALIGN: usize = 64;

impl Aligned {
    fn copy(bytes: &[u8]) -> Self {
        let mut buf = vec![0; bytes.len() + MEMORY_ALIGN];
        let start = buf.as_ptr().align_offset(MEMORY_ALIGN).min(MEMORY_ALIGN);
        buf[start..start + bytes.len()].copy_from_slice(bytes);
        Self { buf, start }
    }
}

impl AsRef<[u8]> for Aligned {
    fn as_ref(&self) -> &[u8] {
        &self.buf[self.start..self.start + self.buf.len() - MEMORY_ALIGN]
    }
}

fn is_aligned(bytes: &[u8]) -> bool {
    bytes.as_ptr().addr().is_multiple_of(MEMORY_ALIGN)
}

impl PackVfs {
    /// The pack that begins at `offset` in a file; anything may follow it. Mapped from an offset that is no multiple of 64, it is copied into memory.
    pub fn open(path: impl AsRef<Path>, offset: u64, options: &Options) -> Result<Self> {
        let path = path.as_ref();
        let file = DiskVfs.open(path, Access::Read).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => {
                Error::new(ErrorKind::NotFound, "there is no packed artifact here").at(path)
            }
            _ => Error::io(e, "opening the file", path),
        })?;
        let len = file.len().map_err(|e| Error::io(e, "asking for the length", path))?;
        let bytes = Source::sealed(path, len, file, options.memory_mapping);
        let pack = Pack { bytes, start: offset };
        if pack.bytes.mapped().is_none() || offset.is_multiple_of(MEMORY_ALIGN as u64) {
            return Self::new(pack);
        }
        let copy = Aligned::copy(&pack.read(0, pack.header()?.pack_len)?);
        Self::new(Pack { bytes: Source::mapped_from(path, Box::new(InMemory(copy))), start: 0 })
    }

    /// The pack at the beginning of bytes in memory. They are used where they lie if they begin on a multiple of 64, and copied otherwise.
    pub fn from_bytes(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Result<Self> {
        let name = Path::new("pack in memory");
        // An array lies where its box does.
        let mut bytes: Box<dyn MappedBytes> = Box::new(InMemory(bytes));
        if !is_aligned((*bytes).as_ref()) {
            bytes = Box::new(InMemory(Aligned::copy((*bytes).as_ref())));
        }
        Self::new(Pack { bytes: Source::mapped_from(name, bytes), start: 0 })
    }

    fn new(pack: Pack) -> Result<Self> {
        let header = pack.header()?;
        let files = Arc::new(pack.table()?);
        Ok(Self { pack: Arc::new(pack), files, len: header.pack_len })
    }

    /// The files of a pack of which anything may be damaged or cut off: by its table, or else by a manifest in it, which says how long the files
    /// are that lie one behind the other.
    pub(crate) fn open_damaged(path: &Path, options: &Options) -> Result<Self> {
        let opening = |e| Error::io(e, "opening the file", path);
        let file = DiskVfs.open(path, Access::Read).map_err(opening)?;
        let len = file.len().map_err(|e| Error::io(e, "asking for the length", path))?;
        let pack = Pack { bytes: Source::file(path, len, file), start: 0 };
        let mut files = match pack.table() {
            Ok(files) => files,
            Err(e) if e.is_io() => return Err(e),
            Err(e) => pack.files_of_a_manifest(options)?.ok_or(e)?,
        };
        for (offset, file_len) in files.values_mut() {
            *file_len = (*file_len).min(len.saturating_sub(*offset));
        }
        Ok(Self { pack: Arc::new(pack), files: Arc::new(files), len })
    }

    /// Length of the pack in bytes.
    pub fn pack_len(&self) -> u64 {
        self.len
    }

    /// Length of the file that is mapped; 0 if none is.
    pub fn mapped_bytes(&self) -> u64 {
        if self.pack.bytes.is_file_map() { self.pack.bytes.len() } else { 0 }
    }

    /// Where the pack is.
    pub(super) fn path(&self) -> &Path {
        self.pack.bytes.path()
    }

    pub(super) fn open_file(&self, name: &str, access: Access) -> io::Result<Arc<dyn VfsFile>> {
        if access == Access::Append {
            return read_only();
        }
        let &(offset, len) = self.files.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(PackFile { pack: self.pack.clone(), offset, len }))
    }

    /// Reads everything, and compares the BLAKE3 hash.
    pub fn verify(&self) -> Result<()> {
        let mut hash = blake3::Hasher::new();
        let (mut at, end) = (0, self.len - HASH_LEN as u64);
        while at < end {
            let step = (end - at).min(1 << 20);
            hash.update(&self.pack.read(at, step)?);
            at += step;
        }
        if self.pack.read(end, HASH_LEN as u64)?[..] != *hash.finalize().as_bytes() {
            let message = "the BLAKE3 hash of the pack does not hold; copy it again from where it came";
            return Err(Error::damaged(message).at(self.pack.bytes.path()));
        }
        Ok(())
    }
}

impl Pack {
    /// The files by name, with offset and length, as the table has them.
    fn table(&self) -> Result<Files> {
        let header = self.decode_header()?;
        let end = header.pack_len - HASH_LEN as u64;
        let table = self.read(header::LEN as u64, header.table_end() - header::LEN as u64)?;
        if crc32fast::hash(&table) != header.table_crc {
            return Err(Error::damaged("pack table: its checksum does not hold").at(self.bytes.path()));
        }
        let entries = table.as_chunks::<{ entry::LEN }>().0.iter();
        let entries = entries.map(|bytes| Entry::decode(bytes, header.table_end(), end));
        let files = entries.map(|entry| entry.map(|entry| (entry.name, (entry.offset, entry.len))));
        files.collect::<Result<_>>().map_err(|e| e.at(self.bytes.path()))
    }

    /// The files by the first manifest that holds.
    fn files_of_a_manifest(&self, options: &Options) -> Result<Option<Files>> {
        let mut at = 0;
        while at < self.bytes.len() {
            let head = self.read(at, (self.bytes.len() - at).min(manifest_header::LEN as u64))?;
            if let Some(len) = Manifest::len_in(&head)
                && let Ok(bytes) = self.read(at, len)
                && let Ok(manifest) = Manifest::decode(&bytes, options.steps)
            {
                let entries = super::layout::place_all(&packed_files(&manifest));
                return Ok(Some(
                    entries.into_iter().map(|file| (file.name, (file.offset, file.len))).collect(),
                ));
            }
            at += ALIGN;
        }
        Ok(None)
    }

    fn header(&self) -> Result<Header> {
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

    fn read(&self, at: u64, len: u64) -> Result<std::borrow::Cow<'_, [u8]>> {
        self.bytes.read(self.start.saturating_add(at), len)
    }
}

/// A file of a pack.
#[derive(Debug)]
struct PackFile {
    pack: Arc<Pack>,
    offset: u64,
    len: u64,
}

fn read_only<T>() -> io::Result<T> {
    Err(io::ErrorKind::ReadOnlyFilesystem.into())
}

impl Vfs for PackVfs {
    fn create_dir(&self, _: &Path) -> io::Result<()> {
        read_only()
    }

    fn create_new(&self, _: &Path) -> io::Result<Arc<dyn VfsFile>> {
        read_only()
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn VfsFile>> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        self.open_file(name, access)
    }

    fn list(&self, _: &Path) -> io::Result<Vec<String>> {
        Ok(self.files.keys().cloned().collect())
    }

    fn unlink(&self, _: &Path) -> io::Result<()> {
        read_only()
    }

    fn remove_dir(&self, _: &Path) -> io::Result<()> {
        read_only()
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        read_only()
    }

    fn container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn VfsLock>> {
        read_only()
    }
}

impl Container for PackVfs {
    fn len(&self) -> u64 {
        self.len
    }

    fn verify(&self) -> Result<()> {
        PackVfs::verify(self)
    }
}

impl VfsFile for PackFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let len = (buf.len() as u64).min(self.len.saturating_sub(offset));
        let bytes = self.pack.read(self.offset.saturating_add(offset.min(self.len)), len)?;
        buf[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        read_only()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.len)
    }

    fn sync_data(&self) -> io::Result<()> {
        read_only()
    }

    fn map(&self, len: u64) -> io::Result<Box<dyn MappedBytes>> {
        if self.pack.bytes.mapped().is_none() || len > self.len {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(Box::new(Slice { pack: self.pack.clone(), offset: self.offset, len }))
    }
}

/// A part of the map of a whole pack.
#[derive(Debug)]
struct Slice {
    pack: Arc<Pack>,
    offset: u64,
    len: u64,
}

impl AsRef<[u8]> for Slice {
    fn as_ref(&self) -> &[u8] {
        match self.pack.read(self.offset, self.len) {
            Ok(std::borrow::Cow::Borrowed(bytes)) => bytes,
            _ => &[], // the pack was mapped, and is as long as its header says
        }
    }
}

impl MappedBytes for Slice {
    fn is_file_map(&self) -> bool {
        self.pack.bytes.is_file_map()
    }
}

impl Store {
    /// The pack that this store was opened from, if it was.
    pub fn as_pack(&self) -> Option<&PackVfs> {
        let container: &dyn Any = self.directory.vfs.container()?;
        container.downcast_ref()
    }

    /// Opens a packed artifact for reading.
    pub fn open_packed(path: impl AsRef<Path>, options: Options) -> Result<(Self, RecoveryReport)> {
        Self::open_packed_at(path, 0, options)
    }

    /// Opens a packed artifact that begins at `offset` in a file.
    pub fn open_packed_at(
        path: impl AsRef<Path>,
        offset: u64,
        options: Options,
    ) -> Result<(Self, RecoveryReport)> {
        let vfs = PackVfs::open(&path, offset, &options)?;
        Self::open_read_only_in(Arc::new(vfs), path, options)
    }

    /// Opens a packed artifact in memory; see [`PackVfs::from_bytes`].
    pub fn open_packed_bytes(
        bytes: impl AsRef<[u8]> + Send + Sync + 'static,
        options: Options,
    ) -> Result<(Self, RecoveryReport)> {
        let vfs = PackVfs::from_bytes(bytes)?;
        Self::open_read_only_in(Arc::new(vfs), "pack in memory", options)
    }
}
