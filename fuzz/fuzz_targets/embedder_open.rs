//! A model for embedding texts, of any bytes: our own file, or tensors and JSON of model2vec. It is refused, or it embeds texts; a panic, a vector that
//! is not finite, or work and memory without bound is a find.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use text_embedder::*;

const CONFIG: &[u8] = br#"{"model_id":"fuzz"}"#;
const TOKENIZER: &[u8] =
    br###"{"added_tokens":[{"id":0,"content":"[PAD]","special":true}],"normalizer":{"type":"BertNormalizer"},
"pre_tokenizer":{"type":"BertPreTokenizer"},"model":{"type":"WordPiece","unk_token":"[UNK]",
"vocab":{"[PAD]":0,"[UNK]":1,"cat":2,"##s":3,"a":4,"##a":5,",":6,"dog":7}}}"###;
const HEADER: &str = r#"{"embeddings":{"dtype":"F32","shape":[8,3],"data_offsets":[0,96]},"weights":{"dtype":"F32","shape":[8],"data_offsets":[96,128]},"mapping":{"dtype":"I32","shape":[8],"data_offsets":[128,160]},"post.alpha":{"dtype":"F32","shape":[3],"data_offsets":[160,172]},"post.beta":{"dtype":"F32","shape":[3],"data_offsets":[172,184]},"post.gamma":{"dtype":"F32","shape":[3],"data_offsets":[184,196]},"post.bias":{"dtype":"F32","shape":[3],"data_offsets":[196,208]}}"#;
/// Of the header of our own file.
const HEADER_LEN: usize = 256;

/// The values behind `HEADER`: floating point numbers, and rows from 0 to 7 for the tokens.
fn data() -> Vec<u8> {
    let floats = |count: u8| (0..count).flat_map(|i| (f32::from(i) / 7.0 - 1.0).to_le_bytes());
    floats(32).chain((0..8u32).flat_map(u32::to_le_bytes)).chain(floats(12)).collect()
}

fn with_header(header: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header, &data()].concat()
}

fn packed(config: &[u8], tokenizer: &[u8], tensors: &[u8]) -> Result<Vec<u8>> {
    pack(&Model2Vec { name: "unnamed", config, tokenizer, tensors })
}

static SOUND: LazyLock<Vec<u8>> =
    LazyLock::new(|| packed(CONFIG, TOKENIZER, &with_header(HEADER.as_bytes())).expect("a sound model"));

/// Puts bytes in places: two bytes say where, one how many, one what.
fn edit(mut bytes: Vec<u8>, edits: &[u8]) -> Vec<u8> {
    for edit in edits.chunks_exact(4) {
        let at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % bytes.len();
        let end = (at + 1 + usize::from(edit[2] % 8)).min(bytes.len());
        bytes[at..end].fill(edit[3]);
    }
    bytes
}

fn model(input: &[u8]) -> Option<Result<Vec<u8>>> {
    let (&choice, rest) = input.split_first()?;
    Some(match choice % 8 {
        0 => Ok(rest.to_vec()),
        1 | 2 => {
            let mut bytes = edit(SOUND.clone(), rest);
            let crc = crc32fast::hash(&bytes[..HEADER_LEN - 4]);
            bytes[HEADER_LEN - 4..HEADER_LEN].copy_from_slice(&crc.to_le_bytes());
            Ok(bytes)
        }
        3 => packed(CONFIG, TOKENIZER, rest),
        4 => packed(CONFIG, TOKENIZER, &with_header(rest)),
        5 => packed(CONFIG, TOKENIZER, &edit(with_header(HEADER.as_bytes()), rest)),
        6 => packed(CONFIG, &edit(TOKENIZER.to_vec(), rest), &with_header(HEADER.as_bytes())),
        _ => packed(CONFIG, rest, &with_header(HEADER.as_bytes())),
    })
}

fn use_all(bytes: Vec<u8>) -> Result<()> {
    let embedder = StaticEmbedder::from_bytes(bytes)?;
    let _ = embedder.verify();
    let long = "catsa".repeat(300);
    let texts = ["a cat, cats!", "dogs aaaaaaaa", "", "\u{0}中é", "[PAD] zzz", &long];
    for text in texts {
        assert!(embedder.tokens(text).iter().all(|&token| (token as usize) < embedder.vocabulary_len()));
        embedder.embed_query(text)?;
    }
    let embeddings = embedder.embed_documents(&texts)?;
    assert_eq!((embeddings.len(), embeddings.dimension()), (texts.len(), embedder.dimension()));
    assert!(embeddings.values().iter().all(|value| value.is_finite()));
    Ok(())
}

fuzz_target!(|input: &[u8]| {
    if let Some(Ok(bytes)) = model(input) {
        let _ = use_all(bytes);
    }
});
