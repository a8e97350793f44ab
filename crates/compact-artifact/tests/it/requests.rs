//! Calls that are awaited: the answers of the others, so many at a time, and what dropping one means.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use compact_artifact::{
    Batch, CompactArtifact, Embedder, EmbedderError, Embeddings, ErrorKind, Filter, ModelHash, Options,
    Query, Record, RecordId, Request,
};
use pollster::block_on;
use serde_json::json;

#[test]
fn awaited_calls_answer_as_the_others_do() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = CompactArtifact::create(&path).unwrap();
    block_on(async {
        let id = artifact.add_async(Record::text("a cat").key("cat").metadata(json!({"n": 1}))).await?;
        let ids = artifact.add_batch_async((0..3).map(|n| Record::text(format!("dog {n}")))).await?;
        assert_eq!(artifact.len(), 4);
        assert!(artifact.update_async(id, json!({"n": 2})).await?);
        assert_eq!(artifact.count_async(Filter::field("n").eq(2)).await?, 1);
        assert_eq!(artifact.get_async(id).await?.unwrap().text()?, "a cat");
        assert_eq!(artifact.get_by_key_async("cat").await?.unwrap().id(), id);
        let many = artifact.get_many_async([ids[1], RecordId(99)]).await?;
        assert_eq!(many.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false]);
        let found = artifact.search_async(Query::words("dog")).await?;
        assert_eq!(found.hits.len(), 3);
        assert!(artifact.delete_async(ids[0]).await?);
        let replaced = artifact.upsert_async(Record::text("a tiger").key("cat")).await?;
        assert_ne!(replaced, id);
        assert_eq!(artifact.write_async(Batch::new().delete_key("cat")).await?.deleted, 1);
        artifact.sync_async().await?;
        assert_eq!(artifact.seal_async().await?.records, 2);
        artifact.compact_async(8 << 20).await?;
        let e = artifact.search_async(Query::vector("no such space", [1.0])).await.unwrap_err();
        assert_eq!(e.kind(), ErrorKind::NoSuchSpace);
        artifact.request(|artifact| artifact.add_text("any call")).await.map(drop)
    })
    .unwrap();
    artifact.close().unwrap();
    assert_eq!(CompactArtifact::open(&path).unwrap().len(), 3);
}

/// An embedder that says how many texts it embeds at the same time, and waits until it may go on.
#[derive(Debug, Default)]
struct Gate {
    now: AtomicUsize,
    most: AtomicUsize,
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn wait_for(&self, now: usize) {
        let begun = Instant::now();
        while self.now.load(Ordering::SeqCst) < now {
            assert!(begun.elapsed() < Duration::from_secs(30), "{self:?}");
            std::thread::yield_now();
        }
    }
}

impl Embedder for Gate {
    fn id(&self) -> &'static str {
        "gate"
    }

    fn hash(&self) -> ModelHash {
        ModelHash::from_content(b"gate")
    }

    fn dimension(&self) -> usize {
        2
    }

    fn embed_documents(&self, texts: &[&str]) -> Result<Embeddings, EmbedderError> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let mut is_open = self.is_open.lock().unwrap();
        while !*is_open {
            is_open = self.opened.wait(is_open).unwrap();
        }
        drop(is_open);
        self.now.fetch_sub(1, Ordering::SeqCst);
        assert!(!texts[0].contains("panic"), "a text that this embedder does not like");
        let mut embeddings = Embeddings::with_capacity(2, texts.len())?;
        texts.iter().try_for_each(|_| embeddings.push(Some(&[1.0, 1.0])))?;
        Ok(embeddings)
    }
}

fn gated(requests: usize) -> (tempfile::TempDir, Arc<Gate>, CompactArtifact) {
    let (temp, gate) = (tempfile::tempdir().unwrap(), Arc::new(Gate::default()));
    let options = Options::new().embedder(gate.clone()).max_concurrent_requests(requests);
    let artifact = options.create(temp.path().join("a")).unwrap();
    (temp, gate, artifact)
}

/// Asks for the answer once.
fn poll<T>(request: &mut Request<T>) -> Poll<compact_artifact::Result<T>> {
    pin!(request).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn so_many_requests_are_carried_out_at_a_time_and_no_more() {
    for most in [1, 3] {
        let (_temp, gate, artifact) = gated(most);
        let mut requests: Vec<_> =
            (0..8).map(|n| artifact.add_async(Record::text(format!("text {n}")))).collect();
        assert!(requests.iter_mut().all(|request| poll(request).is_pending()));
        gate.wait_for(most);
        std::thread::sleep(Duration::from_millis(20));
        gate.open();
        let mut ids: Vec<RecordId> = requests.into_iter().map(|request| block_on(request).unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 8);
        assert_eq!(gate.most.load(Ordering::SeqCst), most);
    }
    let e = Options::new().max_concurrent_requests(0).create("nowhere").unwrap_err();
    assert_eq!(e.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn what_is_dropped_in_the_queue_never_runs_and_what_has_begun_is_finished() {
    let (_temp, gate, artifact) = gated(1);
    let mut begun = artifact.add_async(Record::text("begun").key("begun"));
    assert!(poll(&mut begun).is_pending());
    gate.wait_for(1);
    let mut queued = artifact.add_async(Record::text("queued").key("queued"));
    assert!(poll(&mut queued).is_pending());
    let never_polled = artifact.add_async(Record::text("never").key("never"));
    drop((begun, queued, never_polled));
    gate.open();
    block_on(artifact.add_async(Record::text("last").key("last"))).unwrap();
    let keys: Vec<String> = artifact.keys("").unwrap().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["begun", "last"]);
    artifact.close().unwrap();
}

#[test]
fn closing_waits_for_requests_in_the_queue_and_refuses_beside_those_that_nobody_polls() {
    let (temp, gate, artifact) = gated(1);
    let mut requests: Vec<_> =
        (0..3).map(|n| artifact.add_async(Record::text(format!("text {n}")))).collect();
    assert!(requests.iter_mut().all(|request| poll(request).is_pending()));
    let opener = gate.clone();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        opener.open();
    });
    artifact.close().unwrap();
    thread.join().unwrap();
    assert!(requests.iter_mut().all(|request| poll(request).is_ready()), "the answers are still there");
    let artifact = Options::new().embedder(gate).open(temp.path().join("a")).unwrap();
    assert_eq!((artifact.len(), artifact.recovery().is_clean()), (3, true));
    let unasked = artifact.get_async(RecordId(0));
    assert_eq!(artifact.close().unwrap_err().kind(), ErrorKind::InUse);
    assert!(block_on(unasked).unwrap().is_none(), "an embedding has this id");
    // From inside of a request nothing waits for itself.
    let artifact = CompactArtifact::create(temp.path().join("b")).unwrap();
    let e = block_on(artifact.request(|artifact| artifact.clone().close())).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::InUse);
}

/// As an executor may do that polls where it is woken.
struct ClosesWhenWoken(Mutex<Option<CompactArtifact>>, Mutex<Option<compact_artifact::Result<()>>>);

impl Wake for ClosesWhenWoken {
    fn wake(self: Arc<Self>) {
        let artifact = self.0.lock().unwrap().take().unwrap();
        *self.1.lock().unwrap() = Some(artifact.close());
    }
}

#[test]
fn closing_inside_of_a_request_of_another_artifact_waits_for_requests() {
    let (_other, other_gate, other) = gated(1);
    let (_temp, gate, artifact) = gated(1);
    let mut request = artifact.add_async(Record::text("a text"));
    assert!(poll(&mut request).is_pending());
    gate.wait_for(1);
    let closes = Arc::new(ClosesWhenWoken(Mutex::new(Some(artifact)), Mutex::new(None)));
    let mut inside = other.add_async(Record::text("another"));
    let waker = Waker::from(closes.clone());
    assert!(pin!(&mut inside).poll(&mut Context::from_waker(&waker)).is_pending());
    other_gate.open();
    std::thread::sleep(Duration::from_millis(100));
    gate.open();
    other.close().unwrap();
    closes.1.lock().unwrap().take().unwrap().unwrap();
    assert!(poll(&mut request).is_ready());
}

#[test]
fn a_panic_comes_to_who_awaits_and_the_next_request_runs() {
    let (_temp, gate, artifact) = gated(1);
    gate.open();
    let request = artifact.add_async(Record::text("panic"));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| block_on(request)));
    assert!(panicked.is_err());
    block_on(artifact.add_async(Record::text("fine"))).unwrap();
    assert_eq!(artifact.len(), 1);
}

#[test]
fn requests_of_many_tasks_share_commits_and_end_on_any_thread() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = Options::new().max_concurrent_requests(8).create(&path).unwrap();
    std::thread::scope(|threads| {
        for task in 0..8 {
            let artifact = artifact.clone();
            threads.spawn(move || {
                block_on(async {
                    for n in 0..50 {
                        artifact.add_async(Record::text(format!("{task} {n}"))).await.unwrap();
                    }
                });
            });
        }
    });
    assert_eq!(artifact.len(), 400);
    // The handle goes before the request that was begun with it.
    let request = artifact.search_async(Query::new().k(400));
    drop(artifact);
    assert_eq!(block_on(request).unwrap().hits.len(), 400);
    let begun = Instant::now();
    while let Err(e) = CompactArtifact::open(&path) {
        assert!(e.kind() == ErrorKind::Locked && begun.elapsed() < Duration::from_secs(10), "{e}");
    }
}
