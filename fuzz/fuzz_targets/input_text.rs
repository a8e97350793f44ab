//! Proves that no bytes taken for lines of JSON, for an array of numpy, for a page, a table or a text make the readers of `cart` panic or take much memory,
//! and that a line that is accepted is a record that an artifact takes.
#![no_main]

use std::io::Read;
use std::sync::{Arc, LazyLock};

use block_format::vfs::MemoryVfs;
use compact_artifact::{CompactArtifact, Metric, SpaceOptions};
use fuzz::ROOT;
use fuzz::sound::options;
use libfuzzer_sys::fuzz_target;

// `cart` is a program, which nothing can link to: its sources are included, with what they need of the rest of it.
#[expect(dead_code, reason = "of a program, and not all of it is used here")]
#[path = "../../crates/cart/src/failure.rs"]
mod failure;
#[expect(dead_code, reason = "of a program, and not all of it is used here")]
#[path = "../../crates/cart/src/input/mod.rs"]
mod input;
#[expect(dead_code, reason = "of a program, and not all of it is used here")]
#[path = "../../crates/cart/src/output/numbers.rs"]
mod numbers;
mod output {
    pub(crate) use crate::numbers::several;

    pub(crate) fn json_len(value: &impl serde::Serialize) -> crate::failure::Result<usize> {
        Ok(serde_json::to_vec(value)?.len())
    }
}
mod stderr {
    pub(crate) fn warn(_: &str) {}
}

use input::jsonl::Lines;
use input::npy::Npy;
use input::paragraphs::Paragraphs;
use input::shape::Shape;
use input::table::Table;

static ARTIFACT: LazyLock<CompactArtifact> = LazyLock::new(|| {
    let options = options().space("v", SpaceOptions::new(3, Metric::Dot));
    CompactArtifact::create_in(Arc::new(MemoryVfs::new()), options, ROOT.as_ref()).expect("in memory")
});

fuzz_target!(|bytes: &[u8]| {
    let Some((&format, bytes)) = bytes.split_first() else { return };
    match format % 5 {
        0 => lines(bytes),
        1 => array(bytes),
        2 => page(bytes),
        3 => table(bytes),
        _ => text(bytes),
    }
});

fn lines(bytes: &[u8]) {
    let mut lines = Lines::new(bytes, "x");
    for _ in 0..=bytes.len() {
        match lines.next_document(&Shape::default()) {
            Ok(None) => return,
            Ok(Some(document)) => {
                let (key, of) = (document.key.clone(), document.content_len());
                // Vectors may be of a space that is not there, or of another dimension.
                let takes_all = document.vectors.is_empty();
                assert!(document.held_len() >= of);
                let key = key.unwrap_or_else(|| "x".to_owned());
                // Over a record of an earlier line with an embedding, one without would be refused.
                drop(ARTIFACT.delete_key(&key));
                match ARTIFACT.upsert(document.into_record().key(key)) {
                    Ok(id) => assert_eq!(ARTIFACT.get(id).expect("sound").expect("added").len(), of),
                    Err(e) => assert!(!takes_all, "accepted, and yet refused: {e}"),
                }
            }
            Err(failure) => assert!(failure.message().starts_with("x:"), "{}", failure.message()),
        }
    }
    panic!("more lines than bytes");
}

fn array(bytes: &[u8]) {
    let Ok((mut array, header_len)) = Npy::new(bytes) else { return };
    assert!(header_len <= bytes.len() as u64 && (1..=65_536).contains(&array.dimension()));
    let mut rows = 0;
    while let Ok(Some(row)) = array.next_row() {
        assert_eq!(row.len(), array.dimension());
        rows += 1;
        assert!(rows <= array.rows() && rows <= bytes.len() as u64, "rows without bytes");
    }
}

fn page(bytes: &[u8]) {
    let Ok(Some(encoding)) = input::encoding::detect(bytes, true) else { return };
    let mut html = String::new();
    let read = input::encoding::Decoded::new(bytes, encoding).read_to_string(&mut html);
    if read.is_ok() {
        let page = input::html::reduce(&html);
        assert!(
            page.paragraphs.iter().all(|paragraph| !paragraph.text.trim().is_empty() && paragraph.line > 0)
        );
    }
}

fn table(bytes: &[u8]) {
    let Ok(columns) = Table::new(bytes, b',').and_then(Table::columns) else { return };
    let Ok(mut table) = Table::new(bytes, b',') else { panic!("read once, and not again") };
    assert_eq!(table.names().len(), columns.len());
    for _ in 0..=bytes.len() {
        if !matches!(table.next_document(&columns, &Shape::default()), Ok(Some(_)) | Err((Some(_), _))) {
            return;
        }
    }
    panic!("more rows than bytes");
}

fn text(bytes: &[u8]) {
    let mut paragraphs = Paragraphs::new(bytes);
    for _ in 0..=bytes.len() {
        match paragraphs.next_paragraph() {
            Ok(Some(paragraph)) => assert!(!paragraph.text.trim().is_empty() && paragraph.line > 0),
            Ok(None) => break,
            Err(_) => {
                return assert!(input::paragraphs::whole(bytes).is_err(), "by paragraph refused, whole not");
            }
        }
    }
    if let Ok(whole) = input::paragraphs::whole(bytes) {
        assert!(whole.len() <= bytes.len());
    }
}
