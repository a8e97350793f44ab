//! The tokens of texts, for comparing them with other tokenizers: `tokens MODEL < TEXTS`, a JSON string on each line in, a JSON array on each line
//! out. See `tests/compare_tokenizers.py`.

use std::io::{self, BufRead, BufWriter, Write};

use text_embedder::StaticEmbedder;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = std::env::args_os().nth(1).ok_or("usage: tokens MODEL < TEXTS")?;
    let embedder = StaticEmbedder::open(model)?;
    let mut out = BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let text: String = serde_json::from_str(&line?)?;
        serde_json::to_writer(&mut out, &embedder.tokens(&text))?;
        writeln!(out)?;
    }
    out.flush()?;
    Ok(())
}
