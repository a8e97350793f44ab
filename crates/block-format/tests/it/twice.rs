//! What an edit is told to do twice is done once, or refused, and the artifact opens afterwards.

use std::sync::Arc;

use block_format::vfs::MemoryVfs;
use block_format::{Edit, ErrorKind, FileId, Options, RecordId, Result, Store, VerifyLevel, verify_in};

use crate::campaign::{ROOT, content, open, options};

fn quiet() -> Options {
    options(None).auto_seal(false)
}

/// Five records, in a segment, or in two with four and one, or in the log.
fn five_records(sealed_after: &[u64]) -> (MemoryVfs, Store, Vec<FileId>) {
    let disk = MemoryVfs::new();
    let store = Store::create_in(Arc::new(disk.clone()), ROOT, quiet()).unwrap();
    for number in 0..5 {
        store.put(&content(100, number)).unwrap();
        if sealed_after.contains(&number) {
            store.seal().unwrap();
        }
    }
    let files = store.snapshot().segments().iter().map(|segment| segment.file).collect();
    (disk, store, files)
}

fn alive(store: &Store) -> Vec<u64> {
    store.snapshot().records().map(|record| record.unwrap().id().0).collect()
}

/// The ids that are there, now and when the artifact is opened again, which nothing is wrong with.
fn check(disk: &MemoryVfs, store: Store, expected: &[u64]) {
    assert_eq!(alive(&store), expected);
    store.close().unwrap();
    let (store, report) = open(disk, &quiet()).unwrap();
    assert_eq!(alive(&store), expected);
    assert_eq!(report.damage, []);
    assert_eq!(report.removed_files, Vec::<std::path::PathBuf>::new());
    drop(store);
    let report = verify_in(Arc::new(disk.clone()), ROOT, VerifyLevel::Checksums, &quiet()).unwrap();
    assert_eq!(report.damage, []);
}

#[test]
fn logs_that_are_sealed_twice_in_one_edit_become_segments_once() {
    let (disk, store, _) = five_records(&[]);
    let lens = store.edit(|edit| Ok((edit.seal_logs()?.len(), edit.seal_logs()?.len()))).unwrap();
    assert_eq!(lens, (1, 0));
    check(&disk, store, &[0, 1, 2, 3, 4]);
}

#[test]
fn an_edit_that_ends_the_log_again_seals_what_came_since() {
    let (disk, store, _) = five_records(&[]);
    let again = |edit: &mut Edit<'_>| {
        edit.seal_logs()?;
        store.put(b"later")?;
        store.delete(RecordId(1))?;
        edit.end_log()?;
        edit.seal_logs()
    };
    let sealed = store.edit(again).unwrap();
    assert_eq!(sealed.iter().map(|segment| segment.ids).collect::<Vec<_>>(), [(RecordId(5), RecordId(5))]);
    check(&disk, store, &[0, 2, 3, 4, 5]);
}

#[test]
fn segments_of_logs_that_were_sealed_meanwhile_are_dropped() {
    let (disk, store, _) = five_records(&[]);
    let twice = |edit: &mut Edit<'_>| {
        let (first, second) = (edit.logs_to_seal()?, edit.logs_to_seal()?);
        let sealed = edit.add_sealed(first.write()?).len();
        Ok((sealed, edit.add_sealed(second.write()?).len()))
    };
    assert_eq!(store.edit(twice).unwrap(), (1, 0));
    check(&disk, store, &[0, 1, 2, 3, 4]);
}

#[test]
fn logs_to_seal_are_written_once() {
    let (disk, store, _) = five_records(&[]);
    let twice = |edit: &mut Edit<'_>| {
        let logs = edit.logs_to_seal()?;
        let sealed = logs.write()?;
        assert_eq!(logs.write().unwrap_err().kind(), ErrorKind::InvalidArgument);
        Ok(edit.add_sealed(sealed).len())
    };
    assert_eq!(store.edit(twice).unwrap(), 1);
    check(&disk, store, &[0, 1, 2, 3, 4]);
}

#[test]
fn a_segment_that_cannot_be_rewritten_stays_whatever_the_edit_makes_of_the_error() {
    let (disk, store, files) = five_records(&[4]);
    store.close().unwrap();
    let name = format!("segment-{:016x}", files[0].0);
    let path = disk.files().into_iter().find(|path| path.to_string_lossy().contains(&name)).unwrap();
    let bytes = disk.read_file(&path).unwrap();
    let mut flipped = bytes.clone();
    flipped[4200] ^= 1;
    disk.write_file(&path, flipped);
    let (store, _) = open(&disk, &quiet()).unwrap();
    let failed = store.edit(|edit| Ok(edit.rewrite(&files).unwrap_err().kind())).unwrap();
    assert_eq!(failed, ErrorKind::Damaged);
    disk.write_file(&path, bytes);
    drop(store);
    check(&disk, open(&disk, &quiet()).unwrap().0, &[0, 1, 2, 3, 4]);
}

#[test]
fn a_segment_that_is_rewritten_twice_in_one_edit_is_refused_by_its_number() {
    // Segments that end with these records, and what is deleted after the first of them was rewritten.
    let rows: [(&[u64], Option<u64>); 3] = [(&[4], None), (&[4], Some(2)), (&[3, 4], None)];
    for (sealed_after, deleted) in rows {
        let (disk, store, files) = five_records(sealed_after);
        let twice = |edit: &mut Edit<'_>| -> Result<()> {
            edit.rewrite(&files[..1])?;
            edit.delete(deleted.map(RecordId));
            edit.rewrite(&files).map(drop)
        };
        let error = store.edit(twice).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains(&format!("segment {} was rewritten", files[0].0)), "{error}");
        assert_eq!(alive(&store), [0, 1, 2, 3, 4]);
        // Whoever goes on all the same has it rewritten once.
        let goes_on = |edit: &mut Edit<'_>| {
            drop(twice(edit));
            Ok(())
        };
        store.edit(goes_on).unwrap();
        let expected: Vec<u64> = (0..5).filter(|&id| Some(id) != deleted).collect();
        check(&disk, store, &expected);
    }
}
