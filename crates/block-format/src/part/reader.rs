//! The bytes of a part → its content.

use std::borrow::Cow;
use std::path::Path;

use super::PartKind;
use super::layout::{CHUNK_LEN, FOOTER_LEN, Footer};
use crate::checksum::Binding;
use crate::error::{Error, Result};
use crate::id::FileId;
use crate::manifest::PartEntry;
use crate::protocol::{Step, Steps};
use crate::source::{Source, Window};

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
}

impl Part {
    pub(crate) fn open(source: Source, binding: Binding, entry: PartEntry, steps: Steps) -> Result<Self> {
        let mut part = Self { entry, source, binding, steps, content_len: 0, fault: None };
        part.content_len = part.footer()?.content_len;
        Ok(part)
    }

    /// A part that is listed, and of which nothing can be read.
    pub(crate) fn lost(path: &Path, binding: Binding, entry: PartEntry, steps: Steps, fault: Error) -> Self {
        let source = Source::missing(path);
        Self { entry, source, binding, steps, content_len: 0, fault: Some(fault) }
    }

    /// Why nothing of it can be read, if so.
    pub(crate) fn fault(&self) -> Option<&Error> {
        self.fault.as_ref()
    }

    /// The number of its file.
    pub fn id(&self) -> FileId {
        self.entry.file
    }

    /// What it is for.
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

    /// The content, mapped if the artifact is (then borrowed, and aligned to 4 KiB), otherwise read. It is not checked
    /// here, so that opening a part takes no time: whoever parses it must stand any bytes, or call [`Part::verify`].
    ///
    /// The error of a part whose file is missing, cut off, or has a damaged footer says so every time.
    pub fn content(&self) -> Result<Cow<'_, [u8]>> {
        if let Some(fault) = &self.fault {
            return Err(fault.again());
        }
        self.source.read(0, self.content_len)
    }

    /// Reads the whole part and compares every checksum.
    pub fn verify(&self) -> Result<()> {
        if let Some(fault) = &self.fault {
            return Err(fault.again());
        }
        if !self.steps.take(Step::CheckPart) {
            return Ok(());
        }
        let footer = self.footer()?;
        let at = |e: Error| e.at(self.source.path());
        if (footer.kind, footer.tag) != (self.entry.kind, self.entry.tag) {
            return Err(at(Error::damaged("part footer: not the kind and tag in the manifest")));
        }
        let table = self.source.read(footer.content_len, footer.table_len())?;
        if self.binding.crc(footer.content_len, &table) != footer.table_crc {
            return Err(at(
                Error::damaged("part: the checksums of its chunks are damaged").at_offset(footer.content_len)
            ));
        }
        let mut window = Window::new(&self.source);
        for (number, crc) in table.chunks_exact(4).enumerate() {
            let offset = (number * CHUNK_LEN) as u64;
            let len = (footer.content_len - offset).min(CHUNK_LEN as u64);
            let found = self.binding.crc(offset, window.read(offset, len)?);
            if found.to_le_bytes() != crc {
                let message = format!("part: the checksum of {len} bytes does not hold");
                return Err(at(Error::damaged(message).at_offset(offset)));
            }
        }
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
