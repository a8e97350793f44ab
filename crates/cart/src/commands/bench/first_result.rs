//! From the start of a process to its first result.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use performance::{Report, Unit};
use serde_json::Value;

use super::data::{Data, two_words};
use super::ingest::median;
use crate::failure::{Failure, Result};
use crate::output::Progress;

/// Processes that are started to see how fast they are.
const PROCESSES: usize = 11;

/// Of processes that search for two words.
pub(super) fn measure(path: &Path, data: &Data, report: &mut Report) -> Result<()> {
    let _bar = Progress::spinner("open to first result");
    let fault = |e: String| Failure::failed(format_args!("a process of our own: {e}"));
    let program = std::env::current_exe().map_err(|e| fault(e.to_string()))?;
    let word = data.documents.iter().find_map(two_words).unwrap_or_else(|| "first".to_owned());
    let (mut whole, mut inside) = (Vec::new(), Vec::new());
    for _ in 0..=PROCESSES {
        let begun = Instant::now();
        let mut command = Command::new(&program);
        command.args(["search", "--json", "-k", "1"]).arg(path).args(word.split(' '));
        let ended =
            command.stdin(Stdio::null()).stderr(Stdio::null()).output().map_err(|e| fault(e.to_string()))?;
        whole.push(begun.elapsed());
        let found: Value = serde_json::from_slice(&ended.stdout).map_err(|e| fault(e.to_string()))?;
        let seconds = |name: &str| found.get(name).and_then(Value::as_f64).unwrap_or_default();
        inside.push(
            Duration::try_from_secs_f64(seconds("open_seconds") + seconds("seconds")).unwrap_or_default(),
        );
    }
    let mut add = |name: &str, time: Duration| report.add_figure(name, time.as_secs_f64(), Unit::Seconds);
    add("open to first result, first process", inside.remove(0));
    add("open to first result, new process, median", median(&mut inside));
    whole.remove(0);
    add("  with its start and its end", median(&mut whole));
    Ok(())
}
