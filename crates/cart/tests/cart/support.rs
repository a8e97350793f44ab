//! Runs `cart` in a folder of its own.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// A folder, and commands that run in it.
pub(crate) struct Place(tempfile::TempDir);

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cart"));
        command.current_dir(self.0.path()).args(words(args)).env_remove("NO_COLOR");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Arguments are parted by blanks; single quotes hold them together.
    pub(crate) fn cart(&self, args: &str) -> Ended {
        self.cart_with(args, b"")
    }

    pub(crate) fn cart_with(&self, args: &str, stdin: &[u8]) -> Ended {
        let mut child = self.command(args).spawn().unwrap();
        let mut to = child.stdin.take().unwrap();
        let stdin = stdin.to_vec();
        let writing = std::thread::spawn(move || drop(to.write_all(&stdin)));
        let output = child.wait_with_output().unwrap();
        writing.join().unwrap();
        Ended::of(output)
    }

    /// Removes the file of the vectors of an artifact that has few records, after they are indexed: the longest part.
    pub(crate) fn lose_vectors(&self, artifact: &str) {
        self.cart(&format!("compact {artifact}")).succeeds();
        let files = std::fs::read_dir(self.path(artifact)).unwrap().map(|entry| entry.unwrap().path());
        let parts = files.filter(|file| file.file_name().unwrap().to_str().unwrap().starts_with("part"));
        let longest = parts.max_by_key(|part| part.metadata().unwrap().len());
        std::fs::remove_file(longest.unwrap()).unwrap();
    }

    /// What a command that succeeds writes.
    pub(crate) fn text(&self, args: &str) -> String {
        self.cart(args).succeeds().text()
    }

    /// What a command that succeeds writes as JSON.
    pub(crate) fn json(&self, args: &str) -> Value {
        self.cart(&format!("{args} --json")).succeeds().json()
    }

    /// The keys that a search finds, the best first.
    pub(crate) fn found(&self, args: &str) -> Vec<String> {
        let ended = self.cart(&format!("search {args} --json"));
        assert!(ended.code == 0 || ended.code == 3, "{ended:?}");
        let document = ended.json();
        document["hits"]
            .as_array()
            .unwrap()
            .iter()
            .map(|hit| hit["key"].as_str().unwrap().to_owned())
            .collect()
    }

    pub(crate) fn records(&self, artifact: &str) -> u64 {
        self.json(&format!("stats {artifact}"))["stats"]["records"].as_u64().unwrap()
    }
}

impl Ended {
    #[track_caller]
    pub(crate) fn of(output: std::process::Output) -> Self {
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!stderr.contains("panicked"), "{stderr}");
        Self { code: output.status.code().unwrap(), stdout: output.stdout, stderr }
    }

    #[track_caller]
    pub(crate) fn succeeds(self) -> Self {
        assert_eq!((self.code, self.stderr.as_str()), (0, ""), "{}", self.text());
        self
    }

    /// Exit code, and one line on stderr that has every one of `parts`.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, parts: &[&str]) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.stderr.starts_with("cart: ") && self.stderr.ends_with('\n'), "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        for part in parts {
            assert!(self.stderr.contains(part), "expected {part:?} in {:?}", self.stderr);
        }
        self
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The records of an export, without the settings in front of them.
    #[track_caller]
    pub(crate) fn records(&self) -> Vec<Value> {
        self.json_lines().into_iter().filter(|line| line.get("settings").is_none()).collect()
    }

    #[track_caller]
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn words(args: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in args.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Flips a bit in the middle of the largest file of a folder.
pub(crate) fn damage(folder: &Path) -> PathBuf {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let largest = files.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&largest, bytes).unwrap();
    largest
}
