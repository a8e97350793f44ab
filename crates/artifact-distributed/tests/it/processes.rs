use std::path::PathBuf;
use std::process::Command;

/// The example, which `cargo test` builds beside its tests.
fn example() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let built = tests.ancestors().nth(2).unwrap().join("examples/processes");
    assert!(built.exists(), "{}: not there; build it by `cargo build --examples`", built.display());
    built
}

#[test]
fn three_processes_make_packs_search_and_count_and_are_gone_after_one_was_killed() {
    let run = Command::new(example()).args(["--records", "320"]).output().unwrap();
    let told = String::from_utf8(run.stdout).unwrap();
    assert!(run.status.success(), "{told}{}", String::from_utf8_lossy(&run.stderr));
    for expected in [
        "320 records in",
        "Searched by words and meaning",
        "the query waits for it",
        "the query fails",
        "Asked again, with those that are left",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    let numbers = told.lines().filter_map(|line| line.split_once(": process ")?.1.split_once(" at "));
    let processes: Vec<&str> = numbers.map(|(number, _)| number).collect();
    assert!(processes.len() >= 3, "{told}");
    for process in processes {
        assert!(!PathBuf::from(format!("/proc/{process}")).exists(), "{process} is still there: {told}");
    }
}
