//! The bytes of a part, for good.

use crate::Part;

use super::{index_of, part_of};

#[test]
fn the_golden_bytes_of_a_part_stay() {
    let part = part_of(&index_of(&["b a", "a", "", "a a c"], false));
    let bytes = {
        let mut bytes = Vec::new();
        index_of(&["b a", "a", "", "a a c"], false).write(&mut bytes).unwrap();
        bytes
    };
    assert_eq!(part.rows(), 4);
    assert_eq!(part.terms(), 3);
    let hex = |range: std::ops::Range<usize>| {
        bytes[range].iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
    };
    // Magic, version 1.0, no feature bits, no positions, one field, the analyzer, four rows, three terms.
    assert_eq!(
        hex(0..48),
        concat!(
            "894341524c0d0a1a",
            "0100",
            "0000",
            "00000000",
            "00000000",
            "01000000",
            "0400000000000000",
            "04000000",
            "00000000",
            "0300000000000000"
        )
    );
    // Six tokens, no long length, the name.
    assert_eq!(hex(128..145), concat!("0600000000000000", "00000000", "04", "74657874"));
    // The lengths of the four texts.
    assert_eq!(hex(192..196), "02010003");
    // The list of `a`: three postings; row 0; row 1; row 3, twice.
    let postings = 192 + 64 + 64;
    assert_eq!(hex(postings..postings + 5), "0300000300");
    assert_eq!(crc32fast::hash(&bytes), 2_281_855_951, "all the rest");
    Part::open(&bytes).unwrap().verify().unwrap();
}
