//! A writer and a reader in two processes: the reader follows, the writer is killed in the middle, and nothing that it said was kept is lost.
//!
//! `cargo run --release -p compact-artifact --example two_processes`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use compact_artifact::{CompactArtifact, Query};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What a writer says behind each commit: `kept 17`.
const KEPT: &str = "kept ";

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [path] = &args[..] {
        return write(Path::new(path)); // this is the second process
    }
    let temp = tempfile::tempdir()?;
    let program = std::env::current_exe()?;
    run(temp.path(), |path| {
        let mut command = Command::new(&program);
        command.arg(path);
        command
    })
    .map(drop)
}

/// The writer: one commit after another, until it is killed. It says which number it got to.
pub(crate) fn write(path: &Path) -> Result<()> {
    let artifact = CompactArtifact::open(path)?;
    let recovery = artifact.recovery();
    println!("writer: {} commits recovered, {} records", recovery.commits_recovered, artifact.len());
    loop {
        let number = artifact.len();
        artifact.add_text(&format!("message {number}"))?;
        println!("{KEPT}{number}"); // said when it is on disk
    }
}

/// The reader, which starts writers; `writer` makes the command that runs [`write`] on a path. Returns how many messages there are.
pub(crate) fn run(folder: &Path, writer: impl Fn(&Path) -> Command) -> Result<u64> {
    let path = folder.join("messages.artifact");
    CompactArtifact::create(&path)?.close()?;
    let reader = CompactArtifact::open_read_only(&path)?;

    let mut last = 0;
    for round in 1..=2 {
        let mut child = Writer::start(writer(&path))?;
        for _ in 0..5 {
            last = child.next_kept(last + 10)?;
            reader.refresh()?; // the writer is neither asked nor kept waiting
            let found = reader.search(&Query::words(&last.to_string()).k(1).fetch(true))?;
            let record = found.hits.first().and_then(|hit| hit.record.as_ref());
            let text = record.ok_or_else(|| format!("message {last} was kept and is not there"))?.text()?;
            println!("reader: {} messages; found {text:?}", reader.len());
        }
        last = child.kill()?.map_or(last, |kept| kept.max(last));
        println!("reader: writer {round} was killed after it kept message {last}");
    }

    // The next writer recovers: every message that was said to be kept is there.
    let artifact = CompactArtifact::open(&path)?;
    let count = artifact.len();
    println!(
        "opened for writing again: {count} messages, and {} bytes of an unfinished commit dropped",
        artifact.recovery().dropped_len
    );
    if count <= last {
        return Err(format!("message {last} was kept, and {count} messages are left").into());
    }
    artifact.close()?;
    reader.refresh()?;
    println!("reader: {} messages", reader.len());
    Ok(reader.len())
}

/// A process that writes.
struct Writer {
    child: Child,
    says: Lines<BufReader<ChildStdout>>,
}

impl Writer {
    fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let says = child.stdout.take().ok_or("the writer has no output")?;
        Ok(Self { child, says: BufReader::new(says).lines() })
    }

    /// Waits until it kept a message from this number on.
    fn next_kept(&mut self, number: u64) -> Result<u64> {
        loop {
            match self.next()? {
                Some(kept) if kept >= number => return Ok(kept),
                Some(_) => {}
                None => return Err("the writer ended".into()),
            }
        }
    }

    /// Kills it. Returns the last message that it kept, if it said so since it was last asked.
    fn kill(mut self) -> Result<Option<u64>> {
        self.child.kill()?;
        self.child.wait()?;
        let mut last = None;
        while let Some(kept) = self.next()? {
            last = Some(kept);
        }
        Ok(last)
    }

    /// The next message that it kept. `None`: it ended.
    fn next(&mut self) -> Result<Option<u64>> {
        for line in self.says.by_ref() {
            let line = line?;
            match line.strip_prefix(KEPT).map(str::parse) {
                Some(Ok(kept)) => return Ok(Some(kept)),
                Some(Err(_)) => {} // cut off when it was killed
                None => println!("{line}"),
            }
        }
        Ok(None)
    }
}

/// A writer does not outlive the reader that started it.
impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
