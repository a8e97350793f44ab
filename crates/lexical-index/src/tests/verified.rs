//! No answer is made of bytes that were not verified.

use std::ops::Range;
use std::sync::Mutex;

use row_set::RowSet;

use super::bad_input::small_part;
use crate::{Analyzer, Bytes, Error, ErrorKind, Hits, Occur, Part, Query, Searcher, Segment, merge};

/// Bytes that know what was written.
struct Checked<'a> {
    bytes: Vec<u8>,
    written: &'a [u8],
}

/// Bytes that note what was asked for.
struct Noting<'a> {
    bytes: &'a [u8],
    asked: Mutex<Vec<Range<usize>>>,
}

impl AsRef<[u8]> for Checked<'_> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AsRef<[u8]> for Noting<'_> {
    fn as_ref(&self) -> &[u8] {
        self.bytes
    }
}

type Checking = Result<(), Box<dyn std::error::Error + Send + Sync>>;

impl Bytes for Checked<'_> {
    fn check(&self, range: Range<usize>) -> Checking {
        if self.bytes[range.clone()] == self.written[range] {
            Ok(())
        } else {
            Err("a bit was flipped".into())
        }
    }

    fn is_verified(&self) -> bool {
        false
    }
}

impl Bytes for Noting<'_> {
    fn check(&self, range: Range<usize>) -> Checking {
        self.asked.lock().unwrap().push(range);
        Ok(())
    }

    fn is_verified(&self) -> bool {
        false
    }
}

const QUERIES: [&str; 10] = [
    "all some",
    "rare",
    "x20 x22 x298",
    "even x2 rare",
    "+all +odd -x8",
    "\"even even\" rare",
    "\"all rare long\"",
    "x1*",
    "oddd~2",
    "+long -even",
];

/// What searches find, or a merge writes.
#[derive(Debug, PartialEq)]
enum Answer {
    Hits(Hits),
    Merged(Vec<u8>),
}

/// Everything that can be asked of a part, by number.
fn answer<B: Bytes>(bytes: B, number: usize) -> Result<Answer, Error> {
    let part = Part::open(bytes)?;
    let analyzer = Analyzer::new();
    let rows: RowSet = (0..10).collect();
    let Some(query) = QUERIES.get(number / 2) else {
        let mut merged = Vec::new();
        merge(&[(&part, Some(&rows))], &mut merged)?;
        return Ok(Answer::Merged(merged));
    };
    let (occur, segment) = match number % 2 {
        0 => (Occur::Should, Segment::new(&part)),
        _ => (Occur::Must, Segment::new(&part).deleted(&rows)),
    };
    let query = if query.contains(['+', '"']) || occur == Occur::Should {
        Query::parse(query, Occur::Should)?
    } else {
        Query::all(query)
    };
    Searcher::new(&analyzer, vec![segment])?.search(&query, 7, &[]).map(Answer::Hits)
}

const ANSWERS: usize = 2 * QUERIES.len() + 1;

#[test]
fn with_any_bit_flipped_an_answer_is_the_same_or_there_is_none() {
    let every = if std::env::var("CAMPAIGN").is_ok_and(|dose| dose == "full") { 1 } else { 13 };
    for positions in [false, true] {
        let written = small_part(positions);
        let sound: Vec<_> = (0..ANSWERS).map(|number| answer(&written, number).ok()).collect();
        let mut refused = 0;
        for (turn, bit) in (0..written.len() * 8).step_by(every).enumerate() {
            let mut bytes = written.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let numbers = if every == 1 { 0..ANSWERS } else { turn % ANSWERS..turn % ANSWERS + 1 };
            for (number, sound) in numbers.clone().zip(&sound[numbers]) {
                let Some(sound) = sound else { continue };
                match answer(Checked { bytes: bytes.clone(), written: &written }, number) {
                    Ok(found) => assert!(found == *sound, "bit {bit}, answer {number}"),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Damaged, "bit {bit}, answer {number}: {error}");
                        refused += 1;
                    }
                }
            }
        }
        assert!(refused > 100, "{refused}");
    }
}

#[test]
fn bytes_that_were_not_asked_for_are_not_used() {
    for positions in [false, true] {
        let written = small_part(positions);
        for number in 0..ANSWERS {
            let Ok(sound) = answer(&written, number) else { continue };
            let noting = Noting { bytes: &written, asked: Mutex::default() };
            assert_eq!(answer(&noting, number).unwrap(), sound);
            let asked = noting.asked.into_inner().unwrap();
            for other in [0x00, 0x5A, 0xFF] {
                let mut bytes = vec![other; written.len()];
                for range in &asked {
                    bytes[range.clone()].copy_from_slice(&written[range.clone()]);
                }
                assert_eq!(answer(&bytes, number).unwrap(), sound, "answer {number} of {other}");
            }
        }
    }
}

#[test]
fn a_search_asks_for_a_small_share_of_the_bytes() {
    let texts: Vec<String> = (0..3_000).map(|i| format!("word{i} word{} all", i / 2)).collect();
    let mut written = Vec::new();
    super::index_of(&texts, true).write(&mut written).unwrap();
    let noting = Noting { bytes: &written, asked: Mutex::default() };
    let part = Part::open(&noting).unwrap();
    let analyzer = Analyzer::new();
    let searcher = Searcher::new(&analyzer, vec![Segment::new(&part)]).unwrap();
    assert_eq!(searcher.search(&Query::any("word2000"), 10, &[]).unwrap().hits.len(), 1);
    let asked: usize = noting.asked.lock().unwrap().drain(..).map(|range| range.len()).sum();
    assert!(asked * 20 < written.len(), "{asked} of {} bytes", written.len());
    assert_eq!(searcher.search(&Query::any("word2000"), 10, &[]).unwrap().hits.len(), 1);
    assert_eq!(noting.asked.lock().unwrap().len(), 0, "what holds is not asked for again");
}
