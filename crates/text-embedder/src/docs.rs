//! The documents and the code say the same.

use crate::model::layout;

const FORMAT: &str = include_str!("../../../docs/FORMAT.md");

#[test]
fn format_md_and_the_layout_constants_say_the_same() {
    let section = FORMAT.split("\n# Embedding model\n").nth(1).expect("a part on this crate");
    let section = section.split("\n# ").next().unwrap_or_default();
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
    let numbers = [
        layout::header::LEN,
        layout::MAX_DIMENSION,
        layout::MAX_TOKENS,
        layout::MAX_WORD_CHARS,
        wire::CHUNK_LEN,
    ];
    for number in numbers {
        assert!(section.contains(&number.to_string()), "{number}");
    }
}
