//! `docs/FORMAT.md` and the layout constants say the same.

use serde_json::json;

use crate::Builder;
use crate::block::layout::{LIST_LEN_MAX, LONG, TELLS_MORE, VARINT_LEN_MAX, WIDTH_MAX};
use crate::fields::MAX_PATH_LEN;
use crate::layout::{self, Tag, Version, long_string, number, trailer};
use crate::versions::GOLDEN_V1;

const FORMAT: &str = include_str!("../../../docs/FORMAT.md");

type Fields = &'static [(&'static str, usize, usize)];

fn part() -> &'static str {
    let part = FORMAT.split("\n# Metadata index\n").nth(1).expect("a part on this crate");
    part.split("\n# ").next().unwrap_or_default()
}

fn section(heading: &str) -> &'static str {
    let section =
        part().split(&format!("\n### {heading}\n")).nth(1).unwrap_or_else(|| panic!("no {heading}"));
    section.split("\n### ").next().unwrap_or_default()
}

/// The cells of the rows of the table in a section.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let table = section(heading).lines().skip_while(|line| !line.starts_with('|')).skip(2);
    let cells = |line: &'static str| line.split('|').skip(1).map(str::trim).collect();
    table.take_while(|line| line.starts_with('|')).map(cells).collect()
}

#[test]
fn format_md_and_the_layout_constants_say_the_same() {
    let structures: [(&str, usize, Fields); 3] = [
        ("Metadata trailer", trailer::LEN, trailer::FIELDS),
        ("Metadata number", number::LEN, number::FIELDS),
        ("Metadata long string", long_string::LEN, long_string::FIELDS),
    ];
    for (name, len, fields) in structures {
        let found = rows(name).into_iter().map(|cells| {
            (cells[2], cells[0].parse().unwrap_or(usize::MAX), cells[1].parse().unwrap_or(usize::MAX))
        });
        assert_eq!(found.collect::<Vec<_>>(), fields, "docs/FORMAT.md, section {name}");
        assert_eq!(fields.last().map(|(_, at, size)| at + size), Some(len));
    }
    let tags: Vec<_> =
        rows("Metadata tag").iter().map(|cells| format!("{} {}", cells[0], cells[1])).collect();
    assert_eq!(tags, Tag::ALL.map(|tag| format!("{} {tag:?}", tag as u8)));
    let magic: Vec<String> = layout::MAGIC.iter().map(|byte| format!("{byte:02X}")).collect();
    assert!(section("Metadata trailer").contains(&magic.join(" ")));
    for sentence in [
        format!("**blocks** of {} entries", layout::BLOCK_ENTRIES),
        format!("at most {VARINT_LEN_MAX} bytes"),
        format!("big-endian; at most {MAX_PATH_LEN}"),
        format!("plus {} for an element of an array", layout::IN_ARRAY),
        format!("the length of SUFFIX, in the lower four. {LONG} stands for {LONG} or more"),
        format!("bits of a number below, 0 to {WIDTH_MAX}; plus {TELLS_MORE} if"),
        format!("a list only up to {LIST_LEN_MAX} bytes"),
        format!("| VERSION | 1 or {};", Version::NEWEST as u32),
        format!("A string of more than {} bytes", layout::INDEXED_LEN),
        format!("The last {} bytes", trailer::LEN),
    ] {
        assert!(part().contains(&sentence), "{sentence}");
    }
}

/// The bytes of an example: 0 is that of the newest version, 1 that of the one before.
fn example(number: usize) -> Vec<&'static str> {
    let example = section("Metadata example").split("```text\n").nth(1 + number).unwrap_or_default();
    let lines = example.split("```").next().unwrap_or_default().lines();
    lines.flat_map(|line| line.split("  ").next().unwrap_or_default().split_ascii_whitespace()).collect()
}

fn hex(bytes: &[u8]) -> Vec<String> {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_examples_in_format_md_are_what_is_written_and_was_written() {
    let mut builder = Builder::new();
    builder.add(0, Some("k"), json!({"a": 1}).as_object().unwrap());
    let mut bytes = Vec::new();
    builder.write(&mut bytes).unwrap();
    assert_eq!(example(0), hex(&bytes));
    assert_eq!(example(1), hex(GOLDEN_V1));
}
