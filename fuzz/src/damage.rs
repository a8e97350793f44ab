//! What a fuzzer chose → the files of an artifact of the library's own, changed, with every checksum and hash made right again.
//!
//! The bytes that the library wrote are taken apart by `docs/FORMAT.md`: manifest, parts, and of a shard its trailer, table and sections.

use arbitrary::Arbitrary;

use crate::Files;
use crate::hostile::Number;
use crate::wire::{part_file, put, words};

const MANIFEST_HEADER: usize = 64;
const PART_ENTRY: usize = 48;
const TRAILER: usize = 64;
const TABLE_ENTRY: usize = 24;

/// A change of some bytes.
#[derive(Debug, Arbitrary)]
pub enum Edit {
    Byte {
        at: u16,
        byte: u8,
    },
    Word {
        at: u16,
        value: Number,
    },
    Long {
        at: u16,
        value: Number,
    },
    Fill {
        at: u16,
        len: u8,
        byte: u8,
    },
    Insert {
        at: u16,
        bytes: Vec<u8>,
    },
    Remove {
        at: u16,
        len: u8,
    },
    Cut {
        len: u16,
    },
    All(Vec<u8>),
    /// From the end: where trailers are.
    Back {
        at: u8,
        byte: u8,
    },
}

#[derive(Debug, Arbitrary)]
pub enum Change {
    /// The content of a part.
    Content { part: u8, edit: Edit },
    /// A section of a shard, with checksums of its own.
    Section { part: u8, section: u8, edit: Edit },
    /// Kind, space, offset or length of a section, in the table.
    Table { part: u8, section: u8, field: u8, value: Number },
    /// Number of sections, first id, next id or number of rows, in the trailer.
    Trailer { part: u8, field: u8, value: Number },
    /// What the manifest and the part's footer say that it is for.
    Use { part: u8, kind: u8, tag: Number },
    /// The manifest does not name the part.
    Unnamed { part: u8 },
    /// There is no such file.
    Missing { part: u8 },
    /// A part once more, under another number.
    Twice { part: u8 },
    /// The manifest.
    Manifest(Edit),
    /// A file of records, its checksums not made right.
    File { file: u8, edit: Edit },
}

/// A part, taken out of its file.
struct Part {
    number: u64,
    kind: u32,
    tag: u64,
    content: Vec<u8>,
    is_missing: bool,
}

/// The identity of the artifact that these are files of.
pub fn identity(files: &Files) -> [u8; 16] {
    manifest(files).1[16..32].try_into().expect("a manifest")
}

/// These files with these changes.
pub fn damaged(mut files: Files, changes: &[Change]) -> Files {
    let (generation, mut manifest) = manifest(&files);
    let mut parts = parts(&files, &manifest);
    let (mut unnamed, mut edits) = (Vec::new(), Vec::new());
    for change in changes.iter().take(8) {
        match change {
            Change::Unnamed { part } => unnamed.push(usize::from(*part) % parts.len().max(1)),
            Change::Manifest(edit) => edits.push(edit),
            Change::File { file, edit } => {
                let records = files.iter_mut().filter(|(name, _)| !name.starts_with("manifest"));
                let mut records: Vec<_> = records.collect();
                let chosen = usize::from(*file) % records.len().max(1);
                records.iter_mut().nth(chosen).iter_mut().for_each(|(_, bytes)| edit.apply(bytes));
            }
            Change::Twice { part } => twice(&mut parts, *part, &mut manifest),
            of_part => of_part.apply(&mut parts),
        }
    }
    let artifact = manifest[16..32].try_into().expect("a manifest");
    let mut entries = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let (kind, tag) = (part.kind, part.tag);
        let (bytes, hash) =
            part_file(&artifact, part.number, (kind, tag), &part.content, part.content.len() as u64);
        if !unnamed.contains(&at) {
            entries.extend(words([part.number, bytes.len() as u64]));
            entries.extend(hash.to_le_bytes());
            entries.extend(words([kind.into(), tag]));
        }
        let name = format!("part-{:016x}", part.number);
        if part.is_missing {
            files.remove(&name).map(drop)
        } else {
            files.insert(name, bytes).map(drop)
        };
    }
    let named = entries_of(&manifest);
    put(&mut manifest, 52, &((entries.len() / PART_ENTRY) as u32).to_le_bytes());
    manifest.splice(named, entries);
    edits.iter().for_each(|edit| edit.apply(&mut manifest));
    manifest.extend(xxhash_rust::xxh3::xxh3_128(&manifest).to_le_bytes());
    for copy in 0..2 {
        files.insert(format!("manifest-{generation}-{copy}"), manifest.clone());
    }
    files
}

/// The newest manifest without its hash, and its generation as in its name.
fn manifest(files: &Files) -> (String, Vec<u8>) {
    let newest = files.iter().rfind(|(name, _)| name.starts_with("manifest-")).expect("a manifest");
    (newest.0[9..25].to_owned(), newest.1[..newest.1.len() - 16].to_vec())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// Where the entries of parts are.
fn entries_of(manifest: &[u8]) -> std::ops::Range<usize> {
    let start = MANIFEST_HEADER + 64 * u32_at(manifest, 48) as usize;
    start..start + PART_ENTRY * u32_at(manifest, 52) as usize
}

fn parts(files: &Files, manifest: &[u8]) -> Vec<Part> {
    let part = |entry: &[u8]| {
        let number = u64_at(entry, 0);
        let file = &files[&format!("part-{number:016x}")];
        let content_len = u64_at(file, file.len() - 56) as usize;
        let content = file[..content_len].to_vec();
        Part { number, kind: u32_at(entry, 32), tag: u64_at(entry, 40), content, is_missing: false }
    };
    manifest[entries_of(manifest)].chunks_exact(PART_ENTRY).map(part).collect()
}

fn twice(parts: &mut Vec<Part>, part: u8, manifest: &mut [u8]) {
    let number = u64_at(manifest, 40);
    let Some(part) = parts.get(usize::from(part) % parts.len().max(1)) else { return };
    let (kind, tag, content) = (part.kind, part.tag, part.content.clone());
    parts.push(Part { number, kind, tag, content, is_missing: false });
    put(manifest, 40, &(number + 1).to_le_bytes());
}

impl Change {
    /// A change of one part.
    fn apply(&self, parts: &mut [Part]) {
        let (Self::Content { part, .. }
        | Self::Section { part, .. }
        | Self::Table { part, .. }
        | Self::Trailer { part, .. }
        | Self::Use { part, .. }
        | Self::Missing { part }) = self
        else {
            return;
        };
        // Shards first: of most changes they are meant.
        let wants_shard = matches!(self, Self::Section { .. } | Self::Table { .. } | Self::Trailer { .. });
        let mut choice: Vec<&mut Part> =
            parts.iter_mut().filter(|part| !wants_shard || part.kind == 257).collect();
        let count = choice.len().max(1);
        let Some(part) = choice.get_mut(usize::from(*part) % count) else { return };
        match self {
            Self::Content { edit, .. } => edit.apply(&mut part.content),
            Self::Section { section, edit, .. } => change_section(&mut part.content, *section, edit),
            Self::Table { section, field, value, .. } => {
                change_table(&mut part.content, *section, *field, *value);
            }
            Self::Trailer { field, value, .. } => change_trailer(&mut part.content, *field, *value),
            Self::Use { kind, tag, .. } => {
                let known = [1, 256, 257, 258, 259];
                part.kind = if *kind < 250 { known[usize::from(*kind) % 5] } else { u32::from(*kind) };
                part.tag = tag.get();
            }
            _ => part.is_missing = true,
        }
    }
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let len = bytes.len();
        let place = |at: u16| usize::from(at) % len.max(1);
        let (at, new) = match self {
            Self::Byte { at, byte } => (place(*at), vec![*byte]),
            Self::Word { at, value } => (place(*at) & !3, (value.get() as u32).to_le_bytes().to_vec()),
            Self::Long { at, value } => (place(*at) & !7, value.get().to_le_bytes().to_vec()),
            Self::Fill { at, len, byte } => (place(*at), vec![*byte; usize::from(*len)]),
            Self::Back { at, byte } => (len.saturating_sub(1 + usize::from(*at)), vec![*byte]),
            Self::Insert { at, bytes: new } => {
                let at = place(*at);
                bytes.splice(at..at, new.iter().take(512).copied());
                return;
            }
            Self::Remove { at, len: removed } => {
                let at = place(*at);
                bytes.drain(at..(at + usize::from(*removed)).min(len));
                return;
            }
            Self::Cut { len } => return bytes.truncate((*len).into()),
            Self::All(new) => return new.clone_into(bytes),
        };
        for (place, new) in bytes[at.min(len)..].iter_mut().zip(new) {
            *place = new;
        }
    }
}

/// The sections of a shard with kind and space, if it can be taken apart.
fn sections(shard: &[u8]) -> Option<Vec<(u32, u32, Vec<u8>)>> {
    let table = table(shard)?;
    let section = |entry: &[u8]| {
        let (offset, len) = (u64_at(entry, 8) as usize, u64_at(entry, 16) as usize);
        let bytes = shard.get(offset..offset.checked_add(len)?)?;
        Some((u32_at(entry, 0), u32_at(entry, 4), bytes.to_vec()))
    };
    shard[table].chunks_exact(TABLE_ENTRY).map(section).collect()
}

/// Where the table of a shard is.
fn table(shard: &[u8]) -> Option<std::ops::Range<usize>> {
    let end = shard.len().checked_sub(TRAILER)?;
    let len = TABLE_ENTRY.checked_mul(u32_at(shard, end + 12) as usize)?;
    Some(end.checked_sub(len)?..end)
}

fn change_section(shard: &mut Vec<u8>, section: u8, edit: &Edit) {
    let Some(mut sections) = sections(shard).filter(|sections| !sections.is_empty()) else { return };
    let chosen = usize::from(section) % sections.len();
    edit.apply(&mut sections[chosen].2);
    let trailer = shard.split_off(shard.len() - TRAILER);
    shard.clear();
    let mut table = Vec::new();
    for (kind, space, mut bytes) in sections {
        make_right(kind, &mut bytes);
        shard.resize(shard.len().next_multiple_of(64), 0);
        table.extend(kind.to_le_bytes());
        table.extend(space.to_le_bytes());
        table.extend(words([shard.len() as u64, bytes.len() as u64]));
        shard.extend(bytes);
    }
    shard.extend(table);
    shard.extend(trailer);
    make_shard_right(shard);
}

fn change_table(shard: &mut [u8], section: u8, field: u8, value: Number) {
    let Some(table) = table(shard).filter(|table| !table.is_empty()) else { return };
    let entry = table.start + TABLE_ENTRY * (usize::from(section) % (table.len() / TABLE_ENTRY));
    let value = value.get();
    match field % 4 {
        0 => put(shard, entry, &(value as u32).to_le_bytes()),
        1 => put(shard, entry + 4, &(value as u32).to_le_bytes()),
        2 => put(shard, entry + 8, &value.wrapping_mul(64).to_le_bytes()),
        _ => put(shard, entry + 16, &value.to_le_bytes()),
    }
    make_shard_right(shard);
}

fn change_trailer(shard: &mut [u8], field: u8, value: Number) {
    let Some(at) = shard.len().checked_sub(TRAILER) else { return };
    let value = value.get();
    match field % 4 {
        0 => put(shard, at + 12, &(value as u32).to_le_bytes()),
        1 => put(shard, at + 16, &value.to_le_bytes()),
        2 => put(shard, at + 24, &value.to_le_bytes()),
        _ => put(shard, at + 32, &(value as u32).to_le_bytes()),
    }
    make_shard_right(shard);
}

/// The checksums in the trailer of a shard.
fn make_shard_right(shard: &mut [u8]) {
    let Some(at) = shard.len().checked_sub(TRAILER) else { return };
    if let Some(table) = table(shard) {
        let crc = crc32fast::hash(&shard[table]);
        put(shard, at + 36, &crc.to_le_bytes());
    }
    let crc = crc32fast::hash(&shard[at..at + 60]);
    put(shard, at + 60, &crc.to_le_bytes());
}

/// The checksums of a section, which only some kinds have.
fn make_right(kind: u32, bytes: &mut [u8]) {
    let len = bytes.len();
    match kind {
        2 if len >= 128 => {
            let mut crc = crc32fast::Hasher::new();
            crc.update(&bytes[..124]);
            let fields = 64 * (u32_at(bytes, 20) as usize).min(255);
            crc.update(bytes.get(128..128 + fields).unwrap_or_default());
            put(bytes, 124, &crc.finalize().to_le_bytes());
            make_sums_right(bytes);
        }
        3 if len >= 48 => {
            let (body, trailer) = bytes.split_at_mut(len - 48);
            put(trailer, 12, &crc32fast::hash(body).to_le_bytes());
            let crc = crc32fast::hash(&trailer[..44]);
            put(trailer, 44, &crc.to_le_bytes());
        }
        4 if len >= 128 => {
            let crc = crc32fast::hash(&bytes[..124]);
            put(bytes, 124, &crc.to_le_bytes());
            make_sums_right(bytes);
        }
        _ => {}
    }
}

/// A checksum for each 64 KiB, then one of these, at the end.
fn make_sums_right(bytes: &mut [u8]) {
    let chunks = (1..).find(|chunks| bytes.len() <= 65_536 * chunks + 4 * chunks + 4).unwrap_or(1);
    let body = bytes.len() - 4 * chunks - 4;
    let mut sums: Vec<u8> =
        bytes[..body].chunks(65_536).flat_map(|chunk| crc32fast::hash(chunk).to_le_bytes()).collect();
    sums.extend(crc32fast::hash(&sums).to_le_bytes());
    put(bytes, body, &sums);
}
