//! No thread that an option did not ask for: every test looks at a process of its own.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use compact_artifact::{CompactArtifact, Maintenance, Metric, Options, Query, Record, SpaceOptions};

/// Everything that divides its work: batches of many records, sealing with a graph, compacting, many searches, audits, packing.
fn work(options: Options) {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = options
        .maintenance(Maintenance::Manual)
        .graph_from(2_000)
        .space("v", SpaceOptions::new(4, Metric::L2));
    let artifact = artifact.create(&path).unwrap();
    let record = |i: u32| {
        let text = format!("record {i} {}", "some filler text ".repeat(8));
        Record::text(text).key(i.to_string()).embedding("v", [i as f32, (i % 7) as f32, (i % 11) as f32, 1.0])
    };
    artifact.add_batch((0..2_500).map(record)).unwrap();
    artifact.seal().unwrap();
    let queries: Vec<Query> =
        (0..20).map(|i| Query::words("record").and_vector("v", [i as f32; 4])).collect();
    assert!(artifact.search_batch(&queries).iter().all(|found| found.as_ref().unwrap().hits.len() == 10));
    artifact.snapshot().audit_recall("v", 20, 5, &[64]).unwrap();
    assert!((0..500).all(|i| artifact.delete_key(&i.to_string()).unwrap()));
    artifact.compact(64 << 20).unwrap();
    artifact.pack(temp.path().join("p")).unwrap();
    assert_eq!(artifact.len(), 2_000);
    artifact.close().unwrap();
}

/// Names of the threads of this process.
fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let name = |task: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_to_string(task.ok()?.path().join("comm")).ok().map(|name| name.trim().to_owned())
    };
    tasks.filter_map(name).collect()
}

/// Runs [`child`] in a process of its own.
fn in_a_process(what: &str, envs: &[(&str, &str)]) {
    if !cfg!(target_os = "linux") {
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["threads::child", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .env("THREADS_CASE", what)
        .envs(envs.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[ignore = "what the other tests run in a process of its own"]
fn child() {
    let before = threads();
    match std::env::var("THREADS_CASE").as_deref() {
        Ok("one") => {
            work(Options::new().threads(1));
            assert_eq!(threads(), before);
        }
        Ok("three") => {
            let temp = tempfile::tempdir().unwrap();
            let artifact = Options::new().threads(3).create(temp.path().join("a")).unwrap();
            artifact.add_batch((0..300).map(|i| Record::text(format!("text {i}")))).unwrap();
            // A thread that was started gives itself its name when its turn comes.
            let own = || threads().iter().filter(|name| name.starts_with("artifact-")).count();
            let begun = Instant::now();
            while own() < 3 && begun.elapsed() < Duration::from_secs(30) {
                std::thread::yield_now();
            }
            let own = own();
            assert_eq!((own, threads().len()), (3, before.len() + 3));
        }
        Ok("callers") => {
            let pool =
                rayon::ThreadPoolBuilder::new().num_threads(2).thread_name(|_| "mine".to_owned()).build();
            let before = threads().len();
            work(Options::new().pool(Arc::new(pool.unwrap())));
            assert!(threads().len() <= before);
        }
        Ok("none") => {
            // The stack that is asked for in the environment cannot be had.
            assert!(std::thread::Builder::new().spawn(|| ()).is_err());
            work(Options::new().threads(4));
            let temp = tempfile::tempdir().unwrap();
            let background = Options::new().maintenance(Maintenance::Background);
            let error = background.create(temp.path().join("a")).unwrap_err();
            assert!(error.to_string().contains("thread"), "{error}");
            assert!(!temp.path().join("a").exists(), "what fails leaves nothing behind");
        }
        Ok("inside") => {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
            let temp = tempfile::tempdir().unwrap();
            let artifact = CompactArtifact::create(temp.path().join("a")).unwrap();
            pool.scope(|scope| {
                for batch in 0..8 {
                    let artifact = &artifact;
                    scope.spawn(move |_| {
                        let record = |i: u32| Record::text(format!("text {i} of {batch}"));
                        artifact.add_batch((0..300).map(record)).unwrap();
                    });
                }
            });
            assert_eq!(artifact.len(), 2_400);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn with_one_thread_the_calling_thread_does_everything() {
    in_a_process("one", &[]);
}

#[test]
fn the_pool_has_as_many_threads_as_were_asked_for_and_there_is_no_other() {
    in_a_process("three", &[("RAYON_NUM_THREADS", "7")]);
}

#[test]
fn the_pool_of_the_caller_does_the_work() {
    in_a_process("callers", &[]);
}

#[test]
fn where_no_thread_can_be_had_the_calling_thread_does_everything() {
    in_a_process("none", &[("RUST_MIN_STACK", "4611686018427387904")]);
}

/// Threads of a pool that wait do other work of the pool meanwhile: not while they hold a lock.
#[test]
fn callers_that_are_threads_of_a_pool_do_not_wait_for_each_other() {
    in_a_process("inside", &[]);
}
