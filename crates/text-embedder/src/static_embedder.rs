//! An embedder without a network: a row for each token, added up.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::path::Path;

use crate::embedder::{Embedder, Embeddings, ModelHash};
use crate::error::Result;
use crate::kernel::{Kernel, Row};
use crate::model::{Model, ModelBytes, View};
use crate::model2vec::pack_folder;
use crate::pooling::finish;
use crate::vfs;
use crate::wordpiece::{Normalizer, PieceBuffer, WordBuffer};

/// See [`StaticEmbedder::built_in`].
#[cfg(feature = "built-in-model")]
static BUILT_IN: &[u8] = include_bytes!("../model/english-256.model");

/// Rows that are added up at a time.
const ROWS: usize = 256;

/// A model that has a row of values for each token: the vector of a text is the weighted mean of the rows of its tokens, with length 1.
///
/// Thousands of times as fast as a transformer, and it knows nothing of the order of words. The model is used where its bytes lie, in a
/// file that is mapped, in memory, or in the program: opening reads a header, and what is never asked for is never read.
///
/// - **Tokens.** WordPiece, as BERT splits texts. Special tokens that are written out in a text, such as `[CLS]`, are text.
/// - **What counts.** Words that are not made of known tokens do not count. Special tokens, and those of weight 0, count in the mean and add
///   nothing to it. A text that has no other tokens has no vector: an empty one, or one in a script that the model does not know.
/// - **Long texts.** The first [`max_tokens`](Self::max_tokens) that count are added up, and the rest of the text is not read. Memory does not depend on
///   how long a text is.
///
/// Model2Vec: <https://github.com/MinishLab/model2vec>; weights by frequency: Arora et al., "A Simple but Tough-to-Beat Baseline for Sentence
/// Embeddings" (ICLR 2017).
#[derive(Debug)]
pub struct StaticEmbedder {
    model: Model,
    normalizer: Normalizer,
    kernel: Kernel,
}

impl StaticEmbedder {
    /// Opens a model: a file that [`pack`](crate::pack()) made, or a folder of model2vec.
    ///
    /// A file is mapped, so that opening copies nothing. Nothing may write to it or shorten it while it is open: replace it by renaming
    /// another one. A folder is packed in memory, which reads all of it and takes the time and memory of that: pack it once if it is opened often.
    /// Both have the same vectors, and the same [`hash`](Embedder::hash).
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if vfs::is_folder(path)? {
            return Self::from_bytes(pack_folder(path)?);
        }
        Self::new(ModelBytes::Map(vfs::map(path)?))
            .map_err(|error| error.in_file(&path.display().to_string()))
    }

    /// Uses the bytes of a file that [`pack`](crate::pack()) made: a `Vec`, or a slice that is a part of the program. They may lie anywhere.
    ///
    /// ```no_run
    /// # const MODEL: &[u8] = &[];
    /// // static MODEL: &[u8] = include_bytes!("model.bin");
    /// let embedder = text_embedder::StaticEmbedder::from_bytes(MODEL)?;
    /// # Ok::<(), text_embedder::Error>(())
    /// ```
    pub fn from_bytes(bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self> {
        Self::new(ModelBytes::Memory(bytes.into()))
    }

    /// The model that is a part of the library: English, 256 values, some 8 MB, of which only what is asked for is read from the disk. What it was
    /// trained on, and how good it is, is said in `crates/text-embedder/model`.
    #[cfg(feature = "built-in-model")]
    pub fn built_in() -> Result<Self> {
        Self::from_bytes(BUILT_IN)
    }

    fn new(bytes: ModelBytes) -> Result<Self> {
        let model = Model::open(bytes)?;
        let normalizer = Normalizer::new(model.header().normalizer, model.header().word_chars);
        Ok(Self { model, normalizer, kernel: Kernel::detect() })
    }

    /// Reads the whole model and compares its checksums and its hash; opening it checks the header only. A model that is damaged elsewhere gives other
    /// vectors, or an error.
    pub fn verify(&self) -> Result<()> {
        self.model.verify()
    }

    /// The most tokens of a text that count.
    #[must_use]
    pub fn max_tokens(&self) -> usize {
        self.model.header().max_counted
    }

    /// The number of tokens that the model knows; those of a text are below it.
    #[must_use]
    pub fn vocabulary_len(&self) -> usize {
        self.model.header().tokens
    }

    /// The tokens of a text, in order, the unknown one included, without special ones around them: what the `tokenizers` package
    /// gives for the model's `tokenizer.json`. There is one for each 4 bytes of English text or so.
    #[must_use]
    pub fn tokens(&self, text: &str) -> Vec<u32> {
        let vocabulary = self.model.view().vocabulary;
        let (mut tokens, mut pieces) = (Vec::new(), PieceBuffer::new());
        self.normalizer.each_word(text, &mut WordBuffer::default(), |word| {
            vocabulary.each_token(word, &mut pieces, |token| {
                tokens.push(token);
                ControlFlow::Continue(())
            })
        });
        tokens
    }

    /// Writes the vector of a text to zeros. False: it has none.
    fn embed<'a>(
        &self,
        view: &View<'a>,
        text: &str,
        scratch: &mut Scratch<'a>,
        sum: &mut [f32],
    ) -> Result<bool> {
        let Scratch { word, pieces, rows } = scratch;
        rows.clear();
        let (mut counted, max_counted) = (0, self.max_tokens());
        let mut is_known = false;
        self.normalizer.each_word(text, word, |word| {
            view.vocabulary.each_token(word, pieces, |token| {
                if token == view.vocabulary.unknown {
                    return ControlFlow::Continue(());
                }
                counted += 1;
                if let Some(row) = view.row(token) {
                    is_known = true;
                    rows.push(row);
                }
                if rows.len() == ROWS {
                    self.kernel.add_rows(rows, sum);
                    rows.clear();
                }
                if counted < max_counted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })
        });
        if !is_known {
            return Ok(false);
        }
        self.kernel.add_rows(rows, sum);
        finish(sum, counted, self.model.tanh())
    }
}

/// Memory that embedding one text after the other needs.
#[derive(Debug, Default)]
struct Scratch<'a> {
    word: WordBuffer,
    pieces: PieceBuffer,
    rows: Vec<Row<'a>>,
}

impl Embedder for StaticEmbedder {
    fn id(&self) -> &str {
        &self.model.header().id
    }

    fn hash(&self) -> ModelHash {
        self.model.header().hash
    }

    fn dimension(&self) -> usize {
        self.model.header().dimension
    }

    /// The mean of rows knows nothing of the order of words. By measurement on judged collections, see `docs/BENCHMARKS.md`.
    fn weight(&self) -> f32 {
        0.4
    }

    fn embed_documents(&self, texts: &[&str]) -> Result<Embeddings> {
        let (view, mut scratch) = (self.model.view(), Scratch::default());
        let mut embeddings = Embeddings::with_capacity(self.dimension(), texts.len())?;
        for text in texts {
            embeddings.push_with(|row| self.embed(&view, text, &mut scratch, row))?;
        }
        Ok(embeddings)
    }

    fn embed_query(&self, text: &str) -> Result<Option<Vec<f32>>> {
        let (view, mut scratch) = (self.model.view().of_queries(), Scratch::default());
        let mut vector = vec![0.0; self.dimension()];
        let is_present = self.embed(&view, text, &mut scratch, &mut vector)?;
        Ok(is_present.then_some(vector))
    }
}
