//! What a commit is to do.

use std::rc::Rc;

use super::rest::Kept;
use crate::input::{Content, Document};

/// What is held until a commit.
#[derive(Debug)]
pub(super) enum Op {
    /// A record, and the place that it was given at.
    Add(Document, Rc<str>),
    /// What --sync knows of a folder.
    Remember(Document),
    /// Records that a file was before, and is no more.
    DropRest { path: String, kept: Kept },
}

impl Op {
    /// Those of the texts of a record.
    pub(super) fn fields(&self) -> &[(String, String)] {
        match self {
            Self::Add(document, _) => &document.fields,
            Self::Remember(_) | Self::DropRest { .. } => &[],
        }
    }
    /// Whether it is a text that no embedding was given for where texts have theirs.
    pub(super) fn needs_model(&self) -> bool {
        let Self::Add(Document { content: Content::Text(_), vectors, .. }, _) = self else { return false };
        vectors.iter().all(|(space, _)| space != compact_artifact::MEANING)
    }
}
