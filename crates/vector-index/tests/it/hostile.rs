//! Bytes that are damaged, or made to do harm.

use vector_index::*;

use crate::data::*;

fn small(metric: Metric) -> Vec<u8> {
    let built = Builder::new(BuildOptions::new().graph_from(0).m(4))
        .build(codes(metric, 6, &vectors(1, 300, 6)))
        .unwrap();
    built.to_bytes().unwrap().as_ref().to_vec()
}

/// Everything a program could do with bytes; errors are as good as answers.
fn use_all(bytes: &[u8]) -> Result<()> {
    let index = Index::open(AlignedBytes::from(bytes))?;
    let _ = index.verify();
    let dimension = index.quantizer().dimension();
    let query: Vec<f32> = (0..dimension).map(|i| (i as f32).sin() + 0.01).collect();
    let filter: RowSet = (0..200).step_by(2).collect();
    let mut scratch = Scratch::new();
    for options in
        [SearchOptions::new(5), SearchOptions::new(5).exact(true), SearchOptions::new(5).filter(&filter)]
    {
        let hits = index.search(&query, &options, &mut scratch)?.len();
        assert!(hits <= 5);
        let work = scratch.statistics();
        assert!(work.distances <= 4 * index.len() as u64 + 100_000, "bounded: {work:?}");
    }
    index.vector(3)?;
    let mut merge = Builder::new(BuildOptions::new().graph_from(0)).merge();
    merge.add_index(&index, Some)?;
    if let Ok(built) = merge.build() {
        Index::open(built.to_bytes()?)?;
    }
    Ok(())
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = small(Metric::Cosine);
    for len in 0..bytes.len() {
        let error = Index::open(AlignedBytes::from(&bytes[..len])).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Truncated | ErrorKind::NotAnIndex), "{len}: {error}");
    }
    Index::open(AlignedBytes::from(&bytes[..])).unwrap();
}

/// 300 rows of 64 bytes, then 300 of 96 of high and of low nibbles, and the checksums, as docs/FORMAT.md says.
#[test]
fn outlines_of_any_bytes_do_no_harm() {
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        let built =
            Builder::new(BuildOptions::new().graph_from(0)).build(codes(metric, 130, &vectors(1, 300, 130)));
        let bytes = built.unwrap().to_bytes().unwrap().as_ref().to_vec();
        use_all(&bytes).unwrap();
        let begin = bytes.len() - (bytes.len() / 65_536 + 2) * 4 - 300 * (64 + 2 * 96);
        let mut noise = Noise::new(3);
        for filling in [0, 0x7F, 0x80, 0xFF, 1] {
            let mut damaged = bytes.clone();
            let outlines = &mut damaged[begin..][..300 * 64];
            outlines
                .fill_with(|| if filling == 1 { u8::try_from(noise.below(256)).unwrap() } else { filling });
            use_all(&damaged).unwrap();
        }
        // Said to be there where they are not, or not where they are.
        // Or nodes of layers that are not there, of which much would be remembered.
        let mut layers = small(metric);
        layers[68..72].fill(0xFF);
        for (mut bytes, flag) in [(bytes, 0), (small(metric), 1), (layers, 0)] {
            bytes[42] = flag;
            let crc = crc32fast::hash(&bytes[..124]).to_le_bytes();
            bytes[124..128].copy_from_slice(&crc);
            let error = Index::open(AlignedBytes::from(&bytes[..])).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
        }
    }
}

#[test]
fn every_flipped_bit_is_noticed_by_verify_and_harmless_to_a_search() {
    let bytes = small(Metric::L2);
    for at in (0..bytes.len()).step_by(7).chain(0..128) {
        for bit in [0, 3, 7] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            let noticed = Index::open(AlignedBytes::from(&damaged[..])).and_then(|index| index.verify());
            assert!(noticed.is_err(), "byte {at} bit {bit}");
            if bit == 7 {
                let _ = use_all(&damaged);
            }
        }
    }
}

#[test]
fn links_that_lead_nowhere_or_in_circles_end_the_search() {
    let bytes = small(Metric::Cosine);
    for fill in [0, 1, 0xFF, 0x80, 0x7F, 0x2B] {
        for start in (128..bytes.len()).step_by(512) {
            let mut hostile = bytes.clone();
            let end = (start + 4_096).min(hostile.len());
            hostile[start..end].fill(fill);
            use_all(&hostile).unwrap();
        }
    }
}

#[test]
fn a_header_with_a_right_checksum_and_wrong_counts_is_an_error_before_anything_is_allocated() {
    let bytes = small(Metric::Cosine);
    let mut noise = Noise::new(5);
    for _ in 0..20_000 {
        let mut hostile = bytes.clone();
        for _ in 0..=noise.below(3) {
            let at = 12 + noise.below(112);
            hostile[at] = noise.next() as u8;
        }
        let crc = crc32fast::hash(&hostile[..124]);
        hostile[124..128].copy_from_slice(&crc.to_le_bytes());
        let _ = use_all(&hostile);
    }
}

#[test]
fn bytes_of_something_else_or_a_newer_version_say_so() {
    let open = |bytes: &[u8]| Index::open(AlignedBytes::from(bytes)).unwrap_err().kind();
    assert_eq!(open(b""), ErrorKind::NotAnIndex);
    assert_eq!(open(&[0; 4_096]), ErrorKind::NotAnIndex);
    assert_eq!(open(b"SQLite format 3\0"), ErrorKind::NotAnIndex);
    let mut newer = small(Metric::Cosine);
    newer[8] = 2;
    assert_eq!(open(&newer), ErrorKind::NewerFormat);
    let mut feature = small(Metric::Cosine);
    feature[12] = 2;
    let crc = crc32fast::hash(&feature[..124]);
    feature[124..128].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(open(&feature), ErrorKind::NewerFormat);
}

#[test]
fn unaligned_bytes_are_an_error_that_says_what_to_do() {
    let bytes = small(Metric::Cosine);
    let room = AlignedBytes::from(&[&[0], &bytes[..]].concat()[..]);
    let error = Index::open(&room.as_ref()[1..]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unaligned);
    assert!(error.to_string().contains("AlignedBytes"));
}

#[test]
fn an_index_may_be_followed_by_other_bytes() {
    let mut bytes = small(Metric::Cosine);
    bytes.extend([1; 1_000]);
    use_all(&bytes).unwrap();
    Index::open(AlignedBytes::from(&bytes[..])).unwrap().verify().unwrap();
}
