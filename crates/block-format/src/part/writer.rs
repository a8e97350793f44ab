//! Any bytes → a part.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use super::PartKind;
use super::layout::{CHUNK_LEN, Footer, put_chunk_crc};
use crate::checksum::{Binding, Hash128};
use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::file::FileName;
use crate::id::FileId;
use crate::manifest::PartEntry;
use crate::protocol::Step;
use crate::source::Source;
use crate::vfs::VfsFile;

/// A multiple of the length of a chunk.
const WRITTEN_AT_ONCE: usize = 512 * CHUNK_LEN;

/// Writes the content of a new part through [`Write`]; see [`Edit::write_part`](crate::Edit::write_part).
#[derive(Debug)]
pub struct PartWriter<'a> {
    directory: &'a Directory,
    name: FileName,
    id: FileId,
    path: PathBuf,
    file: Arc<dyn VfsFile>,
    binding: Binding,
    /// Whole chunks, but for the last of the part.
    buf: Vec<u8>,
    table: Vec<u8>,
    hash: Hash128,
    written: u64,
    sealed: bool,
}

/// A part that is written and synced but not yet in a manifest.
#[derive(Debug)]
pub(crate) struct SealedPart {
    pub(crate) entry: PartEntry,
    pub(crate) file: Arc<dyn VfsFile>,
}

impl<'a> PartWriter<'a> {
    pub(crate) fn create(directory: &'a Directory) -> Result<Self> {
        let id = directory.next_file()?;
        let name = FileName::Part(id);
        Ok(Self {
            directory,
            name,
            id,
            path: directory.path(name),
            file: directory.create(name)?,
            binding: directory.binding(id),
            buf: Vec::new(),
            table: Vec::new(),
            hash: Hash128::new(),
            written: 0,
            sealed: false,
        })
    }

    fn write_buf(&mut self) -> io::Result<()> {
        for (chunk, offset) in self.buf.chunks(CHUNK_LEN).zip((self.written..).step_by(CHUNK_LEN)) {
            put_chunk_crc(&mut self.table, self.binding.crc(offset, chunk));
        }
        self.hash.update(&self.buf);
        self.file.write_all_at(&self.buf, self.written)?;
        self.written += self.buf.len() as u64;
        self.buf.clear();
        Ok(())
    }

    pub(crate) fn seal(mut self, kind: PartKind, tag: u64) -> Result<SealedPart> {
        let failed = |path: &PathBuf| {
            let path = path.clone();
            move |e| Error::io(e, "writing", &path)
        };
        self.write_buf().map_err(failed(&self.path))?;
        let content_len = self.written;
        let table_crc = self.binding.crc(content_len, &self.table);
        self.hash.update(&self.table);
        let hash = self.hash.value();
        let footer = Footer { content_len, kind: kind.0, table_crc, tag, hash };
        let hashed = content_len + footer.table_len();
        let mut end = std::mem::take(&mut self.table);
        end.extend(footer.encode(&self.binding, hashed));
        self.file.write_all_at(&end, content_len).map_err(failed(&self.path))?;
        let len = content_len + end.len() as u64;
        self.directory.sync_data(Step::SyncPart, &*self.file, &self.path)?;
        if self.directory.options.steps.take(Step::CheckReadBack) {
            let found = Source::file(&self.path, len, self.file.clone()).hash(hashed)?;
            if found != hash {
                let message =
                    format!("read back after writing: expected hash {hash:032x}, found {found:032x}");
                return Err(Error::damaged(message).at(&self.path));
            }
        }
        self.sealed = true;
        let entry = PartEntry { file: self.id, len, hash, kind: kind.0, tag };
        Ok(SealedPart { entry, file: self.file.clone() })
    }
}

impl Write for PartWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len().min(WRITTEN_AT_ONCE - self.buf.len());
        self.buf.try_reserve(len)?;
        self.buf.extend_from_slice(&bytes[..len]);
        if self.buf.len() == WRITTEN_AT_ONCE {
            self.write_buf()?;
        }
        Ok(len)
    }

    /// Nothing: the part is written and synced as a whole.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A part that no manifest will ever name is removed at once: after a crash, the next open does it.
impl Drop for PartWriter<'_> {
    fn drop(&mut self) {
        if !self.sealed {
            self.directory.remove(self.name);
        }
    }
}
