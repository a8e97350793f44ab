//! A text in, its embedding out, offline: the trait of embedders, and one that needs no network and no neural network.
//!
//! It is *not* a downloader: a model is a file, a folder or bytes that the caller has. Nothing is ever fetched.
//!
//! ```no_run
//! use text_embedder::{Embedder, StaticEmbedder};
//!
//! # fn main() -> text_embedder::Result<()> {
//! let embedder = StaticEmbedder::open("model.bin")?;
//! let documents = embedder.embed_documents(&["fear of enclosed spaces", "a large domesticated cat", ""])?;
//! let query = embedder.embed_query("claustrophobia")?.expect("the model knows something in it");
//!
//! let cosine = |row: &[f32]| row.iter().zip(&query).map(|(x, y)| x * y).sum::<f32>();
//! let cosines: Vec<Option<f32>> = documents.iter().map(|row| row.map(cosine)).collect();
//! assert_eq!(cosines[2], None, "an empty text has no vector");
//! # Ok(()) }
//! ```
//!
//! # The ideas, in the order of the data
//!
//! - An [`Embedder`] turns texts into [`Embeddings`]. Whoever has another model implements it; stores hold an `Arc<dyn Embedder>`,
//!   and tell models apart by their [`id`](Embedder::id) and [`hash`](Embedder::hash).
//! - A [`StaticEmbedder`] splits a text into **words** (BERT's normalizer) and words into **tokens** (WordPiece), in one pass and with memory for one word.
//! - Each token has a **row** of 8-bit codes and a factor, its scale times its weight. The vector of a text is the mean of its rows; some models apply
//!   `tanh` to each dimension of it; then it is brought to length 1.
//! - A model is **one file**, used where it lies: opening reads its header. [`pack`] makes it from the files of model2vec, which
//!   [`StaticEmbedder::open`] also takes as they are.
//!
//! # Features
//!
//! `onnx` (off by default): `OnnxEmbedder`, transformers in the folders of sentence-transformers, through the crate `rten`, which brings 19 crates.
//!
//! # Limits
//!
//! 1 to 65,536 dimensions, up to 1,048,575 tokens. WordPiece only: a model with another tokenizer is an error that says so. Damaged or hostile
//! bytes give errors or other vectors, in bounded time and memory: [`StaticEmbedder::verify`] tells them apart.

#[cfg(test)]
mod docs;
mod embedder;
mod error;
mod kernel;
mod model;
mod model2vec;
#[cfg(feature = "onnx")]
mod onnx;
mod pooling;
mod static_embedder;
mod tokenizer_json;
mod vfs;
mod wordpiece;

pub use embedder::{Embedder, Embeddings, ModelHash};
pub use error::{Error, ErrorKind, Result};
pub use model2vec::{Model2Vec, pack, pack_folder};
#[cfg(feature = "onnx")]
pub use onnx::OnnxEmbedder;
pub use static_embedder::StaticEmbedder;
