//! This repository keeps the rules of `tidy`. Its exceptions are listed here, and one that is needed no more is a fault too.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use tidy::{Crate, Fault, Tree, rules};

/// What may break a rule: the rule, the file, the reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    (
        "byte homes",
        "crates/block-format/src/checksum.rs",
        "numbers that a checksum covers and nothing stores",
    ),
    ("byte homes", "crates/block-format/src/options.rs", "a seed becomes an identity by a hash"),
    (
        "file system",
        "crates/compact-artifact/src/instruments/page_faults.rs",
        "what the system counts of a thread is read from /proc",
    ),
    (
        "file system",
        "crates/performance/src/process.rs",
        "what the system counts of the process is read from /proc",
    ),
    (
        "messages",
        "crates/vector-index/src/index/layout.rs",
        "the artifact aligns its bytes; who uses the index alone does so",
    ),
    ("byte homes", "crates/compact-artifact/src/search/cache_key.rs", "a hash of a query, in memory"),
    (
        "byte homes",
        "crates/lexical-index/src/memory/chain.rs",
        "links of a chain in memory, which nothing stores",
    ),
    ("byte homes", "crates/lexical-index/src/memory/index.rs", "beginnings of keys as numbers to sort by"),
    (
        "byte homes",
        "crates/vector-index/src/hnsw_rs.rs",
        "a scale travels as four codes through another crate",
    ),
];

/// Phrases in which a default is documented that is no number and no code.
const PHRASES: &[(&str, &str)] = &[
    ("`None`, however long", "None"),
    ("16 MiB, or 0 without the feature `cache`", "kept(16<<20)"),
    ("1 MiB, or 0 without the feature `cache`", "kept(1<<20)"),
    ("1.4 and 0.6", "(lexical_index::K1,lexical_index::B)"),
    ("1 for words, 0.8 for vectors", "None"),
    ("100 for the first 50 hits, 200 for the first 100, and so on", "None"),
    ("0.5 and 0.8", "vec![0.5,0.8]"),
    ("1, 10, 100 and 1,000", "vec![1,10,100,1000]"),
    ("1, 2, 4 and so on, up to what the machine runs at once", "client_counts()"),
    ("2 seconds", "Duration::from_secs(2)"),
    ("500 milliseconds", "Duration::from_millis(500)"),
    ("a minute", "Duration::from_mins(1)"),
    ("English", "LanguageOption::Unset"),
    ("[`Fusion::Normalized`]", "None"),
    ("all of it", "vec![Operation::Search,Operation::Get,Operation::Add]"),
    ("all of them", "QueryKind::ALL.to_vec()"),
    ("as [`CompactionPolicy`] says", "Some(CompactionPolicy::default())"),
    ("as many as there are processors", "Threads::Processors"),
    ("as the artifact was opened", "None"),
    ("0, not at all", "Duration::ZERO"),
    ("2 s", "Duration::from_secs(2)"),
    ("it is on disk", "Durability::Sync"),
    ("none", "None"),
    ("what finds 0.99 of the nearest by the codes, as measured when the graph was built, 64 to 512", "None"),
    ("no", "false"),
    ("`Residual`, or what a space keeps that is there already", "None"),
    ("that of the system", "None"),
    ("only with their ids, unless [`snippet`](Query::snippet) needs them", "self.snippet.is_some()"),
    ("random", "None"),
    ("the folder for temporary files", "None"),
    ("the thread whose commit makes it due", "Maintenance::Inline"),
    ("yes", "true"),
    ("yes", "Workers::Pool"),
];

/// Packages of which dependencies of ours need two versions.
const TWICE: &[&str] = &[
    "foldhash",
    "getrandom",
    "hashbrown",
    "lock_api",
    "nix",
    "parking_lot",
    "parking_lot_core",
    "r-efi",
    "rand",
    "rand_core",
    "redox_syscall",
    "syn",
    "thiserror",
    "thiserror-impl",
    "zstd",
    "zstd-safe",
];

fn tree() -> &'static Tree {
    static TREE: OnceLock<Tree> = OnceLock::new();
    TREE.get_or_init(|| Tree::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")))
}

/// Fails with all faults that are not excepted, and with all exceptions that are not needed.
fn expect_none(rule: &str, mut faults: Vec<Fault>) {
    let excepted: Vec<&str> =
        EXCEPTIONS.iter().filter(|exception| exception.0 == rule).map(|exception| exception.1).collect();
    let needed = |path: &&str| faults.iter().any(|fault| fault.path == *path);
    let stale: Vec<&str> = excepted.iter().filter(|path| !needed(path)).copied().collect();
    let stale: Vec<String> =
        stale.iter().map(|path| format!("no exception any more: (\"{rule}\", \"{path}\")")).collect();
    faults.retain(|fault| !excepted.contains(&fault.path.as_str()));
    let lines: Vec<String> = faults.iter().map(ToString::to_string).chain(stale).collect();
    assert!(lines.is_empty(), "{rule}:\n{}", lines.join("\n"));
}

fn of_all(rule: impl Fn(&Crate) -> Vec<Fault>) -> Vec<Fault> {
    tree().crates.iter().flat_map(rule).collect()
}

fn of_libraries(rule: impl Fn(&Crate) -> Vec<Fault>) -> Vec<Fault> {
    tree().libraries().flat_map(rule).collect()
}

#[test]
fn no_modules_form_a_circle() {
    expect_none("circles", of_all(rules::circles::check));
}

#[test]
fn messages_name_what_c_and_python_have() {
    let header = tree().text("crates/capi/include/compact_artifact.h");
    let stub = tree().text("crates/python/python/compact_artifact/_native.pyi");
    let doors = ["artifact-datafusion", "capi", "cart", "python", "tidy", "wasm"];
    let libraries = tree().crates.iter().filter(|member| !doors.contains(&member.name.as_str()));
    let faults = libraries.flat_map(|member| rules::messages::check(&header, &stub, member));
    expect_none("messages", faults.collect());
}

#[test]
fn bytes_have_their_home_in_layouts() {
    expect_none("byte homes", of_libraries(rules::byte_homes::check));
}

#[test]
fn safety_md_counts_what_is_unsafe() {
    expect_none("unsafe counts", rules::unsafe_counts::check(&tree().text("docs/SAFETY.md"), &tree().rust));
}

#[test]
fn documented_defaults_are_those_of_the_code() {
    let libraries: Vec<&Crate> = tree().libraries().collect();
    expect_none("defaults", rules::defaults::check(&libraries, PHRASES));
}

#[test]
fn format_md_has_the_fields_of_the_layouts() {
    let libraries: Vec<&Crate> = tree().libraries().collect();
    expect_none("format tables", rules::format_tables::check(&tree().text("docs/FORMAT.md"), &libraries));
}

#[test]
fn the_readme_shows_what_is_so() {
    let readme = tree().text("README.md");
    let mut faults = rules::readme::example(&readme, &tree().member("compact-artifact").files[0]);
    faults.extend(rules::readme::commands(&readme));
    for path in ["README.md", "docs/ARCHITECTURE.md"] {
        faults.extend(rules::readme::tests(path, &tree().text(path), &tree().rust));
    }
    expect_none("readme", faults);
}

#[test]
fn the_page_on_errors_has_every_kind() {
    let (path, member) = ("docs/guide/src/errors.md", tree().member("compact-artifact"));
    let errors = member.files.iter().find(|file| file.path.ends_with("api/error.rs")).unwrap();
    expect_none("error kinds", rules::error_kinds::check(path, &tree().text(path), errors));
}

#[test]
fn documents_name_files_that_are_there() {
    let documents = [
        "README.md",
        "CONTRIBUTING.md",
        "docs/ARCHITECTURE.md",
        "docs/DESIGN.md",
        "docs/FORMAT.md",
        "docs/BENCHMARKS.md",
        "docs/CAMPAIGNS.md",
        "docs/CACHES.md",
        "docs/SAFETY.md",
        "fuzz/README.md",
        "crates/cart/README.md",
    ];
    let of_document = |path: &&str| rules::paths::check(path, &tree().text(path), tree());
    let links = |path: &&str| rules::paths::links(path, &tree().text(path), tree());
    let faults = documents.iter().flat_map(of_document).chain(documents.iter().flat_map(links));
    expect_none("paths", faults.collect());
}

#[test]
fn the_root_of_the_repository_holds_few_things() {
    expect_none("top level", rules::top_level::check(tree()));
}

#[test]
fn architecture_md_maps_the_folders() {
    let map = tree().text("docs/ARCHITECTURE.md");
    let mut faults = of_libraries(|member| rules::map::folders(&map, member));
    faults.extend(rules::map::crates(&map, tree().crates.iter().map(|member| member.name.as_str())));
    faults.extend(of_all(rules::map::first_lines));
    expect_none("map", faults);
}

#[test]
fn libraries_reach_files_through_the_vfs() {
    expect_none("file system", of_libraries(rules::file_system::check));
}

#[test]
fn long_files_say_why() {
    expect_none("file length", rules::file_length::check(&tree().rust));
}

#[test]
fn functions_of_the_facade_are_short() {
    expect_none("function length", rules::function_length::check(tree().member("compact-artifact")));
}

#[test]
fn public_modules_of_the_facade_are_documented() {
    expect_none("doc lines", rules::doc_lines::check(tree().member("compact-artifact")));
}

#[test]
fn no_identifier_is_a_forbidden_word() {
    let glossary = tree().text("docs/ARCHITECTURE.md");
    assert!(
        !rules::words::forbidden(&glossary).is_empty(),
        "docs/ARCHITECTURE.md has no table of forbidden words"
    );
    expect_none("words", of_all(|member| rules::words::check(&glossary, member)));
}

#[test]
fn packages_have_accepted_licences_and_need_no_newer_rust() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root)
        .output();
    let metadata =
        serde_json::from_slice(&output.expect("cargo runs").stdout).expect("cargo metadata writes JSON");
    let mut faults = rules::packages::licences(&metadata);
    faults.extend(rules::packages::rust_versions(&metadata, "1.95"));
    faults
        .extend(rules::packages::toolchain(&tree().text("Cargo.toml"), &tree().text("rust-toolchain.toml")));
    faults.extend(rules::packages::duplicates("Cargo.lock", &tree().text("Cargo.lock"), TWICE));
    expect_none("packages", faults);
}
