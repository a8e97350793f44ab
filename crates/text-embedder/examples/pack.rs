//! Packs a folder of model2vec into one file: `cargo run --release -p text-embedder --example pack -- FOLDER OUT`.
#![expect(clippy::print_stdout, reason = "a program")]

use text_embedder::{Embedder, StaticEmbedder, pack_folder};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(folder), Some(out), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("usage: pack FOLDER OUT".into());
    };
    let bytes = pack_folder(folder)?;
    std::fs::write(&out, &bytes)?;
    let embedder = StaticEmbedder::from_bytes(bytes)?;
    embedder.verify()?;
    println!(
        "{}: {} tokens, {} dimensions, hash {}, {} bytes",
        embedder.id(),
        embedder.vocabulary_len(),
        embedder.dimension(),
        embedder.hash(),
        std::fs::metadata(&out)?.len()
    );
    Ok(())
}
