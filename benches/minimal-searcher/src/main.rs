//! The smallest program that searches an artifact: what `benches/weight.sh` weighs.
//!
//! `cargo run -p minimal-searcher -- ARTIFACT WORDS…`

#![expect(clippy::print_stdout, reason = "a program that prints what it finds")]

use compact_artifact::{CompactArtifact, Query};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().ok_or("which artifact?")?;
    let words: Vec<String> = args.collect();
    let artifact = CompactArtifact::open_read_only(path)?;
    for hit in artifact.search(&Query::words(&words.join(" ")).snippet(100))?.hits {
        println!("{:.2} {}", hit.score, hit.snippet.map_or_else(String::new, |snippet| snippet.text));
    }
    Ok(())
}
