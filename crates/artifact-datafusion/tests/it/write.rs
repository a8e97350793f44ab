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

/// Every object and its version.
async fn versions(store: &InMemory) -> Vec<(String, Option<String>)> {
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    listed.into_iter().map(|meta| (meta.location.to_string(), meta.e_tag)).collect()
}

const ROWS: &str = "key, text, metadata, vector_v, n, even, \"author.name\", ratio, day, maybe";

#[tokio::test]
async fn what_is_copied_comes_back_a_pack_for_each_partition_and_again_nothing_changes() {
    let temp = tempfile::tempdir().unwrap();
    let (context, store) = in_memory();
    table(&context, "t", &packs(temp.path(), 4)).await;
    let copy = "COPY (SELECT * FROM t) TO 'memory:///copy/' STORED AS CART OPTIONS ('metric' 'l2')";
    let written = sql(&context, copy).await;
    assert_eq!(written[0].column(0).as_primitive::<UInt64Type>().value(0), RECORDS as u64);
    let before = listed(&store).await;
    assert_eq!(before.len(), 5, "{before:?}");
    let versions = versions(&store).await;
    assert_eq!(printed(&sql(&context, copy).await), printed(&written));
    assert_eq!(self::versions(&store).await, versions, "nothing was put a second time");
    // However the rows come in batches.
    let slowly = SessionContext::new_with_config(
        SessionConfig::new()
            .with_target_partitions(4)
            .with_batch_size(7)
            .set_bool("datafusion.execution.coalesce_batches", false),
    );
    slowly.register_object_store(&Url::parse("memory://").unwrap(), store.clone());
    register(&slowly, Packs::new(options())).unwrap();
    table(&slowly, "t", &format!("{}/", temp.path().display())).await;
    sql(&slowly, copy).await;
    assert_eq!(self::versions(&store).await, versions);
    let one_less = copy.replace("FROM t", "FROM t WHERE n <> 3");
    sql(&context, &one_less).await;
    let names = listed(&store).await;
    assert!(names.len() == 5 && names != before, "{names:?}");
    sql(&context, copy).await;

    table(&context, "copy", "memory:///copy/").await;
    let all = |table: &str| format!("SELECT {ROWS} FROM {table} ORDER BY key");
    assert_eq!(printed(&sql(&context, &all("copy")).await), printed(&sql(&context, &all("t")).await));
    let search = |location: &str| {
        format!("SELECT key, score FROM cart_search('{location}', 'small cat', 23) ORDER BY score DESC, key")
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
    let without = SessionContext::new();
    let held = register(&without, Packs::new(options()).leave_out_unreadable(true)).unwrap();
    let found = sql(&without, &format!("SELECT * FROM cart_search('{folder}', 'text')")).await;
    assert!(found.iter().all(|batch| batch.num_rows() == 0));
    assert!(held.left_out()[0].pack.ends_with(".cart"), "{:?}", held.left_out());
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
        ("SELECT 'a' AS text, X'00' AS list", "'metric' 'l2'", "column \"list\""),
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

/// Two writers put other rows to one folder over and over, and the calls of their store take long enough to come between each other's.
pub(crate) async fn race(context: impl Fn() -> SessionContext, folder: &str) -> SessionContext {
    let copy = |context: &SessionContext, n: usize| {
        let (context, rows) = (context.clone(), ["'a'), ('b'", "'a'), ('c'"][n % 2]);
        let text =
            format!("COPY (SELECT text FROM (VALUES ({rows})) AS t (text)) TO '{folder}' STORED AS CART");
        async move { context.sql(&text).await.unwrap().collect().await }
    };
    let (one, other) = (context(), context());
    for n in 0..10 {
        let (first, second) = tokio::join!(copy(&one, n), copy(&other, n / 3));
        first.and(second).unwrap();
        let reader = context();
        table(&reader, "t", folder).await;
        let found = printed(&sql(&reader, "SELECT text FROM t ORDER BY text").await);
        assert!(found.contains("| a") && (found.contains("| b") ^ found.contains("| c")), "{n}: {found}");
    }
    one
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_writers_to_one_folder_the_last_one_wins_as_a_whole() {
    use object_store::throttle::{ThrottleConfig, ThrottledStore};
    let memory = Arc::new(InMemory::new());
    let pause = std::time::Duration::from_millis(2);
    let config = ThrottleConfig {
        wait_get_per_call: pause,
        wait_put_per_call: pause,
        wait_delete_per_call: pause,
        ..ThrottleConfig::default()
    };
    let context = || {
        let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
        let store = ThrottledStore::new(memory.clone(), config);
        context.register_object_store(&Url::parse("memory://").unwrap(), Arc::new(store));
        register(&context, Packs::default()).unwrap();
        context
    };
    race(context, "memory:///raced/").await;
    let temp = tempfile::tempdir().unwrap();
    race(session, &format!("{}/", temp.path().display())).await;
    assert_eq!(std::fs::read_dir(temp.path().join("data")).unwrap().count(), 1, "no pack is left behind");
    assert_eq!(listed(&memory).await.len(), 2, "{:?}", listed(&memory).await);
}

#[tokio::test]
async fn texts_beside_the_content_lists_and_structs_are_copied() {
    let temp = tempfile::tempdir().unwrap();
    let context = session();
    let folder = format!("{}/", temp.path().display());
    let rows = "SELECT 'body' AS text, 'The Title' AS field_title, make_array(1, 2) AS tags, named_struct('name', 'N') AS by";
    sql(&context, &format!("COPY ({rows}) TO '{folder}' STORED AS CART")).await;
    let search = format!("SELECT metadata FROM cart_search('{folder}', 'title', 5, '{{\"by\": \"words\"}}')");
    let found = printed(&sql(&context, &search).await);
    assert!(found.contains(r#"{"by":{"name":"N"},"tags":[1,2]}"#), "{found}");
    for (value, expected) in [("'NaN'::DOUBLE", "NaN"), ("INTERVAL '1 day'", "cannot be metadata")] {
        let rows = format!("SELECT 'a' AS text, {value} AS x");
        let error = fails(&context, &format!("COPY ({rows}) TO '{folder}x/' STORED AS CART")).await;
        assert!(error.contains("column \"x\"") && error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_copy_of_no_rows_is_a_table_of_no_rows() {
    let temp = tempfile::tempdir().unwrap();
    let context = session();
    let folder = format!("{}/", temp.path().display());
    let copy = format!("COPY (SELECT 'a' AS text WHERE 1 = 2) TO '{folder}' STORED AS CART");
    assert_eq!(sql(&context, &copy).await[0].column(0).as_primitive::<UInt64Type>().value(0), 0);
    table(&context, "t", &folder).await;
    for text in ["SELECT key FROM t".to_owned(), format!("SELECT key FROM cart_search('{folder}', 'a')")] {
        assert!(sql(&context, &text).await.iter().all(|batch| batch.num_rows() == 0), "{text}");
    }
}
