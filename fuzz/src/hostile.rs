//! What a fuzzer chose → an artifact whose checksums, hashes and chains hold, whatever its numbers say.
//!
//! What is not chosen has the value that makes sense, so that one wrong number stands among right ones and reaches the code
//! behind the first check.

use arbitrary::{Arbitrary, Unstructured};
use block_format::vfs::{MemoryVfs, Vfs};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::ROOT;
use crate::wire::{ARTIFACT, HEADER, crc, file_header, part_file, varint, words};

/// A number near where something could overflow.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum Number {
    Small(u8),
    Medium(u16),
    /// Around 2^32.
    Word(i8),
    /// So much below 2^64.
    Last(u8),
    Any(u64),
}

impl Number {
    pub(crate) fn get(self) -> u64 {
        match self {
            Self::Small(n) => n.into(),
            Self::Medium(n) => n.into(),
            Self::Word(n) => (1u64 << 32).wrapping_add_signed(n.into()),
            Self::Last(n) => u64::MAX - u64::from(n),
            Self::Any(n) => n,
        }
    }
}

/// A number that the fuzzer may choose, and mostly does not: with many wrong ones, the first check is the last.
#[derive(Debug, Clone, Copy, Default)]
pub struct Choice(Option<Number>);

impl<'a> Arbitrary<'a> for Choice {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let chosen = u.arbitrary::<u8>()? >= 224;
        Ok(Self(if chosen { Some(u.arbitrary()?) } else { None }))
    }
}

fn or(chosen: Choice, sensible: u64) -> u64 {
    chosen.0.map_or(sensible, Number::get)
}

/// Of a record: its content, or a description of a large one.
#[derive(Debug, Arbitrary)]
pub enum Body {
    Inline(Vec<u8>),
    Large {
        content_len: Number,
        frame_len: Number,
        reserved: bool,
    },
    /// Said to be a description.
    NotLarge(Vec<u8>),
}

#[derive(Debug, Arbitrary)]
pub enum Payload {
    Bytes(Vec<u8>),
    Records(Vec<(Choice, Body)>),
    Ids(Vec<Choice>),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum Codec {
    Raw,
    Zstd,
    Lz4,
    /// The payload as it is, said to be of this codec.
    Not(u8),
}

#[derive(Debug, Arbitrary)]
pub enum Piece {
    Block {
        kind: u8,
        codec: Codec,
        raw_len: Choice,
        count: Choice,
        first_id: Choice,
        payload: Payload,
    },
    /// Frames, and the block with their description.
    Large {
        id: Choice,
        frames: Vec<Vec<u8>>,
        content_len: Choice,
        frame_len: Choice,
        first_frame: Choice,
    },
    /// These bytes, with no checksum made right.
    Bytes(Vec<u8>),
}

#[derive(Debug, Arbitrary, Default)]
pub struct Commit {
    pub pieces: Vec<Piece>,
    seq: Choice,
    floor: Choice,
    next_id: Choice,
    records: Choice,
    deletes: Choice,
    covered_len: Choice,
    /// Makes the chain wrong.
    chain: Choice,
}

impl Commit {
    /// A commit of these pieces that is otherwise right.
    pub fn of(pieces: Vec<Piece>) -> Self {
        Self { pieces, ..Self::default() }
    }
}

#[derive(Debug, Arbitrary, Default)]
pub struct Log {
    pub commits: Vec<Commit>,
    tail: Vec<Piece>,
    /// The checkpoint is at the end of this commit, or else at the header.
    checkpoint: Option<u8>,
    /// What the manifest says of it.
    entry: [Choice; 3],
    /// The number of the commit before the first.
    seq_before: Choice,
}

impl Log {
    /// A log of one commit that the manifest knows nothing of.
    pub fn of(commit: Commit) -> Self {
        Self { commits: vec![commit], ..Self::default() }
    }
}

#[derive(Debug, Arbitrary, Default)]
pub enum Table {
    #[default]
    OfBlocks,
    Entries(Vec<(Number, u32)>),
    Bytes {
        bytes: Vec<u8>,
        blocks: Option<u32>,
        crc: Option<u32>,
    },
}

#[derive(Debug, Arbitrary, Default)]
pub struct Segment {
    pieces: Vec<Piece>,
    table: Table,
    table_offset: Choice,
    /// First and last id, records and raw length, in footer and manifest.
    numbers: [Choice; 4],
    /// The same in the manifest alone, and the length of the file.
    entry: [Choice; 5],
    no_footer: Choice,
}

impl Segment {
    /// These pieces with a table and a footer that say so.
    pub fn of(pieces: Vec<Piece>) -> Self {
        Self { pieces, ..Self::default() }
    }
}

#[derive(Debug, Arbitrary)]
pub struct Part {
    /// Whether it is the set of deleted ids.
    deletes: bool,
    content: PartContent,
    content_len: Choice,
    entry_len: Choice,
}

#[derive(Debug, Arbitrary)]
enum PartContent {
    Bytes(Vec<u8>),
    /// A serialized bitmap of these ids, with some bytes changed.
    Ids(Vec<Number>, Vec<(u8, u8)>),
}

/// An artifact, small, of any files.
#[derive(Debug, Arbitrary, Default)]
pub struct Artifact {
    pub segments: Vec<Segment>,
    pub parts: Vec<Part>,
    pub logs: Vec<Log>,
    /// A log that the manifest does not name.
    pub orphan: Option<Log>,
    pub generation: Choice,
    pub next_file: Choice,
    /// Neither manifest holds.
    pub no_manifest: Choice,
}

/// The kind of a block that no table has.
const DICTIONARY: u8 = 5;

/// A file that grows, and the ids and blocks in it.
struct File {
    number: u64,
    bytes: Vec<u8>,
    first_id: Option<u64>,
    next_id: u64,
    records: u64,
    deletes: u64,
    raw_len: u64,
    table: Vec<(u64, u64)>,
}

impl File {
    fn new(kind: u32, number: u64, next_id: u64) -> Self {
        let bytes = file_header(kind, number);
        let (records, deletes, raw_len) = (0, 0, 0);
        Self { number, bytes, first_id: None, next_id, records, deletes, raw_len, table: Vec::new() }
    }

    fn piece(&mut self, piece: &Piece) {
        match piece {
            Piece::Block { kind, codec, raw_len, count, first_id, payload } => {
                let first = or(*first_id, self.next_id);
                let (raw, sensible, next) = payload.encode(first);
                let (codec, stored) = codec.encode(&raw);
                let kind = match *kind {
                    240..250 => DICTIONARY,
                    kind @ 250.. => kind,
                    kind => [1, 2, 3][usize::from(kind) % 3],
                };
                let is_dictionary = kind == DICTIONARY;
                let first = if is_dictionary { or(*first_id, 0) } else { first };
                let count = or(*count, if is_dictionary { 0 } else { sensible }) as u32;
                self.block(kind, codec, or(*raw_len, raw.len() as u64) as u32, count, first, &stored);
                if kind == 1 {
                    self.next_id = self.next_id.max(next);
                }
            }
            Piece::Large { id, frames, content_len, frame_len, first_frame } => {
                let id = or(*id, self.next_id);
                for (number, frame) in frames.iter().take(6).enumerate() {
                    let number = or(*first_frame, 0).wrapping_add(number as u64);
                    self.block(2, 0, frame.len() as u32, number as u32, id, frame);
                }
                let len = frames.iter().take(6).map(|frame| frame.len() as u64).sum();
                let frame_len = or(*frame_len, frames.first().map_or(1, |frame| frame.len() as u64));
                let mut raw = vec![0, 33];
                raw.extend(words([or(*content_len, len), frame_len & 0xFFFF_FFFF]));
                self.block(1, 0, 18, 1, id, &raw);
                self.next_id = self.next_id.max(id.saturating_add(1));
            }
            Piece::Bytes(bytes) => self.bytes.extend(bytes),
        }
    }

    fn block(&mut self, kind: u8, codec: u8, raw_len: u32, count: u32, first_id: u64, stored: &[u8]) {
        let at = self.bytes.len();
        let mut head = vec![0x0C, 0xB1, kind, codec];
        for field in [stored.len() as u32, raw_len, count] {
            head.extend(field.to_le_bytes());
        }
        head.extend(first_id.to_le_bytes());
        head.extend(crc(self.number, at, stored).to_le_bytes());
        head.extend(crc(self.number, at, &head).to_le_bytes());
        self.bytes.extend(head);
        self.bytes.extend(stored);
        match kind {
            1 => self.records += u64::from(count),
            3 => self.deletes += u64::from(count),
            _ => {}
        }
        if kind < 3 {
            self.first_id.get_or_insert(first_id);
            self.table.push((at as u64, first_id));
            self.raw_len += u64::from(raw_len);
        }
    }
}

impl Payload {
    /// The raw bytes, how many things are in them, and the id behind them.
    fn encode(&self, first: u64) -> (Vec<u8>, u64, u64) {
        let mut raw = Vec::new();
        let mut next = first;
        let mut gap = |raw: &mut Vec<u8>, gap: Choice| {
            varint(raw, or(gap, 0));
            next = next.saturating_add(or(gap, 0)).saturating_add(1);
        };
        let count = match self {
            Self::Bytes(bytes) => {
                raw.extend(bytes);
                1
            }
            Self::Ids(gaps) => {
                gaps.iter().for_each(|&id| gap(&mut raw, id));
                gaps.len()
            }
            Self::Records(records) => {
                records.iter().for_each(|&(id, _)| gap(&mut raw, id));
                let mut bodies = Vec::new();
                for (_, body) in records {
                    let before = bodies.len();
                    match body {
                        Body::Inline(bytes) | Body::NotLarge(bytes) => bodies.extend(bytes),
                        Body::Large { content_len, frame_len, reserved } => {
                            let frame_len = frame_len.get() & 0xFFFF_FFFF | u64::from(*reserved) << 32;
                            bodies.extend(words([content_len.get(), frame_len]));
                        }
                    }
                    let large = !matches!(body, Body::Inline(_));
                    varint(&mut raw, (bodies.len() - before) as u64 * 2 + u64::from(large));
                }
                raw.extend(bodies);
                records.len()
            }
        };
        (raw, count as u64, next)
    }
}

impl Codec {
    /// Raw bytes that the codec makes longer are padded, so that the stored ones are never the longer ones.
    fn encode(self, raw: &[u8]) -> (u8, Vec<u8>) {
        match self {
            Self::Raw => (0, raw.to_vec()),
            Self::Zstd => (1, zstd::bulk::compress(raw, 1).unwrap_or_default()),
            Self::Lz4 => (3, lz4_flex::block::compress(raw)),
            Self::Not(id) => (if id < 250 { id % 4 } else { id }, raw.to_vec()),
        }
    }
}

impl Log {
    /// The file, and its entry in the manifest. `state`: number of the newest commit and the next id, before and after.
    fn encode(&self, number: u64, state: &mut (u64, u64)) -> (Vec<u8>, Vec<u8>) {
        let mut file = File::new(1, number, state.1);
        let start = xxh3_128(&[&ARTIFACT[..], &number.to_le_bytes()].concat());
        let (mut chain, mut seq) = (start, or(self.seq_before, state.0));
        let mut ends = vec![(HEADER as u64, start, seq, state.1)];
        for commit in self.commits.iter().take(6) {
            let (begin, counts) = (file.bytes.len(), (file.records, file.deletes));
            commit.pieces.iter().take(8).for_each(|piece| file.piece(piece));
            seq = or(commit.seq, seq.wrapping_add(1));
            let next_id = or(commit.next_id, file.next_id);
            let covered = or(commit.covered_len, (file.bytes.len() - begin) as u64);
            let floor = or(commit.floor, seq.wrapping_sub(1));
            let records = or(commit.records, file.records - counts.0);
            let deletes = or(commit.deletes, file.deletes - counts.1);
            let mut payload = words([seq, covered, floor, next_id, records, deletes]);
            let mut hash = Xxh3::new();
            hash.update(&chain.to_le_bytes());
            hash.update(&file.bytes[begin..]);
            hash.update(&payload);
            chain = hash.digest128() ^ u128::from(or(commit.chain, 0));
            payload.extend(chain.to_le_bytes());
            file.block(4, 0, 64, 0, seq, &payload);
            ends.push((file.bytes.len() as u64, chain, seq, next_id));
        }
        self.tail.iter().take(4).for_each(|piece| file.piece(piece));
        let at = self.checkpoint.map_or(0, |at| usize::from(at) % ends.len());
        let (len, chain, seq, next_id) = ends[at];
        let [other_len, other_seq, other_next] = self.entry;
        let mut entry = words([number, or(other_len, len)]);
        entry.extend(chain.to_le_bytes());
        entry.extend(words([or(other_seq, seq), or(other_next, next_id)]));
        *state = ends.last().map_or(*state, |end| (end.2, end.3));
        (file.bytes, entry)
    }
}

impl Segment {
    fn encode(&self, number: u64, next_id: &mut u64) -> (Vec<u8>, Vec<u8>) {
        let mut file = File::new(2, number, *next_id);
        self.pieces.iter().take(12).for_each(|piece| file.piece(piece));
        let table_offset = file.bytes.len();
        let first = file.first_id.unwrap_or(*next_id);
        let last = file.next_id.saturating_sub(1).max(first);
        let sensible = [first, last, file.records, file.raw_len];
        let numbers: [u64; 4] = std::array::from_fn(|i| or(self.numbers[i], sensible[i]));
        let row = |(at, id): (u64, u32)| [&at.to_le_bytes()[..], &id.to_le_bytes()].concat();
        let of_block = |&(at, id): &(u64, u64)| row((at, id.wrapping_sub(numbers[0]) as u32));
        let table: Vec<u8> = match &self.table {
            Table::OfBlocks => file.table.iter().flat_map(of_block).collect(),
            Table::Entries(rows) => rows.iter().take(12).flat_map(|(at, id)| row((at.get(), *id))).collect(),
            Table::Bytes { bytes, .. } => bytes.clone(),
        };
        let (mut blocks, mut table_crc) = ((table.len() / 12) as u32, crc(number, table_offset, &table));
        if let Table::Bytes { blocks: other_blocks, crc: other_crc, .. } = self.table {
            blocks = other_blocks.unwrap_or(blocks);
            table_crc = other_crc.unwrap_or(table_crc);
        }
        let mut bytes = file.bytes;
        bytes.extend(table);
        let hash = xxh3_128(&bytes);
        let mut footer = b"\x89CARF\r\n\x1a".to_vec();
        footer.extend(or(self.table_offset, table_offset as u64).to_le_bytes());
        footer.extend(blocks.to_le_bytes());
        footer.extend(table_crc.to_le_bytes());
        footer.extend(words(numbers));
        footer.extend([0; 20]);
        footer.extend(hash.to_le_bytes());
        footer.extend(crc(number, bytes.len(), &footer).to_le_bytes());
        if or(self.no_footer, 0) == 0 {
            bytes.extend(footer);
        }
        let other = self.entry;
        let said: [u64; 4] = std::array::from_fn(|i| or(other[i], numbers[i]));
        let mut entry = words([number, or(other[4], bytes.len() as u64)]);
        entry.extend(hash.to_le_bytes());
        entry.extend(words(said));
        *next_id = said[1].saturating_add(1);
        (bytes, entry)
    }
}

impl Part {
    fn encode(&self, number: u64) -> (Vec<u8>, Vec<u8>) {
        let bytes = match &self.content {
            PartContent::Bytes(bytes) => bytes.clone(),
            PartContent::Ids(ids, changes) => {
                let mut bytes = Vec::new();
                let ids: roaring::RoaringTreemap = ids.iter().map(|id| id.get()).collect();
                ids.serialize_into(&mut bytes).expect("into memory");
                for (at, value) in changes {
                    let at = usize::from(*at) % bytes.len();
                    bytes[at] = *value;
                }
                bytes
            }
        };
        let kind = if self.deletes { 1u32 } else { 300 };
        // The two lists of deletes have the tags 0 and 1.
        let tag = number & 1;
        let content_len = or(self.content_len, bytes.len() as u64);
        let (bytes, hash) = part_file(&ARTIFACT, number, (kind, tag), &bytes, content_len);
        let mut entry = words([number, or(self.entry_len, bytes.len() as u64)]);
        entry.extend(hash.to_le_bytes());
        entry.extend(words([kind.into(), tag]));
        (bytes, entry)
    }
}

impl Artifact {
    /// The files of it, in [`ROOT`].
    pub fn build(&self) -> MemoryVfs {
        let vfs = MemoryVfs::new();
        vfs.create_dir(ROOT.as_ref()).expect("in memory");
        let vfs = vfs.fork();
        let mut number = 0;
        let mut counts = [0u32; 3];
        let mut entries = Vec::new();
        let mut add = |kind: usize, file: (Vec<u8>, Vec<u8>), number: u64| {
            let name = ["segment", "part", "log"][kind];
            vfs.write_file(format!("{ROOT}/{name}-{number:016x}"), file.0);
            counts[kind] += 1;
            entries.extend(file.1);
        };
        let mut state = (0, 0);
        for segment in self.segments.iter().take(3) {
            number += 1;
            add(0, segment.encode(number, &mut state.1), number);
        }
        for part in self.parts.iter().take(2) {
            number += 1;
            add(1, part.encode(number), number);
        }
        let empty = Log::default();
        let logs = if self.logs.is_empty() { std::slice::from_ref(&empty) } else { &self.logs[..] };
        for log in logs.iter().take(3) {
            number += 1;
            add(2, log.encode(number, &mut state), number);
        }
        if let Some(log) = &self.orphan {
            number += 1;
            vfs.write_file(format!("{ROOT}/log-{number:016x}"), log.encode(number, &mut state).0);
        }
        let generation = or(self.generation, 1);
        let mut manifest = b"\x89CARM\r\n\x1a\x01\0\0\0\0\0\0\0".to_vec();
        manifest.extend(ARTIFACT);
        manifest.extend(words([generation, or(self.next_file, number + 1)]));
        counts.iter().for_each(|count| manifest.extend(count.to_le_bytes()));
        manifest.extend([0; 4]);
        manifest.extend(entries);
        manifest.extend((xxh3_128(&manifest) ^ u128::from(or(self.no_manifest, 0))).to_le_bytes());
        for copy in 0..2 {
            vfs.write_file(format!("{ROOT}/manifest-{generation:016x}-{copy}"), manifest.clone());
        }
        vfs
    }
}
