//! Planted bugs of the facade: each step that records and indexes rest on left out in turn, and the test that notices.

use std::cell::Cell;
use std::panic::catch_unwind;

use compact_artifact::{Options, Step};

use crate::{crash, damage, expiry, late, policy, spaces, update};

thread_local! {
    static LEFT_OUT: Cell<Option<Step>> = const { Cell::new(None) };
}

/// The default options; without a step, where one is left out.
pub(crate) fn options() -> Options {
    let options = Options::new();
    match LEFT_OUT.get() {
        Some(step) => options.leave_out(step),
        None => options,
    }
}

/// The test that notices when a step is left out.
fn test_of(step: Step) -> fn() {
    match step {
        Step::MarkBeforeMerging => {
            late::a_reader_that_follows_finds_a_record_once_however_often_it_gets_an_embedding
        }
        Step::KeepForTheTail => late::an_embedding_that_comes_while_indexes_are_written_costs_nothing,
        Step::SyncBeforeDropping => late::what_is_on_disk_relies_on_nothing_that_is_not,
        Step::WriteTombstones => late::pieces_that_memory_makes_necessary_have_every_record_between_them,
        Step::CompareWithRecords | Step::NumberOnce => {
            late::a_damaged_index_costs_embeddings_at_most_and_its_records_are_indexed_anew
        }
        Step::WriteSettingsTwice => late::small_files_that_are_damaged_cost_nothing,
        Step::KeepReplacedMetadata => update::updates_are_recovered_with_what_they_rest_on,
        Step::HideWhenDue | Step::DeleteExpired => {
            expiry::what_expires_is_hidden_at_its_moment_without_a_commit_and_its_space_comes_back
        }
        Step::CompactWhenDue => {
            policy::the_disk_stays_bounded_under_endless_upserts_unless_that_is_turned_off
        }
        Step::FollowSettings => spaces::a_space_that_is_renamed_keeps_its_vectors,
        Step::SyncBeforeSettings => crash::settings_that_change_rest_on_nothing_that_is_not_on_disk,
        Step::CompactDropped => {
            spaces::a_space_that_is_dropped_is_not_found_its_bytes_come_back_and_its_name_is_free
        }
        Step::RememberLost => damage::a_damaged_or_missing_index_is_made_anew_and_what_was_lost_is_named,
        other => panic!("{other:?} is a verification: see `planted`"),
    }
}

#[test]
fn every_planted_bug_is_caught() {
    let is_missed = |step: &&Step| {
        let (step, test) = (**step, test_of(**step));
        let run = move || {
            LEFT_OUT.set(Some(step));
            test();
        };
        let result = catch_unwind(run);
        LEFT_OUT.set(None);
        result.is_ok()
    };
    let missed: Vec<&Step> = Step::ALL.iter().filter(is_missed).collect();
    assert!(missed.is_empty(), "left out, and their tests do not notice: {missed:?}");
}
