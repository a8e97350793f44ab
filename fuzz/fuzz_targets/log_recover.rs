//! A log of sound commits followed by anything: the commits are found, whatever follows them is dropped or refused.
#![no_main]

use std::sync::Arc;

use arbitrary::Arbitrary;
use block_format::{Compression, ErrorKind, Options, Store};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    commits: u8,
    tail: &'a [u8],
    flip: Option<u16>,
    sealed_body: Option<&'a [u8]>,
}

fuzz_target!(|input: Input<'_>| {
    if let Some(body) = input.sealed_body {
        fuzz::exercise(&fuzz::with_log(body, true));
        fuzz::exercise(&fuzz::with_log(body, false));
        return;
    }
    let options = Options::new().compression(Compression::None).seed(1);
    let vfs = block_format::vfs::MemoryVfs::new();
    let store = Store::create_in(Arc::new(vfs.clone()), fuzz::ROOT, options.clone()).expect("in memory");
    let commits = u64::from(input.commits % 6);
    for i in 0..commits {
        store.put(&[7; 100][..i as usize * 20]).expect("in memory");
    }
    drop(store);
    let path = vfs.files().into_iter().find(|path| path.to_string_lossy().contains("log-")).expect("a log");
    let mut log = vfs.read_file(&path).expect("a log");
    let sound = log.len();
    log.extend_from_slice(input.tail);
    if let Some(bit) = input.flip {
        let bit = usize::from(bit) % (log.len() * 8);
        log[bit / 8] ^= 1 << (bit % 8);
    }
    vfs.write_file(&path, log);
    fuzz::exercise(&vfs);
    match Store::open_in(Arc::new(vfs), fuzz::ROOT, options) {
        Ok((store, report)) => {
            let found = store.snapshot().records().filter(Result::is_ok).count() as u64;
            // A flip in the last commit cannot be told from a torn write, as the documentation says.
            assert!(found == commits || (input.flip.is_some() && found + 1 == commits));
            assert!(report.dropped_len as usize >= input.tail.len() || sound == 0);
        }
        Err(e) => assert!(e.kind() == ErrorKind::Damaged && input.flip.is_some(), "{e}"),
    }
});
