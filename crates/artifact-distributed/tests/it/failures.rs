use std::sync::Arc;

use datafusion::execution::object_store::ObjectStoreUrl;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::throttle::{ThrottleConfig, ThrottledStore};
use object_store::{ObjectStore, ObjectStoreExt};

#[cfg(feature = "datafusion-distributed")]
use crate::clusters::Cluster;
use crate::clusters::{Engine, node};
use crate::support::{fails, packs, printed, session, sql, table};

/// Seven packs in a store that all processes have.
async fn store(folder: &std::path::Path) -> Arc<InMemory> {
    let store = Arc::new(InMemory::new());
    packs(folder, 7);
    for number in 0..7 {
        let bytes = std::fs::read(folder.join(format!("{number:03}.cart"))).unwrap();
        store.put(&Path::from(format!("notes/{number:03}.cart")), bytes.into()).await.unwrap();
    }
    store
}

fn url() -> ObjectStoreUrl {
    ObjectStoreUrl::parse("memory://").unwrap()
}

/// Each process fetches packs of a store by itself. What is missing or damaged when a task needs it is an error that names it.
async fn check(engine: Engine) {
    let temp = tempfile::tempdir().unwrap();
    let store = store(temp.path()).await;
    let start = || engine.start(|| node(3).store(&url(), store.clone()));
    let local = session();
    let search = |folder: &str| format!("SELECT key, score FROM cart_search('{folder}', 'small cat', 20)");
    let expected = printed(&sql(&local, &search(&format!("{}/", temp.path().display()))).await);

    let cluster = start().await;
    assert_eq!(printed(&sql(&cluster.context, &search("memory:///notes/")).await), expected);
    drop(cluster);

    // Found when the query was planned, and gone or another when a task opens it.
    let cluster = start().await;
    table(&cluster.context, "t", "memory:///notes/").await;
    let path = Path::from("notes/003.cart");
    let bytes = store.get(&path).await.unwrap().bytes().await.unwrap();
    let mut damaged = bytes.to_vec();
    damaged[5000] ^= 1;
    store.put(&path, damaged.into()).await.unwrap();
    let error = fails(&cluster.context, "SELECT key FROM t").await;
    assert!(error.contains("003.cart") && error.contains("damaged"), "{error}");
    let other = store.get(&Path::from("notes/004.cart")).await.unwrap().bytes().await.unwrap();
    store.put(&path, other.into()).await.unwrap();
    let error = fails(&cluster.context, "SELECT key FROM t").await;
    assert!(error.contains("003.cart") && error.contains("exchanged"), "{error}");
    store.delete(&path).await.unwrap();
    let error = fails(&cluster.context, "SELECT key FROM t").await;
    assert!(error.contains("003.cart"), "{error}");
    store.put(&path, bytes.into()).await.unwrap();
    let counted = sql(&cluster.context, "SELECT count(key) FROM t").await;
    assert!(printed(&counted).contains("350"), "{}", printed(&counted));
}

#[cfg(feature = "datafusion-distributed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_datafusion_distributed_what_is_missing_or_damaged_is_named() {
    check(Engine::DatafusionDistributed).await;
}

#[cfg(feature = "ballista")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_ballista_what_is_missing_or_damaged_is_named() {
    check(Engine::Ballista).await;
}

/// As a store that is far away: what is fetched from it takes seconds.
fn slow(store: Arc<InMemory>) -> Arc<dyn ObjectStore> {
    let wait = std::time::Duration::from_secs(3);
    let config = ThrottleConfig { wait_get_per_call: wait, ..ThrottleConfig::default() };
    Arc::new(ThrottledStore::new(store, config))
}

const COUNTED: &str = "SELECT even, count(*), count(text), sum(n) FROM t GROUP BY even ORDER BY even";

/// What [`COUNTED`] is in one process.
async fn counted(folder: &std::path::Path) -> String {
    let local = session();
    table(&local, "t", &format!("{}/", folder.display())).await;
    printed(&sql(&local, COUNTED).await)
}

#[cfg(feature = "datafusion-distributed")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datafusion_distributed_fails_when_a_worker_dies_and_answers_with_those_that_are_left() {
    use artifact_distributed::datafusion_distributed::session;

    let temp = tempfile::tempdir().unwrap();
    let store = slow(store(temp.path()).await);
    let node = || node(3).store(&url(), store.clone());
    let (executors, urls) = crate::clusters::workers(&node);
    let mut cluster = Cluster::new(session(&urls, &node()).unwrap(), executors);
    table(&cluster.context, "t", "memory:///notes/").await;
    let expected = counted(temp.path()).await;
    let error = cluster.killed_during(COUNTED).await.unwrap_err();
    assert!(!error.to_string().is_empty());
    let context = session(&urls[1..], &node()).unwrap();
    table(&context, "t", "memory:///notes/").await;
    assert_eq!(printed(&sql(&context, COUNTED).await), expected);
}

#[cfg(feature = "ballista")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ballista_gives_the_tasks_of_an_executor_that_dies_to_others() {
    let temp = tempfile::tempdir().unwrap();
    let store = slow(store(temp.path()).await);
    let mut cluster = Engine::Ballista.start(|| node(7).store(&url(), store.clone())).await;
    table(&cluster.context, "t", "memory:///notes/").await;
    assert_eq!(cluster.killed_during(COUNTED).await.unwrap(), counted(temp.path()).await);
}
