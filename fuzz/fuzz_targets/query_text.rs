//! Proves that any text is refused as a query, at a place in it, or is one that is printed and read again as the same, and is answered
//! the same then.
#![no_main]

use std::sync::{Arc, LazyLock};

use block_format::vfs::MemoryVfs;
use compact_artifact::{CompactArtifact, Query, Record};
use fuzz::ROOT;
use fuzz::sound::options;
use lexical_index::{Occur, Query as WordQuery};
use libfuzzer_sys::fuzz_target;

static ARTIFACT: LazyLock<CompactArtifact> = LazyLock::new(|| {
    let options = options().result_cache_bytes(0);
    let artifact =
        CompactArtifact::create_in(Arc::new(MemoryVfs::new()), options, ROOT.as_ref()).expect("in memory");
    for i in 0..30 {
        let text = format!("a{i} b c{} d-e \"quoted\" (in brackets) Ähre straße and or not text:x", i % 3);
        artifact.add(Record::text(text)).expect("in memory");
        if i == 20 {
            artifact.seal().expect("in memory");
        }
    }
    artifact
});

fuzz_target!(|text: &str| {
    for default in [Occur::Should, Occur::Must] {
        let query = match WordQuery::parse(text, default) {
            Ok(query) => query,
            Err(e) => {
                assert!(e.offset().is_none_or(|at| at <= text.len() as u64), "{e} is not in the text");
                continue;
            }
        };
        let printed = query.to_string();
        let again = WordQuery::parse(&printed, Occur::Should);
        assert!(again.as_ref().is_ok_and(|again| *again == query), "{query:?}\n{printed}\n{again:?}");
        assert_eq!(again.expect("as before").to_string(), printed);
        let found =
            |query: WordQuery| ARTIFACT.search(&Query::new().and_words_query(query).k(50).snippet(30));
        let again = WordQuery::parse(&printed, Occur::Should).expect("as before");
        match (found(query), found(again)) {
            (Ok(one), Ok(other)) => {
                let hits = |found: &compact_artifact::SearchResults| {
                    found.hits.iter().map(|hit| (hit.id, hit.score.to_bits())).collect::<Vec<_>>()
                };
                assert_eq!(hits(&one), hits(&other), "{printed}");
            }
            (Err(one), Err(other)) => assert_eq!(one.kind(), other.kind(), "{printed}"),
            (one, other) => panic!("{printed}: {one:?} and {other:?}"),
        }
    }
    drop(Query::parse(text).map(|query| ARTIFACT.search(&query)));
});
