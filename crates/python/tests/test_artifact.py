"""What is written is read, found, changed and deleted."""

from __future__ import annotations

import datetime
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

import compact_artifact
from compact_artifact import CompactArtifact, SearchResults, errors

UTC = datetime.timezone.utc


def test_a_record_comes_back_as_it_was_added(artifact: CompactArtifact) -> None:
    metadata = {"year": 2026, "tags": ["a", None, 1.5, True], "by": {"name": "Ada"}, "big": 2**63, "small": -(2**63)}
    id = artifact.add_text("ein Kätzchen", key="cat", metadata=metadata, fields={"title": "Tiere"}, embeddings={"v": [1, 0, 0]})
    entry = artifact["cat"]
    assert (entry.id, entry.key, entry.text, entry.is_text) == (id, "cat", "ein Kätzchen", True)
    assert entry.metadata == metadata and entry.fields == {"title": "Tiere"}
    assert entry.content == "ein Kätzchen".encode() and len(entry) == len(entry.content) and bool(entry)
    assert artifact.embedding(id, "v") == [1.0, 0.0, 0.0]
    assert entry.to_dict()["text"] == entry.text and "cat" in repr(entry)


def test_a_blob_comes_back_in_whole_and_in_part(artifact: CompactArtifact) -> None:
    content = bytes(range(256)) * 5000
    id = artifact.add_blob(content, key="bytes")
    entry = artifact[id]
    assert entry.content == content and not entry.is_text and len(entry) == len(content)
    assert entry.read(255, 3) == b"\xff\x00\x01" and entry.read(len(content), 10) == b""
    assert artifact[artifact.add(bytearray(b"ab"))].content == b"ab"
    assert entry.to_dict()["len"] == len(content)
    with pytest.raises(errors.NotTextError, match="`content` or `read`"):
        entry.text


def test_each_way_to_give_a_record_gives_the_same(artifact: CompactArtifact) -> None:
    ids = [
        artifact.add("a text"),
        artifact.add({"text": "a text"}),
        artifact.add(text="a text"),
        artifact.add_text("a text", metadata=None),
        artifact.add("a text", metadata={}),
    ]
    records = {str({**artifact[id].to_dict(), "id": 0}) for id in ids}
    assert len(records) == 1


def test_records_are_found_by_key_and_id_and_in_order(artifact: CompactArtifact) -> None:
    ids = artifact.add_batch([{"text": f"text {i}", "key": f"k{i}"} for i in range(5)])
    assert [entry.id for entry in artifact] == ids and len(artifact) == 5
    assert "k3" in artifact and "k9" not in artifact and ids[0] in artifact and 10**6 not in artifact
    assert artifact.get("k9") is None and artifact.get(10**6) is None
    assert artifact.id_of_key("k2") == ids[2] and artifact.id_of_key("no") is None
    found = artifact.get_many(["k1", ids[4], "no", 10**6])
    assert [entry and entry.text for entry in found] == ["text 1", "text 4", None, None]
    assert artifact.keys("k") == {f"k{i}": id for i, id in enumerate(ids)}
    with pytest.raises(KeyError):
        artifact["no"]


def test_records_are_changed_and_deleted(artifact: CompactArtifact) -> None:
    a, b, c = artifact.add_batch([{"text": f"text {i}", "key": f"k{i}", "metadata": {"n": i}} for i in range(3)])
    assert artifact.update("k0", {"n": None, "seen": True}) and artifact["k0"].metadata == {"seen": True}
    assert not artifact.update("no", {}) and artifact.update_where({"n": {"$gte": 1}}, {"late": 1}) == 2
    assert artifact.upsert(text="new", key="k1") > c and artifact["k1"].text == "new" and b not in artifact
    assert artifact.delete(a) and not artifact.delete(a) and artifact.delete("k2")
    assert artifact.delete_where({"late": 1}) == 0 and len(artifact) == 1
    del artifact["k1"]
    with pytest.raises(KeyError):
        del artifact["k1"]


def test_a_batch_is_there_as_a_whole_or_not_at_all(artifact: CompactArtifact) -> None:
    artifact.add_text("old", key="old")
    with artifact.batch(durability="sync") as batch:
        batch.add("one", key="one")
        batch.upsert(text="two", key="two")
        batch.delete("nothing")
        batch.update("old", {"n": 1})
        assert len(batch) == 4 and len(artifact) == 1
    assert batch.receipt is not None and len(batch.receipt["ids"]) == 2 and len(artifact) == 3

    given_up = artifact.batch()
    with pytest.raises(RuntimeError, match="never mind"):
        with given_up:
            given_up.add("three")
            raise RuntimeError("never mind")
    assert len(artifact) == 3 and given_up.receipt is None
    with pytest.raises(errors.InvalidArgumentError):
        given_up.add("four")

    with pytest.raises(errors.AlreadyExistsError):
        with artifact.batch() as batch:
            batch.add("five")
            batch.add("six", key="one")
    assert len(artifact) == 3
    batch = artifact.batch()
    batch.delete_where({"n": 1})
    batch.update_where({"n": 2}, {"n": 3})
    batch.add_embedding(artifact["one"].id, "v", [0, 0, 1])
    assert batch.commit()["deleted"] == 1
    assert artifact.search(vector=[0, 0, 1])[0].key == "one"


def test_a_batch_in_commits_says_how_far_it_is(artifact: CompactArtifact) -> None:
    told: list[tuple[int, int | None]] = []
    before = artifact.commit
    ids = artifact.add_batch(["text"] * 25, batch_size=10, progress=lambda done, all: told.append((done, all)))
    assert told == [(10, 25), (20, 25), (25, 25)] and len(ids) == 25 and artifact.commit == before + 3
    told.clear()
    artifact.add_batch((f"text {i}" for i in range(25)), batch_size=10, progress=lambda done, all: told.append((done, all)))
    assert told == [(10, None), (20, None), (25, None)]

    def stop(done: int, all: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        artifact.add_batch(["text"] * 25, batch_size=10, progress=stop)
    assert len(artifact) == 60


def test_what_is_raised_by_a_batch_in_pieces_says_how_many_records_are_kept(artifact: CompactArtifact) -> None:
    def broken() -> Iterator[str]:
        yield from ["text"] * 25
        raise ZeroDivisionError("no more")

    with pytest.raises(ZeroDivisionError) as raised:
        artifact.add_batch(broken(), batch_size=10)
    assert raised.value.__notes__ == ["20 records were added before it and are kept"] and len(artifact) == 20
    with pytest.raises(errors.AlreadyExistsError, match='"k".*; 1 record was added before it and is kept$'):
        artifact.add_batch([{"text": "x", "key": "k"}, {"text": "x", "key": "k"}], batch_size=1)
    with pytest.raises(errors.AlreadyExistsError, match="; 2 records were added before it and are kept$"):
        artifact.add_batch(texts=["x"] * 3, keys=["l", "m", "l"], batch_size=2)
    with pytest.raises(errors.AlreadyExistsError) as refused:
        artifact.add_batch([{"text": "x", "key": "k"}])
    assert "kept" not in str(refused.value) and len(artifact) == 23


def test_columns_are_records(artifact: CompactArtifact) -> None:
    ids = artifact.add_batch(
        texts=["a cat", None], keys=["a", "b"], metadata=[None, {"n": 1}], embeddings={"v": [[1, 0, 0], [0, 1, 0]]}
    )
    assert artifact[ids[0]].text == "a cat" and artifact["b"].content == b"" and artifact["b"].metadata == {"n": 1}
    assert artifact.search(vector=[0, 1, 0], k=1)[0].key == "b"
    assert artifact.add_batch(texts=[]) == artifact.add_batch([]) == artifact.add_batch(texts=iter(()), keys=[]) == []
    artifact.add_batch(texts=["a dog"], keys=["a"], embeddings={"v": [[0, 0, 1]]}, upsert=True)
    assert artifact["a"].text == "a dog"


def test_filters_have_the_operators_of_the_library(artifact: CompactArtifact) -> None:
    artifact.add_text("x", key="a", metadata={"n": 1, "tags": ["x", "y"], "at": "2026-01-01T12:00:00Z"})
    artifact.add_text("x", key="b", metadata={"n": 2, "name": "McLeod", "at": "2026-06-01T00:00:00+02:00"})
    artifact.add_text("x", key="c", metadata={"s": "text"})
    moment = datetime.datetime(2026, 5, 1, tzinfo=UTC)
    filters: list[tuple[str, dict[str, Any]]] = [
        ("a", {"n": 1}),
        ("b", {"n": {"$gt": 1, "$lte": 2}}),
        ("ab", {"n": {"$in": [1, 2]}}),
        ("a", {"tags": {"$contains": "x"}}),
        ("b", {"name": {"$prefix": "Mc"}}),
        ("ab", {"n": {"$exists": True}}),
        ("b", {"at": {"$gt": moment}}),
        ("a", {"at": {"$lt": datetime.date(2026, 5, 1)}}),
        ("ac", {"$not": {"n": 2}}),
        ("ac", {"$or": [{"n": 1}, {"s": "text"}]}),
        ("abc", {}),
    ]
    for wanted, filter in filters:
        assert "".join(entry.key or "" for entry in artifact.records(filter)) == wanted, filter
        assert artifact.count(filter) == len(wanted) == len(artifact.ids_where(filter))


def test_search_has_all_that_the_library_has(artifact: CompactArtifact) -> None:
    for i in range(20):
        artifact.add_text(
            f"a red kite number {i}", key=f"k{i:02}", metadata={"book": i % 4, "year": 2000 + i, "at": f"2026-0{1 + i % 3}-01"},
            embeddings={"v": [1, i, 0]},
        )

    def keys(found: SearchResults) -> list[str | None]:
        return [hit.key for hit in found]

    assert keys(artifact.search("kite", k=3, offset=2)) == keys(artifact.search("kite", k=5))[2:]
    assert keys(artifact.search(query='"number 7"', k=1)) == ["k07"]
    assert keys(artifact.search(words="number 7", k=1)) == ["k07"]
    assert keys(artifact.search(vector={"v": [1, 0, 0]}, k=1, exact=True)) == ["k00"]
    similar = artifact.search(similar_to=artifact["k00"].id, k=1, ef_search=100)
    assert keys(similar) == ["k01"]
    assert keys(artifact.search(order_by=("year", "desc"), k=2)) == ["k19", "k18"]
    assert keys(artifact.search(order_by=["book", ("year", "desc")], k=2)) == ["k16", "k12"]
    groups = artifact.search("kite", group_by="book", fields=["book"])
    assert sorted(hit.fields["book"] for hit in groups) == [0, 1, 2, 3]
    assert len(artifact.search("kite", group_by=("book", 2))) == 8
    found = artifact.search(
        "kite", total=True, facets=["book", {"field": "year", "width": 10}, {"field": "at", "unit": "month", "limit": 2}], k=1
    )
    assert found.total == {"records": 20, "is_exact": True}
    assert [count["count"] for count in found.facets[1]["counts"]] == [10, 10]
    assert [count["value"] for count in found.facets[2]["counts"]] == ["2026-01", "2026-02"]
    found = artifact.search("number 3", vector=[1, 3, 0], weights={"words": 2, "v": 0.5}, fusion=("reciprocal_rank", 10), explain=True, candidates=50)
    assert found[0].key == "k03" and found[0].places and found.explain is not None and found.explain["time"] > 0
    snippet = artifact.search("kite", snippet=40, k=1)[0].snippet
    assert snippet is not None and "kite" in snippet["text"] and snippet["highlights"]
    bare = artifact.search("kite", fetch=False, k=1)[0]
    assert bare.record is None and bare.text is None and bare.metadata is None and bare.key is None
    assert artifact.search("kite", min_score=1e9).hits == [] and not artifact.search("nothing")
    assert artifact.search("kite", deadline=10, k=1).is_complete
    assert [len(found) for found in artifact.search_batch(["kite", {"text": "kite", "k": 3}, {"vector": [1, 0, 0]}])] == [10, 3, 10]
    found = artifact.search("kite", k=3)
    assert found[-1].id == found.hits[2].id and len(list(found)) == 3 and repr(found) == "<SearchResults: 3 hits>"
    with pytest.raises(IndexError):
        found[3]
    assert found.to_dict()["hits"][0]["key"] == found[0].key


def test_highlights_and_errors_of_queries_are_at_characters(artifact: CompactArtifact) -> None:
    artifact.add("héllo wörld 日本 👩 running dogs")
    for seen in (artifact, artifact.snapshot()):
        snippet = seen.search(query="dog* 日本 wörld", snippet=80)[0].snippet
        assert snippet is not None
        assert [snippet["text"][mark["start"] : mark["end"]] for mark in snippet["highlights"]] == ["wörld", "日", "本", "dogs"]
        for query, kind in [("wörld 日本 ^", errors.InvalidQueryError), ("wörld 日本 nöne:x", errors.InvalidQueryError)]:
            with pytest.raises(kind, match="^at character 9: "):
                seen.search(query=query)
            with pytest.raises(kind, match="^at character 9: "):
                seen.search_batch(["x", {"query": query}])


def test_scores_stay_where_the_best_are_sorted_and_are_0_where_all_are(artifact: CompactArtifact) -> None:
    ids = artifact.add_batch([{"text": "a kite", "metadata": {"n": -n}, "embeddings": {"v": [1, n, 0]}} for n in range(3)])
    near = artifact.search(vector=[1, 0, 0], order_by="n")
    assert near.ids == ids[::-1] and near.scores == sorted(near.scores) and 0 < near.scores[0] < near.scores[2]
    words = artifact.search(words="kite", order_by="n")
    assert (words.ids, words.scores) == (ids[::-1], [0, 0, 0])


def test_a_snapshot_goes_on_showing_its_commit(artifact: CompactArtifact) -> None:
    artifact.add_batch([{"text": "a cat", "key": "a"}, {"text": "a cat", "key": "b"}])
    snapshot = artifact.snapshot()
    artifact.delete("a")
    assert (len(artifact), len(snapshot)) == (1, 2) and snapshot.commit < artifact.commit
    assert "a" in snapshot and snapshot["a"].text == "a cat" and snapshot.get("c") is None
    assert [entry.key for entry in snapshot] == ["a", "b"] and snapshot.count({}) == 2 and len(snapshot.keys()) == 2
    assert len(snapshot.search("cat")) == 2 and len(artifact.search("cat")) == 1
    assert "2 records" in repr(snapshot)


class Letters:
    """How often each of four letters is in a text."""

    name = "letters"
    dimension = 4

    def __init__(self) -> None:
        self.asked: list[int] = []

    def embed(self, texts: list[str]) -> list[list[float]]:
        self.asked.append(len(texts))
        return [[float(text.count(letter)) for letter in "abcd"] for text in texts]


def test_texts_are_embedded_by_an_object_of_python(path: pathlib.Path) -> None:
    letters = Letters()
    with CompactArtifact.create(path, embedder=letters) as artifact:
        artifact.add_batch(["aaa", "bbb", "xyz"])
        assert artifact.is_model_at_hand and artifact.spaces["meaning"]["model"] == "letters"
        assert artifact.search(meaning="ab b b", k=1)[0].text == "bbb" and sum(letters.asked) == 4
        assert artifact.embed(["a", "?"]) == [[1.0, 0.0, 0.0, 0.0], None]
    for open in (CompactArtifact.open, CompactArtifact.open_read_only):
        with pytest.raises(errors.ModelMismatchError, match="letters"):
            open(path, embedder="built-in")


def test_a_text_is_searched_by_words_alone_only_where_that_is_asked_for(path: pathlib.Path) -> None:
    with CompactArtifact.create(path, embedder=Letters()) as artifact:
        cat = artifact.add("a cat sat on the mat")
    with CompactArtifact.open_read_only(path) as artifact:
        assert not artifact.is_model_at_hand
        for seen in (artifact, artifact.snapshot()):
            for search in (lambda: seen.search("cat"), lambda: seen.search_batch(["cat"]), lambda: seen.search(meaning="cat")):
                with pytest.raises(errors.NoModelError, match="search by words"):
                    search()
            assert seen.search(words="cat").ids == [cat] and seen.search(query="ca*").ids == [cat]
    with CompactArtifact.create(path.with_name("b")) as artifact:
        artifact.add("a cat")
        assert artifact.search("cat").ids == [0]


def test_an_artifact_moves_to_another_model_and_says_how_far_it_is(path: pathlib.Path) -> None:
    told: list[tuple[int, int]] = []
    with CompactArtifact.create(path) as artifact:
        artifact.add_batch([f"a text about cats, number {i}" for i in range(300)])
        assert artifact.reembed("built-in", progress=lambda done, all: False)["left"] > 0
        report = artifact.reembed("built-in", progress=lambda done, all: told.append((done, all)))
        assert report["left"] == 0 and told[-1] == (300, 300) or told[-1][1] <= 300
    with CompactArtifact.open(path, embedder="built-in") as artifact:
        assert len(artifact.search(meaning="felines")) == 10


def test_a_move_to_another_model_loses_no_vector_that_was_given_for_a_blob_unless_it_may_go(path: pathlib.Path) -> None:
    with CompactArtifact.create(path, embedder=Letters()) as artifact:
        artifact.add_text("aaa")
        picture = artifact.add_blob(b"picture", embeddings={"meaning": [1, 2, 3, 4]})
        with pytest.raises(errors.WouldLoseEmbeddingError, match=f"record {picture} the first"):
            artifact.reembed("built-in")
        assert artifact.embedding(picture, "meaning") is not None and artifact.embed(["a"]) == [[1.0, 0.0, 0.0, 0.0]]
        report = artifact.reembed("built-in", lose_given=True)
        assert report["given"] == 1 and artifact.embedding(picture, "meaning") is None
        assert artifact.reembed("built-in")["given"] == 0


def test_spaces_and_fields_come_and_go(artifact: CompactArtifact) -> None:
    artifact.add_space("w", {"dimension": 2, "metric": "l2", "originals": "f16"})
    artifact.add_space("rotated", {"dimension": 2, "quantization": "rotated-int8"})
    assert artifact.spaces["rotated"]["quantization"] == "rotated-int8"
    artifact.drop_space("rotated")
    artifact.add_field("author", 3)
    assert artifact.spaces["w"] == {"dimension": 2, "metric": "l2", "quantization": "int8", "originals": "f16", "model": None}
    assert artifact.fields == {"title": 2, "author": 3}
    id = artifact.add_text("x", fields={"author": "Melville"}, embeddings={"w": [1, 2]})
    assert artifact.search(query="author:melville")[0].id == id
    artifact.remove_embedding(id, "w")
    assert artifact.embedding(id, "w") is None
    artifact.rename_space("w", "u")
    artifact.drop_space("u")
    assert list(artifact.spaces) == ["v"]


def test_an_artifact_is_sealed_compacted_packed_verified(artifact: CompactArtifact, tmp_path: pathlib.Path) -> None:
    artifact.add_batch([{"text": f"text {i} " * 50, "key": str(i)} for i in range(500)])
    assert artifact.seal()["records"] == 500
    artifact.delete_where({"$not": {"n": 1}})
    artifact.add_text("what is left", key="left")
    done = artifact.compact()
    assert done["bytes_after"] < done["bytes_before"] and artifact.stats()["records"] == 1
    assert artifact.verify("checksums")["is_sound"] and artifact.recovery["is_clean"]
    report = artifact.pack(tmp_path / "a.pack")
    assert report["bytes"] == (tmp_path / "a.pack").stat().st_size
    assert compact_artifact.verify(tmp_path / "a.pack")["is_sound"]
    (tmp_path / "larger").write_bytes(b"x" * 4096 + (tmp_path / "a.pack").read_bytes())
    assert CompactArtifact.open_packed(tmp_path / "larger", 4096)["left"].text == "what is left"
    packed = CompactArtifact.open_read_only(tmp_path / "a.pack")
    packed.unpack(tmp_path / "b")
    compact_artifact.unpack(tmp_path / "a.pack", tmp_path / "c")
    assert CompactArtifact.open_read_only(tmp_path / "c")["left"].text == "what is left"
    kept = compact_artifact.salvage(tmp_path / "b", tmp_path / "d")
    assert kept["records"] == 1 and kept["losses"] == [] and kept["messages"] == []


def test_caches_are_asked_and_emptied(artifact: CompactArtifact) -> None:
    ids = artifact.add_batch([{"text": f"text {i}", "key": str(i)} for i in range(100)])
    artifact.seal()
    artifact.warm(["0", ids[50], "no"])
    artifact.search("text")
    artifact.search("text")
    assert artifact.cache_stats()["results"]["hits"] == 1 and artifact.memory_stats()["searches"] == 2
    artifact.clear_caches()
    assert artifact.cache_stats()["blocks"]["entries"] == 0
    artifact.release_memory()
    assert artifact.values("n") == []


def test_options_are_obeyed(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    told: list[str] = []
    with CompactArtifact.create(
        path,
        spaces={"v": {"dimension": 2, "metric": "dot"}},
        fields={"author": 2},
        language="german",
        fold_diacritics=False,
        stop_words=False,
        bm25=(1.2, 0.75),
        expires_at="until",
        compression="zstd:9",
        block_len=8192,
        segment_len=1 << 20,
        memory_mapping=True,
        memory_limit=64 << 20,
        durability=0.001,
        maintenance="background",
        auto_compact={"dead_percent": 20, "budget": 1 << 20, "quiet": 0.5},
        busy_timeout=1,
        idle_release=None,
        threads=1,
        graph_from=100,
        precompute_similar=3,
        cache_bytes=1 << 20,
        result_cache_bytes=1 << 16,
        result_ttl=60,
        embedding_cache_bytes=1 << 16,
        keep_embedding_cache=False,
        seed=7,
        quantization="int8",
        on_maintenance_error=told.append,
    ) as artifact:
        artifact.add_text("kurz", metadata={"until": "2020-01-01"})
        artifact.add_text("die Häuser", metadata={"until": "2999-01-01"})
        assert len(artifact) == 1 and len(artifact.search("Haus")) == 1
        assert artifact.spaces["v"]["metric"] == "dot" and artifact.cache_stats()["blocks"]["limit_bytes"] == 1 << 20
    CompactArtifact.create(tmp_path / "s", seed=7).close()
    others: list[dict[str, Any]] = [{"edge": True}, {"language": None}, {"compression": "lz4"}, {"compression": None}, {"auto_compact": False}]
    for option in others:
        other = CompactArtifact.create(tmp_path / str(option), **option)
        other.add_text("the connection")
        assert len(other.search("connected")) == (0 if "language" in option else 1)
        other.close()
    edge = CompactArtifact.open(tmp_path / str({"edge": True}), edge=True, result_ttl=5)
    assert edge.cache_stats()["blocks"]["limit_bytes"] == 2 << 20 and edge.cache_stats()["results"]["limit_bytes"] == 64 << 10
    assert told == []


def test_an_artifact_is_opened_created_closed_and_destroyed(path: pathlib.Path) -> None:
    with CompactArtifact.open_or_create(str(path)) as artifact:
        artifact.add_text("a")
        assert "1 records" in repr(artifact) and not artifact.is_read_only and not artifact.closed
        assert artifact.path == path
    assert artifact.closed and "closed" in repr(artifact)
    artifact.close()  # a second time
    for call in (artifact.stats, lambda: artifact.search("a"), lambda: len(artifact), artifact.snapshot, artifact.__enter__):
        with pytest.raises(errors.ClosedError):
            call()
    with CompactArtifact.open_or_create(path) as artifact:
        assert len(artifact) == 1
    reader = CompactArtifact.open_read_only(path)
    assert reader.is_read_only and "read-only" in repr(reader)
    with pytest.raises(errors.ReadOnlyError):
        reader.add_text("b")
    reader.close()
    artifact = CompactArtifact.open(path)
    artifact.destroy()
    with pytest.raises(errors.ClosedError):
        artifact.destroy()
    with pytest.raises(errors.NotFoundError):
        CompactArtifact.open_read_only(path)


def test_a_weight_counts_for_all_lists_of_its_name(artifact: CompactArtifact) -> None:
    near, far = artifact.add(text="x", embeddings={"v": [1, 0, 0]}), artifact.add(text="x", embeddings={"v": [0, 1, 0]})

    def scores(weight: float) -> list[float]:
        found = artifact.search(
            "x", vector=[1, 0, 0], similar_to=far, weights={"v": weight}, fusion=("reciprocal_rank", 1)
        )
        return [hit.score for hit in found if hit.id == near]

    # A list of words, one near the vector and one near the record: with a weight of 0 the words are left.
    assert scores(0) == pytest.approx([1 / 2])
    assert scores(2) == pytest.approx([1 / 2 + 2 / 2 + 2 / 2])
