//! A stand-in for an embedding model: words and their parts, hashed. It needs no download, gives the same vectors everywhere, and makes
//! texts alike that share words or stems. It knows no meaning: **a real model goes here**, and `DIMENSION` becomes that of its vectors.

/// The number of dimensions.
pub(crate) const DIMENSION: usize = 256;

/// The embedding of a text. One without words is all zeros, which an artifact does not take under the cosine.
pub(crate) fn embed(text: &str) -> Vec<f32> {
    let mut vector = vec![0.0; DIMENSION];
    let lower = text.to_lowercase();
    for word in lower.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 3) {
        add(&mut vector, word.as_bytes(), 2.0);
        for part in format!("<{word}>").as_bytes().windows(4) {
            add(&mut vector, part, 1.0);
        }
    }
    vector
}

/// Adds a feature: its hash says to which dimension, and with which sign.
#[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
fn add(vector: &mut [f32], feature: &[u8], weight: f32) {
    let hash = xxhash_rust::xxh3::xxh3_64(feature);
    vector[hash as usize % DIMENSION] += if hash >> 63 == 0 { weight } else { -weight };
}
