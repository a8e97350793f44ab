//! A snapshot → a pack.

use std::io::Write;
use std::path::Path;

use super::layout::{Entry, HASH_LEN, Header, place_all};
use crate::checksum::Hash128;
use crate::directory::creation::refuse_inside_artifact;
use crate::error::{Error, ErrorKind, Result};
use crate::file::layout::FILE_HEADER_LEN;
use crate::file::{FileHeader, FileKind, FileName};
use crate::id::FileId;
use crate::manifest::{Checkpoint, LogEntry, Manifest};
use crate::part;
use crate::protocol::Step;
use crate::segment;
use crate::source::{Source, Window};
use crate::sparse;
use crate::store::{Snapshot, Store};
use crate::vfs::{Access, DiskVfs, Vfs};

/// The size and the hash of a pack that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PackReport {
    /// Length of the pack in bytes.
    pub len: u64,
    /// How many files it holds.
    pub files: u32,
    /// The BLAKE3 hash over everything before it.
    pub hash: [u8; 32],
}

/// A file to be packed.
enum Content<'a> {
    Bytes(Vec<u8>),
    /// A sealed file, and the hash over all of it but its footer, which was verified.
    Sealed {
        source: &'a Source,
        footer_len: usize,
        hash: u128,
    },
}

impl Content<'_> {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Sealed { source, .. } => source.len(),
        }
    }
}

impl Store {
    /// Writes a snapshot of this artifact, of which everything must be sealed, as one file. The same snapshot gives the same bytes.
    ///
    /// Every file is verified while it is copied. Fails with [`Damaged`](ErrorKind::Damaged) and the name of the file if one is not what was
    /// written: a pack is of an artifact that is sound. What was written to `out` by then is not a pack.
    pub fn pack(&self, snapshot: &Snapshot, out: impl Write) -> Result<PackReport> {
        self.write_pack(snapshot, out, Path::new("the pack"))
    }

    /// Writes a snapshot of this artifact, of which everything must be sealed, to the new file `path`, and syncs it. What fails leaves no file;
    /// see [`pack`](Self::pack).
    pub fn pack_to(&self, snapshot: &Snapshot, path: impl AsRef<Path>) -> Result<PackReport> {
        let path = path.as_ref();
        let vfs = DiskVfs;
        refuse_inside_artifact(&vfs, path)?;
        let file = vfs.create_new(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Error::new(ErrorKind::AlreadyExists, "there is a file here already; choose another name")
                    .at(path)
            }
            _ => Error::io(e, "creating the file", path),
        })?;
        let written =
            self.write_pack(snapshot, Positioned { file: &*file, at: 0 }, path).and_then(|report| {
                file.sync_data().map_err(|e| Error::io(e, "syncing the file to disk", path))?;
                let parent =
                    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
                vfs.sync_dir(parent).map_err(|e| Error::io(e, "syncing the directory to disk", parent))?;
                Ok(report)
            });
        if written.is_err() {
            drop(vfs.unlink(path)); // the error that is returned says why
        }
        written
    }

    fn write_pack(&self, snapshot: &Snapshot, out: impl Write, path: &Path) -> Result<PackReport> {
        let files = self.packed_files(snapshot)?;
        let count =
            u32::try_from(files.len()).map_err(|_| Error::invalid("more files than a pack can list"))?;
        let mut header = Header { artifact: self.artifact(), pack_len: 0, files: count, table_crc: 0 };
        let lens: Vec<_> = files.iter().map(|(name, content)| (*name, content.len())).collect();
        let entries = place_all(&lens);
        let at = entries.last().map_or(0, |last| last.offset + last.len);
        let table: Vec<u8> = entries.iter().flat_map(Entry::encode).collect();
        header.table_crc = crc32fast::hash(&table);
        header.pack_len = at + HASH_LEN as u64;

        let failed = |e| Error::io(e, "writing the pack", path);
        let mut out = Hashed { out, hash: blake3::Hasher::new(), written: 0 };
        out.write_all(&header.encode()).map_err(failed)?;
        out.write_all(&table).map_err(failed)?;
        for ((name, content), entry) in files.iter().zip(&entries) {
            let padding = usize::try_from(entry.offset - out.written).unwrap_or(0);
            out.write_all(&vec![0; padding]).map_err(failed)?;
            match content {
                Content::Bytes(bytes) => out.write_all(bytes).map_err(failed)?,
                Content::Sealed { source, footer_len, hash } => {
                    self.check_allocated(*name, source.len())?;
                    let found = copy(source, *footer_len, &mut out).map_err(failed)?;
                    if found != *hash && self.steps().take(Step::CheckPacked) {
                        let message = format!("expected file hash {hash:032x}, found {found:032x}");
                        return Err(Error::damaged(message).at(source.path()));
                    }
                }
            }
        }
        let hash = *out.hash.finalize().as_bytes();
        out.out.write_all(&hash).and_then(|()| out.out.flush()).map_err(failed)?;
        Ok(PackReport { len: header.pack_len, files: count, hash })
    }

    /// Refuses a sealed file that is mostly hole. One that is gone from the directory is read through the snapshot, which has it open.
    fn check_allocated(&self, name: FileName, len: u64) -> Result<()> {
        match self.directory.open(name, Access::Read) {
            Ok(file) => sparse::check_allocated(&*file, &self.directory.path(name), 0..len),
            Err(e) if e.kind() == ErrorKind::MissingFile => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// The files of a generation in which the snapshot is all there is.
    fn packed_files<'s>(&self, snapshot: &'s Snapshot) -> Result<Vec<(FileName, Content<'s>)>> {
        let (segments, parts) = snapshot.sealed_files()?;
        let ids =
            segments.iter().map(|segment| segment.entry.file).chain(parts.iter().map(|part| part.entry.file));
        let log = FileId(ids.map(|id| id.0).max().unwrap_or(0).saturating_add(1));
        let checkpoint = Checkpoint {
            len: FILE_HEADER_LEN as u64,
            seq: snapshot.seq().0,
            next_id: snapshot.next_id().0,
            chain: Hash128::chain_start(self.artifact(), log),
        };
        let manifest = Manifest {
            artifact: self.artifact(),
            generation: 1,
            next_file: FileId(log.0.saturating_add(1)),
            segments: segments.iter().map(|segment| segment.entry).collect(),
            parts: parts.iter().map(|part| part.entry).collect(),
            logs: vec![LogEntry { file: log, checkpoint }],
        };
        let header = FileHeader { kind: FileKind::Log, artifact: self.artifact(), file: log };
        let mut files = vec![
            (FileName::Manifest { generation: 1, copy: 0 }, Content::Bytes(manifest.encode())),
            (FileName::Manifest { generation: 1, copy: 1 }, Content::Bytes(manifest.encode())),
            (FileName::Log(log), Content::Bytes(header.encode().to_vec())),
        ];
        for segment in segments {
            let (source, hash) = (segment.source(), segment.footer()?.hash);
            let content = Content::Sealed { source, footer_len: segment::layout::FOOTER_LEN, hash };
            files.push((FileName::Segment(segment.entry.file), content));
        }
        for part in parts {
            part.fault().map_or(Ok(()), |fault| Err(fault.duplicate()))?;
            let (source, hash) = (part.source(), part.footer()?.hash);
            let content = Content::Sealed { source, footer_len: part::layout::FOOTER_LEN, hash };
            files.push((FileName::Part(part.entry.file), content));
        }
        Ok(files)
    }
}

const COPIED_AT_ONCE: u64 = 256 << 10;

/// Copies a whole file, and returns the hash over all of it but the footer.
fn copy(source: &Source, footer_len: usize, out: &mut impl Write) -> std::io::Result<u128> {
    let (mut window, mut hash) = (Window::new(source), Hash128::new());
    let (mut at, hashed) = (0, source.len().saturating_sub(footer_len as u64));
    while at < source.len() {
        let end = if at < hashed { hashed } else { source.len() };
        let bytes = window.read(at, (end - at).min(COPIED_AT_ONCE))?;
        if at < hashed {
            hash.update(bytes);
        }
        out.write_all(bytes)?;
        at += bytes.len() as u64;
    }
    Ok(hash.value())
}

/// A file, from front to back.
struct Positioned<'a> {
    file: &'a dyn crate::vfs::VfsFile,
    at: u64,
}

impl Write for Positioned<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let len = self.file.write_at(bytes, self.at)?;
        self.at += len as u64;
        Ok(len)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Hashed<W> {
    out: W,
    hash: blake3::Hasher,
    written: u64,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let len = self.out.write(bytes)?;
        self.hash.update(&bytes[..len]);
        self.written += len as u64;
        Ok(len)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
