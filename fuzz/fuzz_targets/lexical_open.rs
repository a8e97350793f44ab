//! Proves that any change of a lexical part, under a right checksum of its header, is an error or other hits: no panic, no hang, little
//! memory.
#![no_main]

use std::sync::{Arc, LazyLock};

use arbitrary::Arbitrary;
use lexical_index::{Analyzer, MemoryIndex, Occur, Part, Query, RowSet, Searcher, Segment, merge};
use libfuzzer_sys::fuzz_target;

/// From docs/FORMAT.md: the header, its checksum, and one field entry.
const HEADER_LEN: usize = 128;
const CRC: usize = 124;
const FIELD_LEN: usize = 64;

#[derive(Debug, Arbitrary)]
struct Input {
    positions: bool,
    changes: Vec<(u16, u8)>,
    header_changes: Vec<(u8, u8)>,
    cut: Option<u16>,
    dictionary: Option<Vec<u8>>,
}

static PARTS: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| [false, true].map(part));

fn part(positions: bool) -> Vec<u8> {
    let analyzer = Arc::new(Analyzer::new());
    let mut index = MemoryIndex::new(analyzer, &["text"], positions).expect("a field");
    for i in 0..300 {
        let text = match i % 7 {
            0 => format!("all seven seven x{i}"),
            1 if i < 20 => "all rare ".repeat(150),
            _ => "all odd even".to_owned(),
        };
        index.add(&[(0, &text)]).expect("room");
    }
    let mut bytes = Vec::new();
    index.write(&mut bytes).expect("memory");
    bytes
}

fuzz_target!(|input: Input| {
    let mut bytes = PARTS[usize::from(input.positions)].clone();
    for (at, byte) in input.changes {
        if let Some(place) = bytes.get_mut(HEADER_LEN + FIELD_LEN + usize::from(at)) {
            *place = byte;
        }
    }
    for (at, byte) in input.header_changes.into_iter().take(4) {
        bytes[usize::from(at) % (HEADER_LEN + FIELD_LEN)] = byte;
    }
    if let Some(dictionary) = input.dictionary {
        // Behind the field entry come the lengths of 300 rows, then the dictionary.
        let start = HEADER_LEN + FIELD_LEN + 320;
        for (place, byte) in bytes[start + 16..].iter_mut().zip(dictionary) {
            *place = byte;
        }
    }
    if let Some(cut) = input.cut {
        bytes.truncate(usize::from(cut));
    }
    if bytes.len() > HEADER_LEN + FIELD_LEN {
        let mut crc = crc32fast::Hasher::new();
        crc.update(&bytes[..CRC]);
        crc.update(&bytes[HEADER_LEN..HEADER_LEN + FIELD_LEN]);
        bytes[CRC..HEADER_LEN].copy_from_slice(&crc.finalize().to_le_bytes());
    }
    let Ok(part) = Part::open(&bytes) else { return };
    let _ = part.verify();
    let analyzer = Analyzer::new();
    let deleted: RowSet = (10..20).collect();
    if let Ok(searcher) = Searcher::new(&analyzer, vec![Segment::new(&part).deleted(&deleted)]) {
        for query in [
            "all",
            "odd x7 rare",
            "+all +odd -x14",
            "\"seven seven\" rare",
            "x1*",
            "sevem~2",
            "-\"odd even\" rare",
        ] {
            for default in [Occur::Should, Occur::Must] {
                let query = Query::parse(query, default).expect("a query");
                let _ = searcher.search(&query, 3, &[]);
                let _ = searcher.search(&query, 3, &[Some(&deleted)]);
            }
        }
    }
    let _ = merge(&[(&part, Some(&deleted))], std::io::sink());
});
