//! `docs/FORMAT.md` and the layout constants say the same.

use crate::analyzer::MAX_FORMS;
use crate::bm25::LONG;
use crate::dictionary::COMMON_INPUTS;
use crate::part::layout::{self, MAX_TEXT, field, header};
use crate::postings::BLOCK_LEN;
use crate::postings::layout::{MIN_LIST_LEN, skip};

type Fields = &'static [(&'static str, usize, usize)];

/// The rows of the table under a heading: offset, size, field.
fn rows(document: &str, heading: &str) -> Vec<(String, usize, usize)> {
    let section =
        document.split(&format!("\n### {heading}\n")).nth(1).unwrap_or_else(|| panic!("no {heading}"));
    let table = section.lines().skip_while(|line| !line.starts_with("| offset")).skip(2);
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        (cells[3].to_owned(), cells[1].parse().unwrap(), cells[2].parse().unwrap())
    };
    table.take_while(|line| line.starts_with('|')).map(row).collect()
}

#[test]
fn format_md_and_the_layout_constants_of_a_lexical_part_say_the_same() {
    let document = include_str!("../../../../docs/FORMAT.md");
    let structures: [(&str, usize, Fields); 3] = [
        ("Lexical part header", header::LEN, header::FIELDS),
        ("Lexical field entry", field::LEN, field::FIELDS),
        ("Lexical skip entry", skip::LEN, skip::FIELDS),
    ];
    for (name, len, fields) in structures {
        let expected: Vec<_> = fields.iter().map(|&(field, at, size)| (field.to_owned(), at, size)).collect();
        assert_eq!(rows(document, name), expected, "docs/FORMAT.md, section {name}");
        assert_eq!(expected.last().map(|(_, at, size)| at + size), Some(len));
    }
    let section = document.split("\n# Lexical part\n").nth(1).unwrap();
    let magic: Vec<String> = layout::MAGIC.iter().map(|byte| format!("{byte:02X}")).collect();
    assert!(section.contains(&magic.join(" ")), "the magic {}", magic.join(" "));
    for number in [wire::ALIGN, wire::CHUNK_LEN, layout::MAX_FIELDS, BLOCK_LEN] {
        assert!(section.contains(&number.to_string()), "{number}");
    }
    for sentence in [
        format!("at least {MIN_LIST_LEN} bytes"),
        format!("at most POSTINGS_LEN / {MIN_LIST_LEN}."),
        format!("{MAX_FORMS} more for each word"),
        format!("up to {LONG} words, and one with a long length up to {MAX_TEXT} more"),
    ] {
        assert!(section.contains(&sentence), "{sentence}");
    }
    let inputs = std::str::from_utf8(COMMON_INPUTS).unwrap();
    assert!(section.contains(inputs), "the common inputs {inputs}");
}
