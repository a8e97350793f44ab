//! Bytes of this version of the format, as they are forever.

use vector_index::*;

use crate::data::*;
use crate::earlier::as_earlier;

/// Made of integers only, so that it is the same on every machine.
fn index(metric: Metric, graph_from: usize, step: u32) -> Vec<u8> {
    index_of(70, metric, graph_from, step)
}

fn index_of(dimension: usize, metric: Metric, graph_from: usize, step: u32) -> Vec<u8> {
    let mut codes = Codes::new(Int8Quantizer::new(metric, dimension).unwrap());
    let mut noise = Noise::new(1);
    for row in 0..400 {
        let vector: Vec<i8> =
            (0..dimension).map(|_| i8::try_from(noise.below(255)).unwrap_or(-100)).collect();
        codes.push_codes(row * step, &vector, 0.5).unwrap();
    }
    let built = Builder::new(BuildOptions::new().m(6).ef_construction(64).graph_from(graph_from))
        .build(codes)
        .unwrap();
    built.to_bytes().unwrap().as_ref().to_vec()
}

#[test]
fn the_same_codes_give_these_bytes_on_every_machine() {
    let all = [
        index(Metric::Cosine, 0, 1),
        index(Metric::L2, 0, 3),
        index(Metric::Dot, usize::MAX, 1),
        index_of(200, Metric::L2, 0, 1),
    ];
    let earlier = all.each_ref().map(|bytes| crc32fast::hash(&as_earlier(bytes)));
    assert_eq!(
        earlier,
        [3_160_301_421, 1_001_422_597, 4_101_259_137, 1_935_691_203],
        "lists of 32 bits, as before 2026-11-30"
    );
    assert_eq!(
        all.each_ref().map(|bytes| crc32fast::hash(bytes)),
        [3_738_705_655, 2_834_503_953, 4_101_259_137, 3_550_656_902],
        "the bytes of the format have changed"
    );
}

/// Quarters of a code, two bits each, as docs/FORMAT.md says.
#[test]
fn residuals_have_these_bytes() {
    // The first two dimensions of each sixteen of the first 64, and a 65th.
    let (mut vector, mut expected) = ([0.0; 65], [0; 65]);
    for (block, (values, codes)) in [
        ([127.0, 0.25], [127, 0]),
        ([0.5, -0.5], [1, 0]),
        ([1.5, -0.25], [1, 0]),
        ([2.5, -0.75], [3, -1]),
        ([10.75, 0.0], [11, 0]),
    ]
    .into_iter()
    .enumerate()
    {
        for i in 0..if block == 4 { 1 } else { 2 } {
            (vector[16 * block + i], expected[16 * block + i]) = (values[i], codes[i]);
        }
    }
    for metric in [Metric::L2, Metric::Dot] {
        let quantizer = Int8Quantizer::new(metric, vector.len()).unwrap();
        let (codes, scale, residual) = quantizer.quantize_with_residual(&vector).unwrap();
        assert_eq!((&codes[..], scale), (&expected[..], 1.0));
        let mut bytes = [0; 32];
        (bytes[0], bytes[1], bytes[16]) = (0b10_10_10_00, 0b01_11_10_01, 0b11);
        assert_eq!(residual, bytes);
        assert_eq!(residual.len(), quantizer.residual_len());
        assert_eq!(quantizer.refine(&codes, scale, &residual), vector);
    }
    let mut noise = Noise::new(7);
    let mut hash = crc32fast::Hasher::new();
    for metric in [Metric::Cosine, Metric::L2, Metric::Dot] {
        for dimension in [1, 70, 129, 384] {
            let vector: Vec<f32> = (0..dimension).map(|_| noise.below(100_000) as f32 - 50_000.5).collect();
            let (codes, _, residual) =
                Int8Quantizer::new(metric, dimension).unwrap().quantize_with_residual(&vector).unwrap();
            let codes: Vec<u8> = codes.iter().map(|code| code.cast_unsigned()).collect();
            hash.update(&codes);
            hash.update(&residual);
        }
    }
    assert_eq!(hash.finalize(), 2_231_189_232, "the bytes of the format have changed");
}

#[test]
fn a_header_has_these_bytes() {
    let bytes = index(Metric::Cosine, 0, 1);
    let expected = [
        0x89, b'C', b'A', b'V', b'I', 0x0D, 0x0A, 0x1A, // MAGIC
        1, 0, 0, 0, // 1.0
        1, 0, 0, 0, // INCOMPATIBLE: lists are packed
    ];
    assert_eq!(bytes[..16], expected);
    assert_eq!(bytes[16..24], (bytes.len() as u64).to_le_bytes());
    let expected = [
        0, 0, 1, 1, // cosine, not calibrated, dense, one layer
        70, 0, 0, 0, // DIMENSION
        0x90, 1, 0, 0, // 400 NODES
        12, 0, 0, 0, // TOP
        6, 0, 0, 0, // M, WALK 0
    ];
    assert_eq!(bytes[24..44], expected);
    assert_eq!(bytes[72..80], [0x90, 1, 0, 0, 0, 0, 0, 0], "400 ROWS, 0 HIDDEN");
    let widths: Vec<u16> =
        bytes[80..92].chunks_exact(2).map(|two| u16::from_le_bytes([two[0], two[1]])).collect();
    assert_eq!(widths, [32, 48, 56, 64, 88, 96], "WIDTHS");
    assert_eq!(bytes[92..124], [0; 32], "RESERVED_2");
}

/// Four words of signs and 16 bytes of floats, as docs/FORMAT.md says, before the high nibbles of the first node.
#[test]
fn outlines_have_these_bytes() {
    let bytes = index_of(200, Metric::L2, 0, 1);
    assert_eq!(bytes[42..44], [1, 0], "OUTLINES");
    let row_len = 64;
    // 128 bytes a row in each plane, and the checksums: two pieces of 65,536 bytes and their own.
    let high = bytes.len() - 2 * 400 * 128 - (bytes.len() / 65_536 + 2) * 4;
    let row = &bytes[high - 400 * row_len..][..row_len];
    let (high, low) = (&bytes[high..][..128], &bytes[high + 400 * 128..][..128]);
    let code = |at: usize| {
        let nibble = |plane: &[u8]| i32::from(plane[at / 64 * 32 + at % 32] >> (at % 64 / 32 * 4) & 15);
        16 * (nibble(high) - 8) + nibble(low)
    };
    let codes: Vec<i32> = (0..200).map(code).collect();
    for (at, &code) in codes.iter().enumerate() {
        assert_eq!(row[at / 8] >> (at % 8) & 1 == 1, code >= 0, "{at}");
    }
    let float = |at: usize| f32::from_le_bytes(row[32 + at * 4..][..4].try_into().unwrap());
    let squared: f32 = codes.iter().map(|&code| (code * code) as f32).sum();
    let sum: f32 = codes.iter().map(|&code| code.abs() as f32).sum();
    assert_eq!(float(0), 0.25 * squared, "a");
    let factor = squared / sum;
    assert!((float(1) - 0.5 * factor).abs() < 1e-4, "{} {}", float(1), 0.5 * factor);
    let deviation = 0.5 * (factor * factor - squared / 200.0).sqrt();
    assert!((float(2) - deviation).abs() < 1e-3, "{} {deviation}", float(2));
    assert_eq!(row[25..32], [0; 7]);
    assert_eq!(row[44..], [0; 20]);
}
