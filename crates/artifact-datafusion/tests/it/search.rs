use std::sync::Arc;

use artifact_datafusion::{CartSearch, Packs, register};
use compact_artifact::{CompactArtifact, Filter, Options, Query, Record};
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::Float32Type;
use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, collect};
use datafusion::prelude::SessionContext;

use crate::support::{Letters, fails, options, packs, printed, session, sql, table, whole};

/// Queries as SQL has them and as the library has them.
fn queries() -> Vec<(&'static str, &'static str, Query)> {
    let filter = Filter::field("n").gte(12);
    vec![
        ("small cat", r#"{"by": "words"}"#, Query::words("small cat")),
        ("riv* OR \"old king\"", r#"{"by": "query"}"#, Query::parse("riv* OR \"old king\"").unwrap()),
        ("small cat", "{}", Query::text("small cat")),
        ("kind", r#"{"by": "meaning"}"#, Query::meaning("kind")),
        (
            "",
            r#"{"vector": {"v": [0.2, 0.5, 0.9]}, "exact": true}"#,
            Query::vector("v", [0.2, 0.5, 0.9]).exact(true),
        ),
        (
            "tree",
            r#"{"vector": {"v": [0.2, 0.5, 0.9]}, "candidates": 40}"#,
            Query::words("tree").and_vector("v", [0.2, 0.5, 0.9]).candidates(40),
        ),
        ("stone", r#"{"filter": {"n": {"$gte": 12}}}"#, Query::text("stone").filter(filter)),
    ]
}

fn hits(batches: &[RecordBatch]) -> Vec<(String, f32)> {
    let rows = |batch: &RecordBatch| {
        let (keys, scores) = (
            batch.column(0).as_string::<i32>().clone(),
            batch.column(1).as_primitive::<Float32Type>().clone(),
        );
        (0..batch.num_rows())
            .map(move |row| (keys.value(row).to_owned(), scores.value(row)))
            .collect::<Vec<_>>()
    };
    batches.iter().flat_map(rows).collect()
}

#[tokio::test]
async fn keys_and_scores_are_those_of_one_artifact_however_many_packs_there_are() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = whole(&temp.path().join("whole"));
    let context = session();
    for count in [1, 2, 7, 50] {
        let location = packs(&temp.path().join(count.to_string()), count);
        for (text, options, query) in queries() {
            let found = artifact.search(&query.k(25).fetch(true)).unwrap();
            let key = |hit: &compact_artifact::Hit| hit.record.as_ref().unwrap().key().unwrap().unwrap();
            let expected: Vec<_> = found.hits.iter().map(|hit| (key(hit), hit.score)).collect();
            let text = format!("SELECT key, score FROM cart_search('{location}', '{text}', 25, '{options}')");
            assert_eq!(hits(&sql(&context, &text).await), expected, "{count}: {text}");
        }
    }
}

#[tokio::test]
async fn the_best_come_first_with_snippet_places_and_pack_and_join_the_table() {
    let temp = tempfile::tempdir().unwrap();
    let context = session();
    let location = packs(temp.path(), 4);
    crate::support::table(&context, "t", &location).await;
    let search = format!("cart_search('{location}', 'small cat')");
    let found = sql(&context, &format!("SELECT snippet, places, pack, text, metadata FROM {search}")).await;
    let text = |column: usize| found[0].column(column).as_string::<i32>().value(0).to_owned();
    assert_eq!(found.iter().map(RecordBatch::num_rows).sum::<usize>(), 10);
    assert!(text(0).contains("cat") && text(1).contains(r#""list":"words""#) && text(2).ends_with(".cart"));
    let plan = crate::support::printed(
        &sql(&context, &format!("EXPLAIN SELECT key FROM {search} ORDER BY score DESC")).await,
    );
    assert!(plan.contains("RankExec") && !plan.contains("SortExec"), "{plan}");
    let joined = format!(
        "SELECT t.key, s.score FROM {search} AS s JOIN t ON t.id = s.id AND t.pack = s.pack ORDER BY s.score DESC, t.key"
    );
    let direct = format!("SELECT key, score FROM {search} ORDER BY score DESC, key");
    assert_eq!(hits(&sql(&context, &joined).await), hits(&sql(&context, &direct).await));
}

/// As engines for several machines do: a task for each partition, in which the leaves that they know have the rows of that partition alone, and everything else
/// runs as a whole.
fn restricted(plan: Arc<dyn ExecutionPlan>, partition: usize) -> Arc<dyn ExecutionPlan> {
    let cut = |plan: Arc<dyn ExecutionPlan>| {
        let leaf = plan.downcast_ref::<DataSourceExec>();
        let Some(memory) = leaf.and_then(|leaf| leaf.data_source().downcast_ref::<MemorySourceConfig>())
        else {
            return Ok(Transformed::no(plan));
        };
        let mut partitions = vec![Vec::new(); memory.partitions().len()];
        partitions[partition].clone_from(&memory.partitions()[partition]);
        let cut = MemorySourceConfig::try_new_exec(
            &partitions,
            memory.original_schema(),
            memory.projection().clone(),
        )?;
        Ok(Transformed::yes(cut as Arc<dyn ExecutionPlan>))
    };
    plan.transform_up(cut).unwrap().data
}

/// The operator that makes lists, below the one that ranks them.
fn lists(plan: &Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    let below = |plan: &Arc<dyn ExecutionPlan>| plan.children().first().map(|plan| Arc::clone(plan));
    let mut plan = Arc::clone(plan);
    while plan.name() != "PackExec" {
        plan = below(&plan).unwrap();
    }
    plan
}

async fn rows(plan: Arc<dyn ExecutionPlan>, context: &SessionContext) -> usize {
    collect(plan, context.task_ctx()).await.unwrap().iter().map(RecordBatch::num_rows).sum()
}

#[tokio::test]
async fn tasks_on_several_machines_make_every_row_once_and_a_leaf_would_make_it_in_each() {
    let temp = tempfile::tempdir().unwrap();
    let location = packs(temp.path(), 3);
    let context = session();
    let search = CartSearch::new(Arc::new(Packs::new(options())), location, Query::words("cat"), 50);
    let plan = search.scan(&context.state(), None, &[], None).await.unwrap();
    let lists = lists(&plan);
    let expected = rows(lists.clone(), &context).await;
    assert!(expected > 20 && lists.output_partitioning().partition_count() == 3);
    let mut all = 0;
    for partition in 0..3 {
        all += rows(restricted(lists.clone(), partition), &context).await;
    }
    assert_eq!(all, expected);

    // The mistake: a leaf that no engine knows.
    let mut mistaken = 0;
    for _ in 0..3 {
        mistaken += rows(lists.clone(), &context).await;
    }
    assert_ne!(mistaken, expected);
}

#[tokio::test]
async fn arguments_that_cannot_be_are_named() {
    let temp = tempfile::tempdir().unwrap();
    let context = session();
    let location = packs(temp.path(), 1);
    for (arguments, expected) in [
        ("'x'".to_owned(), "expected cart_search(packs"),
        (format!("'{location}', 'cat', 0"), "k = 0"),
        (format!("'{location}', 'cat', 5, '{{\"bye\": 1}}'"), "no option \"bye\""),
        (format!("'{location}', 'cat', 5, '{{\"by\": \"magic\"}}'"), "by = \"magic\""),
        (format!("'{location}', 'cat', 5, '{{\"vector\": 1}}'"), "vector: expected"),
        (format!("'{location}', 'cat', 5, '{{\"filter\": {{\"n\": {{\"$x\": 1}}}}}}'"), "$x"),
        (format!("'{location}', 'cat', 5, '{{\"by\": \"words\", \"exact\": true}}'"), "exact"),
        (format!("'{location}nothing.cart', 'cat'"), "nothing.cart"),
    ] {
        let error = fails(&context, &format!("SELECT * FROM cart_search({arguments})")).await;
        assert!(error.contains(expected), "{arguments}: {error}");
    }
}

#[tokio::test]
async fn what_the_text_is_cannot_be_said_of_an_empty_one_beside_a_vector() {
    let temp = tempfile::tempdir().unwrap();
    let context = session();
    let location = packs(temp.path(), 1);
    for by in ["text", "words", "meaning", "query"] {
        let search = |text: &str| {
            let options = format!("{{\"by\": \"{by}\", \"vector\": {{\"v\": [0.2, 0.5, 0.9]}}}}");
            format!("SELECT key FROM cart_search('{location}', '{text}', 5, '{options}')")
        };
        let error = fails(&context, &search("")).await;
        assert!(error.contains(&format!("by = \"{by}\"")), "{error}");
        assert!(!sql(&context, &search("cat")).await.is_empty());
    }
}

#[tokio::test]
async fn packs_without_a_model_are_searched_by_words_where_there_is_an_embedder() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = CompactArtifact::create(temp.path().join("artifact")).unwrap();
    artifact.add(Record::text("a cat").key("cat")).unwrap();
    artifact.pack(temp.path().join("000.cart")).unwrap();
    artifact.destroy().unwrap();
    let context = SessionContext::new();
    register(&context, Packs::new(Options::new().embedder(Arc::new(Letters)))).unwrap();
    let folder = format!("{}/", temp.path().display());
    table(&context, "t", &folder).await;
    assert!(printed(&sql(&context, "SELECT key FROM t").await).contains("cat"));
    let search =
        |by: &str| format!(r#"SELECT key FROM cart_search('{folder}', 'cat', 3, '{{"by": "{by}"}}')"#);
    assert!(printed(&sql(&context, &search("words")).await).contains("cat"));
    let error = fails(&context, &search("meaning")).await;
    assert!(error.contains("not embedded"), "{error}");
}
