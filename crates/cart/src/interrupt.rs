//! Ctrl-C, and what else ends a program politely: it is said what is kept.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use crate::failure::{Code, Failure, Result};
use crate::output::{count, warn};

/// Records that this command has committed. The lock is held while it writes.
static KEPT: Mutex<u64> = Mutex::new(0);
/// The command is to end as soon as it has written.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Takes back what was set up for records of which none is committed yet. The lock is held while it does.
static SET_UP: Mutex<Option<TakeBack>> = Mutex::new(None);
type TakeBack = Box<dyn FnOnce() -> std::result::Result<(), String> + Send>;
/// How long a command that is interrupted a second time may take to take back what it set up.
const GRACE: Duration = Duration::from_secs(2);

/// From now on the command ends with a sentence: at once while nothing is written, otherwise behind the commit. A second time it ends there
/// and then; a commit is whole or not there at all. What was [set up](set_up) for records is taken back first, if none was committed.
pub(crate) fn tell_what_is_kept() -> Result<()> {
    watch(|| match KEPT.try_lock() {
        Ok(kept) => end(*kept),
        Err(TryLockError::Poisoned(kept)) => end(*kept.into_inner()),
        Err(TryLockError::WouldBlock) if INTERRUPTED.swap(true, Ordering::Relaxed) => end_while_writing(),
        Err(TryLockError::WouldBlock) => {
            warn("interrupted; ends when this is written, or when interrupted again");
        }
    })
}

/// From now on the command is only asked to end: see [`is_asked`]. Asked a second time, it ends there and then.
pub(crate) fn end_when_asked() -> Result<()> {
    watch(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            warn("interrupted; what was embedded is kept, and the same command goes on from there");
            std::process::exit(Code::Interrupted as i32);
        }
    })
}

/// Whether what [`whole_or_nothing`] makes is made. The lock is held while it is removed instead, until the program ends.
static IS_MADE: Mutex<bool> = Mutex::new(false);

/// Makes something at a path. Interrupted before it is made, the command removes what is there so far and ends; interrupted later, it goes on to its
/// end. Removed are files that are named as those of an artifact in a folder that was not there or was empty, or a file that was not there.
pub(crate) fn whole_or_nothing<T>(path: &Path, make: impl FnOnce() -> Result<T>) -> Result<T> {
    removing_by(remover(path), path, make)
}

/// Makes something at a path by means of a file or a folder aside, which this command has made. Interrupted, it removes that and ends.
pub(crate) fn with_aside<T>(aside: &Path, path: &Path, make: impl FnOnce() -> Result<T>) -> Result<T> {
    let aside = aside.to_owned();
    removing_by(move || remove_aside(&aside), path, make)
}

fn removing_by<T>(
    remove: impl Fn() -> std::io::Result<()> + Send + 'static,
    path: &Path,
    make: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let removed = path.to_owned();
    watch(move || {
        let is_made = lock(&IS_MADE);
        if *is_made {
            return;
        }
        let left = remove().err();
        let path = removed.display();
        warn(&left.map_or_else(
            || format!("interrupted; nothing was made at {path}"),
            |e| format!("interrupted; {path} is not finished, and cannot be removed: {e}"),
        ));
        std::process::exit(Code::Interrupted as i32);
    })?;
    let made = make();
    // Waits for the end of the program while an interruption removes what was made: then neither success nor a failure is told.
    *lock(&IS_MADE) = true;
    made
}

fn lock<T>(mutex: &'static Mutex<T>) -> MutexGuard<'static, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes an artifact that is about to be made at the path: its files if nothing is there yet or an empty folder, and the folder if it is not there.
pub(crate) fn remover(path: &Path) -> impl Fn() -> std::io::Result<()> + Send + use<> {
    let was_there = path.exists();
    let is_ours = !was_there || std::fs::read_dir(path).is_ok_and(|mut folder| folder.next().is_none());
    let path = path.to_owned();
    move || if is_ours { remove_for_good(&path, was_there) } else { Ok(()) }
}

/// Removes what the command has made until it makes nothing more: it goes on meanwhile, and may make a file behind the back of this. Without the lock of an
/// artifact it soon fails.
fn remove_for_good(path: &Path, stays: bool) -> std::io::Result<()> {
    retried(|| remove_artifact(path, stays))
}

/// Removes until there was nothing, for a while.
fn retried(mut remove: impl FnMut() -> std::io::Result<bool>) -> std::io::Result<()> {
    const TRIES: usize = 100;
    const PAUSE: Duration = Duration::from_millis(5);
    let mut removed = Ok(true);
    for _ in 0..TRIES {
        removed = remove();
        if matches!(removed, Ok(false)) {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    removed.map(drop)
}

/// Removes what this command has made aside, while it may still make files in it.
fn remove_aside(path: &Path) -> std::io::Result<()> {
    retried(|| {
        let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
        match removed {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
            removed => removed.map(|()| true),
        }
    })
}

/// Removes the files of an artifact, and the folder if nothing else is in it and it is not to stay. Whether there was anything.
fn remove_artifact(path: &Path, stays: bool) -> std::io::Result<bool> {
    let gone = |removed: std::io::Result<()>| match removed {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    };
    if path.is_file() {
        return gone(std::fs::remove_file(path)).map(|()| true);
    }
    let Ok(folder) = std::fs::read_dir(path) else { return Ok(false) };
    let mut files = Vec::new();
    for entry in folder {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(is_name_in_artifact) {
            files.push(entry.path());
        }
    }
    // Nothing that names a file outlives it.
    files.sort_by_key(|path| !path.file_name().is_some_and(|name| name.to_str().is_some_and(is_manifest)));
    files.iter().try_for_each(|path| gone(std::fs::remove_file(path)))?;
    if stays { Ok(!files.is_empty()) } else { gone(std::fs::remove_dir(path)).map(|()| true) }
}

/// Whether files of an artifact are named so.
pub(crate) fn is_name_in_artifact(name: &str) -> bool {
    ["LOCK", "WAIT", "UNFINISHED", "DESTROYED"].contains(&name)
        || ["log-", "segment-", "part-", "manifest-"].iter().any(|kind| name.starts_with(kind))
}

/// Whether the files that make a folder an artifact are named so.
pub(crate) fn is_manifest(name: &str) -> bool {
    let Some((number, copy)) = name.strip_prefix("manifest-").and_then(|rest| rest.split_once('-')) else {
        return false;
    };
    number.len() == 16 && number.bytes().all(|byte| byte.is_ascii_hexdigit()) && ["0", "1"].contains(&copy)
}

/// From now on `call` is called when the program is to end. It ends there and then when it has not after `grace`, or is asked a second time: a commit is whole
/// or not there at all.
pub(crate) fn call_when_asked(grace: Duration, call: impl Fn() + Send + 'static) -> Result<()> {
    let end = || std::process::exit(Code::Interrupted as i32);
    watch(move || {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            end();
        }
        // Before the call, which may wait for somebody who reads nothing.
        let limited = std::thread::Builder::new().spawn(move || {
            std::thread::sleep(grace);
            end();
        });
        call();
        if limited.is_err() {
            end();
        }
    })
}

/// From now on this program goes on when it is interrupted.
pub(crate) fn ignore() -> Result<()> {
    watch(|| {})
}

/// Whether the command is to end.
pub(crate) fn is_asked() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

fn watch(call: impl FnMut() + Send + 'static) -> Result<()> {
    match ctrlc::try_set_handler(call) {
        // Without a thread to wait with, or where somebody has set these signals to be ignored (nohup), they stay as they are: an end without a
        // word loses no more than one with a word.
        Err(ctrlc::Error::System(_) | ctrlc::Error::MultipleHandlers) | Ok(()) => Ok(()),
        Err(e) => Err(Failure::failed(format_args!("waiting for Ctrl-C: {e}"))),
    }
}

fn end(kept: u64) -> ! {
    // Held until the program ends: whoever waits for it tells neither success nor a failure.
    let mut set_up = lock(&SET_UP);
    let stays = set_up.take().and_then(|take_back| take_back().err());
    let stays = stays.map_or(String::new(), |e| format!("; what was set up for it stays: {e}"));
    warn(&format!("{}{stays}", sentence(kept)));
    std::process::exit(Code::Interrupted as i32)
}

/// Ends in the middle of a commit. What takes back waits for a commit that is being written, and that one may wait for its input.
fn end_while_writing() -> ! {
    let end = || {
        warn("interrupted while records were written: they are all there or none of them");
        std::process::exit(Code::Interrupted as i32)
    };
    let limited = std::thread::Builder::new().spawn(move || {
        std::thread::sleep(GRACE);
        end();
    });
    let mut set_up = lock(&SET_UP);
    if let Some(take_back) = set_up.take().filter(|_| limited.is_ok()) {
        let _ = take_back();
    }
    end()
}

fn sentence(kept: u64) -> String {
    match kept {
        0 => "interrupted; nothing was added".to_owned(),
        1 => "interrupted; 1 record was added before it and is kept".to_owned(),
        kept => format!("interrupted; {} records were added before it and are kept", count(kept)),
    }
}

/// Where the command is interrupted before a record is committed, `take_back` is called, and says what it could not take back.
pub(crate) fn set_up(take_back: impl FnOnce() -> std::result::Result<(), String> + Send + 'static) {
    *lock(&SET_UP) = Some(Box::new(take_back));
}

/// What was set up stays, or is taken back by the caller. Waits for the end of the program while an interruption takes it back.
pub(crate) fn keep_set_up() {
    lock(&SET_UP).take();
}

/// Something is being written, as long as this lives.
#[derive(Debug)]
pub(crate) struct Busy(MutexGuard<'static, u64>);

pub(crate) fn writing() -> Busy {
    Busy(lock(&KEPT))
}

impl Busy {
    /// An artifact was opened and no record written. An error if the command is to end here.
    pub(crate) fn opened(self) -> Result<()> {
        let _until_taken_back = self;
        if !is_asked() {
            return Ok(());
        }
        let failure = Failure::interrupted().and("nothing was added");
        Err(match lock(&SET_UP).take().and_then(|take_back| take_back().err()) {
            Some(e) => failure.and(format_args!("what was set up for it stays: {e}")),
            None => failure,
        })
    }

    /// It was written: so many records are kept by now. An error if the command is to end here.
    pub(crate) fn kept(mut self, records: u64) -> Result<()> {
        keep_set_up();
        *self.0 = records;
        if is_asked() { Err(Failure::interrupted()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_is_kept_of_an_interrupted_command_is_counted() {
        assert_eq!(sentence(0), "interrupted; nothing was added");
        assert_eq!(sentence(1), "interrupted; 1 record was added before it and is kept");
        assert_eq!(sentence(1_234), "interrupted; 1,234 records were added before it and are kept");
    }

    #[test]
    fn what_an_interrupted_command_made_goes_and_nothing_else() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("r");
        let make = |name: &str| {
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join(name), "x").unwrap();
        };
        make("LOCK");
        make("UNFINISHED");
        make("segment-1");
        remove_artifact(&path, true).unwrap();
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0, "a folder that was there stays");
        make("log-1");
        remove_artifact(&path, false).unwrap();
        assert!(!path.exists());
        make("manifest-1");
        make("thesis.txt");
        assert!(remove_artifact(&path, false).is_err());
        assert!(path.join("thesis.txt").exists() && !path.join("manifest-1").exists());
        let file = temp.path().join("a.pack");
        fs::write(&file, "x").unwrap();
        remove_artifact(&file, false).unwrap();
        assert!(!file.exists());
        remove_artifact(&file, false).unwrap();
    }
}
