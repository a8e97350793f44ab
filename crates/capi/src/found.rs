//! What a search found, as plain structs.

use std::ops::Range;

use compact_artifact::{Hit, SearchResults};

use crate::boundary::Held;
use crate::code::{Failure, Result, ca_code};
use crate::types::{ca_bytes, ca_hit, ca_range, ca_str};

/// Results, as the library has them and as C sees them.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) results: SearchResults,
    held: Held,
}

/// Where the parts of a hit are among the bytes of all.
#[derive(Debug, Default)]
struct Places {
    code: Option<ca_code>,
    key: Option<Range<usize>>,
    snippet: Option<Range<usize>>,
    highlights: Range<usize>,
    text: Option<Range<usize>>,
    blob: Option<Range<usize>>,
    metadata: Option<Range<usize>>,
}

#[derive(Debug, Default)]
struct Collected {
    bytes: Vec<u8>,
    highlights: Vec<ca_range>,
}

impl Found {
    /// `with_contents`: texts, blobs and metadata are copied as well; `with_records`: records were asked for.
    pub(crate) fn new(results: SearchResults, with_records: bool, with_contents: bool) -> Self {
        let mut collected = Collected::default();
        let places: Vec<Places> =
            results.hits.iter().map(|hit| collected.add(hit, with_records, with_contents)).collect();
        let held = Held::new(collected.bytes, collected.highlights, |bytes, highlights| {
            let hits = results.hits.iter().zip(&places);
            hits.map(|(hit, places)| places.hit(hit, bytes, highlights)).collect()
        });
        Self { results, held }
    }

    pub(crate) fn hits(&self) -> &[ca_hit] {
        self.held.hits()
    }
}

impl Collected {
    fn add(&mut self, hit: &Hit, with_records: bool, with_contents: bool) -> Places {
        let mut places = Places::default();
        if let Some(snippet) = &hit.snippet {
            places.snippet = Some(self.push(snippet.text.as_bytes()));
            let start = self.highlights.len();
            self.highlights.extend(
                snippet.highlights.iter().map(|range| ca_range { start: range.start, end: range.end }),
            );
            places.highlights = start..self.highlights.len();
        }
        if with_records && let Err(failure) = self.add_record(hit, with_contents, &mut places) {
            places.code = Some(failure.code);
        }
        places
    }

    fn add_record(&mut self, hit: &Hit, with_contents: bool, places: &mut Places) -> Result<()> {
        let unreadable = || Failure::new(ca_code::CA_DAMAGED, "its record cannot be read");
        let record = hit.record.as_ref().ok_or_else(unreadable)?;
        places.key = record.key()?.map(|key| self.push(key.as_bytes()));
        if !with_contents {
            return Ok(());
        }
        if record.is_text() {
            places.text = Some(self.push(record.text()?.as_bytes()));
        } else {
            places.blob = Some(self.push(&record.bytes()?));
        }
        let metadata = serde_json::Value::Object(record.metadata()?).to_string();
        places.metadata = Some(self.push(metadata.as_bytes()));
        Ok(())
    }

    fn push(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }
}

impl Places {
    fn hit(&self, hit: &Hit, bytes: &[u8], highlights: &[ca_range]) -> ca_hit {
        let blob = |place: &Option<Range<usize>>| {
            place.clone().map_or(ca_bytes::NONE, |place| {
                let bytes = &bytes[place];
                ca_bytes { data: bytes.as_ptr(), len: bytes.len() }
            })
        };
        let text = |place: &Option<Range<usize>>| {
            let ca_bytes { data, len } = blob(place);
            ca_str { data: data.cast(), len }
        };
        let highlights = &highlights[self.highlights.clone()];
        ca_hit {
            id: hit.id.0,
            score: hit.score,
            code: self.code.unwrap_or(ca_code::CA_OK),
            key: text(&self.key),
            snippet: text(&self.snippet),
            highlights: highlights.as_ptr(),
            highlight_count: highlights.len(),
            text: text(&self.text),
            blob: blob(&self.blob),
            metadata: text(&self.metadata),
        }
    }
}
