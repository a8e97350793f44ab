use compact_artifact::{Filter, Record};
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::Int64Type;

use crate::support::{RECORDS, fails, options, packs, printed, session, sql, table, whole};

#[tokio::test]
async fn every_row_comes_once_with_all_its_columns() {
    let temp = tempfile::tempdir().unwrap();
    let context = session();
    for count in [1, 2, 7] {
        table(&context, &format!("t{count}"), &packs(&temp.path().join(count.to_string()), count)).await;
    }
    let rows = "key, text, metadata, vector_v, n, even, \"author.name\", ratio, day, maybe";
    let all = sql(&context, &format!("SELECT {rows} FROM t1 ORDER BY key")).await;
    assert_eq!(all.iter().map(RecordBatch::num_rows).sum::<usize>(), RECORDS);
    let expected = printed(&all);
    for count in [2, 7] {
        let found = sql(&context, &format!("SELECT {rows} FROM t{count} ORDER BY key")).await;
        assert_eq!(printed(&found), expected, "{count}");
        let found =
            sql(&context, &format!("SELECT count(*) AS c, count(DISTINCT pack) AS p FROM t{count}")).await;
        let number = |column: usize| found[0].column(column).as_primitive::<Int64Type>().value(0);
        assert_eq!((number(0), number(1)), (RECORDS as i64, count as i64));
        let joined =
            format!("SELECT count(*) FROM t{count} AS a JOIN t1 AS b ON a.key = b.key AND a.n = b.n");
        assert_eq!(
            sql(&context, &joined).await[0].column(0).as_primitive::<Int64Type>().value(0),
            RECORDS as i64
        );
    }
    let limited = sql(&context, "SELECT id FROM t7 LIMIT 5").await;
    assert_eq!(limited.iter().map(RecordBatch::num_rows).sum::<usize>(), 5);
}

#[tokio::test]
async fn batches_of_a_scan_are_bounded_by_their_bytes_whatever_those_are_of() {
    const RECORDS: usize = 200;
    let temp = tempfile::tempdir().unwrap();
    let artifact = options().field("title", 1).create(temp.path().join("artifact")).unwrap();
    let long = |n: usize| format!("{n} ").repeat(25_000);
    let record = |n: usize| match n % 3 {
        0 => Record::text(long(n)),
        1 => Record::text("a text").metadata(serde_json::json!({"note": long(n)})),
        _ => Record::text("a text").field("title", long(n)),
    };
    for kind in 0..3 {
        artifact.add_batch((0..RECORDS).map(|n| record(3 * n + kind))).unwrap();
    }
    artifact.pack(temp.path().join("000.cart")).unwrap();
    let context = session();
    table(&context, "t", &format!("{}/000.cart", temp.path().display())).await;
    let found = sql(&context, "SELECT text, metadata, field_title FROM t").await;
    assert_eq!(found.iter().map(RecordBatch::num_rows).sum::<usize>(), 3 * RECORDS);
    for batch in found {
        assert!(batch.get_array_memory_size() < 16 << 20, "{} rows", batch.num_rows());
    }
}

#[tokio::test]
async fn fields_of_several_values_or_types_have_no_column() {
    let temp = tempfile::tempdir().unwrap();
    let context = session();
    table(&context, "t", &packs(temp.path(), 2)).await;
    for field in ["tags", "mixed", "author"] {
        assert!(
            fails(&context, &format!("SELECT {field} FROM t")).await.contains("No field named"),
            "{field}"
        );
    }
    let error = fails(&context, "CREATE EXTERNAL TABLE x (n INT) STORED AS CART LOCATION '/nowhere/'").await;
    assert!(error.contains("takes no columns"), "{error}");
}

/// Conditions, and whether the index answers them.
const CONDITIONS: [(&str, bool); 38] = [
    ("n = 3", true),
    ("n <> 3", true),
    ("NOT n = 3", true),
    ("7 < n", true),
    ("n BETWEEN 3 AND 5", true),
    ("n NOT BETWEEN 3 AND 5", true),
    ("n IN (1, 2, 30)", true),
    ("n NOT IN (1, 2, 30)", true),
    ("n = 3 OR even", true),
    ("NOT (n < 15 AND even)", true),
    ("n > 1.5", false),
    ("n + 1 = 4", false),
    ("even", true),
    ("NOT even", true),
    ("even = false", true),
    ("even <> true", true),
    ("maybe = 'x3'", true),
    ("maybe <> 'x3'", true),
    ("NOT (maybe = 'x3')", true),
    ("NOT (maybe <> 'x3' OR n < 9)", true),
    ("maybe > 'x3'", true),
    ("maybe IS NULL", true),
    ("maybe IS NOT NULL", true),
    ("maybe IS NULL OR maybe <> 'x4'", true),
    ("maybe LIKE 'x%'", true),
    ("maybe NOT LIKE 'x4%'", true),
    ("maybe LIKE '%4'", false),
    ("maybe LIKE 'x_'", false),
    ("maybe ILIKE 'X%'", false),
    ("maybe = '2026-01-04'", false),
    ("ratio > 3.5", true),
    ("ratio = 0.0", false),
    ("ratio < 0.0", false),
    ("ratio <> 'NaN'", false),
    ("ratio < 'NaN'", false),
    ("ratio IS NULL", true),
    ("day > '2026-01-09'", false),
    ("\"author.name\" = 'author 1' AND n > 4", true),
];

#[tokio::test]
async fn conditions_let_through_the_same_rows_with_and_without_the_index() {
    let temp = tempfile::tempdir().unwrap();
    let context = session();
    table(&context, "t", &packs(temp.path(), 3)).await;
    sql(&context, "CREATE TABLE plain AS SELECT * FROM t").await;
    for (condition, by_index) in CONDITIONS {
        let of = |table: &str| format!("SELECT key FROM {table} WHERE {condition} ORDER BY key");
        let expected = printed(&sql(&context, &of("plain")).await);
        assert_eq!(printed(&sql(&context, &of("t")).await), expected, "{condition}");
        let plan = printed(&sql(&context, &format!("EXPLAIN {}", of("t"))).await);
        assert_eq!(!plan.contains("FilterExec"), by_index, "{condition}: {plan}");
    }
}

#[tokio::test]
async fn an_artifact_that_is_no_pack_is_a_table_as_well() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = whole(&temp.path().join("a"));
    let context = session();
    table(&context, "t", &temp.path().join("a").display().to_string()).await;
    let found = sql(&context, "SELECT count(*) FROM t WHERE n = 3").await;
    let expected = artifact.count(&Filter::field("n").eq(3)).unwrap();
    assert_eq!(found[0].column(0).as_primitive::<Int64Type>().value(0) as u64, expected);
}
