use std::sync::Arc;

use artifact_datafusion::Packs;
use artifact_distributed::Node;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::UInt64Type;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::prelude::SessionConfig;
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::memory::InMemory;

use crate::clusters::{Cluster, Engine, node};
use crate::support::{RECORDS, fails, packs, printed, session, sql, table};

const COPY: &str = "COPY (SELECT * FROM t) TO 'memory:///copy/' STORED AS CART OPTIONS ('metric' 'l2')";
/// What a copy has of each record.
const ROWS: &str = "SELECT key, text, metadata, vector_v, n, even, ratio, day FROM";

/// Every object and its version.
async fn versions(store: &InMemory) -> Vec<(String, Option<String>)> {
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    listed.into_iter().map(|meta| (meta.location.to_string(), meta.e_tag)).collect()
}

/// A cluster whose executors alone have an embedder, and a table `t` of seven packs.
async fn start(engine: Engine, store: &Arc<dyn ObjectStore>, folder: &str) -> Cluster {
    let url = ObjectStoreUrl::parse("memory://").unwrap();
    let asker = Node::new(Packs::default()).config(SessionConfig::new().with_target_partitions(7));
    let asker = asker.store(&url, store.clone());
    let cluster = engine.start_for(&asker, || node(7).store(&url, store.clone())).await;
    table(&cluster.context, "t", folder).await;
    cluster
}

async fn check(engine: Engine) {
    let temp = tempfile::tempdir().unwrap();
    let folder = packs(temp.path(), 7);
    let store = Arc::new(InMemory::new());
    let cluster = start(engine, &(store.clone() as Arc<dyn ObjectStore>), &folder).await;
    let written = sql(&cluster.context, COPY).await;
    assert_eq!(written[0].column(0).as_primitive::<UInt64Type>().value(0), RECORDS as u64);
    let first = versions(&store).await;
    assert_eq!(first.len(), 8, "seven packs and a manifest: {first:?}");
    sql(&cluster.context, COPY).await;
    assert_eq!(versions(&store).await, first, "the same rows are the same packs");

    let local = session();
    local.register_object_store(&"memory://".parse().unwrap(), store.clone());
    table(&local, "t", &folder).await;
    table(&local, "copy", "memory:///copy/").await;
    let all = |table: &str| format!("{ROWS} {table} ORDER BY key");
    assert_eq!(printed(&sql(&local, &all("copy")).await), printed(&sql(&local, &all("t")).await));
    let meaning = sql(&local, "SELECT count(vector_meaning) FROM copy").await;
    assert!(
        printed(&meaning).contains("350"),
        "made by executors, which have the embedder: {}",
        printed(&meaning)
    );

    let bad = COPY.replace('*', "key, CASE WHEN n = 3 THEN NULL ELSE text END AS text");
    let error = fails(&cluster.context, &bad).await;
    assert!(error.contains("neither a text nor a blob"), "{error}");
    let manifest = |versions: Vec<(String, Option<String>)>| {
        versions.into_iter().find(|(path, _)| path.ends_with("packs.json"))
    };
    assert_eq!(manifest(versions(&store).await), manifest(first), "what was there is there");
    let error = fails(&cluster.context, &COPY.replace("'metric' 'l2'", "'metric' 'near'")).await;
    assert!(error.contains("metric"), "{error}");
}

#[cfg(feature = "datafusion-distributed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_datafusion_distributed_workers_make_the_packs_of_a_copy() {
    check(Engine::DatafusionDistributed).await;
}

#[cfg(feature = "ballista")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_ballista_executors_make_the_packs_of_a_copy() {
    check(Engine::Ballista).await;
}

/// What one process makes of a compressed file, workers do not make of parts of it.
#[cfg(feature = "datafusion-distributed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_datafusion_distributed_a_compressed_file_is_copied_as_a_whole() {
    let temp = tempfile::tempdir().unwrap();
    let cluster = Engine::DatafusionDistributed.start(|| node(4)).await;
    let folder = temp.path().display();
    let rows = "SELECT 'k' || value AS key, 'text ' || value AS text FROM generate_series(1, 5000)";
    sql(
        &session(),
        &format!(
            "COPY ({rows}) TO '{folder}/rows.jsonl.zst' STORED AS JSON OPTIONS ('format.compression' 'zstd')"
        ),
    )
    .await;
    let rows = format!(
        "CREATE EXTERNAL TABLE r STORED AS JSON LOCATION '{folder}/rows.jsonl.zst' OPTIONS ('format.compression' 'zstd')"
    );
    sql(&cluster.context, &rows).await;
    let written =
        sql(&cluster.context, &format!("COPY (SELECT * FROM r) TO '{folder}/packs/' STORED AS CART")).await;
    assert_eq!(written[0].column(0).as_primitive::<UInt64Type>().value(0), 5000);
}
