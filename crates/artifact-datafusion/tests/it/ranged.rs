use std::sync::Arc;

use artifact_datafusion::{Packs, register};
use compact_artifact::Options;
use datafusion::prelude::SessionContext;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use url::Url;

use crate::support::{RECORDS, fails, options, packs, printed, session, sql, table};

const QUERIES: [&str; 4] = [
    "SELECT key, score, text, snippet FROM cart_search('{}', 'small cat', 20)",
    "SELECT key, score FROM cart_search('{}', 'cat', 5, '{\"by\": \"words\", \"filter\": {\"n\": {\"$lt\": 5}}}')",
    "SELECT key, score FROM cart_search('{}', '', 7, '{\"vector\": {\"v\": [0.3, 0.2, 0.9]}}')",
    "SELECT count(*), sum(n), min(text) FROM t WHERE n > 3 AND day IS NOT NULL",
];

/// The answers to all queries over one location.
async fn answers(context: &SessionContext, location: &str) -> Vec<String> {
    table(context, "t", location).await;
    let mut answers = Vec::new();
    for query in QUERIES {
        answers.push(printed(&sql(context, &query.replace("{}", location)).await));
    }
    answers
}

fn by_ranges(store: &Arc<InMemory>, held: Packs) -> (SessionContext, Arc<Packs>) {
    let context = SessionContext::new();
    context.register_object_store(&Url::parse("memory://").unwrap(), store.clone());
    let held = register(&context, held.read_ranges(true)).unwrap();
    (context, held)
}

async fn put(store: &InMemory, folder: &std::path::Path, count: usize) {
    for number in 0..count {
        let bytes = std::fs::read(folder.join(format!("{number:03}.cart"))).unwrap();
        store.put(&Path::from(format!("n/{number:03}.cart")), bytes.into()).await.unwrap();
    }
}

#[tokio::test]
async fn packs_that_are_read_by_ranges_answer_as_those_of_a_folder_and_only_what_is_needed_comes() {
    let temp = tempfile::tempdir().unwrap();
    let location = packs(temp.path(), 3);
    let expected: Vec<String> = answers(&session(), &location).await;
    let store = Arc::new(InMemory::new());
    put(&store, temp.path(), 3).await;
    let (context, held) = by_ranges(&store, Packs::new(options()));
    let found = answers(&context, "memory:///n/").await;
    assert_eq!(found, expected);
    let before = held.traffic();
    assert!(before.requests > 3, "{before:?}");
    // What was read stays, and is not asked for again.
    let again = sql(&context, &QUERIES[0].replace("{}", "memory:///n/")).await;
    assert_eq!(printed(&again), expected[0]);
    assert_eq!(held.traffic().bytes, before.bytes);
}

/// A pack of texts that do not become much smaller.
fn large(folder: &std::path::Path) {
    let artifact = options().create(folder.join("artifact")).unwrap();
    let record = |n: u64| {
        let noise = blake3::hash(&n.to_le_bytes()).to_hex().repeat(20);
        compact_artifact::Record::text(format!("word{n} {noise}")).key(format!("k{n}"))
    };
    artifact.add_batch((0..2000).map(record)).unwrap();
    artifact.pack(folder.join("000.cart")).unwrap();
}

#[tokio::test]
async fn a_word_in_a_large_pack_takes_little_of_it() {
    let temp = tempfile::tempdir().unwrap();
    large(temp.path());
    let whole = std::fs::metadata(temp.path().join("000.cart")).unwrap().len();
    let store = Arc::new(InMemory::new());
    put(&store, temp.path(), 1).await;
    let (context, held) = by_ranges(&store, Packs::new(options()));
    let search = "SELECT key FROM cart_search('memory:///n/000.cart', 'word1234', 3, '{\"by\": \"words\"}')";
    assert!(printed(&sql(&context, search).await).contains("k1234"));
    let bytes = held.traffic().bytes;
    assert!(bytes * 5 < whole, "{bytes} of {whole}");
}

#[tokio::test]
async fn a_pack_that_is_exchanged_while_it_is_open_is_an_error_once_and_then_the_other_one() {
    let temp = tempfile::tempdir().unwrap();
    packs(temp.path(), 2);
    std::fs::remove_file(temp.path().join("000.cart")).unwrap();
    large(temp.path());
    let store = Arc::new(InMemory::new());
    put(&store, temp.path(), 2).await;
    let (context, _) = by_ranges(&store, Packs::new(options()));
    table(&context, "t", "memory:///n/000.cart").await;
    let other = store.get(&Path::from("n/001.cart")).await.unwrap().bytes().await.unwrap();
    store.put(&Path::from("n/000.cart"), other.into()).await.unwrap();
    // The table was planned with the pack that is gone.
    let error = fails(&context, "SELECT min(text) FROM t").await;
    assert!(error.contains("000.cart"), "{error}");
    table(&context, "u", "memory:///n/000.cart").await;
    assert!(printed(&sql(&context, "SELECT min(key) FROM u").await).contains("k175"));
}

#[tokio::test]
async fn what_is_cut_empty_or_no_pack_is_named() {
    let temp = tempfile::tempdir().unwrap();
    packs(temp.path(), 2);
    let store = Arc::new(InMemory::new());
    put(&store, temp.path(), 2).await;
    let search = QUERIES[0].replace("{}", "memory:///n/");
    let path = Path::from("n/001.cart");
    let bytes = store.get(&path).await.unwrap().bytes().await.unwrap();
    for damaged in [bytes.slice(..bytes.len() / 2), bytes.slice(..9), bytes.slice(..0)] {
        store.put(&path, damaged.into()).await.unwrap();
        let (context, _) = by_ranges(&store, Packs::new(options()));
        let error = fails(&context, &search).await;
        assert!(error.contains("001.cart"), "{error}");
    }
    let (context, held) = by_ranges(&store, Packs::new(options()).leave_out_unreadable(true));
    sql(&context, &search).await;
    assert!(held.left_out()[0].pack.ends_with("n/001.cart"));
}

#[tokio::test]
async fn packs_whose_records_expire_are_fetched_as_a_whole() {
    let temp = tempfile::tempdir().unwrap();
    let expiring = || Options::new().expires_at("until");
    let artifact = expiring().create(temp.path().join("artifact")).unwrap();
    let record = |key: &str, year: &str| {
        compact_artifact::Record::text("a text")
            .key(key)
            .metadata(serde_json::json!({"until": format!("{year}-01-01T00:00:00Z")}))
    };
    artifact.add_batch([record("gone", "2001"), record("here", "2999")]).unwrap();
    artifact.pack(temp.path().join("000.cart")).unwrap();
    let store = Arc::new(InMemory::new());
    put(&store, temp.path(), 1).await;
    let (context, _) = by_ranges(&store, Packs::new(expiring()));
    table(&context, "t", "memory:///n/").await;
    let found = printed(&sql(&context, "SELECT key FROM t").await);
    assert!(found.contains("here") && !found.contains("gone"), "{found}");
}

#[test]
fn packs_stay_open_from_one_runtime_to_the_next() {
    let temp = tempfile::tempdir().unwrap();
    packs(temp.path(), 2);
    let store = Arc::new(InMemory::new());
    let (context, _) = by_ranges(&store, Packs::new(options()));
    let mut found = Vec::new();
    for query in [0, 2, 0] {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        found.push(runtime.block_on(async {
            put_once(&store, temp.path()).await;
            printed(&sql(&context, &QUERIES[query].replace("{}", "memory:///n/")).await)
        }));
    }
    assert_eq!(found[0], found[2]);
}

async fn put_once(store: &InMemory, folder: &std::path::Path) {
    if store.head(&Path::from("n/000.cart")).await.is_err() {
        put(store, folder, 2).await;
    }
}

#[tokio::test]
async fn what_is_kept_between_queries_is_bounded_by_what_is_in_memory() {
    let temp = tempfile::tempdir().unwrap();
    packs(temp.path(), 7);
    let store = Arc::new(InMemory::new());
    put(&store, temp.path(), 7).await;
    let (context, held) = by_ranges(&store, Packs::new(options()).cache_bytes(1));
    table(&context, "t", "memory:///n/").await;
    let count = "SELECT count(*) FROM t WHERE n >= 0";
    let counted = printed(&sql(&context, count).await);
    assert!(counted.contains(&RECORDS.to_string()), "{counted}");
    let search = QUERIES[0].replace("{}", "memory:///n/");
    let first = printed(&sql(&context, &search).await);
    let before = held.traffic();
    assert_eq!(printed(&sql(&context, &search).await), first);
    // Nothing was kept, so that it was read again.
    assert!(held.traffic().bytes > before.bytes);
}
