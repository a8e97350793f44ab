//! A file has at most 500 lines, or says why it has more in a line that begins `//! One file because`.

use crate::{Fault, File};

/// The most lines without a reason.
pub const LIMIT: usize = 500;

/// One fault for each file that is too long.
pub fn check(files: &[File]) -> Vec<Fault> {
    let too_long = files.iter().filter(|file| file.text.lines().count() > LIMIT && !has_reason(&file.text));
    let fault = |file: &File| {
        let what = format!(
            "{} lines; more than {LIMIT} need a line `//! One file because …`",
            file.text.lines().count()
        );
        Fault::of_file(&file.path, what)
    };
    too_long.map(fault).collect()
}

fn has_reason(text: &str) -> bool {
    let reason = |line: &str| {
        line.strip_prefix("//! One file because").map(str::trim).is_some_and(|rest| rest.len() > 10)
    };
    text.lines().any(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_needs_a_reason() {
        let long = "fn f() {}\n".repeat(501);
        assert_eq!(check(&[File::new("a.rs", &*long)]).len(), 1);
        assert_eq!(check(&[File::new("a.rs", format!("//! One file because\n{long}"))]).len(), 1);
        assert_eq!(
            check(&[File::new("a.rs", format!("//! One file because both ends meet here.\n{long}"))]),
            []
        );
        assert_eq!(check(&[File::new("a.rs", "fn f() {}\n".repeat(500))]), []);
    }
}
