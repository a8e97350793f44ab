//! `docs/FORMAT.md` and the layout constants say the same; `docs/SAFETY.md` and the tree do too.

#![expect(clippy::disallowed_methods, reason = "a test that reads the documents")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{block, file, log, manifest, pack, part, segment};

type Fields = &'static [(&'static str, usize, usize)];

const STRUCTURES: [(&str, usize, Fields); 13] = [
    ("manifest header", manifest::layout::header::LEN, manifest::layout::header::FIELDS),
    ("manifest segment entry", manifest::layout::segment::LEN, manifest::layout::segment::FIELDS),
    ("manifest part entry", manifest::layout::part::LEN, manifest::layout::part::FIELDS),
    ("manifest log entry", manifest::layout::log::LEN, manifest::layout::log::FIELDS),
    ("file header", file::layout::header::LEN, file::layout::header::FIELDS),
    ("block header", block::layout::header::LEN, block::layout::header::FIELDS),
    ("large record", block::layout::large::LEN, block::layout::large::FIELDS),
    ("commit record", log::layout::commit::LEN, log::layout::commit::FIELDS),
    ("segment table entry", segment::layout::entry::LEN, segment::layout::entry::FIELDS),
    ("segment footer", segment::layout::footer::LEN, segment::layout::footer::FIELDS),
    ("part footer", part::layout::footer::LEN, part::layout::footer::FIELDS),
    ("pack header", pack::layout::header::LEN, pack::layout::header::FIELDS),
    ("pack table entry", pack::layout::entry::LEN, pack::layout::entry::FIELDS),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The rows of the table under a heading: offset, size, field.
fn rows(document: &str, heading: &str) -> Vec<(String, usize, usize)> {
    let section = document
        .split(&format!("\n### {heading}\n"))
        .nth(1)
        .unwrap_or_else(|| panic!("no section {heading}"));
    let table = section.lines().skip_while(|line| !line.starts_with("| offset")).skip(2);
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        (cells[3].to_owned(), cells[1].parse().unwrap(), cells[2].parse().unwrap())
    };
    table.take_while(|line| line.starts_with('|')).map(row).collect()
}

#[test]
fn format_md_and_the_layout_constants_say_the_same() {
    let whole = read("docs/FORMAT.md");
    // Parts on other crates follow, each under a title of its own.
    let document = whole.split("\n# ").next().unwrap_or_default();
    for (name, len, fields) in STRUCTURES {
        let expected: Vec<_> = fields.iter().map(|&(field, at, size)| (field.to_owned(), at, size)).collect();
        let found = rows(document, name);
        assert_eq!(found, expected, "docs/FORMAT.md, section {name}");
        let end = found.last().map(|(_, at, size)| at + size);
        assert_eq!(end, Some(len), "docs/FORMAT.md, section {name}: its length");
    }
    let headings: BTreeSet<&str> = document.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let tables = headings.into_iter().filter(|h| h.chars().next().is_some_and(char::is_lowercase)).count();
    assert_eq!(tables, STRUCTURES.len(), "every structure in the document is compared");
    for (magic, of) in [
        (&manifest::layout::MAGIC[..], "manifest"),
        (&file::layout::MAGIC[..], "file header"),
        (&segment::layout::MAGIC[..], "segment footer"),
        (&part::layout::MAGIC[..], "part footer"),
        (&pack::layout::MAGIC[..], "pack header"),
        (&block::layout::MAGIC.to_le_bytes()[..], "block"),
    ] {
        let hex: Vec<String> = magic.iter().map(|byte| format!("{byte:02X}")).collect();
        assert!(document.contains(&hex.join(" ")), "the magic of the {of}: {}", hex.join(" "));
    }
    for number in [
        block::layout::MAX_RAW_LEN as usize,
        block::layout::MAX_DICTIONARY_LEN as usize,
        part::layout::CHUNK_LEN,
        file::layout::FILE_HEADER_LEN,
    ] {
        assert!(document.contains(&number.to_string()), "{number}");
    }
    assert!(document.contains(&format!("At most {} MiB", manifest::layout::MAX_LEN >> 20)));
}

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn safety_md_lists_every_file_with_unsafe_code_and_no_other() {
    let mut files = Vec::new();
    rust_files(&root().join("crates"), &mut files);
    let has_unsafe = |path: &&PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        text.lines().map(str::trim_start).any(|line| {
            !line.starts_with("//")
                && ["unsafe {", "unsafe fn", "unsafe impl"].iter().any(|form| line.contains(form))
        })
    };
    let this_file = Path::new("docs.rs");
    let relative = |path: &PathBuf| path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
    let found: BTreeSet<String> =
        files.iter().filter(|path| !path.ends_with(this_file)).filter(has_unsafe).map(relative).collect();
    let document = read("docs/SAFETY.md");
    let listed =
        document.lines().filter_map(|line| line.strip_prefix("## `")?.strip_suffix('`').map(str::to_owned));
    assert_eq!(
        listed.collect::<BTreeSet<_>>(),
        found,
        "headings of docs/SAFETY.md and files with unsafe code"
    );
}

#[test]
fn the_defaults_in_the_docs_are_those_in_the_code() {
    let options = crate::Options::new();
    let source = include_str!("options.rs");
    let default_of = |method: &str| {
        let before = source.split(&format!("pub fn {method}(mut self")).next().unwrap();
        let docs: Vec<&str> =
            before.lines().rev().skip(1).take_while(|l| l.trim().starts_with("///")).collect();
        let docs: Vec<&str> =
            docs.into_iter().rev().map(|l| l.trim().trim_start_matches('/').trim()).collect();
        docs.join(" ").split("Default: ").nth(1).unwrap().to_owned()
    };
    let yes = |on: bool| if on { "yes." } else { "no." }.to_owned();
    let defaults = [
        ("compression", format!("`{:?}`.", options.compression)),
        ("block_len", format!("{} KiB.", options.block_len >> 10)),
        ("sealed_level", format!("{}.", options.sealed_level)),
        ("segment_len", format!("{} MiB.", options.segment_len >> 20)),
        ("inline_max", format!("{} MiB.", options.inline_max >> 20)),
        ("frame_len", format!("{} KiB.", options.frame_len >> 10)),
        ("memory_mapping", yes(options.memory_mapping)),
        ("auto_seal", yes(options.auto_seal)),
        ("cache_bytes", format!("{}, none.", options.cache_bytes)),
        ("range_cache_bytes", format!("{} MiB.", options.range_cache_bytes >> 20)),
        ("busy_timeout", format!("{}, not at all.", options.busy_timeout.as_secs())),
        (
            "observer",
            options.observer.as_ref().map_or("none.".to_owned(), |observer| format!("{observer:?}.")),
        ),
        ("seed", options.seed.map_or("random.".to_owned(), |seed| format!("{seed}."))),
        (
            "threads",
            match options.threads {
                crate::workers::Threads::Processors => "as many as there are processors.".to_owned(),
                ref other => format!("{other:?}."),
            },
        ),
    ];
    for (method, default) in &defaults {
        assert_eq!(default_of(method), *default, "{method}");
    }
    assert_eq!(
        source.matches("Default: ").count(),
        defaults.len(),
        "every default in the document is compared"
    );
}
