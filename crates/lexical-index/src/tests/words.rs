//! Words that are one word to people, and words that are not: the table `words.txt`.

use std::sync::Arc;

use unicode_segmentation::UnicodeSegmentation;

use crate::{Analyzer, ErrorKind, Language, MemoryIndex, Occur, Query, Searcher, Segment};

const TABLE: &str = include_str!("words.txt");

/// In headings of words whose signs are read as they are written out.
const WRITTEN_OUT: &str = "written out";

/// At the end of headings of words by rules that version 2 has not.
const SINCE_3: &str = "since version 3";
/// And of those that version 3 has not.
const SINCE_4: &str = "since version 4";

/// The words of one line, and whether they must meet.
struct Pair {
    heading: String,
    words: (String, String),
    meet: bool,
}

fn pairs() -> Vec<Pair> {
    let mut heading = String::new();
    let mut pairs = Vec::new();
    for line in TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut heading);
            continue;
        }
        let (sign, meet) = if line.contains(" ≠ ") { (" ≠ ", false) } else { (" = ", true) };
        let (one, other) = line.split_once(sign).unwrap_or_else(|| panic!("no sign in {line:?}"));
        pairs.push(Pair { heading: heading.clone(), words: (unescaped(one), unescaped(other)), meet });
    }
    pairs
}

/// With the characters that `\u{…}` stands for.
fn unescaped(text: &str) -> String {
    let mut parts = text.split("\\u{");
    let mut unescaped = parts.next().unwrap().to_owned();
    for part in parts {
        let (code, rest) = part.split_once('}').unwrap();
        unescaped.push(char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap());
        unescaped.push_str(rest);
    }
    unescaped
}

fn analyzer(heading: &str) -> Analyzer {
    let (language, marks) = heading.split_once(", ").unwrap();
    let analyzer =
        Analyzer::new().fold_diacritics(marks.starts_with("folded")).written_out(marks.contains(WRITTEN_OUT));
    if language == "none" {
        return analyzer;
    }
    let known = Language::ALL.iter().find(|known| format!("{known:?}").to_lowercase() == language);
    analyzer.stem(*known.unwrap_or_else(|| panic!("no language {language}"))).unwrap()
}

fn finds(analyzer: &Arc<Analyzer>, text: &str, query: &str) -> bool {
    let mut index = MemoryIndex::new(Arc::clone(analyzer), &["text"], false).unwrap();
    index.add(&[(0, text)]).unwrap();
    let part = super::part_of(&index);
    let searcher = Searcher::new(analyzer, vec![Segment::new(&part)]).unwrap();
    !searcher.search(&Query::any(query), 1, &[]).unwrap().hits.is_empty()
}

#[test]
fn words_that_are_one_to_people_meet_and_others_do_not() {
    let pairs = pairs();
    assert!(pairs.len() >= 200, "{} pairs", pairs.len());
    let mut wrong = Vec::new();
    for Pair { heading, words: (one, other), meet } in &pairs {
        let analyzer = Arc::new(analyzer(heading));
        for (text, query) in [(one, other), (other, one)] {
            if finds(&analyzer, text, query) != *meet {
                let terms = |text| analyzer.tokens(text).into_iter().map(|t| t.term).collect::<Vec<_>>();
                wrong.push(format!("[{heading}] {query:?} {:?} in {text:?} {:?}", terms(query), terms(text)));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_place_of_a_word_is_that_of_the_text_as_it_was() {
    let analyzer = Analyzer::new().fold_diacritics(true).stem(Language::French).unwrap();
    let text = "ＬＡ l’Ａvion\u{AD}s, mangée 🎉 ﬁn";
    let words: Vec<_> =
        analyzer.tokens(text).into_iter().map(|t| (t.position, text[t.range].to_owned())).collect();
    let expected = ["ＬＡ", "l", "Ａvion\u{AD}s", "mangée", "mangée", "🎉", "ﬁn"];
    let positions = [0, 1, 2, 3, 3, 4, 5];
    assert_eq!(words, positions.into_iter().zip(expected.map(str::to_owned)).collect::<Vec<_>>());
}

/// A checksum of all terms of the words under some headings, with the rules of a version.
fn checksum_of_terms(version: u8, is_wanted: impl Fn(&str) -> bool) -> u32 {
    let mut all = String::new();
    for Pair { heading, words: (one, other), .. } in
        pairs().into_iter().filter(|pair| is_wanted(&pair.heading))
    {
        let mut identity = analyzer(&heading).identity();
        identity[0] = version;
        for token in Analyzer::from_identity(identity).unwrap().tokens(&format!("{one} {other}")) {
            all = all + &token.position.to_string() + ":" + &token.term + " ";
        }
    }
    crc32fast::hash(all.as_bytes())
}

/// Artifacts have the words of this version.
#[test]
fn the_terms_of_version_2_stay() {
    // Those that are written out have a flag in the identity.
    let is_wanted = |heading: &str| ![WRITTEN_OUT, SINCE_3, SINCE_4].iter().any(|end| heading.ends_with(end));
    assert_eq!(checksum_of_terms(2, is_wanted), 3_121_749_018);
}

#[test]
fn the_terms_of_version_3_stay() {
    assert_eq!(checksum_of_terms(3, |heading| !heading.ends_with(SINCE_4)), 370_438_819);
}

/// Whoever changes what texts are cut into adds a version of the analyzer, and then its number here.
#[test]
fn the_terms_of_version_4_stay() {
    assert_eq!(Analyzer::new().identity()[0], 4);
    assert_eq!(checksum_of_terms(4, |_| true), 202_404_437);
}

#[test]
fn scripts_without_spaces_are_pairs_of_letters_which_a_phrase_finds_in_any_stretch() {
    let analyzer = Arc::new(Analyzer::new().fold_diacritics(true));
    let terms = |text: &str| analyzer.tokens(text).into_iter().map(|t| t.term).collect::<Vec<_>>();
    assert_eq!(terms("ภาษา ก"), ["ภา", "าษ", "ษา", "ก"]);
    assert_eq!(terms("ABCกขคx ង®ច"), ["abc", "กข", "ขค", "x", "ង", "ច"]);
    assert_eq!(terms("ກຂ\u{200B}ຄ"), ["ກຂ", "ຂຄ"]);
    assert_eq!(terms("ก\u{200B}\u{200D}ข"), ["กข"]);
    let same = [
        ("แม่น้ำใส", "แม่น้\u{E4D}าใส"),
        ("ກໝາ", "ກຫມາ"),
        ("ໜ", "ຫນ"),
        ("ໜໝກ", "ຫນຫມກ"),
        ("ປຶ້ມໜັງສື", "ປຶ້ມຫນັງສື"),
        ("กำ", "ก\u{E4D}า"),
        ("ำ", "\u{E4D}า"),
    ];
    for (one, other) in same {
        let placed =
            |text: &str| analyzer.tokens(text).into_iter().map(|t| (t.position, t.term)).collect::<Vec<_>>();
        assert_eq!(placed(one), placed(other));
        for (text, query) in [(one, other), (other, one)] {
            assert_eq!(
                found_and_shown(&analyzer, text, &format!("\"{query}\"")),
                (1, vec![text.to_owned()]),
                "{query}"
            );
        }
    }
    let text = "กรุงเทพมหานครเป็นเมืองหลวง";
    for (query, is_found) in [
        ("\"เทพมหา\"", true),
        ("+มหานคร", true),
        ("+นครปฐม", false),
        ("\"เมืองเทพ\"", false),
        ("ห*", true),
        ("หล*", true),
    ] {
        assert_eq!(found_and_shown(&analyzer, text, query).0, usize::from(is_found), "{query}");
    }
}

#[test]
fn words_of_one_sign_stand_one_behind_the_other_at_its_place() {
    let analyzer = Analyzer::new().written_out(true);
    let tokens = |text: &str| {
        let token = |t: crate::Token| (t.position, t.term, text[t.range].to_owned());
        analyzer.tokens(text).into_iter().map(token).collect::<Vec<_>>()
    };
    let token = |position: u32, term: &str, place: &str| (position, term.to_owned(), place.to_owned());
    assert_eq!(
        tokens("a ℀ b"),
        [token(0, "a", "a"), token(1, "a", "℀"), token(2, "c", "℀"), token(3, "b", "b")]
    );
    assert_eq!(tokens("㈱x"), [token(0, "株", "㈱"), token(1, "x", "x")]);
    let query = Query::any("صلى وسلم");
    let snippet = crate::snippet(&analyzer, &query, "محمد ﷺ", &[], 100);
    let sign = "محمد ".len().."محمد ﷺ".len();
    assert_eq!(snippet.highlights, std::slice::from_ref(&sign));
}

/// Of every character: no term is left that would be several words where it is typed.
#[test]
fn the_terms_of_a_character_are_words_as_they_are() {
    let analyzer = Analyzer::new().written_out(true);
    let mut wrong = Vec::new();
    for c in '\u{80}'..=char::MAX {
        for token in analyzer.tokens(&c.to_string()) {
            let again: Vec<_> = analyzer.tokens(&token.term).into_iter().map(|t| t.term).collect();
            if again.len() > 1 {
                wrong.push(format!("U+{:04X}: {:?} is {again:?}", u32::from(c), token.term));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn signs_behind_a_word_are_nothing_and_phrases_go_on_over_them() {
    let analyzer = Analyzer::new().written_out(true);
    let terms = |text: &str| analyzer.tokens(text).into_iter().map(|t| t.term).collect::<Vec<_>>();
    for sign in ["©", "®", "™", "‼", "⁉", "™\u{FE0F}", "®®\u{FE0F}", "‼‼‼"] {
        assert_eq!(terms(&format!("Acme{sign} widgets")), ["acme", "widgets"], "{sign}");
        assert!(!terms(sign).is_empty(), "{sign}");
    }
}

#[test]
fn words_with_the_same_255_bytes_at_their_beginning_are_one_however_they_are_asked_for() {
    let analyzer = Arc::new(Analyzer::new());
    let mut index = MemoryIndex::new(Arc::clone(&analyzer), &["text"], true).unwrap();
    let text = |len: usize, end: &str| format!("one {}{end} two", "q".repeat(len));
    for text in [text(255, "a"), text(300, "b"), text(254, "")] {
        index.add(&[(0, text.as_str())]).unwrap();
    }
    let part = super::part_of(&index);
    let searcher = Searcher::new(&analyzer, vec![Segment::new(&part)]).unwrap();
    let rows = |query: &str| {
        let query = Query::parse(query, Occur::Should).unwrap();
        let mut rows: Vec<u32> =
            searcher.search(&query, 10, &[]).unwrap().hits.iter().map(|hit| hit.row).collect();
        rows.sort_unstable();
        rows
    };
    for len in [255, 256, 300, 2_000] {
        let word = "q".repeat(len);
        assert_eq!(rows(&word), [0, 1], "{len}");
        assert_eq!(rows(&format!("{word}*")), [0, 1], "{len}");
        assert_eq!(rows(&format!("\"one {word} two\"")), [0, 1], "{len}");
        assert_eq!(rows(&format!("{word}~")), [0, 1, 2], "{len}");
    }
    assert_eq!(rows(&"q".repeat(254)), [2]);
}

#[test]
fn operators_of_other_syntaxes_are_refused_inside_a_word_also() {
    for (text, offset) in [("cat&&dog", 3), ("a cat||dog", 5), ("cat&& dog", 3), ("text:(cat&&dog)", 9)] {
        let error = Query::parse(text, Occur::Should).unwrap_err();
        assert_eq!((error.kind(), error.offset()), (ErrorKind::Query, Some(offset)), "{text}: {error}");
    }
    for text in ["R&D", r"cat\&&dog", r"cat\&\&dog", r"a\||b", "\"cat&&dog\"", "a|b"] {
        let query = Query::parse(text, Occur::Should).unwrap();
        assert_eq!(Query::parse(&query.to_string(), Occur::Should).unwrap(), query, "{text}");
    }
}

#[test]
fn marks_of_phrases_and_groups_in_other_typographies_are_refused_at_their_byte() {
    for mark in "“ ” „ ‟ « » ‹ › 「 」 『 』 〝 〞 〟 ＂ （ ｢".split(' ') {
        for (text, offset) in [(format!("{mark}dog cat"), 0), (format!("a (b OR {mark}dog cat)"), 8)] {
            let error = Query::parse(&text, Occur::Should).unwrap_err();
            assert_eq!((error.kind(), error.offset()), (ErrorKind::Query, Some(offset)), "{text}: {error}");
        }
        let query = Query::parse(&format!("\\{mark}dog"), Occur::Should).unwrap();
        assert_eq!(Query::parse(&query.to_string(), Occur::Should).unwrap(), query);
    }
}

#[test]
fn flags_of_countries_differ_and_those_made_by_tags_are_the_black_flag() {
    let analyzer = Arc::new(Analyzer::new());
    let (england, scotland) = (
        "\u{1F3F4}\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}",
        "\u{1F3F4}\u{E0067}\u{E0062}\u{E0073}\u{E0063}\u{E0074}\u{E007F}",
    );
    assert!(finds(&analyzer, england, scotland) && finds(&analyzer, england, "\u{1F3F4}"));
    assert!(
        finds(&analyzer, "🇫🇷", "🇫🇷") && !finds(&analyzer, "🇫🇷", "🇩🇪") && !finds(&analyzer, "🇫🇷", england)
    );
}

/// The rows that a query finds, and the highlighted words of the first.
fn found_and_shown(analyzer: &Arc<Analyzer>, text: &str, query: &str) -> (usize, Vec<String>) {
    let mut index = MemoryIndex::new(Arc::clone(analyzer), &["text"], true).unwrap();
    index.add(&[(0, text)]).unwrap();
    let part = super::part_of(&index);
    let searcher = Searcher::new(analyzer, vec![Segment::new(&part)]).unwrap();
    let query = Query::parse(query, Occur::Should).unwrap();
    let shown = crate::snippet(analyzer, &query, text, &[], 100).highlights;
    let found = searcher.search(&query, 10, &[]).unwrap().hits.len();
    (found, shown.into_iter().map(|range| text[range].to_owned()).collect())
}

#[test]
fn a_whole_word_is_its_own_beginning_and_a_misspelling_of_itself_also_where_it_is_a_sign() {
    let plain = Analyzer::new().fold_diacritics(true).written_out(true);
    let english = Analyzer::new().fold_diacritics(true).written_out(true).stem(Language::English).unwrap();
    for analyzer in [Arc::new(plain), Arc::new(english)] {
        for word in ["㈱", "⑴", "℃", "№", "㎏", "🄐", "dog's", "connected", "naïve"] {
            for query in [format!("{word}*"), format!("{word}~")] {
                let expected = (1, vec![word.to_owned()]);
                assert_eq!(
                    found_and_shown(&analyzer, &format!("xyzzy {word} plugh"), &query),
                    expected,
                    "{query}"
                );
            }
        }
    }
}

#[test]
fn of_several_words_the_last_is_a_beginning_and_none_is_misspelled() {
    let english = Arc::new(Analyzer::new().written_out(true).stem(Language::English).unwrap());
    let text = "an e-mailed note on ﷺ, 日本語 and 100 ㎏ of well connected things";
    for (query, shown) in [
        ("e-ma*", vec!["e", "mailed"]),
        ("on-ﷺ*", vec!["on", "ﷺ"]),
        ("صلى-الله-عليه-وس*", vec!["ﷺ"]),
        ("日本*", vec!["日", "本"]),
        ("well-connecti*", vec!["well", "connected"]),
        ("100-k*", vec!["100", "㎏"]),
        ("+日本* -日語*", vec!["日", "本"]),
    ] {
        let shown = shown.into_iter().map(str::to_owned).collect();
        assert_eq!(found_and_shown(&english, text, query), (1, shown), "{query}");
    }
    for query in ["ma-e*", "e-an*", "本日*", "+well -100-k*", "text:日語*"] {
        assert_eq!(found_and_shown(&english, text, query).0, 0, "{query}");
    }
    let searcher = Searcher::new(&english, Vec::new()).unwrap();
    for query in ["℀~", "日本~", "e-mail~2"] {
        let error = searcher.search(&Query::parse(query, Occur::Should).unwrap(), 1, &[]).unwrap_err();
        assert_eq!((error.kind(), error.offset()), (ErrorKind::Query, Some(0)), "{error}");
        assert!(error.to_string().contains("must be one word"), "{error}");
    }
}

#[test]
fn beginnings_of_several_words_are_those_of_a_plain_reading() {
    let analyzer = Arc::new(Analyzer::new());
    let texts = ["ab bc bd", "ab b", "bc ab", "ab ab bc", "b ab-bcd", "a bc", "AB BCD bc"];
    let mut index = MemoryIndex::new(Arc::clone(&analyzer), &["text"], true).unwrap();
    for (row, text) in (0..).zip(texts) {
        index.add(&[(0, text)]).unwrap_or_else(|error| panic!("{row}: {error}"));
    }
    let part = super::part_of(&index);
    let searcher = Searcher::new(&analyzer, vec![Segment::new(&part)]).unwrap();
    for query in ["ab-b", "ab-bc", "ab-bcd", "bc-b", "ab-ab-b", "a-b", "ab-x", "b-ab-b"] {
        let words: Vec<&str> = query.split('-').collect();
        let (last, before) = words.split_last().unwrap();
        let has = |text: &str| {
            let text = text.to_lowercase().replace('-', " ");
            let of_text: Vec<&str> = text.split(' ').collect();
            of_text
                .windows(words.len())
                .any(|part| part[..before.len()] == *before && part[before.len()].starts_with(last))
        };
        let expected: Vec<u32> = (0..).zip(texts).filter(|(_, text)| has(text)).map(|(row, _)| row).collect();
        let query = Query::parse(&format!("{query}*"), Occur::Should).unwrap();
        let mut found: Vec<u32> =
            searcher.search(&query, 10, &[]).unwrap().hits.iter().map(|hit| hit.row).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{query}");
    }
}

#[test]
fn every_stretch_of_two_letters_or_more_of_scripts_without_spaces_is_a_beginning() {
    let analyzer = Arc::new(Analyzer::new());
    for text in ["ภาษาไทยง่าย", "ພາສາລາວ", "ភាសាខ្មែរ", "မြန်မာဘာသာ", "日本語の本", "ฉันนำหนังสือ"]
    {
        let mut ends: Vec<usize> = text.split_word_bound_indices().map(|(at, _)| at).collect();
        ends.push(text.len());
        for (at, &start) in ends.iter().enumerate() {
            for &end in ends.iter().skip(at + 2) {
                let query = format!("{}*", &text[start..end]);
                let (found, shown) = found_and_shown(&analyzer, text, &query);
                assert_eq!(found, 1, "{query} in {text}");
                assert!(!shown.is_empty(), "{query} in {text}");
            }
        }
        let reversed: String = text.split_word_bounds().rev().collect();
        assert_eq!(found_and_shown(&analyzer, &reversed, &format!("{text}*")).0, 0, "{text}");
    }
}

#[test]
fn words_that_a_beginning_finds_by_their_stem_are_highlighted() {
    let analyzer = Arc::new(Analyzer::new().stem(Language::English).unwrap());
    for query in ["connecti*", "connection*", "connecter~"] {
        let expected = (1, vec!["connected".to_owned(), "connect".to_owned()]);
        assert_eq!(found_and_shown(&analyzer, "We connected it to connect.", query), expected, "{query}");
    }
}
