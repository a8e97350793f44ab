use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::Float32Type;
use datafusion::prelude::SessionContext;

use compact_artifact::Query;

use crate::clusters::{Engine, node};
use crate::support::{RECORDS, packs, printed, session, sql, table, whole};

/// What is asked of tables `t`, of packs, and `p`, of Parquet.
const QUERIES: [&str; 9] = [
    "SELECT key, text, metadata, vector_v, n, even, \"author.name\", ratio, day FROM t ORDER BY key",
    "SELECT key FROM t WHERE n BETWEEN 3 AND 9 AND text LIKE '%cat%' ORDER BY key",
    "SELECT count(*), sum(n), min(key), max(key), count(DISTINCT text) FROM t",
    "SELECT even, count(*), sum(n) FROM t GROUP BY even ORDER BY even",
    "SELECT count(*) FROM (SELECT id FROM t LIMIT 5)",
    "SELECT label, count(*), sum(t.n) FROM t JOIN p ON t.n = p.n GROUP BY label ORDER BY label",
    "SELECT t.key, label FROM p JOIN t ON t.n = p.n WHERE label <> 'b' ORDER BY t.key, label",
    "SELECT a.even, count(*) FROM t AS a JOIN t AS b ON a.key = b.key GROUP BY a.even ORDER BY a.even",
    "SELECT count(*) FROM t WHERE n > (SELECT avg(n) FROM p)",
];

/// The arguments of searches, the same as SQL and as the library have them.
fn searches() -> [(&'static str, Query); 5] {
    [
        (r#"'small cat', 25, '{"by": "words"}'"#, Query::words("small cat")),
        (r#"'riv* OR "old king"', 25, '{"by": "query"}'"#, Query::parse("riv* OR \"old king\"").unwrap()),
        (r"'small cat', 25", Query::text("small cat")),
        (
            r#"'tree', 25, '{"vector": {"v": [0.2, 0.5, 0.9]}}'"#,
            Query::words("tree").and_vector("v", [0.2, 0.5, 0.9]),
        ),
        (
            r#"'stone', 25, '{"filter": {"n": {"$gte": 12}}}'"#,
            Query::text("stone").filter(r#"{"n": {"$gte": 12}}"#.parse().unwrap()),
        ),
    ]
}

fn hits(batches: &[RecordBatch]) -> Vec<(String, f32)> {
    let rows = |batch: &RecordBatch| {
        let keys = batch.column(0).as_string::<i32>().clone();
        let scores = batch.column(1).as_primitive::<Float32Type>().clone();
        (0..batch.num_rows())
            .map(move |row| (keys.value(row).to_owned(), scores.value(row)))
            .collect::<Vec<_>>()
    };
    batches.iter().flat_map(rows).collect()
}

async fn tables(context: &SessionContext, folder: &str, parquet: &str) {
    table(context, "t", folder).await;
    sql(context, &format!("CREATE EXTERNAL TABLE p STORED AS PARQUET LOCATION '{parquet}'")).await;
}

async fn check(engine: Engine) {
    let temp = tempfile::tempdir().unwrap();
    let local = session();
    let parquet = temp.path().join("p.parquet").display().to_string();
    let labels = "SELECT * FROM (VALUES (1, 'a'), (1, 'b'), (4, 'c'), (9, 'd'), (77, 'e')) AS p (n, label)";
    sql(&local, &format!("COPY ({labels}) TO '{parquet}'")).await;
    let artifact = whole(&temp.path().join("whole"));
    tables(&local, &packs(&temp.path().join("one"), 1), &parquet).await;
    for count in [1, 2, 7] {
        let folder = packs(&temp.path().join(format!("in {count}")), count);
        let cluster = engine.start(|| node(count)).await;
        tables(&cluster.context, &folder, &parquet).await;
        for query in QUERIES {
            let expected = printed(&sql(&local, query).await);
            assert_eq!(printed(&sql(&cluster.context, query).await), expected, "{count}: {query}");
        }
        for (arguments, query) in searches() {
            let found = artifact.search(&query.k(25).fetch(true)).unwrap();
            let key = |hit: &compact_artifact::Hit| hit.record.as_ref().unwrap().key().unwrap().unwrap();
            let expected: Vec<_> = found.hits.iter().map(|hit| (key(hit), hit.score)).collect();
            assert!(!expected.is_empty());
            let search = format!("cart_search('{folder}', {arguments})");
            let text = format!("SELECT key, score FROM {search}");
            assert_eq!(hits(&sql(&cluster.context, &text).await), expected, "{count}: {text}");
            let joined = format!(
                "SELECT t.key, s.score FROM {search} AS s JOIN t ON t.id = s.id AND t.pack = s.pack ORDER BY s.score DESC, t.key"
            );
            let direct = format!("SELECT key, score FROM {search} ORDER BY score DESC, key");
            assert_eq!(
                hits(&sql(&cluster.context, &joined).await),
                hits(&sql(&cluster.context, &direct).await),
                "{count}: {joined}"
            );
        }
        let places =
            format!("SELECT id, snippet, places, pack FROM cart_search('{folder}', 'cat', {RECORDS})");
        let here = session();
        assert_eq!(printed(&sql(&cluster.context, &places).await), printed(&sql(&here, &places).await));
    }
}

#[cfg(feature = "datafusion-distributed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_datafusion_distributed_answers_are_those_of_one_process() {
    check(Engine::DatafusionDistributed).await;
}

#[cfg(feature = "ballista")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_ballista_answers_are_those_of_one_process() {
    check(Engine::Ballista).await;
}
