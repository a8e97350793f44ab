//! What every embedder offers, and the embeddings that it gives.

use std::fmt;

use crate::error::{Error, ErrorKind, Result};

/// A model that turns texts into vectors, so that texts of similar meaning have vectors of similar direction.
///
/// The calls read no file and use no network: a model is loaded before. They may be called from any number of threads at once. The same
/// text gives the same vector, alone or among others. Documents and queries are told apart because some models embed them differently.
///
/// Whoever embeds texts may hold locks meanwhile. A call that waits for another thread, which in turn waits for the one that embeds, never returns: nothing tells such a thread from any
/// other that waits for its turn.
///
/// ```
/// use text_embedder::{Embedder, Embeddings, ModelHash, Result};
///
/// /// Two values: how many letters a text has, and how many other characters.
/// #[derive(Debug)]
/// struct Letters;
///
/// impl Embedder for Letters {
///     fn id(&self) -> &str {
///         "letters"
///     }
///
///     fn hash(&self) -> ModelHash {
///         ModelHash::from_content(b"letters, version 1")
///     }
///
///     fn dimension(&self) -> usize {
///         2
///     }
///
///     fn embed_documents(&self, texts: &[&str]) -> Result<Embeddings> {
///         let mut embeddings = Embeddings::with_capacity(self.dimension(), texts.len())?;
///         for text in texts {
///             let letters = text.chars().filter(|c| c.is_alphabetic()).count();
///             let values = [letters as f32, (text.chars().count() - letters) as f32];
///             embeddings.push((!text.is_empty()).then_some(&values[..]))?;
///         }
///         Ok(embeddings)
///     }
/// }
///
/// let embedder: std::sync::Arc<dyn Embedder> = std::sync::Arc::new(Letters);
/// let embeddings = embedder.embed_documents(&["abc!", ""])?;
/// assert_eq!((embeddings.get(0), embeddings.get(1)), (Some(&[3.0, 1.0][..]), None));
/// assert_eq!(embedder.embed_query("?")?, Some(vec![0.0, 1.0]));
/// # Ok::<(), text_embedder::Error>(())
/// ```
pub trait Embedder: fmt::Debug + Send + Sync {
    /// The name of the model, as its description gives it.
    fn id(&self) -> &str;

    /// A hash of everything that decides what vectors the model gives: two models with one name have different hashes.
    fn hash(&self) -> ModelHash;

    /// Values of a vector, at least 1.
    fn dimension(&self) -> usize;

    /// How much what it finds counts beside what words find, whose weight is 1; 0 or more, and finite.
    ///
    /// Provided: 0.8, which is right for transformers. A model that knows less has less.
    fn weight(&self) -> f32 {
        0.8
    }

    /// The vectors of texts that are stored and found: one row for each text, in their order. A text in which the model knows nothing,
    /// such as an empty one, has no vector.
    fn embed_documents(&self, texts: &[&str]) -> Result<Embeddings>;

    /// The vector of a text by which others are looked for; `None` if the model knows nothing in it.
    ///
    /// Provided: the vector of the text as a document.
    fn embed_query(&self, text: &str) -> Result<Option<Vec<f32>>> {
        let embeddings = self.embed_documents(&[text])?;
        Ok(embeddings.get(0).map(<[f32]>::to_vec))
    }
}

/// Identifies the content of a model, in 16 bytes. Displayed as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelHash(pub [u8; 16]);

impl ModelHash {
    /// The first 16 bytes of the BLAKE3 hash of some content.
    #[must_use]
    pub fn from_content(content: &[u8]) -> Self {
        Self::from_pieces(&[content])
    }

    /// The hash of some pieces, one after the other.
    pub(crate) fn from_pieces(pieces: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for piece in pieces {
            hasher.update(piece);
        }
        let mut hash = [0; 16];
        hash.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self(hash)
    }
}

impl fmt::Display for ModelHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The vectors of some texts, one row for each text, in one piece of memory. A row may be missing.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    dimension: usize,
    /// `dimension` values for each row; zeros where it is missing.
    values: Vec<f32>,
    is_present: Vec<bool>,
}

impl Embeddings {
    /// No rows yet, of so many values each, and room for some.
    ///
    /// A dimension of 0 is an error.
    pub fn with_capacity(dimension: usize, rows: usize) -> Result<Self> {
        if dimension == 0 {
            return Err(Error::new(ErrorKind::InvalidArgument, "embeddings have at least one value"));
        }
        let room = dimension.saturating_mul(rows);
        let mut values = Vec::new();
        values.try_reserve_exact(room).map_err(|_| {
            let message = format!("there is no memory for {rows} embeddings of {dimension} values");
            Error::new(ErrorKind::TooLarge, message)
        })?;
        Ok(Self { dimension, values, is_present: Vec::with_capacity(rows) })
    }

    /// Appends a row, or that it is missing. Another number of values than [`dimension`](Self::dimension) is an error.
    pub fn push(&mut self, row: Option<&[f32]>) -> Result<()> {
        match row {
            None => self.values.resize(self.values.len() + self.dimension, 0.0),
            Some(row) if row.len() == self.dimension => self.values.extend_from_slice(row),
            Some(row) => {
                let message = format!("a row of length {} among rows of {}", row.len(), self.dimension);
                return Err(Error::new(ErrorKind::InvalidArgument, message));
            }
        }
        self.is_present.push(row.is_some());
        Ok(())
    }

    /// Values of a row.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Number of rows, those missing included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.is_present.len()
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.is_present.is_empty()
    }

    /// A row; `None` if its text has no vector, or there is no such row.
    #[must_use]
    pub fn get(&self, row: usize) -> Option<&[f32]> {
        let is_present = *self.is_present.get(row)?;
        is_present.then(|| &self.values[row * self.dimension..][..self.dimension])
    }

    /// The rows in order, `None` for each text that has no vector.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&[f32]>> {
        let rows = self.values.chunks_exact(self.dimension);
        rows.zip(&self.is_present).map(|(row, &is_present)| is_present.then_some(row))
    }

    /// The values of all rows, one after the other; zeros for rows that are missing.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Appends a row of zeros that `fill` writes to; it is missing if that returns false.
    pub(crate) fn push_with(&mut self, fill: impl FnOnce(&mut [f32]) -> Result<bool>) -> Result<()> {
        let start = self.values.len();
        self.values.resize(start + self.dimension, 0.0);
        let is_present = fill(&mut self.values[start..])?;
        if !is_present {
            self.values[start..].fill(0.0);
        }
        self.is_present.push(is_present);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_and_missing_ones_do_not() {
        let mut embeddings = Embeddings::with_capacity(2, 3).unwrap();
        embeddings.push(Some(&[1.0, 2.0])).unwrap();
        embeddings.push(None).unwrap();
        let fill = |row: &mut [f32]| {
            row.fill(3.0);
            Ok(false)
        };
        embeddings.push_with(fill).unwrap();
        let wrong = embeddings.push(Some(&[1.0])).unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::InvalidArgument);
        assert!(wrong.to_string().contains("a row of length 1 among rows of 2"), "{wrong}");
        assert_eq!(embeddings.iter().collect::<Vec<_>>(), [Some(&[1.0, 2.0][..]), None, None]);
        assert_eq!((embeddings.len(), embeddings.get(1), embeddings.get(3)), (3, None, None));
        assert_eq!(embeddings.values(), [1.0, 2.0, 0.0, 0.0, 0.0, 0.0]);
        assert!(Embeddings::with_capacity(0, 1).is_err());
        assert!(Embeddings::with_capacity(usize::MAX, 2).is_err());
    }

    #[test]
    fn a_hash_is_displayed_as_hexadecimal_digits() {
        assert_eq!(ModelHash([0xAB; 16]).to_string(), "ab".repeat(16));
        assert_ne!(ModelHash::from_content(b"a"), ModelHash::from_content(b"b"));
        assert_eq!(ModelHash::from_pieces(&[b"a", b"b"]), ModelHash::from_content(b"ab"));
    }
}
