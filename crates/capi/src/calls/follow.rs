//! Seeing what others commit.
#![expect(unsafe_code, reason = "names that a linker finds; no memory is touched")]
#![expect(unreachable_pub, reason = "cbindgen declares what is `pub`")]

use std::time::Duration;

use compact_artifact::CommitSeq;

use crate::boundary::guard;
use crate::calls::report::set_report;
use crate::code::ca_code;
use crate::handles;
use crate::opaque::{ca_artifact, ca_buffer};

/// Sees what another process committed since this reader opened the artifact or called this. `changed`, whether anything did, may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn ca_refresh(artifact: *const ca_artifact, changed: *mut bool) -> ca_code {
    guard(|call| {
        let (artifact, out) = (handles::get(artifact)?, call.optional_out("changed", changed)?);
        let has_changed = artifact.refresh()?;
        out.inspect(|out| out.set(has_changed));
        Ok(())
    })
}

/// Waits until there is a newer commit, and sees it as `ca_refresh` does. `changed`, whether there is one, or `timeout_ms` milliseconds are over, may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn ca_watch(artifact: *const ca_artifact, timeout_ms: u64, changed: *mut bool) -> ca_code {
    guard(|call| {
        let (artifact, out) = (handles::get(artifact)?, call.optional_out("changed", changed)?);
        let has_changed = artifact.watch(Duration::from_millis(timeout_ms))?;
        out.inspect(|out| out.set(has_changed));
        Ok(())
    })
}

/// The number of the commit that the artifact shows.
#[unsafe(no_mangle)]
pub extern "C" fn ca_commit(artifact: *const ca_artifact, commit: *mut u64) -> ca_code {
    guard(|call| {
        let out = call.out("commit", commit)?;
        out.set(handles::get(artifact)?.snapshot().seq().0);
        Ok(())
    })
}

/// What happened since a commit, as JSON: `added`, `replaced`, `updated` and `deleted` records, up to `commit`. `json` becomes NULL if the commit is too old to tell, or none
/// of this artifact, which is no failure: begin anew, with all records.
#[unsafe(no_mangle)]
pub extern "C" fn ca_changes_since(
    artifact: *const ca_artifact,
    commit: u64,
    json: *mut *mut ca_buffer,
) -> ca_code {
    guard(|call| {
        let out = call.out("json", json)?;
        out.set(std::ptr::null_mut());
        match handles::get(artifact)?.changes_since(CommitSeq(commit))? {
            Some(changes) => set_report(Some(out), &changes),
            None => Ok(()),
        }
    })
}
