//! Bytes of this version of the format, as they are forever.

use vector_index::*;

use crate::data::*;

/// Made of integers only, so that it is the same on every machine.
fn index(metric: Metric, graph_from: usize, step: u32) -> Vec<u8> {
    let mut codes = Codes::new(Int8Quantizer::new(metric, 70).unwrap());
    let mut noise = Noise::new(1);
    for row in 0..400 {
        let vector: Vec<i8> = (0..70).map(|_| i8::try_from(noise.below(255)).unwrap_or(-100)).collect();
        codes.push_codes(row * step, &vector, 0.5).unwrap();
    }
    let built = Builder::new(BuildOptions::new().m(6).ef_construction(64).graph_from(graph_from))
        .build(codes)
        .unwrap();
    built.to_bytes().unwrap().as_ref().to_vec()
}

#[test]
fn the_same_codes_give_these_bytes_on_every_machine() {
    let found = [
        crc32fast::hash(&index(Metric::Cosine, 0, 1)),
        crc32fast::hash(&index(Metric::L2, 0, 3)),
        crc32fast::hash(&index(Metric::Dot, usize::MAX, 1)),
    ];
    assert_eq!(found, [3_160_301_421, 1_001_422_597, 4_101_259_137], "the bytes of the format have changed");
}

#[test]
fn a_header_has_these_bytes() {
    let bytes = index(Metric::Cosine, 0, 1);
    let expected = [
        0x89, b'C', b'A', b'V', b'I', 0x0D, 0x0A, 0x1A, // MAGIC
        1, 0, 0, 0, // 1.0
        0, 0, 0, 0, // INCOMPATIBLE
    ];
    assert_eq!(bytes[..16], expected);
    assert_eq!(bytes[16..24], (bytes.len() as u64).to_le_bytes());
    let expected = [
        0, 0, 1, 1, // cosine, not calibrated, dense, one layer
        70, 0, 0, 0, // DIMENSION
        0x90, 1, 0, 0, // 400 NODES
        12, 0, 0, 0, // TOP
        6, 0, 0, 0, // M
    ];
    assert_eq!(bytes[24..44], expected);
    assert_eq!(bytes[72..80], [0x90, 1, 0, 0, 0, 0, 0, 0], "400 ROWS, 0 HIDDEN");
    let widths: Vec<u16> =
        bytes[80..92].chunks_exact(2).map(|two| u16::from_le_bytes([two[0], two[1]])).collect();
    assert_eq!(widths, [32, 48, 56, 64, 88, 96], "WIDTHS");
    assert_eq!(bytes[92..124], [0; 32], "RESERVED_2");
}
