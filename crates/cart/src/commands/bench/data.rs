//! What is measured with: records, and questions that they answer.

use std::path::Path;

use compact_artifact::{CompactArtifact, Filter, Metric, Options, Query, Space, SpaceOptions};
use serde_json::{Value, json};

use super::measure::Random;
use crate::commands::demo;
use crate::failure::{Failure, Result};
use crate::input::jsonl::parse;
use crate::input::{Content, Document};

/// Records, and the vector spaces that they are in.
#[derive(Debug)]
pub(super) struct Data {
    pub(super) name: String,
    pub(super) documents: Vec<Document>,
    pub(super) spaces: Vec<(String, SpaceOptions)>,
}

impl Data {
    /// The texts of the demo, with their vectors if there is a file of them.
    pub(super) fn of_demo(vectors: Option<&Path>, limit: usize) -> Result<Self> {
        let mut vectors = vectors.map(demo::vectors_of_texts).transpose()?;
        let space = |dimension| (demo::SPACE.to_owned(), SpaceOptions::new(dimension, Metric::Cosine));
        let spaces = vectors.iter().map(|vectors| space(vectors.dimension())).collect();
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
        Ok(Self { name: "senses of WordNet 3.0".to_owned(), documents, spaces })
    }

    /// The first records of an artifact.
    pub(super) fn of_artifact(path: &Path, limit: usize) -> Result<Self> {
        let artifact = CompactArtifact::open_read_only(path)?;
        let snapshot = artifact.snapshot();
        let space = |space: &Space| {
            let options = SpaceOptions::new(space.dimension(), space.metric()).originals(space.originals());
            (space.name().to_owned(), options)
        };
        let spaces: Vec<(String, SpaceOptions)> = artifact.spaces().iter().map(space).collect();
        let mut documents = Vec::new();
        for entry in snapshot.records().take(limit) {
            let entry = entry?;
            let content = if entry.is_text() {
                Content::Text(entry.text()?.into_owned())
            } else {
                Content::Blob(entry.bytes()?.into_owned())
            };
            let mut vectors = Vec::new();
            for (space, _) in &spaces {
                vectors.extend(snapshot.embedding(entry.id(), space)?.map(|vector| (space.clone(), vector)));
            }
            documents.push(Document {
                key: entry.key()?,
                content,
                metadata: entry.metadata()?,
                vectors,
                fields: entry.fields()?,
            });
        }
        Ok(Self { name: path.display().to_string(), documents, spaces })
    }

    /// An artifact with the same spaces.
    pub(super) fn options(&self) -> Options {
        let with = |options: Options, (name, space): &(String, SpaceOptions)| options.space(name, *space);
        self.spaces.iter().fold(CompactArtifact::options(), with)
    }
}

/// A kind of search, and searches of that kind.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) name: String,
    pub(super) queries: Vec<Query>,
}

/// Searches of every kind that the documents allow, `count` of each. Two words of a text; the vector halfway between those of two
/// records; a field of the metadata that equals what it is in a record.
pub(super) fn searches(data: &Data, count: usize, seed: u64) -> Result<Vec<Asked>> {
    let documents = &data.documents;
    let mut random = Random(seed);
    let mut pick = || documents.get(random.below(documents.len()));
    let mut words = Vec::new();
    let mut filters = Vec::new();
    // Some documents have no words, or nothing that can be filtered by.
    for _ in 0..4 * count {
        let Some(document) = pick() else { break };
        if words.len() < count {
            words.extend(two_words(document));
        }
        if filters.len() < count
            && let Some(filter) = equals(document)
        {
            filters.push(Filter::from_json(&filter)?);
        }
    }
    let mut asked = Vec::new();
    let mut ask = |name: String, queries: Vec<Query>| {
        if !queries.is_empty() {
            asked
                .push(Asked { name, queries: queries.into_iter().map(|query| query.snippet(160)).collect() });
        }
    };
    let by_words = || words.iter().map(|words| Query::words(words));
    let filtered = |queries: Vec<Query>| {
        queries.into_iter().zip(&filters).map(|(query, filter)| query.filter(filter.clone())).collect()
    };
    ask("words".to_owned(), by_words().collect());
    ask("words, filtered".to_owned(), filtered(by_words().collect()));
    ask(
        "filter alone".to_owned(),
        filters.iter().map(|filter| Query::new().filter(filter.clone())).collect(),
    );
    for (space, _) in &data.spaces {
        let vectors: Vec<Vec<f32>> = (0..4 * count)
            .filter_map(|_| halfway(vector(pick()?, space)?, vector(pick()?, space)?))
            .take(count)
            .collect();
        let by_vector = || vectors.iter().map(|vector| Query::vector(space, vector.clone()));
        let hybrid = || {
            words
                .iter()
                .zip(&vectors)
                .map(|(words, vector)| Query::words(words).and_vector(space, vector.clone()))
        };
        ask(format!("vectors of {space:?}"), by_vector().collect());
        ask(format!("vectors of {space:?}, filtered"), filtered(by_vector().collect()));
        ask(
            format!("vectors of {space:?}, exact"),
            by_vector().take(100).map(|query| query.exact(true)).collect(),
        );
        ask(format!("words and vectors of {space:?}"), hybrid().collect());
        ask(format!("words and vectors of {space:?}, filtered"), filtered(hybrid().collect()));
    }
    Ok(asked)
}

fn vector<'a>(document: &'a Document, space: &str) -> Option<&'a [f32]> {
    document.vectors.iter().find(|(name, _)| name == space).map(|(_, vector)| &vector[..])
}

/// None if it has no direction.
fn halfway(a: &[f32], b: &[f32]) -> Option<Vec<f32>> {
    let between: Vec<f32> = a.iter().zip(b).map(|(a, b)| (a + b) / 2.0).collect();
    between.iter().any(|&value| value != 0.0).then_some(between)
}

/// Its first and its last word of four letters or more.
pub(super) fn two_words(document: &Document) -> Option<String> {
    let Content::Text(text) = &document.content else { return None };
    let mut words = text.split(|c: char| !c.is_alphabetic()).filter(|word| word.chars().count() >= 4);
    let first = words.next()?;
    Some(words.next_back().map_or(first.to_owned(), |last| format!("{first} {last}")))
}

/// A filter on its first field that is a string, a number or a boolean.
fn equals(document: &Document) -> Option<Value> {
    let plain = |value: &Value| value.is_string() || value.is_i64() || value.is_boolean();
    let (name, value) = document
        .metadata
        .iter()
        .find(|(name, value)| plain(value) && !name.starts_with('$') && !name.contains('.'))?;
    Some(json!({ name: value }))
}
