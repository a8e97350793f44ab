//! A pack → a read-only file system with the files of one artifact.

use std::borrow::Cow;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::memory::{Aligned, InMemory, MEMORY_ALIGN, is_aligned};
use super::reader::{Files, Pack};
use crate::error::{Error, ErrorKind, Result};
use crate::file::FileName;
use crate::options::Options;
use crate::part::layout::table_len;
use crate::ranges::{PAGE_LEN, RangeReader, RangeSource};
use crate::vfs::{Access, Container, DiskVfs, MappedBytes, Vfs, VfsFile, VfsLock};

/// The files of a packed artifact, which lies in a file or in memory. Nothing can be written here.
#[derive(Debug, Clone)]
pub struct PackVfs {
    pack: Arc<Pack>,
    files: Arc<Files>,
    len: u64,
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
        let pack = Pack::in_file(path, file, offset, options.memory_mapping)?;
        if pack.bytes.mapped().is_none() || offset.is_multiple_of(MEMORY_ALIGN as u64) {
            return Self::new(pack);
        }
        let len = pack.header()?.pack_len;
        pack.check_allocated(len)?;
        let copy = Aligned::copy(&pack.read(0, len)?)?;
        Self::new(Pack::in_memory(path, Box::new(InMemory(copy))))
    }

    /// The pack at the beginning of bytes in memory. They are used where they lie if they begin on a multiple of 64, and copied otherwise.
    pub fn from_bytes(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Result<Self> {
        let name = Path::new("pack in memory");
        // An array lies where its box does.
        let mut bytes: Box<dyn MappedBytes> = Box::new(InMemory(bytes));
        if !is_aligned((*bytes).as_ref()) {
            bytes = Box::new(InMemory(Aligned::copy((*bytes).as_ref())?));
        }
        Self::new(Pack::in_memory(name, bytes))
    }

    /// The pack that is all of an object which is read by ranges. Its header, its table and the ends of its files are fetched in two rounds.
    pub fn by_ranges(source: Arc<dyn RangeSource>, options: &Options) -> Result<Self> {
        let reader = Arc::new(RangeReader::new(source, options.range_cache_bytes));
        let (path, len) = (Path::new("pack read by ranges"), reader.len());
        let load = |ranges: &[Range<u64>]| {
            let loaded = reader.load(ranges).map(drop);
            loaded.map_err(|e| Error::io(e, "reading ranges", path))
        };
        let beginning = 0..len.min(BEGINNING);
        load(&[beginning])?;
        let packed = Self::new(Pack::by_ranges(path, reader.clone()))?;
        let ends: Vec<Range<u64>> = packed.files.iter().flat_map(|(name, &file)| ends(name, file)).collect();
        load(&ends)?;
        Ok(packed)
    }

    /// What reads the pack by ranges, if that is how it is read.
    pub fn ranges(&self) -> Option<&RangeReader> {
        self.pack.ranges.as_deref()
    }

    fn new(pack: Pack) -> Result<Self> {
        let header = pack.header()?;
        let files = Arc::new(pack.table()?);
        Ok(Self { pack: Arc::new(pack), files, len: header.pack_len })
    }

    /// The files of a pack of which anything may be damaged or cut off: by its table, or else by a manifest in it, which says how long the files
    /// are that lie one behind the other.
    pub(crate) fn open_damaged(path: &Path, options: &Options) -> Result<Self> {
        let file = DiskVfs.open(path, Access::Read).map_err(|e| Error::io(e, "opening the file", path))?;
        let pack = Pack::in_file(path, file, 0, false)?;
        let len = pack.bytes.len();
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
        self.pack.verify(self.len)
    }
}

/// Bytes of a pack that are fetched first: its header and its table, manifests, the log.
const BEGINNING: u64 = 32 << 10;

/// What opening needs of a file that is read by ranges: its header; its end, with the footer and, of a part, the checksums and the last chunk before them.
fn ends(name: &str, (offset, len): (u64, u64)) -> [Range<u64>; 2] {
    let end = match FileName::parse(name) {
        Some(FileName::Part(_)) => table_len(len) + 2 * PAGE_LEN,
        _ => 1,
    };
    [offset..offset + len.min(1), offset + len.saturating_sub(end)..offset + len]
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

    fn next_data(&self, offset: u64) -> io::Result<Option<u64>> {
        let data = self.pack.next_data(self.offset.saturating_add(offset))?;
        let within = data.map(|data| data.saturating_sub(self.offset)).filter(|&at| at < self.len);
        Ok(within.map(|at| at.max(offset)))
    }

    fn sync_data(&self) -> io::Result<()> {
        read_only()
    }

    fn by_ranges(&self) -> Option<(&Arc<RangeReader>, u64)> {
        Some((self.pack.ranges.as_ref()?, self.offset))
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
            Ok(Cow::Borrowed(bytes)) => bytes,
            _ => &[], // the pack was mapped, and is as long as its header says
        }
    }
}

impl MappedBytes for Slice {
    fn is_file_map(&self) -> bool {
        self.pack.bytes.is_file_map()
    }
}
