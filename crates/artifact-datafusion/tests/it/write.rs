use std::sync::Arc;

use artifact_datafusion::{Packs, register};
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::UInt64Type;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use url::Url;

use crate::support::{RECORDS, fails, options, packs, printed, session, sql, table};

fn in_memory() -> (SessionContext, Arc<InMemory>) {
    let store = Arc::new(InMemory::new());
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(4));
    context.register_object_store(&Url::parse("memory://").unwrap(), store.clone());
    register(&context, Packs::new(options())).unwrap();
    (context, store)
}

async fn listed(store: &InMemory) -> Vec<String> {
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    listed.into_iter().map(|meta| meta.location.to_string()).collect()
}

const ROWS: &str = "key, text, metadata, vector_v, n, even, \"author.name\", ratio, day, maybe";

#[tokio::test]
async fn what_is_copied_comes_back_a_pack_for_each_partition_and_again_in_the_place_of_those_before() {
    let temp = tempfile::tempdir().unwrap();
    let (context, store) = in_memory();
    table(&context, "t", &packs(temp.path(), 4)).await;
    let copy = "COPY (SELECT * FROM t) TO 'memory:///copy/' STORED AS CART OPTIONS ('metric' 'l2')";
    let written = sql(&context, copy).await;
    assert_eq!(written[0].column(0).as_primitive::<UInt64Type>().value(0), RECORDS as u64);
    let before = listed(&store).await;
    assert_eq!(before.len(), 5, "{before:?}");
    assert_eq!(printed(&sql(&context, copy).await), printed(&written));
    assert_eq!(listed(&store).await.len(), before.len());

    table(&context, "copy", "memory:///copy/").await;
    let all = |table: &str| format!("SELECT {ROWS} FROM {table} ORDER BY key");
    assert_eq!(printed(&sql(&context, &all("copy")).await), printed(&sql(&context, &all("t")).await));
    let search = |location: &str| {
        format!("SELECT key, score FROM cart_search('{location}', 'small cat', 30) ORDER BY score DESC, key")
    };
    let location = format!("{}/", temp.path().display());
    assert_eq!(
        printed(&sql(&context, &search("memory:///copy/")).await),
        printed(&sql(&context, &search(&location)).await)
    );
}

#[tokio::test]
async fn a_copy_that_fails_leaves_what_was_there() {
    let (context, store) = in_memory();
    let copy = |row: &str| {
        format!(
            "COPY (SELECT * FROM (VALUES ('a', 'a text'), {row}) AS t (key, text)) TO 'memory:///c/' STORED AS CART"
        )
    };
    let error = fails(&context, &copy("('b', NULL)")).await;
    assert!(error.contains("neither a text nor a blob"), "{error}");
    assert_eq!(listed(&store).await, Vec::<String>::new());
    sql(&context, &copy("('b', 'another text')")).await;
    let before = listed(&store).await;
    fails(&context, &copy("('a', 'the key of another')")).await;
    assert_eq!(listed(&store).await, before);
    table(&context, "c", "memory:///c/").await;
    assert_eq!(sql(&context, "SELECT key FROM c").await[0].num_rows(), 2);
}

#[tokio::test]
async fn a_pack_that_is_not_the_one_of_the_manifest_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let context = session();
    let folder = format!("{}/", temp.path().display());
    sql(&context, &format!("COPY (SELECT 'a' AS key, 'a text' AS text) TO '{folder}' STORED AS CART")).await;
    let other = tempfile::tempdir().unwrap();
    packs(other.path(), 1);
    let data = std::fs::read_dir(temp.path().join("data")).unwrap().next().unwrap().unwrap().path();
    std::fs::copy(other.path().join("000.cart"), &data).unwrap();
    let error = fails(&context, &format!("SELECT * FROM cart_search('{folder}', 'text')")).await;
    assert!(error.contains("exchanged or damaged"), "{error}");
    std::fs::remove_file(&data).unwrap();
    let error = fails(&context, &format!("SELECT * FROM cart_search('{folder}', 'text')")).await;
    assert!(error.contains(data.file_name().unwrap().to_str().unwrap()), "{error}");
}

#[tokio::test]
async fn columns_and_options_say_what_becomes_of_rows() {
    let temp = tempfile::tempdir().unwrap();
    let context = session();
    let folder = format!("{}/", temp.path().display());
    let rows = "SELECT 'k' AS name, 'some text' AS body, 7 AS n, 1.5 AS x, true AS b, DATE '2026-02-03' AS day, CAST(NULL AS INT) AS none";
    sql(
        &context,
        &format!("COPY ({rows}) TO '{folder}' STORED AS CART OPTIONS ('key' 'name', 'text' 'body')"),
    )
    .await;
    table(&context, "t", &folder).await;
    let found = printed(&sql(&context, "SELECT key, text, metadata FROM t").await);
    assert!(found.contains(r#"| k   | some text | {"b":true,"day":"2026-02-03","n":7,"x":1.5}"#), "{found}");
    for (rows, options, expected) in [
        ("SELECT 'a' AS text", "'txt' 'a'", "no option \"txt\""),
        ("SELECT 'a' AS text", "'key' 'name'", "there is no column \"name\""),
        ("SELECT 'a' AS text", "'metric' 'near'", "metric"),
        ("SELECT 'a' AS body", "'metric' 'l2'", "no column of texts"),
        ("SELECT 'a' AS text, [1] AS list", "'metric' 'l2'", "column \"list\""),
    ] {
        let error =
            fails(&context, &format!("COPY ({rows}) TO '{folder}x/' STORED AS CART OPTIONS ({options})"))
                .await;
        assert!(error.contains(expected), "{rows} {options}: {error}");
    }
    let plain = SessionContext::new();
    register(&plain, Packs::default()).unwrap();
    let vector = "SELECT 'a' AS text, arrow_cast([1.0], 'FixedSizeList(1, Float32)') AS vector_meaning";
    let error = fails(&plain, &format!("COPY ({vector}) TO '{folder}x/' STORED AS CART")).await;
    assert!(error.contains("vector_meaning"), "{error}");
    let error =
        fails(&context, &format!("COPY (SELECT 'a' AS text) TO '{folder}one.cart' STORED AS CART")).await;
    assert!(error.contains("ends with a slash"), "{error}");
}
