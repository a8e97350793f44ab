//! Bytes that are stored are made and read in files called `layout.rs` and in the folder `format` of the facade, by means of the crate `wire`.
//!
//! A *byte home* is a place that turns values into bytes or back: it calls one of [`CALLS`]. Text (`as_bytes`, `from_utf8`), copying, and
//! code of tests are none.

use crate::{Crate, Fault, File};

/// Calls that fix an order of bytes, or a serialized form.
pub const CALLS: &[&str] = &[
    "to_le_bytes",
    "from_le_bytes",
    "to_be_bytes",
    "from_be_bytes",
    "to_ne_bytes",
    "from_ne_bytes",
    "serialize_into",
    "serialized_size",
    "deserialize_from",
    "deserialize_unchecked_from",
    "bytes_of",
    "bytes_of_mut",
    "cast_slice",
    "cast_slice_mut",
    "try_cast_slice",
    "must_cast_slice",
    "pod_read_unaligned",
    "try_pod_read_unaligned",
];

/// One fault for each file of the crate that is a byte home and may not be.
pub fn check(member: &Crate) -> Vec<Fault> {
    if member.name == "wire" {
        return Vec::new();
    }
    let mut faults = Vec::new();
    let is_home = |file: &&File| file.name() == "layout.rs" || file.path.contains("/src/format/");
    for file in member.files.iter().filter(|file| !is_home(file)) {
        let calls: Vec<_> = file
            .tokens
            .iter()
            .filter(|token| token.word().is_some_and(|word| CALLS.contains(&word)))
            .collect();
        if let Some(first) = calls.first() {
            let what = format!(
                "`{}` ({} such calls): bytes have their home in a layout.rs",
                first.text,
                calls.len()
            );
            faults.push(Fault::at(&file.path, first.line, what));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_outside_a_layout_are_found() {
        let body = "fn f(n: u32) -> [u8; 4] { n.to_le_bytes() }";
        assert_eq!(check(&Crate::new("a", &[("lib.rs", body)])).len(), 1);
        assert_eq!(
            check(&Crate::new("a", &[("lib.rs", "fn f(s: &[u8]) { bytemuck::cast_slice(s) }")])).len(),
            1
        );
        assert_eq!(check(&Crate::new("a", &[("lib.rs", "mod layout;"), ("layout.rs", body)])).len(), 0);
        assert_eq!(check(&Crate::new("wire", &[("lib.rs", body)])).len(), 0);
        assert_eq!(
            check(&Crate::new("a", &[("lib.rs", "// to_le_bytes\n#[cfg(test)] fn f() { x.to_le_bytes() }")]))
                .len(),
            0
        );
    }
}
