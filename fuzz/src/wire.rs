//! The few shapes of bytes that every file is made of.

pub(crate) const ARTIFACT: [u8; 16] = [0xA7; 16];
/// Length of the header of a log or segment.
pub(crate) const HEADER: usize = 4096;

/// The placed CRC of `bytes`, which begin at `offset` of a file.
pub(crate) fn crc(file: u64, offset: usize, bytes: &[u8]) -> u32 {
    placed_crc(&ARTIFACT, file, offset, bytes)
}

/// The same in a file of another artifact.
pub(crate) fn placed_crc(artifact: &[u8; 16], file: u64, offset: usize, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(artifact);
    hasher.update(&file.to_le_bytes());
    hasher.update(&(offset as u64).to_le_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

pub(crate) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

pub(crate) fn words<const N: usize>(values: [u64; N]) -> Vec<u8> {
    values.map(u64::to_le_bytes).concat()
}

pub(crate) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// The header of a log (1) or a segment (2).
pub(crate) fn file_header(kind: u32, number: u64) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    put(&mut bytes, 0, b"\x89CART\r\n\x1a");
    put(&mut bytes, 8, &kind.to_le_bytes());
    put(&mut bytes, 12, &1u16.to_le_bytes());
    put(&mut bytes, 16, &ARTIFACT);
    put(&mut bytes, 32, &number.to_le_bytes());
    let sum = crc(number, 0, &bytes[..4092]);
    put(&mut bytes, 4092, &sum.to_le_bytes());
    bytes
}

/// The file of a part, and the hash in its footer. `content_len` is what the footer says.
pub(crate) fn part_file(
    artifact: &[u8; 16],
    number: u64,
    (kind, tag): (u32, u64),
    content: &[u8],
    content_len: u64,
) -> (Vec<u8>, u128) {
    let mut bytes = content.to_vec();
    let sums: Vec<u8> = (content.chunks(4096).enumerate())
        .flat_map(|(chunk, content)| placed_crc(artifact, number, chunk * 4096, content).to_le_bytes())
        .collect();
    let table_crc = placed_crc(artifact, number, content.len(), &sums);
    bytes.extend(sums);
    let hash = xxhash_rust::xxh3::xxh3_128(&bytes);
    let mut footer = vec![0; 64];
    put(&mut footer, 0, b"\x89CARP\r\n\x1a");
    put(&mut footer, 8, &content_len.to_le_bytes());
    put(&mut footer, 16, &kind.to_le_bytes());
    put(&mut footer, 20, &table_crc.to_le_bytes());
    put(&mut footer, 24, &tag.to_le_bytes());
    put(&mut footer, 44, &hash.to_le_bytes());
    let sum = placed_crc(artifact, number, bytes.len(), &footer[..60]);
    put(&mut footer, 60, &sum.to_le_bytes());
    bytes.extend(footer);
    (bytes, hash)
}
