use std::path::PathBuf;
use std::process::Command;

/// The example, which `cargo test` builds beside its tests.
fn example() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let built = tests.ancestors().nth(2).unwrap().join("examples/processes");
    assert!(built.exists(), "{}: not there; build it by `cargo build --examples`", built.display());
    built
}

/// Real processes: three executors make packs, search and count, go on without the one that is killed, and are gone in the end.
fn check(engine: &str, at_the_kill: &[&str]) {
    let run = Command::new(example()).args(["--engine", engine, "--records", "320"]).output().unwrap();
    let told = String::from_utf8(run.stdout).unwrap();
    assert!(run.status.success(), "{told}{}", String::from_utf8_lossy(&run.stderr));
    let always = ["320 records in", "Searched by words and meaning", "Asked again, with those that are left"];
    for expected in always.iter().chain(at_the_kill) {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    let numbers = told.lines().filter_map(|line| line.split_once(": process ")?.1.split_once(" at "));
    let processes: Vec<&str> = numbers.map(|(number, _)| number).collect();
    assert!(processes.len() >= 3, "{told}");
    for process in processes {
        assert!(!PathBuf::from(format!("/proc/{process}")).exists(), "{process} is still there: {told}");
    }
}

#[test]
fn the_example_shows_three_workers_and_the_loss_of_one() {
    check("datafusion-distributed", &["the query waits for it", "the query fails"]);
}

#[cfg(feature = "ballista")]
#[test]
fn the_example_shows_three_executors_of_ballista_and_the_loss_of_one() {
    // Executors ask for tasks: whether one that has stopped had been given any is up to chance.
    check("ballista", &["the query goes on without it"]);
}
