use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use artifact_datafusion::{
    CartSearch, CartTable, KeepCopyOptions, Packs, decode_format, decode_plan, decode_table, encode_format,
    encode_plan, encode_table, pack_partitions, register,
};
use compact_artifact::{Options, Query, Record};
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::datasource::file_format::file_type_to_format;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_plan::{ExecutionPlan, collect, displayable};
use datafusion::prelude::SessionContext;

use crate::support::{options, packs, printed, session, whole};

/// A plan as another process has it: with packs that it opens itself.
fn sent(plan: Arc<dyn ExecutionPlan>) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
    sent_to(plan, options())
}

fn sent_to(
    plan: Arc<dyn ExecutionPlan>,
    options: Options,
) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
    let there = Arc::new(Packs::new(options));
    let sent = |plan: Arc<dyn ExecutionPlan>| {
        let Some(bytes) = encode_plan(&plan)? else { return Ok(Transformed::no(plan)) };
        let inputs: Vec<_> = plan.children().into_iter().cloned().collect();
        Ok(Transformed::yes(decode_plan(&bytes, &inputs, &there)?.unwrap()))
    };
    plan.transform_up(sent).map(|sent| sent.data)
}

async fn answer(plan: Arc<dyn ExecutionPlan>, context: &SessionContext) -> Vec<String> {
    lines(&collect(plan, context.task_ctx()).await.unwrap())
}

/// Rows in an order of their own: partitions come as they are ready.
fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let mut lines: Vec<String> = printed(batches).lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

#[tokio::test]
async fn plans_that_another_process_runs_give_the_same_rows() {
    let temp = tempfile::tempdir().unwrap();
    let context = session();
    let folder = packs(temp.path(), 4);
    crate::support::table(&context, "t", &folder).await;
    let search = |arguments: &str| format!("SELECT * FROM cart_search('{folder}', {arguments})");
    for query in [
        "SELECT * FROM t".to_owned(),
        "SELECT key, day FROM t WHERE n IN (1, 2) AND maybe LIKE 'x%' AND even".to_owned(),
        "SELECT count(*) FROM (SELECT key FROM t LIMIT 4)".to_owned(),
        "SELECT count(*) FROM t WHERE n > 3".to_owned(),
        search("'small cat', 20"),
        search(r#"'riv* OR smell~', 20, '{"by": "query", "snippet": 30}'"#),
        search(
            r#"'tree', 7, '{"vector": {"v": [0.1, 0.5, 0.9]}, "exact": true, "filter": {"n": {"$lt": 9}}}'"#,
        ),
        format!("SELECT id, score FROM cart_search('{folder}', 'cat') LIMIT 3"),
    ] {
        let plan = context.sql(&query).await.unwrap().create_physical_plan().await.unwrap();
        let there = sent(plan.clone()).unwrap();
        let shown = |plan: &Arc<dyn ExecutionPlan>| displayable(plan.as_ref()).indent(false).to_string();
        assert_eq!(shown(&there), shown(&plan));
        let mut leaf = &plan;
        while let [below] = leaf.children().as_slice() {
            leaf = *below;
        }
        assert_eq!(pack_partitions(leaf).unwrap().len(), 4, "{query}");
        let (found, expected) = (answer(there, &context).await, answer(plan, &context).await);
        assert!(found == expected, "{query}");
    }
}

#[tokio::test]
async fn records_that_expire_are_counted_by_the_process_that_reads_them() {
    let temp = tempfile::tempdir().unwrap();
    let in_year = |year: u64| {
        let now = UNIX_EPOCH + Duration::from_secs((year - 1970) * 365 * 24 * 60 * 60);
        Options::new().expires_at("until").clock(move || now)
    };
    let artifact = in_year(2020).create(temp.path().join("artifact")).unwrap();
    let until = |year: u32| {
        Record::text("a text")
            .metadata(serde_json::json!({"n": 1, "until": format!("{year}-01-01T00:00:00Z")}))
    };
    artifact.add_batch([until(2025), until(2999)]).unwrap();
    artifact.pack(temp.path().join("000.cart")).unwrap();
    artifact.destroy().unwrap();
    let context = SessionContext::new();
    register(&context, Packs::new(in_year(2020))).unwrap();
    crate::support::table(&context, "t", &format!("{}/", temp.path().display())).await;
    for query in ["SELECT count(*) FROM t", "SELECT count(*) FROM t WHERE n = 1"] {
        let plan = context.sql(query).await.unwrap().create_physical_plan().await.unwrap();
        let count = async |plan| {
            let found = collect(plan, context.task_ctx()).await.unwrap();
            found[0].column(0).as_primitive::<Int64Type>().value(0)
        };
        assert_eq!(count(plan.clone()).await, 2, "{query}");
        assert_eq!(count(sent_to(plan, in_year(2030)).unwrap()).await, 1, "{query}");
    }
}

#[tokio::test]
async fn tables_that_another_process_plans_give_the_same_rows() {
    let temp = tempfile::tempdir().unwrap();
    let folder = packs(temp.path(), 3);
    let here = session();
    crate::support::table(&here, "t", &folder).await;
    let search = format!("SELECT key, score FROM cart_search('{folder}', 'small cat', 9)");
    let provider = |plan: &datafusion::logical_expr::LogicalPlan| {
        let mut found = None;
        plan.apply(|node| {
            if let datafusion::logical_expr::LogicalPlan::TableScan(scan) = node {
                found = Some(datafusion::datasource::source_as_provider(&scan.source)?);
            }
            Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
        })
        .unwrap();
        found.unwrap()
    };
    for (query, name) in
        [("SELECT * FROM t WHERE n = 3 OR \"author.name\" = 'author 2'", "t"), (search.as_str(), "s")]
    {
        let plan = here.sql(query).await.unwrap();
        let bytes = encode_table(&provider(plan.logical_plan())).unwrap().unwrap();
        let there = session();
        let table = decode_table(&bytes, &Arc::new(Packs::new(options()))).unwrap().unwrap();
        there.register_table(name, table).unwrap();
        let text = if name == "s" { "SELECT key, score FROM s" } else { query };
        let found = lines(&crate::support::sql(&there, text).await);
        assert!(found == lines(&plan.collect().await.unwrap()), "{query}");
    }
}

#[tokio::test]
async fn a_copy_that_another_process_runs_writes_the_same_by_the_same_options() {
    let temp = tempfile::tempdir().unwrap();
    let context = session();
    crate::support::table(&context, "t", &packs(&temp.path().join("t"), 4)).await;
    let to = |name: &str| format!("{}/{name}/", temp.path().display());
    let copy = |name: &str| {
        let to = to(name);
        format!(
            "COPY (SELECT key AS name, text, vector_v FROM t) TO '{to}' STORED AS CART OPTIONS ('key' 'name', 'metric' 'l2')"
        )
    };
    let plan = context.sql(&copy("there")).await.unwrap().create_physical_plan().await.unwrap();
    let there = answer(sent(plan).unwrap(), &context).await;
    assert_eq!(there, lines(&crate::support::sql(&context, &copy("here")).await));
    let manifest = |name: &str| {
        let text = std::fs::read_to_string(format!("{}packs.json", to(name))).unwrap();
        text.lines().filter(|line| !line.contains("path")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(manifest("there"), manifest("here"));

    // Where the logical plan is sent, options are in the format.
    let plan = context.state().create_logical_plan(&copy("there")).await.unwrap();
    let kept = KeepCopyOptions::default().analyze(plan, &ConfigOptions::default()).unwrap();
    let datafusion::logical_expr::LogicalPlan::Copy(copy) = kept else { panic!("a COPY") };
    let format = file_type_to_format(&copy.file_type).unwrap();
    let bytes = encode_format(&format).unwrap().unwrap();
    let there = decode_format(&bytes, &Arc::new(Packs::new(options()))).unwrap().unwrap();
    let made = format!("{:?}", there.create(&context.state(), &HashMap::new()).unwrap());
    assert!(made.contains("key: \"name\"") && made.contains("L2"), "{made}");
    assert!(decode_format(b"\x0acart", &Arc::new(Packs::default())).unwrap().is_none());
}

#[tokio::test]
async fn what_stays_in_its_process_says_so_and_bytes_of_others_are_left_to_them() {
    let temp = tempfile::tempdir().unwrap();
    let (context, packs_here) = (session(), Arc::new(Packs::new(options())));
    drop(whole(&temp.path().join("a")));
    let artifact = temp.path().join("a").display().to_string();
    let table = CartTable::open(&packs_here, &artifact, &RuntimeEnv::default()).await.unwrap();
    let plan = table.scan(&context.state(), None, &[], None).await.unwrap();
    assert!(!answer(plan.clone(), &context).await.is_empty());
    let error = collect(sent(plan).unwrap(), context.task_ctx()).await.unwrap_err().to_string();
    assert!(error.contains("expected a pack") && error.contains(&artifact), "{error}");

    let search = CartSearch::new(packs_here.clone(), artifact.clone(), Query::words("cat"), 5);
    let error = encode_table(&(Arc::new(search) as Arc<dyn TableProvider>)).unwrap_err().to_string();
    assert!(error.contains("`cart_search` in SQL"), "{error}");

    let plan = context.sql("SELECT 1").await.unwrap().create_physical_plan().await.unwrap();
    assert!(encode_plan(&plan).unwrap().is_none());
    assert!(decode_plan(b"\x0acart", &[], &packs_here).unwrap().is_none());
    assert!(decode_table(b"", &packs_here).unwrap().is_none());
    for broken in
        ["\x07cart ", "\x07cart {}", "\x07cart {\"make\": 1}", "\x07cart {\"table\": {\"records\": 1}}"]
    {
        assert!(
            decode_plan(broken.as_bytes(), std::slice::from_ref(&plan), &packs_here).is_err(),
            "{broken}"
        );
        assert!(decode_table(broken.as_bytes(), &packs_here).is_err(), "{broken}");
        assert!(decode_format(broken.as_bytes(), &packs_here).is_err(), "{broken}");
    }
}
