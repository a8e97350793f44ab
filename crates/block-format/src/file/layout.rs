//! The bytes of the header of logs and segments.

use wire::{array_at, put, u16_at, u32_at, u64_at};

use crate::checksum::Binding;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ArtifactId, FileId};
use crate::protocol::{Step, Steps};

/// File header of a log or a segment.
pub(crate) mod header {
    wire::layout!(4096,
        MAGIC: 8, KIND: 4, MAJOR: 2, MINOR: 2, ARTIFACT: 16, FILE_ID: 8, INCOMPATIBLE: 4, COMPATIBLE: 4,
        RESERVED: 4044, CRC: 4,
    );
}

/// A block begins on a page and a sector of its own.
pub(crate) const FILE_HEADER_LEN: usize = header::LEN;

/// The first byte is not ASCII and a line end follows, so that a transfer as text is noticed.
pub(crate) const MAGIC: [u8; 8] = *b"\x89CART\r\n\x1a";
pub(crate) const MAJOR: u16 = 1;
pub(crate) const MINOR: u16 = 0;
/// Feature bits that a reader must know: none yet.
pub(crate) const KNOWN_INCOMPATIBLE: u32 = 0;

/// The kind of file that begins with this header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Log = 1,
    Segment = 2,
}

/// The identity of a log or a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) kind: FileKind,
    pub(crate) artifact: ArtifactId,
    pub(crate) file: FileId,
}

impl FileHeader {
    pub(crate) fn encode(&self) -> [u8; FILE_HEADER_LEN] {
        let mut bytes = [0; FILE_HEADER_LEN];
        put(&mut bytes, header::MAGIC, MAGIC);
        put(&mut bytes, header::KIND, (self.kind as u32).to_le_bytes());
        put(&mut bytes, header::MAJOR, MAJOR.to_le_bytes());
        put(&mut bytes, header::MINOR, MINOR.to_le_bytes());
        put(&mut bytes, header::ARTIFACT, self.artifact.0);
        put(&mut bytes, header::FILE_ID, self.file.0.to_le_bytes());
        put(&mut bytes, header::INCOMPATIBLE, KNOWN_INCOMPATIBLE.to_le_bytes());
        let crc = Binding::new(self.artifact, self.file).crc(0, &bytes[..header::CRC]);
        put(&mut bytes, header::CRC, crc.to_le_bytes());
        bytes
    }

    /// Checks that `bytes` are the header of this very file.
    pub(crate) fn check(&self, bytes: &[u8; FILE_HEADER_LEN], steps: Steps) -> Result<()> {
        if !steps.take(Step::CheckFileHeader) {
            return Ok(());
        }
        let found = Self::decode(bytes)?;
        if found == *self {
            return Ok(());
        }
        let text = |h: &Self| format!("{:?} {} of artifact {}", h.kind, h.file.0, h.artifact);
        let message =
            format!("expected {}, found {}; the file was copied from elsewhere", text(self), text(&found));
        Err(Error::new(ErrorKind::Foreign, message))
    }

    /// The identity in a header: whose checksum is checked against the identity that it claims.
    pub(crate) fn decode(bytes: &[u8; FILE_HEADER_LEN]) -> Result<Self> {
        if array_at(bytes, header::MAGIC) != MAGIC {
            return Err(
                Error::new(ErrorKind::NotAnArtifact, "expected the file header of an artifact").at_offset(0)
            );
        }
        let artifact = ArtifactId(array_at(bytes, header::ARTIFACT));
        let file = FileId(u64_at(bytes, header::FILE_ID));
        let expected = Binding::new(artifact, file).crc(0, &bytes[..header::CRC]);
        let found = u32_at(bytes, header::CRC);
        if expected != found {
            let message = format!("file header: expected checksum {expected:08x}, found {found:08x}");
            return Err(Error::damaged(message).at_offset(0));
        }
        check_version(u16_at(bytes, header::MAJOR), u32_at(bytes, header::INCOMPATIBLE))?;
        let kind = match u32_at(bytes, header::KIND) {
            1 => FileKind::Log,
            2 => FileKind::Segment,
            other => return Err(Error::damaged(format!("file header: unknown kind {other}")).at_offset(0)),
        };
        Ok(Self { kind, artifact, file })
    }
}

/// Refuses what a newer version wrote in a way that this one cannot read.
pub(crate) fn check_version(major: u16, incompatible: u32) -> Result<()> {
    let unknown = incompatible & !KNOWN_INCOMPATIBLE;
    if major == MAJOR && unknown == 0 {
        return Ok(());
    }
    let message = format!(
        "expected format {MAJOR} without unknown features, found format {major} with features {unknown:#x}; \
         use a newer version of this library"
    );
    Err(Error::new(ErrorKind::NewerFormat, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: FileHeader =
        FileHeader { kind: FileKind::Log, artifact: ArtifactId([5; 16]), file: FileId(9) };

    #[test]
    fn the_golden_bytes_of_a_file_header_stay() {
        let bytes = OURS.encode();
        let hex = crate::test_hex(&bytes[..52]);
        let expected = "89434152540d0a1a010000000100000005050505050505050505050505050505\
                        09000000000000000000000000000000";
        assert_eq!(hex[..96], expected[..96]);
        assert!(bytes[52..4092].iter().all(|&b| b == 0));
    }

    #[test]
    fn a_file_header_passes_only_unchanged_and_for_its_own_file() {
        let bytes = OURS.encode();
        OURS.check(&bytes, Steps::default()).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(OURS.check(&flipped, Steps::default()).is_err(), "bit {bit}");
        }
        let kind = |ours: FileHeader| ours.check(&bytes, Steps::default()).unwrap_err().kind();
        assert_eq!(kind(FileHeader { file: FileId(8), ..OURS }), ErrorKind::Foreign);
        assert_eq!(kind(FileHeader { artifact: ArtifactId([6; 16]), ..OURS }), ErrorKind::Foreign);
        assert_eq!(kind(FileHeader { kind: FileKind::Segment, ..OURS }), ErrorKind::Foreign);
        assert_eq!(check_version(2, 0).unwrap_err().kind(), ErrorKind::NewerFormat);
        assert_eq!(check_version(1, 4).unwrap_err().kind(), ErrorKind::NewerFormat);
    }
}
