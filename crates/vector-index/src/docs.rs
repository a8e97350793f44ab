//! The documents and the code say the same.

use crate::BuildOptions;
use crate::index::layout;

const FORMAT: &str = include_str!("../../../docs/FORMAT.md");

#[test]
fn format_md_and_the_layout_constants_say_the_same() {
    let section = FORMAT
        .split("\n# Vector index\n")
        .nth(1)
        .expect("a part on this crate")
        .split("\n# ")
        .next()
        .unwrap_or_default();
    let table = section.lines().skip_while(|line| !line.starts_with("| offset")).skip(2);
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        (cells[3].to_owned(), cells[1].parse().unwrap_or(usize::MAX), cells[2].parse().unwrap_or(usize::MAX))
    };
    let found: Vec<(String, usize, usize)> =
        table.take_while(|line| line.starts_with('|')).map(row).collect();
    let expected: Vec<_> =
        layout::header::FIELDS.iter().map(|&(name, at, len)| (name.to_owned(), at, len)).collect();
    assert_eq!(found, expected);
    let magic: Vec<String> = layout::MAGIC.iter().map(|byte| format!("{byte:02X}")).collect();
    assert!(section.contains(&magic.join(" ")));
    for number in [wire::CHUNK_LEN, layout::header::LEN] {
        assert!(section.contains(&number.to_string()), "{number}");
    }
}

#[test]
fn the_defaults_in_the_docs_are_those_in_the_code() {
    let options = BuildOptions::new();
    let source = include_str!("options.rs");
    let default_of = |method: &str| {
        let before = source.split(&format!("pub fn {method}(mut self")).next().unwrap_or_default();
        let last = before.trim_end().lines().last().unwrap_or_default();
        last.split("Default: ").nth(1).unwrap_or_default().trim_end_matches('.').replace(',', "")
    };
    assert_eq!(default_of("m"), options.m.to_string());
    assert_eq!(default_of("ef_construction"), options.walk_width().to_string());
    assert_eq!(default_of("alpha"), options.alpha.to_string());
    assert_eq!(default_of("seed"), options.seed.to_string());
    assert_eq!(default_of("graph_from"), options.graph_from.to_string());
}
