//! A disk, and how far its events went → the disk as it is found after a loss of power.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use super::disk::{Disk, Event, Placed, State, write_at};
use super::variant::{CrashVariant, Persist, PersistNames, PersistSize};

/// The state that is left when the power goes after the first `events` events.
pub(super) fn crash(disk: &Disk, events: usize, variant: CrashVariant) -> State {
    let mut replay = Replay {
        variant,
        state: disk.base.clone(),
        sizes: BTreeMap::new(),
        pending: BTreeMap::new(),
        names: Vec::new(),
    };
    let mut placed = disk.placed.iter().filter(|(before, _)| *before <= events).peekable();
    for (index, event) in disk.events[..events].iter().enumerate() {
        while let Some((_, file)) = placed.next_if(|(before, _)| *before <= index) {
            replay.place(file);
        }
        replay.apply(event);
    }
    placed.for_each(|(_, file)| replay.place(file));
    replay.finish()
}

/// A replay that keeps what is not durable apart.
struct Replay {
    variant: CrashVariant,
    state: State,
    /// Length of files as a process saw it.
    sizes: BTreeMap<usize, usize>,
    pending: BTreeMap<usize, Vec<(usize, Arc<[u8]>)>>,
    /// Changes of names: `Some` was created, `None` was removed.
    names: Vec<(PathBuf, Option<usize>)>,
}

impl Replay {
    fn apply(&mut self, event: &Event) {
        match event {
            Event::CreateDir { path } => self.names.push((path.clone(), Some(usize::MAX))),
            Event::Create { path, file } => {
                debug_assert_eq!(*file, self.state.files.len());
                self.state.files.push(Arc::default());
                self.names.push((path.clone(), Some(*file)));
            }
            Event::Unlink { path } | Event::RemoveDir { path } => self.names.push((path.clone(), None)),
            Event::SyncDir { path } => {
                let (durable, pending) = std::mem::take(&mut self.names)
                    .into_iter()
                    .partition(|(name, _)| name.parent() == Some(path));
                self.names = pending;
                let durable: Vec<_> = durable;
                for change in durable {
                    self.rename(change);
                }
            }
            Event::Write { file, offset, bytes } => {
                let len = self.state.files[*file].len();
                let size = self.sizes.entry(*file).or_insert(len);
                *size = (*size).max(offset + bytes.len());
                self.pending.entry(*file).or_default().push((*offset, bytes.clone()));
            }
            Event::Sync { file } => {
                for (offset, bytes) in self.pending.remove(file).unwrap_or_default() {
                    write_at(Arc::make_mut(&mut self.state.files[*file]), offset, &bytes);
                }
            }
            Event::SyncFailed { file } => {
                self.pending.remove(file);
            }
        }
    }

    /// What is put in place is durable at once, whatever was pending for its name or content.
    fn place(&mut self, placed: &Placed) {
        self.names.retain(|(path, _)| *path != placed.path);
        if let Some((file, _)) = placed.file {
            self.pending.remove(&file);
            self.sizes.remove(&file);
        }
        self.state.place(placed.clone());
    }

    fn rename(&mut self, (path, file): (PathBuf, Option<usize>)) {
        match file {
            Some(usize::MAX) => drop(self.state.dirs.insert(path)),
            Some(file) => drop(self.state.names.insert(path, file)),
            None => {
                self.state.names.remove(&path);
                self.state.dirs.remove(&path);
            }
        }
    }

    fn finish(mut self) -> State {
        let CrashVariant { content, size, names, seed } = self.variant;
        let mut random = Random(seed ^ 0x5DEE_CE66);
        for change in std::mem::take(&mut self.names) {
            let survives = match names {
                PersistNames::None => false,
                PersistNames::All => true,
                PersistNames::Some => random.coin(),
            };
            if survives {
                self.rename(change);
            }
        }
        // Not only files with pending writes: one whose sync failed may have its size, but not its content.
        for (file, seen) in self.sizes {
            let writes = self.pending.remove(&file).unwrap_or_default();
            let durable = self.state.files[file].len();
            let least = if size == PersistSize::Grown { seen.max(durable) } else { durable };
            if writes.is_empty() && least == durable {
                continue;
            }
            let bytes = Arc::make_mut(&mut self.state.files[file]);
            survive(bytes, &writes, least, content, &mut random);
            bytes.resize(least.max(bytes.len()), 0);
        }
        // What was in a directory that is not there is not there either, however deep.
        let State { dirs, names, .. } = &mut self.state;
        let all = dirs.clone();
        let within = |path: &PathBuf| {
            path.ancestors().skip(1).all(|above| above.parent().is_none() || all.contains(above))
        };
        names.retain(|name, _| within(name));
        dirs.retain(within);
        self.state
    }
}

/// Applies what survives of `writes` to a file that is at least `least` bytes long.
fn survive(
    bytes: &mut Vec<u8>,
    writes: &[(usize, Arc<[u8]>)],
    least: usize,
    content: Persist,
    random: &mut Random,
) {
    const SECTOR: usize = 512;
    let total: usize = writes.iter().map(|(_, new)| new.len()).sum();
    let mut prefix = random.below(total + 1);
    let mut kept: HashMap<usize, bool> = HashMap::new();
    if content == Persist::Garbage {
        let begin = bytes.len();
        bytes.resize(least.max(begin), 0);
        bytes[begin..].iter_mut().for_each(|byte| *byte = random.byte());
    }
    for (index, (offset, new)) in writes.iter().enumerate() {
        match content {
            Persist::All => write_at(bytes, *offset, new),
            Persist::Writes if random.coin() => write_at(bytes, *offset, new),
            Persist::Last if index + 1 == writes.len() => write_at(bytes, *offset, new),
            Persist::None | Persist::Writes | Persist::Last => {}
            Persist::Torn(unit) => {
                let first = offset / unit;
                let last = (offset + new.len()).div_ceil(unit);
                let boundary = (first + random.below(last - first + 1)) * unit;
                let len = boundary.saturating_sub(*offset).min(new.len());
                if len > 0 {
                    write_at(bytes, *offset, &new[..len]);
                }
            }
            Persist::BytePrefix => {
                let len = prefix.min(new.len());
                prefix -= len;
                if len > 0 {
                    write_at(bytes, *offset, &new[..len]);
                }
            }
            Persist::Sectors | Persist::Garbage => {
                let mut at = *offset;
                while at < offset + new.len() {
                    let end = ((at / SECTOR + 1) * SECTOR).min(offset + new.len());
                    if *kept.entry(at / SECTOR).or_insert_with(|| random.coin()) {
                        write_at(bytes, at, &new[at - offset..end - offset]);
                    }
                    at = end;
                }
            }
        }
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.next() & 0xFF).unwrap_or(0)
    }

    fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap_or(0)
    }
}
