//! Records to measure with.

use std::path::Path;

use compact_artifact::{CompactArtifact, Metric, Options, Space, SpaceOptions};

use crate::commands::demo;
use crate::failure::{Failure, Result};
use crate::input::jsonl::parse;
use crate::input::{Content, Document};

/// Records, and what an artifact of them is made with.
#[derive(Debug)]
pub(super) struct Data {
    /// What the artifact that is made of them is called.
    pub(super) name: String,
    pub(super) documents: Vec<Document>,
    options: Options,
}

impl Data {
    /// The texts of the demo, with their vectors if there is a file of them.
    pub(super) fn of_demo(vectors: Option<&Path>, limit: usize) -> Result<Self> {
        let mut vectors = vectors.map(demo::vectors_of_texts).transpose()?;
        let space = |dimension| (demo::SPACE.to_owned(), SpaceOptions::new(dimension, Metric::Cosine));
        let spaces = vectors.iter().map(|vectors| space(vectors.dimension()));
        let options =
            spaces.fold(CompactArtifact::options(), |options, (name, space)| options.space(name, space));
        let mut lines = demo::texts()?;
        let mut documents = Vec::new();
        while documents.len() < limit
            && let Some(line) = lines.next_line()?
        {
            let mut document = parse(line).map_err(Failure::failed)?;
            let row = vectors.as_mut().map(|vectors| vectors.next_row().map_err(Failure::failed));
            document.vectors.extend(row.transpose()?.flatten().map(|row| (demo::SPACE.to_owned(), row)));
            documents.push(document);
        }
        Ok(Self { name: "wordnet.artifact".to_owned(), documents, options })
    }

    /// The first records of an artifact.
    pub(super) fn of_artifact(path: &Path, limit: usize) -> Result<Self> {
        let artifact = CompactArtifact::open_read_only(path)?;
        let snapshot = artifact.snapshot();
        let spaces = artifact.spaces();
        let mut documents = Vec::new();
        for entry in snapshot.records().take(limit) {
            let entry = entry?;
            let content = if entry.is_text() {
                Content::Text(entry.text()?.into_owned())
            } else {
                Content::Blob(entry.bytes()?.into_owned())
            };
            let mut vectors = Vec::new();
            for space in spaces.iter().map(Space::name) {
                let vector = snapshot.embedding(entry.id(), space)?;
                vectors.extend(vector.map(|vector| (space.to_owned(), vector)));
            }
            documents.push(Document {
                key: entry.key()?,
                content,
                metadata: entry.metadata()?,
                vectors,
                fields: entry.fields()?,
            });
        }
        let options = performance::options_like(&artifact);
        Ok(Self { name: "copy.artifact".to_owned(), documents, options })
    }

    /// An artifact of the same shape.
    pub(super) fn options(&self) -> Options {
        self.options.clone()
    }
}

/// Its first and its last word of four letters or more.
pub(super) fn two_words(document: &Document) -> Option<String> {
    let Content::Text(text) = &document.content else { return None };
    let mut words = text.split(|c: char| !c.is_alphabetic()).filter(|word| word.chars().count() >= 4);
    let first = words.next()?;
    Some(words.next_back().map_or(first.to_owned(), |last| format!("{first} {last}")))
}
