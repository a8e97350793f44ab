//! A message of the library reaches programs in Rust, C and Python: what it names in backticks all of them have; in C it is `ca_NAME`.

use crate::source::{Kind, Token};
use crate::{Crate, Fault};

/// One fault for each name that one of them does not have. Names of features are names everywhere.
pub fn check(header: &str, stub: &str, member: &Crate) -> Vec<Fault> {
    let known =
        |name: &str| header.contains(&format!(" ca_{name}(")) && stub.contains(&format!("def {name}("));
    let mut faults = Vec::new();
    for file in &member.files {
        for (at, token) in file.tokens.iter().enumerate() {
            if token.kind == Kind::Text && !is_for_compilers(&file.tokens[..at]) {
                let unknown = names(&token.text).into_iter().filter(|name| !known(name));
                let fault = |name| format!("`{name}`: C has no `ca_{name}`, or Python no `{name}`");
                faults.extend(unknown.map(|name| Fault::at(&file.path, token.line, fault(name))));
            }
        }
    }
    faults
}

/// `reason = "…"` and `must_use = "…"`.
fn is_for_compilers(before: &[Token]) -> bool {
    matches!(before, [.., name, sign] if sign.is("=") && (name.is("reason") || name.is("must_use")))
}

/// What stands in backticks and is no sign of a syntax.
fn names(text: &str) -> Vec<&str> {
    let parts: Vec<&str> = text.split('`').collect();
    let quoted = parts.windows(2).step_by(2).filter_map(|pair| match pair {
        [before, name] if !before.ends_with("feature ") => Some(*name),
        _ => None,
    });
    quoted.filter(|name| name.contains(char::is_alphabetic)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_a_door_does_not_have_is_found() {
        let header = "ca_code ca_seal(const ca_artifact *artifact);\nca_code ca_weight(void);";
        let stub = "class A:\n    def seal(self) -> None: ...\n    def frobnicate(self) -> None: ...";
        let faults = |text: &str| check(header, stub, &Crate::new("a", &[("lib.rs", text)])).len();
        assert_eq!(faults(r#"fn f() { g("call `seal` first, `*` is a sign") }"#), 0);
        assert_eq!(faults(r#"fn f() { g("call `weight`, or `frobnicate`") }"#), 2);
        assert_eq!(faults(r#"fn f() { g("give one in `options().embedder(…)`") }"#), 1);
        assert_eq!(faults(r#"fn f() { g("this build leaves out the feature `lz4`") }"#), 0);
        assert_eq!(faults(r#"#[must_use = "until handed to `Store::open`"] struct S;"#), 0);
    }
}
