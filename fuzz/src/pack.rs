//! The one file of a pack, both ways, from `docs/FORMAT.md`.

use arbitrary::Arbitrary;

use crate::Files;
use crate::hostile::Number;
use crate::wire::{put, words};

const HEADER_LEN: usize = 64;
const ENTRY_LEN: usize = 48;

/// The files in a sound pack.
pub(crate) fn files(pack: &[u8]) -> Files {
    let count = u32::from_le_bytes(pack[40..44].try_into().expect("four bytes")) as usize;
    let entries = pack[HEADER_LEN..].chunks_exact(ENTRY_LEN).take(count);
    let long = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes")) as usize;
    let file = |entry: &[u8]| {
        let name = String::from_utf8_lossy(&entry[..32]).trim_end_matches('\0').to_owned();
        let (offset, len) = (long(&entry[32..40]), long(&entry[40..48]));
        (name, pack[offset..offset + len].to_vec())
    };
    entries.map(file).collect()
}

/// What is wrong with a pack.
#[derive(Debug, Arbitrary)]
pub enum Change {
    /// A byte of the header.
    Header {
        at: u8,
        byte: u8,
    },
    /// Its length, or the number of files.
    Length(Number),
    Count(Number),
    /// A byte of a name.
    Name {
        file: u8,
        at: u8,
        byte: u8,
    },
    Offset {
        file: u8,
        value: Number,
    },
    Len {
        file: u8,
        value: Number,
    },
    /// A byte anywhere.
    Byte {
        at: u32,
        byte: u8,
    },
    Cut(u16),
    Tail(Vec<u8>),
    /// The hash at the end is not made right.
    Hash,
}

/// A pack of these files, changed, with checksums and hash made right.
pub fn build(artifact: &[u8; 16], files: &Files, changes: &[Change]) -> Vec<u8> {
    let (mut table, mut body) = (Vec::new(), Vec::new());
    let start = (HEADER_LEN + ENTRY_LEN * files.len()).next_multiple_of(4096);
    for (name, bytes) in files {
        body.resize(body.len().next_multiple_of(4096), 0);
        let mut entry = vec![0; 32];
        put(&mut entry, 0, &name.as_bytes()[..name.len().min(32)]);
        entry.extend(words([(start + body.len()) as u64, bytes.len() as u64]));
        table.extend(entry);
        body.extend(bytes);
    }
    let mut pack = vec![0; HEADER_LEN];
    put(&mut pack, 0, b"\x89CARK\r\n\x1a\x01");
    put(&mut pack, 16, artifact);
    put(&mut pack, 32, &((start + body.len() + 32) as u64).to_le_bytes());
    put(&mut pack, 40, &(files.len() as u32).to_le_bytes());
    let table_len = table.len();
    pack.extend(table);
    pack.resize(start, 0);
    pack.extend(body);
    changes.iter().take(8).for_each(|change| change.apply(&mut pack, files.len()));
    if pack.len() >= HEADER_LEN + table_len {
        let table_crc = crc32fast::hash(&pack[HEADER_LEN..HEADER_LEN + table_len]);
        put(&mut pack, 44, &table_crc.to_le_bytes());
        let crc = crc32fast::hash(&pack[..60]);
        put(&mut pack, 60, &crc.to_le_bytes());
    }
    let is_right = !changes.iter().any(|change| matches!(change, Change::Hash));
    let hash = if is_right { *blake3::hash(&pack).as_bytes() } else { [7; 32] };
    pack.extend(hash);
    pack
}

impl Change {
    fn apply(&self, pack: &mut Vec<u8>, files: usize) {
        let entry = |file: u8| HEADER_LEN + ENTRY_LEN * (usize::from(file) % files.max(1));
        let (at, bytes) = match self {
            Self::Header { at, byte } => (usize::from(*at) % HEADER_LEN, vec![*byte]),
            Self::Length(value) => (32, value.get().to_le_bytes().to_vec()),
            Self::Count(value) => (40, (value.get() as u32).to_le_bytes().to_vec()),
            Self::Name { file, at, byte } => (entry(*file) + usize::from(at % 32), vec![*byte]),
            Self::Offset { file, value } => (entry(*file) + 32, value.get().to_le_bytes().to_vec()),
            Self::Len { file, value } => (entry(*file) + 40, value.get().to_le_bytes().to_vec()),
            Self::Byte { at, byte } => (*at as usize % pack.len().max(1), vec![*byte]),
            Self::Cut(len) => return pack.truncate(pack.len().saturating_sub((*len).into())),
            Self::Tail(bytes) => return pack.extend(bytes.iter().take(5000)),
            Self::Hash => return,
        };
        if at + bytes.len() <= pack.len() {
            put(pack, at, &bytes);
        }
    }
}
