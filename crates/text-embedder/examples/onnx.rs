//! The vectors of texts by a transformer, for comparing them with other run-times: `onnx FOLDER < TEXTS`, a JSON string on each line in, a JSON array of
//! numbers, or null, on each line out. See `tests/compare_onnxruntime.py`.

use std::io::{self, BufRead, BufWriter, Write};
use std::time::Instant;

use text_embedder::{Embedder, OnnxEmbedder};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1).ok_or("usage: onnx FOLDER < TEXTS")?;
    let embedder = OnnxEmbedder::open(folder)?;
    let lines: Vec<String> = io::stdin().lock().lines().collect::<Result<_, _>>()?;
    let texts = lines.iter().map(|line| serde_json::from_str(line)).collect::<Result<Vec<String>, _>>()?;
    let begun = Instant::now();
    let embeddings = embedder.embed_documents(&texts.iter().map(String::as_str).collect::<Vec<_>>())?;
    let seconds = begun.elapsed().as_secs_f64();
    let mut out = BufWriter::new(io::stdout().lock());
    for row in embeddings.iter() {
        serde_json::to_writer(&mut out, &row)?;
        writeln!(out)?;
    }
    writeln!(out, "{seconds}")?;
    out.flush()?;
    Ok(())
}
