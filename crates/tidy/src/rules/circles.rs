//! No file takes names from a file that, by whatever way, takes names from it.
//!
//! A `mod` line is no use of a name, and a name that a module passes on with `pub use` belongs to the file that defines it. A file in a folder
//! may use what the folder's `mod.rs` defines: it is a part of that module.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Crate, Fault};

/// One fault for each circle, at its first file.
pub fn check(member: &Crate) -> Vec<Fault> {
    let uses = member.modules.uses();
    let reach: Vec<BTreeSet<usize>> = (0..member.files.len()).map(|file| reachable(file, &uses)).collect();
    let mut seen = BTreeSet::new();
    let mut faults = Vec::new();
    for file in 0..member.files.len() {
        let circle: BTreeSet<usize> =
            reach[file].iter().copied().filter(|&other| reach[other].contains(&file)).collect();
        if circle.len() > 1 && seen.insert(circle.clone()) {
            faults.push(Fault::of_file(&member.files[file].path, describe(member, &circle, &uses)));
        }
    }
    faults
}

type Uses = BTreeMap<(usize, usize), BTreeSet<String>>;

fn reachable(from: usize, uses: &Uses) -> BTreeSet<usize> {
    let (mut found, mut pending) = (BTreeSet::new(), vec![from]);
    while let Some(file) = pending.pop() {
        for &(_, to) in uses.range((file, 0)..=(file, usize::MAX)).map(|(edge, _)| edge) {
            if found.insert(to) {
                pending.push(to);
            }
        }
    }
    found
}

fn describe(member: &Crate, circle: &BTreeSet<usize>, uses: &Uses) -> String {
    let inside = uses.iter().filter(|((from, to), _)| circle.contains(from) && circle.contains(to));
    let arrows = inside.map(|(&(from, to), names)| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (from, to) = (&member.files[from].path, &member.files[to].path);
        format!("\n    {from} takes {} from {to}", names.join(", "))
    });
    format!("a circle of {} files:{}", circle.len(), arrows.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(files: &[(&str, &str)]) -> usize {
        check(&Crate::new("example", files)).len()
    }

    #[test]
    fn two_files_that_use_each_other_are_a_circle() {
        let (a, b) = (("a.rs", "use crate::b::B; struct A;"), ("b.rs", "use super::a::A; struct B;"));
        assert_eq!(faults(&[("lib.rs", "mod a; mod b;"), a, b]), 1);
        assert_eq!(faults(&[("lib.rs", "mod a; mod b;"), a, ("b.rs", "struct B;")]), 0);
    }

    #[test]
    fn a_path_in_code_counts_like_an_import() {
        let b = ("b.rs", "fn b() { crate::a::a() }");
        assert_eq!(faults(&[("lib.rs", "mod a; mod b;"), ("a.rs", "fn a() { super::b::b() }"), b]), 1);
    }

    #[test]
    fn circles_are_found_through_several_files_and_folders() {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            ("a/mod.rs", "mod inner; pub use inner::Inner;"),
            ("a/inner.rs", "use crate::b::B; pub struct Inner;"),
            ("b.rs", "use crate::a::Inner; pub struct B;"),
        ];
        assert_eq!(faults(&files), 1);
    }

    #[test]
    fn a_name_that_is_passed_on_belongs_to_the_file_that_defines_it() {
        let with = |module: &str| {
            let one = ("a/one.rs", "pub struct One(crate::b::B);");
            faults(&[
                ("lib.rs", "mod a; mod b;"),
                ("a/mod.rs", module),
                one,
                ("b.rs", "pub struct B; use crate::a::Two;"),
            ])
        };
        assert_eq!(with("mod one; pub use one::One; pub struct Two;"), 0);
        assert_eq!(with("mod one; pub use one::One; pub struct Two(One);"), 1, "it is used, too");
        assert_eq!(with("mod one; pub use one::One as Two;"), 1, "b takes One from its file");
    }

    #[test]
    fn a_part_may_use_what_the_whole_defines() {
        let files = [
            ("lib.rs", "mod a;"),
            ("a/mod.rs", "mod one; pub struct A; fn f() { one::one() }"),
            ("a/one.rs", "use super::A; fn one() -> A { A }"),
        ];
        assert_eq!(faults(&files), 0);
    }

    #[test]
    fn what_only_tests_use_is_no_use() {
        let b = ("b.rs", "pub struct B; #[cfg(test)] mod tests { use crate::a::A; }");
        assert_eq!(faults(&[("lib.rs", "mod a; mod b;"), ("a.rs", "use crate::b::B; pub struct A;"), b]), 0);
    }
}
