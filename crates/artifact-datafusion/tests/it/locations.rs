use std::sync::Arc;

use artifact_datafusion::{Packs, register};
use datafusion::arrow::array::RecordBatch;
use datafusion::prelude::SessionContext;
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use url::Url;

use crate::support::{fails, options, packs, printed, sql, table};

/// A session with a store in memory that has seven packs.
async fn remote(folder: &std::path::Path, held: Packs) -> (SessionContext, Arc<InMemory>) {
    let store = Arc::new(InMemory::new());
    packs(folder, 7);
    for number in 0..7 {
        let bytes = std::fs::read(folder.join(format!("{number:03}.cart"))).unwrap();
        store.put(&Path::from(format!("notes/{number:03}.cart")), bytes.into()).await.unwrap();
    }
    let context = SessionContext::new();
    context.register_object_store(&Url::parse("memory://").unwrap(), store.clone());
    register(&context, held).unwrap();
    (context, store)
}

const SEARCH: &str = "SELECT key, score FROM cart_search('memory:///notes/', 'small cat', 20)";

#[tokio::test]
async fn packs_of_a_store_are_searched_as_those_of_a_folder_from_memory_and_from_files() {
    let temp = tempfile::tempdir().unwrap();
    let cache = tempfile::tempdir().unwrap();
    let local = crate::support::session();
    let location = packs(&temp.path().join("local"), 7);
    let expected = printed(
        &sql(&local, &format!("SELECT key, score FROM cart_search('{location}', 'small cat', 20)")).await,
    );
    for held in [Packs::new(options()), Packs::new(options()).cache_folder(cache.path())] {
        let (context, _) = remote(&temp.path().join("remote"), held).await;
        assert_eq!(printed(&sql(&context, SEARCH).await), expected);
        table(&context, "t", "memory:///notes/003.cart").await;
        assert_eq!(
            sql(&context, "SELECT key FROM t").await.iter().map(RecordBatch::num_rows).sum::<usize>(),
            50
        );
        std::fs::remove_dir_all(temp.path().join("remote")).unwrap();
    }
    assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_pack_is_fetched_once_and_anew_when_it_was_exchanged() {
    let temp = tempfile::tempdir().unwrap();
    let (context, store) = remote(temp.path(), Packs::new(options())).await;
    let before = printed(&sql(&context, SEARCH).await);
    assert_eq!(printed(&sql(&context, SEARCH).await), before);
    let other = store.get(&Path::from("notes/000.cart")).await.unwrap().bytes().await.unwrap();
    store.put(&Path::from("notes/006.cart"), other.into()).await.unwrap();
    assert_ne!(printed(&sql(&context, SEARCH).await), before);
}

#[tokio::test]
async fn a_cache_that_is_too_small_lets_go_of_packs_and_names_one_that_can_never_fit() {
    let temp = tempfile::tempdir().unwrap();
    packs(temp.path(), 7);
    let len = std::fs::metadata(temp.path().join("000.cart")).unwrap().len();
    let (context, _) = remote(&temp.path().join("a"), Packs::new(options()).cache_bytes(len * 2)).await;
    let (all, _) = remote(&temp.path().join("b"), Packs::new(options())).await;
    assert_eq!(printed(&sql(&context, SEARCH).await), printed(&sql(&all, SEARCH).await));
    let (context, _) = remote(&temp.path().join("c"), Packs::new(options()).cache_bytes(100)).await;
    let error = fails(&context, SEARCH).await;
    assert!(error.contains("000.cart") && error.contains("cache_bytes"), "{error}");
}

#[tokio::test]
async fn what_is_missing_or_damaged_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let (context, store) = remote(temp.path(), Packs::new(options())).await;
    let missing = "SELECT key FROM cart_search('memory:///elsewhere/', 'cat')";
    assert!(fails(&context, missing).await.contains("elsewhere"));
    store.put(&Path::from("notes/002.cart"), "no pack".into()).await.unwrap();
    assert!(fails(&context, SEARCH).await.contains("002.cart"));
}

#[tokio::test]
async fn packs_that_are_missing_or_damaged_are_left_out_where_asked_and_it_is_said_which() {
    let temp = tempfile::tempdir().unwrap();
    let strict = remote(temp.path(), Packs::new(options())).await.0;
    let whole = printed(&sql(&strict, SEARCH).await);
    let held = Packs::new(options()).leave_out_unreadable(true);
    let (context, store) = remote(&temp.path().join("other"), held).await;
    assert_eq!(printed(&sql(&context, SEARCH).await), whole);
    let left_out = "SELECT pack, reason FROM cart_left_out() ORDER BY pack";
    assert_eq!(sql(&context, left_out).await.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);

    let before = store.get(&Path::from("notes/002.cart")).await.unwrap().bytes().await.unwrap();
    store.put(&Path::from("notes/002.cart"), before.slice(..before.len() / 2).into()).await.unwrap();
    let found = printed(&sql(&context, SEARCH).await);
    let said = printed(&sql(&context, left_out).await);
    assert!(found != whole && said.contains("notes/002.cart"), "{said}");
    table(&context, "t", "memory:///notes/").await;
    let rows = sql(&context, "SELECT key FROM t").await;
    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), crate::support::RECORDS - 50);

    store.put(&Path::from("notes/002.cart"), before.into()).await.unwrap();
    assert_eq!(printed(&sql(&context, SEARCH).await), whole);
    assert_eq!(sql(&context, left_out).await.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
    let error = fails(&context, "SELECT key FROM cart_search('memory:///elsewhere/', 'cat')").await;
    assert!(error.contains("elsewhere"), "{error}");
}

/// A search that `COPY` wrote one pack for.
fn one(folder: &str) -> String {
    format!("SELECT key FROM cart_search('memory:///{folder}/', 'text', 5, '{{\"by\": \"words\"}}')")
}

#[tokio::test]
async fn a_pack_that_a_manifest_names_is_fetched_once_and_the_one_used_longest_ago_is_let_go() {
    let cache = tempfile::tempdir().unwrap();
    for in_files in [false, true] {
        let store = Arc::new(InMemory::new());
        let context = |bytes: u64| {
            let context = SessionContext::new();
            context.register_object_store(&Url::parse("memory://").unwrap(), store.clone());
            let held = Packs::new(options()).cache_bytes(bytes);
            let held = if in_files { held.cache_folder(cache.path()) } else { held };
            register(&context, held).unwrap();
            context
        };
        let all = context(1 << 30);
        for folder in ["a", "b", "c"] {
            let row = format!("SELECT '{folder}' AS key, 'text {folder}' AS text");
            sql(&all, &format!("COPY ({row}) TO 'memory:///{folder}/' STORED AS CART")).await;
        }
        let mut found: Vec<ObjectMeta> = store.list(None).try_collect().await.unwrap();
        found.retain(|meta| meta.location.extension() == Some("cart"));
        let len = found.iter().map(|meta| meta.size).max().unwrap();
        let two = context(len * 2 + len / 2);
        for folder in ["a", "b", "a", "c"] {
            assert!(printed(&sql(&two, &one(folder)).await).contains(&format!("| {folder} ")));
        }
        for meta in found {
            store.delete(&meta.location).await.unwrap();
        }
        for folder in ["a", "c"] {
            assert!(printed(&sql(&two, &one(folder)).await).contains(&format!("| {folder} ")));
        }
        assert!(fails(&two, &one("b")).await.contains("memory:///b/data/"));
    }
}

#[tokio::test]
async fn a_pack_that_was_damaged_on_its_way_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let (context, store) = remote(temp.path(), Packs::new(options())).await;
    let path = Path::from("notes/005.cart");
    let mut bytes = store.get(&path).await.unwrap().bytes().await.unwrap().to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    store.put(&path, bytes.into()).await.unwrap();
    let error = fails(&context, SEARCH).await;
    assert!(error.contains("005.cart") && error.contains("it is damaged"), "{error}");
}
