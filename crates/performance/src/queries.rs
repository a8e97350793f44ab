//! What is asked and what is written: from the records of the artifact, and a seed.

use compact_artifact::{CompactArtifact, Entry, Filter, Query, Record, RecordId, Snapshot};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What a search asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum QueryKind {
    /// Two words of a text; in an artifact without texts, the nearest to a vector.
    Simple,
    /// The same within a filter that equals what a record has, with snippets of 160 bytes and up to 50 hits.
    Complex,
    /// Words and a vector of every space, in one ranking.
    MultiModal,
}

impl QueryKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Simple, Self::Complex, Self::MultiModal];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Complex => "complex",
            Self::MultiModal => "multi-modal",
        }
    }
}

/// `SplitMix64` (Steele, Lea and Flood, 2014).
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        // The upper half of the product is below `end`.
        usize::try_from((u128::from(z) * end as u128) >> 64).unwrap_or(0)
    }
}

/// A record that was read.
#[derive(Debug, Clone)]
pub(crate) struct Sampled {
    pub(crate) id: RecordId,
    text: Option<String>,
    bytes: Vec<u8>,
    fields: Vec<(String, String)>,
    metadata: serde_json::Map<String, serde_json::Value>,
    /// By spaces, in their order.
    vectors: Vec<Option<Vec<f32>>>,
}

/// Records from all over the artifact.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) records: Vec<Sampled>,
    pub(crate) spaces: Vec<String>,
}

/// The most content that a sample holds in memory.
const MAX_BYTES: u64 = 64 << 20;

impl Sample {
    /// Up to `count` records, at equal distances.
    pub(crate) fn read(artifact: &CompactArtifact, count: usize) -> Result<Self> {
        let snapshot = artifact.snapshot();
        let spaces: Vec<String> = artifact.spaces().iter().map(|space| space.name().to_owned()).collect();
        let all = usize::try_from(snapshot.len()).unwrap_or(usize::MAX);
        let step = all.div_ceil(count.max(1)).max(1);
        let (mut records, mut bytes) = (Vec::new(), 0u64);
        for entry in snapshot.records().step_by(step) {
            let entry = entry?;
            let sampled = sampled(&snapshot, &entry, &spaces)?;
            bytes += sampled.content_len();
            records.push(sampled);
            if bytes > MAX_BYTES {
                break;
            }
        }
        if records.is_empty() {
            return Err(Error::NothingToMeasure("the artifact has no records to measure with".to_owned()));
        }
        Ok(Self { records, spaces })
    }

    /// Searches of a kind; or why there are none.
    pub(crate) fn queries(
        &self,
        kind: QueryKind,
        count: usize,
        seed: u64,
    ) -> std::result::Result<Vec<Query>, &'static str> {
        let mut random = Random(seed ^ 0x51ed_270b);
        let mut queries = Vec::new();
        // Some records have no words, no vector, or nothing that can be filtered by.
        for _ in 0..8 * count {
            if queries.len() < count {
                queries.extend(self.query(kind, &mut random));
            }
        }
        match kind {
            _ if !queries.is_empty() => Ok(queries),
            QueryKind::Simple => Err("there are neither texts nor vectors"),
            QueryKind::Complex => Err("there are no texts or vectors with metadata to filter by"),
            QueryKind::MultiModal => Err("there are no texts with vectors"),
        }
    }

    fn query(&self, kind: QueryKind, random: &mut Random) -> Option<Query> {
        let record = self.records.get(random.below(self.records.len()))?;
        let other = self.records.get(random.below(self.records.len()))?;
        let halfway = |at: usize| halfway(record.vectors[at].as_deref()?, other.vectors[at].as_deref()?);
        let words = record.two_words();
        let simple = || match &words {
            Some(words) => Some(Query::words(words)),
            None => Some(Query::vector(self.spaces.first()?, halfway(0)?)),
        };
        match kind {
            QueryKind::Simple => simple(),
            QueryKind::Complex => Some(simple()?.filter(record.equals()?).snippet(160).k(50)),
            QueryKind::MultiModal => {
                let mut query = Query::words(words.as_ref()?);
                let mut vectors = 0;
                for (at, space) in self.spaces.iter().enumerate() {
                    if let Some(vector) = halfway(at) {
                        query = query.and_vector(space, vector);
                        vectors += 1;
                    }
                }
                (vectors > 0).then_some(query)
            }
        }
    }

    /// Vectors of a space that are asked for, between those of records.
    pub(crate) fn vectors(&self, space: usize, count: usize, seed: u64) -> Vec<Vec<f32>> {
        let mut random = Random(seed ^ 0x7c15);
        let mut pick = || self.records[random.below(self.records.len())].vectors[space].as_deref();
        (0..8 * count).filter_map(|_| halfway(pick()?, pick()?)).take(count).collect()
    }
}

impl Sampled {
    pub(crate) fn content_len(&self) -> u64 {
        let fields: usize = self.fields.iter().map(|(_, text)| text.len()).sum();
        (self.text.as_ref().map_or(self.bytes.len(), String::len) + fields) as u64
    }

    /// With its vectors.
    pub(crate) fn added_len(&self) -> u64 {
        let values: usize = self.vectors.iter().flatten().map(Vec::len).sum();
        self.content_len() + 4 * values as u64
    }

    /// As a record for another artifact with the same spaces and fields; without its key, since it is added any number of times.
    pub(crate) fn record(&self, spaces: &[String]) -> Record {
        let content = match &self.text {
            Some(text) => Record::text(text),
            None => Record::blob(&self.bytes[..]),
        };
        let record = content.metadata(serde_json::Value::Object(self.metadata.clone()));
        let record = self.fields.iter().fold(record, |record, (name, text)| record.field(name, text));
        let vectors = spaces.iter().zip(&self.vectors);
        vectors.fold(record, |record, (space, vector)| match vector {
            Some(vector) => record.embedding(space, vector.clone()),
            None => record,
        })
    }

    /// The first and the last word of four letters or more.
    fn two_words(&self) -> Option<String> {
        let text = self.text.as_ref()?;
        let mut words = text.split(|c: char| !c.is_alphabetic()).filter(|word| word.chars().count() >= 4);
        let first = words.next()?;
        Some(words.next_back().map_or(first.to_owned(), |last| format!("{first} {last}")))
    }

    /// A filter on the first field that is a string, a number or a boolean.
    fn equals(&self) -> Option<Filter> {
        let plain = |value: &serde_json::Value| value.is_string() || value.is_i64() || value.is_boolean();
        let (name, value) = self
            .metadata
            .iter()
            .find(|(name, value)| plain(value) && !name.starts_with('$') && !name.contains('.'))?;
        Filter::from_json(&serde_json::json!({ name: value })).ok()
    }
}

fn sampled(snapshot: &Snapshot, entry: &Entry, spaces: &[String]) -> Result<Sampled> {
    let text = if entry.is_text() { Some(entry.text()?.into_owned()) } else { None };
    let bytes = if text.is_some() { Vec::new() } else { entry.bytes()?.into_owned() };
    let vectors = spaces.iter().map(|space| snapshot.embedding(entry.id(), space));
    Ok(Sampled {
        id: entry.id(),
        text,
        bytes,
        fields: entry.fields()?,
        metadata: entry.metadata()?,
        vectors: vectors.collect::<std::result::Result<_, _>>()?,
    })
}

/// None if it has no direction.
fn halfway(a: &[f32], b: &[f32]) -> Option<Vec<f32>> {
    let between: Vec<f32> = a.iter().zip(b).map(|(a, b)| f32::midpoint(*a, *b)).collect();
    between.iter().any(|&value| value != 0.0).then_some(between)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_in_range() {
        let numbers = |seed| {
            let mut random = Random(seed);
            (0..1000).map(|_| random.below(10)).collect::<Vec<_>>()
        };
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
        assert!((0..10).all(|n| numbers(1).contains(&n)));
    }
}
