//! What C holds: numbers that look like pointers, and are never followed.
//!
//! Numbers are given out in ascending order, so that one that was freed is known as such and never becomes that of something else (on 32-bit systems: not
//! before four thousand million others). A process that is forked has none of the handles of its parent.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use compact_artifact::{CompactArtifact, Snapshot};
use parking_lot::{Mutex, RwLock};

use crate::boundary::OfProcess;
use crate::buffer::Buffer;
use crate::code::{Failure, Result, ca_code};
use crate::draft::Draft;
use crate::found::Found;
use crate::reader::Reader;
use crate::stored::Stored;

/// A kind of handle, and what is behind it.
pub(crate) trait Handle: 'static {
    type Value: Send + Sync;
    const NAME: &'static str;
    fn registry() -> &'static Registry<Self::Value>;
}

/// All live handles of a kind.
#[derive(Debug)]
pub(crate) struct Registry<T>(RwLock<BTreeMap<usize, Arc<T>>>);

macro_rules! handles {
    ($($name:ident: $value:ty),+ $(,)?) => {
        /// The live handles of a process.
        struct Live {
            /// The last number that was given out before it was forked.
            inherited: usize,
            $($name: Registry<$value>,)+
        }

        impl Live {
            fn new(inherited: usize) -> Self {
                Self { inherited, $($name: Registry(RwLock::new(BTreeMap::new())),)+ }
            }
        }

        $(impl Handle for crate::opaque::$name {
            type Value = $value;
            const NAME: &'static str = stringify!($name);

            fn registry() -> &'static Registry<Self::Value> {
                &live().$name
            }
        })+
    };
}

handles! {
    ca_artifact: CompactArtifact,
    ca_batch: Mutex<Draft>,
    ca_buffer: Buffer,
    ca_hits: Found,
    ca_reader: Mutex<Reader>,
    ca_record: Stored,
    ca_snapshot: Snapshot,
}

static LAST: AtomicUsize = AtomicUsize::new(0);

fn live() -> &'static Live {
    static LIVE: OfProcess<Live> = OfProcess::new();
    LIVE.get(|| Live::new(LAST.load(Ordering::Relaxed)))
}

thread_local! {
    /// The handles whose calls this thread is in while code of the program runs.
    static ENTERED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// Says that code of the program runs inside of a call with a handle.
pub(crate) struct Entered(());

impl Entered {
    pub(crate) fn new<H: Handle>(handle: *const H) -> Self {
        ENTERED.with_borrow_mut(|entered| entered.push(handle.addr()));
        Self(())
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        ENTERED.with_borrow_mut(|entered| entered.truncate(entered.len().saturating_sub(1)));
    }
}

/// Makes a handle.
pub(crate) fn insert<H: Handle>(value: H::Value) -> *mut H {
    let mut live = H::registry().0.write();
    let value = Arc::new(value);
    loop {
        let number = LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        if number != 0 && !live.contains_key(&number) {
            live.insert(number, value);
            return ptr::without_provenance_mut(number);
        }
    }
}

/// What is behind a handle.
pub(crate) fn get<H: Handle>(handle: *const H) -> Result<Arc<H::Value>> {
    H::registry().0.read().get(&handle.addr()).cloned().ok_or_else(|| not_live(handle))
}

/// Frees a handle. NULL is none, as for `free`.
pub(crate) fn free<H: Handle>(handle: *const H) -> Result<()> {
    if handle.is_null() {
        return Ok(());
    }
    let removed = H::registry().0.write().remove(&handle.addr());
    removed.map(drop).ok_or_else(|| not_live(handle)) // dropped without the lock
}

/// Frees a handle, and gives what was behind it; one that another thread is using stays.
pub(crate) fn take<H: Handle>(handle: *const H) -> Result<H::Value> {
    let in_use = || {
        if ENTERED.with_borrow(|entered| entered.contains(&handle.addr())) {
            let message =
                format!("{}: called from inside of a call with it, which it would wait for", H::NAME);
            return Failure::new(ca_code::CA_REENTRANT, message);
        }
        let message =
            format!("another thread is in a call with this {}; close it when that has returned", H::NAME);
        Failure::new(ca_code::CA_IN_USE, message)
    };
    let mut live = H::registry().0.write();
    let value = live.remove(&handle.addr()).ok_or_else(|| not_live(handle))?;
    match Arc::try_unwrap(value) {
        Ok(value) => Ok(value),
        Err(shared) => {
            live.insert(handle.addr(), shared);
            Err(in_use())
        }
    }
}

fn not_live<H: Handle>(handle: *const H) -> Failure {
    let name = H::NAME;
    if handle.is_null() {
        return Failure::new(ca_code::CA_BAD_POINTER, format!("{name}: NULL; expected a handle"));
    }
    if handle.addr() <= live().inherited {
        let message = format!(
            "{name}: a handle of the process that this one was forked from; open the artifact anew here"
        );
        return Failure::new(ca_code::CA_OTHER_PROCESS, message);
    }
    Failure::new(ca_code::CA_BAD_HANDLE, format!("{name}: the handle was freed, or is of another kind"))
}
