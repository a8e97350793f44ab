//! A text to tokens: WordPiece over words as BERT splits them, with a vocabulary that is read in place.
//!
//! Wu et al., "Google's Neural Machine Translation System" (arXiv 1609.08144), section 4.1; the greedy longest match, the normalizer and the
//! splitting at punctuation are those of BERT (Devlin et al., arXiv 1810.04805), with the tables of the `tokenizers` package.

mod characters;
pub(crate) mod layout;
mod normalizer;
mod pieces;
mod tables;
mod writer;

pub(crate) use normalizer::{Normalizer, NormalizerOptions, WordBuffer};
pub(crate) use pieces::{PieceBuffer, Vocabulary};
pub(crate) use writer::VocabularyBytes;
