//! Random programs of calls: whatever is asked has the answer of a map beside the artifact, and what is wrong has a code and changes nothing.
//!
//! `PROGRAMS=2000 cargo test -p capi programs` runs so many of them, from the seed `FIRST` on.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;

const WORDS: [&str; 4] = ["red", "kite", "rose", "sea"];
const KEYS: [&str; 6] = ["a", "nul\0", "é", " ", "#1", "k\n"];

struct Random(u64);

impl Random {
    fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % below as u64).unwrap()
    }

    fn choice<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}

/// What the map knows of a record.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    key: Option<String>,
    content: Result<String, Vec<u8>>,
    n: i64,
    vector: Option<[f32; 2]>,
}

impl Known {
    fn random(random: &mut Random) -> Self {
        let words: Vec<&str> = (0..random.below(4)).map(|_| random.choice(&WORDS)).collect();
        let text = words.join(" ") + random.choice(&["", "", " \0", " \u{1f600}"]);
        let blob = random.choice(&[&b""[..], b"\0\xff", b"red"]).to_vec();
        Self {
            key: (random.below(3) > 0).then(|| random.choice(&KEYS).to_owned()),
            content: if random.below(5) == 0 { Err(blob) } else { Ok(text) },
            n: random.choice(&[-1, 0, 3, i64::MAX, i64::MIN]),
            vector: (random.below(2) == 0).then(|| random.choice(&[[1.0, 0.0], [0.3, -0.7], [-2.0, 1.0]])),
        }
    }

    /// Calls with the record as C gives it.
    fn lend<T>(&self, call: impl FnOnce(&ca_new_record) -> T) -> T {
        let metadata = json!({"n": self.n}).to_string();
        let vector = self.vector.unwrap_or_default();
        let embedding = ca_vector { space: lend("v"), values: vector.as_ptr(), len: 2 };
        let (text, blob) = match &self.content {
            Ok(text) => (lend(text), NO_BYTES),
            Err(blob) => (NONE, ca_bytes { data: blob.as_ptr(), len: blob.len() }),
        };
        call(&ca_new_record {
            text,
            blob,
            key: self.key.as_deref().map_or(NONE, lend),
            metadata: lend(&metadata),
            embeddings: &embedding,
            embedding_count: usize::from(self.vector.is_some()),
            ..nothing()
        })
    }

    fn has_word(&self, word: &str) -> bool {
        self.content.as_ref().is_ok_and(|text| text.split(' ').any(|one| one == word))
    }
}

type Model = BTreeMap<u64, Known>;

struct Program {
    temp: Temp,
    random: Random,
    model: Model,
}

impl Program {
    fn id_of(&self, key: &str) -> Option<u64> {
        self.model.iter().find(|(_, known)| known.key.as_deref() == Some(key)).map(|(id, _)| *id)
    }

    fn some_id(&mut self) -> u64 {
        let ids: Vec<u64> = self.model.keys().copied().chain([1 << 40]).collect();
        self.random.choice(&ids)
    }

    fn put(&mut self) {
        let (mut known, upsert) = (Known::random(&mut self.random), self.random.below(2) == 0);
        let old = known.key.as_deref().and_then(|key| self.id_of(key));
        let mut id = u64::MAX;
        let put = if upsert { ca_upsert } else { ca_add };
        let code = known.lend(|record| put(self.temp.artifact, record, &mut id));
        let would_lose =
            |old: &Known| old.vector.is_some() && known.vector.is_none() && old.content != known.content;
        let expected = match old.map(|id| &self.model[&id]) {
            Some(_) if !upsert => CA_ALREADY_EXISTS,
            Some(old) if would_lose(old) => CA_WOULD_LOSE_EMBEDDING,
            None if upsert && known.key.is_none() => CA_INVALID_ARGUMENT,
            _ => CA_OK,
        };
        assert_eq!((code, id == u64::MAX), (expected, expected != CA_OK), "{}", message());
        if code == CA_OK {
            let replaced = old.and_then(|id| self.model.remove(&id));
            known.vector = known.vector.or(replaced.and_then(|old| old.vector));
            self.model.insert(id, known);
        }
    }

    /// Changes that are there together.
    fn batch(&mut self) {
        let known: Vec<Known> = (0..self.random.below(4))
            .map(|_| Known { key: None, ..Known::random(&mut self.random) })
            .collect();
        let (gone, n, is_bad) = (self.some_id(), self.random.choice(&[0, 3]), self.random.below(3) == 0);
        let mut batch = ptr::null_mut();
        assert_eq!(ca_batch_new(&mut batch), CA_OK);
        for known in &known {
            assert_eq!(known.lend(|record| ca_batch_add(batch, record)), CA_OK);
        }
        let filter = json!({"n": n}).to_string();
        assert_eq!(ca_batch_delete(batch, gone), CA_OK);
        assert_eq!(ca_batch_update_where(batch, lend(&filter), lend(r#"{"n": 7}"#)), CA_OK);
        if is_bad {
            assert_eq!(ca_batch_add_embedding(batch, 1 << 41, lend("v"), [1.0_f32, 0.0].as_ptr(), 2), CA_OK);
        }
        let mut ids = vec![u64::MAX; known.len()];
        let mut receipt = ca_receipt { commit: 0, added: 9, deleted: 9, updated: 9 };
        let code = ca_write(self.temp.artifact, batch, ids.as_mut_ptr(), ids.len(), &mut receipt);
        assert_eq!(ca_batch_free(batch), CA_OK);
        if is_bad {
            assert_eq!((code, receipt.added), (CA_NO_SUCH_RECORD, 9));
            return;
        }
        assert_eq!((code, receipt.added), (CA_OK, known.len() as u64), "{}", message());
        assert_eq!(receipt.deleted, u64::from(self.model.remove(&gone).is_some()));
        let matching = self.model.values_mut().filter(|known| known.n == n);
        assert_eq!(matching.map(|known| known.n = 7).count() as u64, receipt.updated);
        // Those of the batch itself are not among them.
        self.model.extend(ids.into_iter().zip(known));
    }

    fn change(&mut self) {
        let (id, artifact, mut count) = (self.some_id(), self.temp.artifact, u64::MAX);
        let was_there = self.model.contains_key(&id);
        match self.random.below(7) {
            5 => {
                let filter = lend(r#"{"n": {"$in": [0, 7]}}"#);
                if !self.model.is_empty() {
                    let before = self.model.len();
                    self.model.retain(|_, known| ![0, 7].contains(&known.n));
                    assert_eq!(ca_delete_where(artifact, filter, &mut count), CA_OK, "{}", message());
                    assert_eq!(count, (before - self.model.len()) as u64);
                }
            }
            6 => {
                let key = self.random.choice(&KEYS);
                assert_eq!(ca_update_key(artifact, lend(key), lend(r#"{"n": 6}"#), &mut count), CA_OK);
                let old = self.id_of(key).and_then(|id| self.model.get_mut(&id));
                assert_eq!(count, u64::from(old.map(|known| known.n = 6).is_some()));
            }
            0 => {
                assert_eq!(ca_delete(artifact, id, &mut count), CA_OK);
                self.model.remove(&id);
                assert_eq!(count, u64::from(was_there));
            }
            1 => {
                let key = self.random.choice(&KEYS);
                assert_eq!(ca_delete_key(artifact, lend(key), &mut count), CA_OK);
                let old = self.id_of(key).and_then(|id| self.model.remove(&id));
                assert_eq!(count, u64::from(old.is_some()));
            }
            2 => {
                assert_eq!(ca_update(artifact, id, lend(r#"{"n": 5}"#), &mut count), CA_OK);
                assert_eq!(count, u64::from(was_there));
                self.model.entry(id).and_modify(|known| known.n = 5);
            }
            3 => {
                let vector = [3.0_f32, 4.0];
                let code = ca_add_embedding(artifact, id, lend("v"), vector.as_ptr(), 2);
                assert_eq!(code, if was_there { CA_OK } else { CA_NO_SUCH_RECORD });
                self.model.entry(id).and_modify(|known| known.vector = Some(vector));
            }
            _ if was_there => {
                assert_eq!(ca_remove_embedding(artifact, id, lend("v")), CA_OK);
                self.model.entry(id).and_modify(|known| known.vector = None);
            }
            _ => {}
        }
    }

    fn maintain(&mut self) {
        match self.random.below(3) {
            0 => assert_eq!(ca_seal(self.temp.artifact, ptr::null_mut()), CA_OK),
            1 => assert_eq!(ca_compact(self.temp.artifact, 8 << 20, ptr::null_mut()), CA_OK),
            _ => {
                assert_eq!(ca_close(self.temp.artifact), CA_OK);
                assert_eq!(ca_open(lend(&self.temp.path("a")), NONE, &mut self.temp.artifact), CA_OK);
            }
        }
    }

    /// What cannot be has a code, and leaves everything as it was.
    fn refused(&mut self) {
        let (artifact, id, wrong) = (self.temp.artifact, self.some_id(), [0xff_u8, 0xfe]);
        let not_utf8 = ca_str { data: wrong.as_ptr().cast(), len: 2 };
        let vectors = [[1.0_f32, 1.0, 1.0], [f32::NAN, 0.0, 0.0], [0.0; 3]];
        for (code, expected) in [
            (
                ca_add(artifact, &ca_new_record { key: lend(""), ..record("x") }, ptr::null_mut()),
                CA_INVALID_ARGUMENT,
            ),
            (
                ca_add(
                    artifact,
                    &ca_new_record { key: lend(&"k".repeat(1025)), ..record("x") },
                    ptr::null_mut(),
                ),
                CA_TOO_LARGE,
            ),
            (
                ca_add(artifact, &ca_new_record { metadata: lend("{"), ..record("x") }, ptr::null_mut()),
                CA_INVALID_JSON,
            ),
            (
                ca_add(
                    artifact,
                    &ca_new_record { metadata: lend(r#"{"n":1,"n":2}"#), ..record("x") },
                    ptr::null_mut(),
                ),
                CA_INVALID_JSON,
            ),
            (
                ca_add(artifact, &ca_new_record { text: not_utf8, ..nothing() }, ptr::null_mut()),
                CA_INVALID_UTF8,
            ),
            (ca_update(artifact, id, lend(r#"{"n": 1e999}"#), ptr::null_mut()), CA_INVALID_JSON),
            (ca_delete_where(artifact, lend(r#"{"n": {"$no": 1}}"#), ptr::null_mut()), CA_INVALID_FILTER),
            (ca_add_embedding(artifact, id, lend("v"), vectors[0].as_ptr(), 3), CA_WRONG_DIMENSION),
            (ca_add_embedding(artifact, id, lend("v"), vectors[1].as_ptr(), 2), CA_NOT_FINITE),
            (ca_add_embedding(artifact, id, lend("v"), vectors[2].as_ptr(), 2), CA_ZERO_VECTOR),
            (ca_add_embedding(artifact, id, lend("w"), vectors[0].as_ptr(), 2), CA_NO_SUCH_SPACE),
            (self.temp.refused(&ca_query { syntax: lend("\"red"), ..query() }), CA_INVALID_QUERY),
        ] {
            assert!(
                code == expected || (code == CA_NO_SUCH_RECORD && id == 1 << 40),
                "{code:?} {expected:?}: {}",
                message()
            );
        }
    }
}

/// An entry as the map knows it.
fn read(record: *mut ca_record) -> Known {
    let (mut key, mut is_text, mut content, mut metadata, mut len) = (NONE, false, NO_BYTES, NONE, 0);
    assert_eq!(ca_record_key(record, &mut key), CA_OK);
    assert_eq!(ca_record_is_text(record, &mut is_text), CA_OK);
    assert_eq!(ca_record_bytes(record, &mut content), CA_OK);
    assert_eq!(ca_record_metadata(record, &mut metadata), CA_OK);
    assert_eq!((ca_record_len(record, &mut len), len), (CA_OK, content.len as u64));
    let key = (!key.data.is_null()).then(|| text(key));
    let metadata: serde_json::Value = serde_json::from_str(&text(metadata)).unwrap();
    let content = bytes(content);
    let content = if is_text { Ok(String::from_utf8(content).unwrap()) } else { Err(content) };
    assert_eq!(ca_record_free(record), CA_OK);
    Known { key, content, n: metadata["n"].as_i64().unwrap(), vector: None }
}

/// Everything that can be asked has the map's answer.
fn compare(artifact: *const ca_artifact, model: &Model, random: &mut Random) {
    let mut reader = ptr::null_mut();
    assert_eq!(ca_reader_new(artifact, NONE, &mut reader), CA_OK);
    for (id, known) in model {
        let (mut next, mut found, mut values, mut len) = (ptr::null_mut(), ptr::null_mut(), [9.0_f32; 2], 9);
        let expected = Known { vector: None, ..known.clone() };
        assert_eq!(ca_reader_next(reader, &mut next), CA_OK);
        assert_eq!(ca_get(artifact, *id, &mut found), CA_OK);
        assert_eq!((read(next), read(found)), (expected.clone(), expected));
        assert_eq!(ca_get_embedding(artifact, *id, lend("v"), values.as_mut_ptr(), 2, &mut len), CA_OK);
        assert_eq!((values, len), known.vector.map_or(([9.0; 2], 0), |vector| (vector, 2)));
    }
    let mut last = ptr::without_provenance_mut(1);
    assert_eq!(
        (ca_reader_next(reader, &mut last), last.is_null(), ca_reader_free(reader)),
        (CA_OK, true, CA_OK)
    );
    for key in KEYS {
        let known = model.iter().find(|(_, known)| known.key.as_deref() == Some(key)).map(|(id, _)| *id);
        let (mut id, mut found) = (7 << 50, false);
        assert_eq!(ca_id_of_key(artifact, lend(key), &mut id, &mut found), CA_OK);
        assert_eq!((id, found), (known.unwrap_or(7 << 50), known.is_some()));
    }
    let least = random.choice(&[-1, 0, 4]);
    let (filter, word) = (json!({"n": {"$gte": least}}).to_string(), random.choice(&WORDS));
    let with = |test: &dyn Fn(&Known) -> bool| -> Vec<u64> {
        model.iter().filter(|(_, known)| test(known)).map(|(id, _)| *id).collect()
    };
    let filters: &[(ca_str, i64)] =
        if model.is_empty() { &[(NONE, i64::MIN)] } else { &[(NONE, i64::MIN), (lend(&filter), least)] };
    for &(filter, least) in filters {
        let (all, mut count) = (with(&|known| known.n >= least), u64::MAX);
        assert_eq!((ca_count(artifact, filter, &mut count), count), (CA_OK, all.len() as u64));
        let (mut ids, mut len) = (vec![0; all.len()], 9);
        let everything = if filter.data.is_null() { lend("{}") } else { filter };
        assert_eq!(ca_ids_where(artifact, everything, ids.as_mut_ptr(), ids.len(), &mut len), CA_OK);
        assert_eq!((&ids, len), (&all, all.len()));
        let vector = [0.3_f32, 0.1];
        let near = ca_vector { space: lend("v"), values: vector.as_ptr(), len: 2 };
        let query = ca_query { filter, k: 1000, fetch: 1, snippet: 1000, ..query() };
        let words = with(&|known| known.n >= least && known.has_word(word));
        let vectors = with(&|known| known.n >= least && known.vector.is_some());
        for (query, mut expected) in [
            (ca_query { words: lend(word), ..query }, words),
            (ca_query { vectors: &near, vector_count: 1, ..query }, vectors),
            (query, all),
        ] {
            let (mut hits, mut found) = (ptr::null_mut(), Vec::new());
            assert_eq!(ca_search(artifact, &query, &mut hits), CA_OK, "{}", message());
            for hit in hits_of(hits) {
                let known = &model[&hit.id];
                let content = if hit.text.data.is_null() { Err(bytes(hit.blob)) } else { Ok(text(hit.text)) };
                assert_eq!((hit.code, &content), (CA_OK, &known.content));
                assert_eq!(text(hit.metadata), json!({"n": known.n}).to_string());
                assert_eq!((!hit.key.data.is_null()).then(|| text(hit.key)), known.key);
                assert!(
                    content.is_err() || content.as_ref() == Ok(&text(hit.snippet)),
                    "all of a short text"
                );
                found.push((hit.id, hit.score));
            }
            assert!(found.windows(2).all(|pair| pair[0].1 >= pair[1].1));
            assert_eq!(pages(artifact, &query), found.iter().map(|(id, _)| *id).collect::<Vec<_>>());
            assert_eq!(ca_hits_free(hits), CA_OK);
            let mut ids: Vec<u64> = found.iter().map(|(id, _)| *id).collect();
            ids.sort_unstable();
            expected.sort_unstable();
            assert_eq!(ids, expected, "{word}");
        }
    }
}

/// The ids of hits, page by page, of a snapshot.
fn pages(artifact: *const ca_artifact, query: &ca_query) -> Vec<u64> {
    let (mut snapshot, mut found) = (ptr::null_mut(), Vec::new());
    assert_eq!(ca_snapshot_new(artifact, &mut snapshot), CA_OK);
    loop {
        let mut hits = ptr::null_mut();
        let page = ca_query { k: 3, offset: found.len(), ..*query };
        assert_eq!(ca_snapshot_search(snapshot, &page, &mut hits), CA_OK, "{}", message());
        let ids: Vec<u64> = hits_of(hits).iter().map(|hit| hit.id).collect();
        found.extend(&ids);
        assert_eq!(ca_hits_free(hits), CA_OK);
        if ids.len() < 3 {
            assert_eq!(ca_snapshot_free(snapshot), CA_OK);
            return found;
        }
    }
}

#[test]
fn a_program_of_calls_finds_what_a_map_beside_it_has() {
    let number = |name: &str, or: u64| std::env::var(name).map_or(or, |number| number.parse().unwrap());
    let first = number("FIRST", 0);
    for seed in first..first + number("PROGRAMS", 8) {
        let temp = Temp::new(lend(
            r#"{"spaces": {"v": {"dimension": 2, "originals": "f32"}}, "durability": "buffered"}"#,
        ));
        let mut program = Program { temp, random: Random(seed), model: Model::new() };
        for step in 0..60 {
            match program.random.below(12) {
                0..5 => program.put(),
                5..7 => program.batch(),
                7..10 => program.change(),
                10 => program.maintain(),
                _ => program.refused(),
            }
            if step % 6 == 5 {
                compare(program.temp.artifact, &program.model, &mut program.random);
            }
        }
    }
}
