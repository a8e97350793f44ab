//! The few shapes of bytes that every file is made of.

pub(crate) const ARTIFACT: [u8; 16] = [0xA7; 16];
/// Length of the header of a log or segment.
pub(crate) const HEADER: usize = 4096;

/// The placed CRC of `bytes`, which begin at `offset` of a file.
pub(crate) fn crc(file: u64, offset: usize, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&ARTIFACT);
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
