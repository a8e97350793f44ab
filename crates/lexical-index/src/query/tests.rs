//! The syntax of queries: what is read, what is refused, and that what is printed is read again.

use proptest::prelude::*;

use super::{MAX_DEPTH, Occur, Query, check};
use crate::ErrorKind;

#[test]
fn every_form_of_the_syntax_is_read() {
    for (text, printed) in [
        ("a+b \"x y\" -not +must", "a+b \"x y\" -not +must"),
        (" pre*\u{3000}w~ w~2 👩‍👩 ", "pre* w~1 w~2 👩‍👩"),
        ("title:t -body:\"p q\" +f:é*", "title:t -body:\"p q\" +f:é*"),
        ("\"a b\"~3 dog^3 \"a b\"~2^0.5", "\"a b\"~3 dog^3 \"a b\"~2^0.5"),
        ("dog AND cat", "+dog +cat"),
        ("dog OR cat", "dog cat"),
        ("dog NOT cat", "dog -cat"),
        ("dog AND NOT cat", "+dog -cat"),
        ("NOT dog AND cat", "-dog +cat"),
        ("a OR b AND c", "a (+b +c)"),
        ("a b OR c", "a (b c)"),
        ("(a OR b) AND NOT (c d)", "+(a b) -(c d)"),
        ("a AND (NOT b)", "+a +(-b)"),
        ("((a)) +(b)^2", "a +b^2"),
        ("text:(a \"b c\" (d OR e))", "text:a text:\"b c\" (text:d text:e)"),
        ("x text:(a b)^2", "x (text:a text:b)^2"),
        (r#"\AND a\:b a\ b \+c "q\"r""#, r#"\AND a\:b a\ b \+c "q\"r""#),
        ("not and or Dog's e-mail", "not and or Dog's e-mail"),
        ("\\“a b“", "\\“a b“"),
        ("well-known well–known \\–a \\ＯＲ x:\\OR", "well-known well–known \\–a \\ＯＲ x:\\OR"),
        ("\"5 * 3 ~\" \"a\\*\"", "\"5 \\* 3 \\~\" \"a\\*\""),
    ] {
        let query = Query::parse(text, Occur::Should).unwrap();
        assert_eq!(query.to_string(), printed, "{text}");
    }
    assert_eq!(Query::parse("a b OR c", Occur::Must).unwrap().to_string(), "+a +(b c)");
    assert_eq!(Query::parse("a -b", Occur::Must).unwrap().to_string(), "+a -b");
}

#[test]
fn what_cannot_be_read_or_has_no_effect_is_refused_at_its_byte() {
    for (text, offset) in [
        ("", 0),
        ("  ", 2),
        ("é \"never closed", 3),
        ("\"a\"b", 3),
        ("a\"b\"", 1),
        ("x - y", 3),
        ("x -", 3),
        ("field: y", 6),
        ("ok *", 3),
        ("~1", 0),
        ("a*b", 2),
        ("wörd~3", 6),
        ("w~12", 2),
        ("a~-1", 2),
        ("()", 0),
        ("a ()", 2),
        ("(a", 0),
        ("a (b (c)", 2),
        ("a)", 1),
        ("a b) c", 3),
        ("a(b)", 1),
        ("(a)b", 3),
        ("(a)(b)", 3),
        ("AND", 0),
        ("a AND", 5),
        ("AND a", 0),
        ("a OR OR b", 5),
        ("a AND OR b", 6),
        ("OR", 0),
        ("NOT", 3),
        ("a NOT", 5),
        ("NOT NOT a", 4),
        ("(a OR)", 5),
        ("a^0", 2),
        ("a^-1", 2),
        ("a^NaN", 2),
        ("a^inf", 2),
        ("a^", 2),
        ("a^2000", 2),
        ("a^2^3", 2),
        ("^2", 0),
        ("a^x", 2),
        ("b -a^2", 2),
        ("b -(a^2 c)", 4),
        ("a OR NOT b", 5),
        ("+a OR b", 0),
        ("a -b AND c", 2),
        ("-a", 0),
        ("NOT a", 0),
        ("b -(-a)", 2),
        ("b (-a -c)", 2),
        ("++a", 1),
        ("a +-b", 3),
        ("text:-b", 5),
        ("\"\"", 0),
        ("\"...\"", 0),
        ("a & b", 2),
        ("a && b", 2),
        ("a || b", 2),
        ("a !b", 2),
        ("[a TO b]", 0),
        ("... a", 0),
        ("\"a b\"~", 6),
        ("\"a b\"~x", 6),
        ("\"a b\"~0", 6),
        ("\"a b\"~101", 6),
        ("\"a b\"~1.5", 7),
        ("a\\", 1),
        ("t:(u:a)", 3),
        ("wom?n", 3),
        ("a “b c”", 2),
        ("«a b»", 0),
        ("moon –nasa", 5),
        ("moon −nasa", 5),
        ("moon title:—nasa", 11),
        ("moon ＡＮＤ nasa", 5),
        ("ＮＯＴ", 0),
        (":moon", 0),
        ("title :moon", 6),
        ("title:NOT moon", 6),
        ("title:OR", 6),
        ("\"moon land*\"", 10),
        ("\"moon* land\"", 5),
        ("\"moon land~\"~3", 10),
        ("\"moon~2 land\"", 5),
    ] {
        let error = Query::parse(text, Occur::Should).unwrap_err();
        assert_eq!((error.kind(), error.offset()), (ErrorKind::Query, Some(offset)), "{text}: {error}");
    }
}

#[test]
fn groups_nest_up_to_the_limit() {
    let nested = |depth: usize| format!("{}b{}", "(a OR ".repeat(depth), ")".repeat(depth));
    Query::parse(&nested(MAX_DEPTH), Occur::Should).unwrap();
    let error = Query::parse(&nested(MAX_DEPTH + 1), Occur::Should).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Query);
    let error = Query::parse(&"(".repeat(1 << 20), Occur::Should).unwrap_err();
    assert_eq!((error.kind(), error.offset()), (ErrorKind::Query, Some(MAX_DEPTH as u64)));
    let deep = (0..=MAX_DEPTH).fold(Query::any("a"), |query, _| Query::any("b").group(Occur::Should, query));
    assert_eq!(check(&deep).unwrap_err().kind(), ErrorKind::Query);
}

const PARTS: &str = "([+-]|NOT |text:|-text:)?(a|é!|\"a b\"|\"a b\"~2|b\\*|c~|c~2|a\\\\ b|\\(a( OR | AND | AND NOT | )(b|\\(c d\\))\\)|\\\\+a|AND)(\\^2|\\^0\\.5)?";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn a_query_that_is_printed_is_read_again_as_the_same(
        text in prop::string::string_regex(&format!("{PARTS}(( | AND | OR | NOT ){PARTS}){{0,4}}|[ab:\"*~+\\- é2()^\\\\]{{0,20}}")).unwrap(),
        all: bool,
    ) {
        let default = if all { Occur::Must } else { Occur::Should };
        if let Ok(query) = Query::parse(&text, default) {
            let printed = query.to_string();
            let again = Query::parse(&printed, Occur::Should);
            prop_assert!(again.as_ref().is_ok_and(|again| *again == query), "{text} is {query:?}, printed {printed}, again {again:?}");
        }
    }

    #[test]
    fn any_text_is_a_query_or_an_error_inside_it(text in "[ab:\"*~+\\- é2()^\\\\]{0,20}|.{0,20}") {
        match Query::parse(&text, Occur::Must) {
            Ok(query) => prop_assert!(query.clauses.iter().all(|c| text.is_char_boundary(c.offset))),
            Err(error) => prop_assert!(error.offset().is_some_and(|at| at <= text.len() as u64)),
        }
    }
}
