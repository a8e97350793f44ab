use artifact_datafusion::{Packs, register};
use compact_artifact::Options;
use datafusion::prelude::SessionContext;

use crate::support::{fails, printed, sql, table};

fn session() -> SessionContext {
    let context = SessionContext::new();
    register(&context, Packs::new(Options::new())).unwrap();
    context
}

/// The values of a query, line by line, without the frame.
async fn rows(context: &SessionContext, query: &str) -> Vec<String> {
    let printed = printed(&sql(context, query).await);
    let lines = printed.lines().filter(|line| line.starts_with('|')).skip(1);
    lines.map(|line| line.split_whitespace().collect::<String>().trim_matches('|').to_owned()).collect()
}

#[tokio::test]
async fn whole_numbers_with_a_point_and_large_ones_keep_their_values() {
    let temp = tempfile::tempdir().unwrap();
    let (context, folder) = (session(), format!("{}/", temp.path().display()));
    let copy = format!(
        "COPY (SELECT 'k' || value AS key, 'text' AS text, CAST(value AS DOUBLE) AS price, \
         CASE WHEN value = 1 THEN 1e17 WHEN value = 2 THEN 0.5 ELSE 9223372036854775808.0 END AS big \
         FROM generate_series(1, 20)) TO '{folder}' STORED AS CART"
    );
    sql(&context, &copy).await;
    table(&context, "t", &folder).await;
    let found =
        rows(&context, "SELECT count(price), avg(price), max(price), max(big), min(big) FROM t").await;
    assert_eq!(found, ["20|10.5|20|9.223372036854776e18|0.5"]);
    assert_eq!(rows(&context, "SELECT count(*) FROM t WHERE price > 10 AND price + 0 > 10").await, ["10"]);
    assert_eq!(rows(&context, "SELECT count(*) FROM t WHERE big > 1e17").await, ["18"]);
}

#[tokio::test]
async fn numbers_are_the_same_in_whatever_form_records_have_them() {
    let temp = tempfile::tempdir().unwrap();
    let (context, folder) = (session(), format!("{}/", temp.path().display()));
    let copy = format!(
        "COPY (VALUES ('a', 'x', '{{\"n\":1}}'), ('b', 'x', '{{\"n\":1.0}}'), ('c', 'x', '{{\"n\":2e0}}'), ('d', 'x', '{{}}')) \
         TO '{folder}' STORED AS CART OPTIONS ('key' 'column1', 'text' 'column2', 'metadata' 'column3')"
    );
    sql(&context, &copy).await;
    table(&context, "t", &folder).await;
    for (condition, expected) in [("n = 1", "2"), ("n < 3", "3"), ("n IS NULL", "1"), ("n IS NOT NULL", "3")]
    {
        let by_index = rows(&context, &format!("SELECT count(*) FROM t WHERE {condition}")).await;
        let looked_at =
            rows(&context, &format!("SELECT sum(CASE WHEN {condition} THEN 1 ELSE 0 END) FROM t")).await;
        assert_eq!((&by_index, &looked_at), (&vec![expected.to_owned()], &by_index), "{condition}");
    }
}

#[tokio::test]
async fn an_option_names_a_column_whatever_its_name() {
    let temp = tempfile::tempdir().unwrap();
    let (context, folder) = (session(), format!("{}/", temp.path().display()));
    let copy = format!(
        "COPY (SELECT 1 AS id, 'x' AS body, arrow_cast([1.0, 0.0, 0.0], 'FixedSizeList(3, Float32)') AS pack) TO '{folder}' \
         STORED AS CART OPTIONS ('key' 'id', 'text' 'body', 'space' 'pack', 'metric' 'cosine')"
    );
    sql(&context, &copy).await;
    let search = format!(
        "SELECT key, text FROM cart_search('{folder}', '', 1, '{{\"vector\":{{\"vectors\":[1,0,0]}}}}')"
    );
    assert_eq!(rows(&context, &search).await, ["1|x"]);
}

#[tokio::test]
async fn fields_of_texts_are_columns_and_come_back() {
    let temp = tempfile::tempdir().unwrap();
    let context = session();
    let [first, second] = ["first", "second"].map(|name| format!("{}/{name}/", temp.path().display()));
    let copy =
        format!("COPY (SELECT 'a' AS key, 't' AS text, 'title' AS field_title) TO '{first}' STORED AS CART");
    sql(&context, &copy).await;
    table(&context, "first", &first).await;
    sql(&context, &format!("COPY (SELECT * FROM first) TO '{second}' STORED AS CART")).await;
    table(&context, "second", &second).await;
    for (name, folder) in [("first", &first), ("second", &second)] {
        assert_eq!(rows(&context, &format!("SELECT field_title FROM {name}")).await, ["title"]);
        let search = format!("SELECT key FROM cart_search('{folder}', 'title', 5, '{{\"by\":\"words\"}}')");
        assert_eq!(rows(&context, &search).await, ["a"]);
    }
}

#[tokio::test]
async fn a_column_that_a_query_computes_takes_the_place_of_what_metadata_has() {
    let temp = tempfile::tempdir().unwrap();
    let context = session();
    let [first, second] = ["first", "second"].map(|name| format!("{}/{name}/", temp.path().display()));
    let copy = format!(
        "COPY (VALUES ('a', 'x', '{{\"n\":17,\"deep\":{{\"er\":1}},\"list\":[{{\"at\":1}}],\"kept\":[1,2],\"same\":1.0}}')) TO '{first}' \
         STORED AS CART OPTIONS ('key' 'column1', 'text' 'column2', 'metadata' 'column3')"
    );
    sql(&context, &copy).await;
    table(&context, "first", &first).await;
    let copy = format!(
        "COPY (SELECT * REPLACE (n % 10 AS n, 5 AS \"deep.er\", 6 AS \"list.at\"), 'new' AS more FROM first) TO '{second}' STORED AS CART"
    );
    sql(&context, &copy).await;
    table(&context, "second", &second).await;
    let found = rows(&context, "SELECT metadata FROM second").await;
    assert_eq!(found, [r#"{"deep":{"er":5},"kept":[1,2],"list":[{"at":6}],"more":"new","n":7,"same":1.0}"#]);
}

#[tokio::test]
async fn a_pattern_of_names_is_no_location_and_writes_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let (context, folder) = (session(), format!("{}/p/", temp.path().display()));
    let copy = |key: &str, to: &str| {
        format!("COPY (SELECT '{key}' AS key, 'text' AS text) TO '{to}' STORED AS CART")
    };
    sql(&context, &copy("precious", &folder)).await;
    for name in ["a[1]/", "b*/", "is it?/"] {
        let location = format!("{folder}{name}");
        for query in [
            copy("other", &location),
            format!("CREATE EXTERNAL TABLE t STORED AS CART LOCATION '{location}'"),
            format!("SELECT * FROM cart_search('{location}', 'text', 5)"),
        ] {
            let error = fails(&context, &query).await;
            assert!(error.contains("pattern"), "{query}: {error}");
        }
    }
    let search = format!("SELECT key FROM cart_search('{folder}', 'text', 5, '{{\"by\":\"words\"}}')");
    assert_eq!(rows(&context, &search).await, ["precious"]);
    let literal = format!("file://{folder}a%5B1%5D/");
    sql(&context, &copy("other", &literal)).await;
    table(&context, "literal", &literal).await;
    assert_eq!(rows(&context, "SELECT key FROM literal").await, ["other"]);
    assert_eq!(rows(&context, &search).await, ["precious"]);
}

#[tokio::test]
async fn a_manifest_that_nobody_can_read_is_an_error_before_anything_is_put() {
    let temp = tempfile::tempdir().unwrap();
    let (context, folder) = (session(), format!("{}/", temp.path().display()));
    for text in ["garbage", r#"{"version": 2, "packs": []}"#] {
        std::fs::write(temp.path().join("packs.json"), text).unwrap();
        let error = fails(&context, &format!("COPY (SELECT 't' AS text) TO '{folder}' STORED AS CART")).await;
        assert!(error.contains("packs.json"), "{error}");
        assert!(!temp.path().join("data").exists());
    }
}

#[tokio::test]
async fn options_of_a_search_are_obeyed_or_refused() {
    let temp = tempfile::tempdir().unwrap();
    let (context, folder) = (session(), format!("{}/", temp.path().display()));
    sql(&context, &format!("COPY (SELECT 't' AS text) TO '{folder}' STORED AS CART")).await;
    for options in [
        r#"{"by":"words","by":"query"}"#,
        r#"{"by":5}"#,
        r#"{"by":"nonsense"}"#,
        r#"{"vector":{"v":[1]},"by":"nonsense"}"#,
        "[]",
    ] {
        for text in ["", "t"] {
            let query = format!("SELECT * FROM cart_search('{folder}', '{text}', 5, '{options}')");
            let error = fails(&context, &query).await;
            assert!(error.contains("by") || error.contains("object"), "{query}: {error}");
        }
    }
}
