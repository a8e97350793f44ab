//! Files of ours that are truncated, changed, or made to do harm.

use proptest::prelude::*;
use text_embedder::*;

use crate::models::{VOCABULARY, f32_bytes, small};

const HEADER_LEN: usize = 256;

/// A model that has all sections.
fn whole() -> Vec<u8> {
    let weights = f32_bytes(&[1.5; VOCABULARY.len()]);
    let mapping = (0..VOCABULARY.len() as u32).flat_map(u32::to_le_bytes).collect();
    let mut files = small()
        .tensor("weights", "F32", &[VOCABULARY.len()], weights.clone())
        .tensor("query_weights", "F32", &[VOCABULARY.len()], weights)
        .tensor("mapping", "I32", &[VOCABULARY.len()], mapping);
    for name in ["post.alpha", "post.beta", "post.gamma", "post.bias"] {
        files = files.tensor(name, "F32", &[6], f32_bytes(&[0.5; 6]));
    }
    files.pack().unwrap()
}

/// The header's checksum, made to hold.
fn seal(bytes: &mut [u8]) {
    let crc = wire::crc32(&[&bytes[..HEADER_LEN - 4]]);
    bytes[HEADER_LEN - 4..HEADER_LEN].copy_from_slice(&crc.to_le_bytes());
}

/// Everything that a program could do with bytes; errors are as good as answers.
fn use_all(bytes: Vec<u8>) -> Result<()> {
    let embedder = StaticEmbedder::from_bytes(bytes)?;
    let verified = embedder.verify();
    let texts = ["a cat, two cats!", "doggy 中 zzz", "", "ééé e", "catatatat"];
    for text in texts {
        assert!(embedder.tokens(text).iter().all(|&token| (token as usize) < embedder.vocabulary_len()));
        embedder.embed_query(text)?;
    }
    embedder.embed_documents(&texts)?;
    verified
}

#[test]
fn every_truncation_is_an_error() {
    let whole = whole();
    use_all(whole.clone()).unwrap();
    for len in 0..whole.len() {
        let kind = use_all(whole[..len].to_vec()).unwrap_err().kind();
        let expected = if len < 8 { ErrorKind::NotAModel } else { ErrorKind::Truncated };
        assert_eq!(kind, expected, "{len} bytes");
    }
    let longer = [&whole[..], &[0]].concat();
    assert_eq!(use_all(longer).unwrap_err().kind(), ErrorKind::Damaged);
}

#[test]
fn every_flipped_bit_is_seen_at_the_latest_when_the_model_is_verified() {
    let whole = whole();
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let error = use_all(flipped).unwrap_err();
        let kinds = [ErrorKind::NotAModel, ErrorKind::NewerFormat, ErrorKind::Damaged];
        assert!(kinds.contains(&error.kind()), "bit {bit}: {error}");
    }
}

#[test]
fn a_newer_format_is_told_apart_from_damage() {
    let mut newer = whole();
    newer[8] = 2;
    assert_eq!(use_all(newer).unwrap_err().kind(), ErrorKind::NewerFormat);
    let mut feature = whole();
    feature[12] = 1;
    seal(&mut feature);
    assert_eq!(use_all(feature).unwrap_err().kind(), ErrorKind::NewerFormat);
}

#[test]
fn a_header_whose_counts_cannot_be_is_refused_before_anything_is_allocated() {
    for field in (40..80).chain([80, 208]) {
        for value in [0, 1, 0x7F, 0x80, 0xFF] {
            let mut hostile = whole();
            if hostile[field] == value {
                continue;
            }
            hostile[field] = value;
            seal(&mut hostile);
            // Either the header contradicts itself or the length, or the hash does not hold.
            assert!(use_all(hostile).is_err(), "byte {field} is {value}");
        }
    }
}

#[test]
fn factors_that_are_not_finite_give_an_error_and_no_vector() {
    let whole = whole();
    let mut errors = 0;
    for at in (HEADER_LEN..whole.len() - 4).step_by(4) {
        let mut hostile = whole.clone();
        hostile[at..at + 4].copy_from_slice(&f32::INFINITY.to_le_bytes());
        let embedder = StaticEmbedder::from_bytes(hostile);
        let vectors = embedder.and_then(|embedder| embedder.embed_documents(&["cat", "a b c e dog , !"]));
        match vectors {
            Ok(vectors) => assert!(vectors.values().iter().all(|value| value.is_finite())),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Damaged);
                errors += 1;
            }
        }
    }
    assert!(errors > 4);
}

proptest! {
    #[test]
    fn any_bytes_behind_a_sound_header_are_bounded_work(noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..60)) {
        let mut bytes = whole();
        let len = bytes.len() - HEADER_LEN;
        for (at, byte) in noise {
            bytes[HEADER_LEN + at.index(len)] = byte;
        }
        let _ = use_all(bytes);
    }

    #[test]
    fn any_bytes_are_an_error(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(StaticEmbedder::from_bytes(bytes.clone()).is_err());
        let after_magic = [&whole()[..8], &bytes].concat();
        prop_assert!(StaticEmbedder::from_bytes(after_magic).is_err());
    }
}
