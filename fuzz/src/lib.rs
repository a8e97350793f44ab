//! Hostile artifacts: any bytes, with the checksums made right, since a fuzzer does not get past those by itself.
//!
//! Offsets and rules are those of `docs/FORMAT.md`.

use std::sync::Arc;

use block_format::vfs::MemoryVfs;
use block_format::{Options, RecordId, Store, VerifyLevel, salvage_in, verify_in};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

pub const ROOT: &str = "/a";
const ARTIFACT: [u8; 16] = [0xA7; 16];
const LOG: u64 = 1;
const SEGMENT: u64 = 2;
const HEADER: usize = 4096;

fn crc(file: u64, offset: usize, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&ARTIFACT);
    hasher.update(&file.to_le_bytes());
    hasher.update(&(offset as u64).to_le_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

fn file(kind: u32, number: u64, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    put(&mut bytes, 0, b"\x89CART\r\n\x1a");
    put(&mut bytes, 8, &kind.to_le_bytes());
    put(&mut bytes, 12, &1u16.to_le_bytes());
    put(&mut bytes, 16, &ARTIFACT);
    put(&mut bytes, 32, &number.to_le_bytes());
    let sum = crc(number, 0, &bytes[..4092]);
    put(&mut bytes, 4092, &sum.to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Makes every block that the lengths in the headers lead to pass its checksums, and every commit record its chain.
/// Returns where the walk ended.
fn seal_blocks(bytes: &mut [u8], number: u64) -> usize {
    let mut chain_input = Vec::from(ARTIFACT);
    chain_input.extend(number.to_le_bytes());
    let mut chain = xxh3_128(&chain_input);
    let (mut at, mut begin) = (HEADER, HEADER);
    while at + 32 <= bytes.len() {
        put(bytes, at, &0xB10Cu16.to_le_bytes());
        let stored_len = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap_or_default()) as usize;
        let end = at + 32 + stored_len % (bytes.len() - at - 31).max(1);
        put(bytes, at + 4, &((end - at - 32) as u32).to_le_bytes());
        if bytes[at + 2] == 4 && end - at == 96 {
            let mut hash = Xxh3::new();
            hash.update(&chain.to_le_bytes());
            hash.update(&bytes[begin..at]);
            put(bytes, at + 40, &((at - begin) as u64).to_le_bytes());
            hash.update(&bytes[at + 32..at + 80]);
            chain = hash.digest128();
            put(bytes, at + 80, &chain.to_le_bytes());
            begin = end;
        }
        let sum = crc(number, at, &bytes[at + 32..end]);
        put(bytes, at + 24, &sum.to_le_bytes());
        let sum = crc(number, at, &bytes[at..at + 28]);
        put(bytes, at + 28, &sum.to_le_bytes());
        at = end;
    }
    at
}

/// One block: header fields and payload as given, everything else right.
pub fn block(kind: u8, codec: u8, raw_len: u32, count: u32, first_id: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 32];
    bytes[2] = kind;
    bytes[3] = codec;
    put(&mut bytes, 4, &(payload.len() as u32).to_le_bytes());
    put(&mut bytes, 8, &raw_len.to_le_bytes());
    put(&mut bytes, 12, &count.to_le_bytes());
    put(&mut bytes, 16, &first_id.to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A commit record with its block.
pub fn commit(seq: u64, floor: u64, next_id: u64, records: u64, deletes: u64) -> Vec<u8> {
    let fields = [seq, 0, floor, next_id, records, deletes, 0, 0];
    block(4, 0, 64, 0, seq, &fields.map(u64::to_le_bytes).concat())
}

/// An artifact with one log of these blocks; `sealed`: their checksums are made right.
pub fn with_log(body: &[u8], sealed: bool) -> MemoryVfs {
    let mut log = file(1, LOG, body);
    if sealed {
        seal_blocks(&mut log, LOG);
    }
    artifact(&log, None)
}

/// An artifact with one segment of these blocks, a table that says so or these bytes in its place, and a footer.
pub fn with_segment(body: &[u8], table: Option<&[u8]>, ids: (u64, u64)) -> MemoryVfs {
    let mut segment = file(2, SEGMENT, body);
    let end = seal_blocks(&mut segment, SEGMENT);
    segment.truncate(end);
    let (mut entries, mut at) = (Vec::new(), HEADER);
    while at < end {
        let first = u64::from_le_bytes(segment[at + 16..at + 24].try_into().unwrap_or_default());
        entries.extend((at as u64).to_le_bytes());
        entries.extend((first.wrapping_sub(ids.0) as u32).to_le_bytes());
        at += 32 + u32::from_le_bytes(segment[at + 4..at + 8].try_into().unwrap_or_default()) as usize;
    }
    let table = table.map_or(entries, |table| table[..table.len() / 12 * 12].to_vec());
    let sum = crc(SEGMENT, end, &table);
    let blocks = (table.len() / 12) as u32;
    segment.extend(table);
    let hash = xxh3_128(&segment);
    let mut footer = vec![0; 96];
    put(&mut footer, 0, b"\x89CARF\r\n\x1a");
    put(&mut footer, 8, &(end as u64).to_le_bytes());
    put(&mut footer, 16, &blocks.to_le_bytes());
    put(&mut footer, 20, &sum.to_le_bytes());
    put(&mut footer, 24, &ids.0.to_le_bytes());
    put(&mut footer, 32, &ids.1.to_le_bytes());
    put(&mut footer, 76, &hash.to_le_bytes());
    let sum = crc(SEGMENT, segment.len(), &footer[..92]);
    put(&mut footer, 92, &sum.to_le_bytes());
    segment.extend(footer);
    artifact(&file(1, LOG, &[]), Some((&segment, hash, ids)))
}

fn artifact(log: &[u8], segment: Option<(&[u8], u128, (u64, u64))>) -> MemoryVfs {
    let mut manifest = vec![0; 64];
    put(&mut manifest, 0, b"\x89CARM\r\n\x1a");
    put(&mut manifest, 8, &1u16.to_le_bytes());
    put(&mut manifest, 16, &ARTIFACT);
    put(&mut manifest, 32, &1u64.to_le_bytes());
    put(&mut manifest, 40, &3u64.to_le_bytes());
    put(&mut manifest, 48, &u32::from(segment.is_some()).to_le_bytes());
    put(&mut manifest, 56, &1u32.to_le_bytes());
    let mut next_id = 0;
    if let Some((bytes, hash, ids)) = segment {
        manifest.extend([SEGMENT, bytes.len() as u64].map(u64::to_le_bytes).concat());
        manifest.extend(hash.to_le_bytes());
        manifest.extend([ids.0, ids.1, 0, 0].map(u64::to_le_bytes).concat());
        next_id = ids.1.saturating_add(1);
    }
    let mut chain = Vec::from(ARTIFACT);
    chain.extend(LOG.to_le_bytes());
    manifest.extend([LOG, HEADER as u64].map(u64::to_le_bytes).concat());
    manifest.extend(xxh3_128(&chain).to_le_bytes());
    manifest.extend([0, next_id].map(u64::to_le_bytes).concat());
    manifest.extend(xxh3_128(&manifest).to_le_bytes());
    let vfs = MemoryVfs::new();
    drop(block_format::vfs::Vfs::create_dir(&vfs, ROOT.as_ref()));
    let vfs = vfs.fork();
    vfs.write_file(format!("{ROOT}/log-{LOG:016x}"), log.to_vec());
    if let Some((bytes, ..)) = segment {
        vfs.write_file(format!("{ROOT}/segment-{SEGMENT:016x}"), bytes.to_vec());
    }
    for copy in 0..2 {
        vfs.write_file(format!("{ROOT}/manifest-0000000000000001-{copy}"), manifest.clone());
    }
    vfs
}

/// Everything a program could do with an artifact. It may all fail; none of it may panic, hang or take much memory.
pub fn exercise(vfs: &MemoryVfs) {
    for mapped in [true, false] {
        let options = Options::new().memory_mapping(mapped);
        if let Ok((store, _)) = Store::open_read_only_in(Arc::new(vfs.clone()), ROOT, options) {
            look(&store);
        }
    }
    for level in [VerifyLevel::Headers, VerifyLevel::Checksums, VerifyLevel::Decode] {
        drop(verify_in(Arc::new(vfs.clone()), ROOT, level, &Options::new()));
    }
    let options = Options::new().compression(block_format::Compression::None).seed(1);
    drop(salvage_in(Arc::new(vfs.fork()), ROOT, "/saved", options.clone()));
    let writing = vfs.fork();
    if let Ok((store, _)) = Store::open_in(Arc::new(writing.clone()), ROOT, options.clone()) {
        look(&store);
        if store.put(b"one more").is_ok() {
            drop(store.seal());
            drop(store.close());
            Store::open_in(Arc::new(writing), ROOT, options).expect("what was closed opens");
        }
    }
}

fn look(store: &Store) {
    let snapshot = store.snapshot();
    for record in snapshot.records().take(10_000).flatten() {
        if let Ok(bytes) = record.bytes() {
            assert_eq!(bytes.len() as u64, record.len());
        }
        drop(record.range(5..9));
    }
    let end = snapshot.next_id().0;
    for id in (0..40).chain(end.saturating_sub(5)..end) {
        drop(snapshot.get(RecordId(id)));
    }
}
