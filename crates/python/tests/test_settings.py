"""What an artifact is set up as is said, asked for, and changed later; and what a search may ask for beyond that."""

from __future__ import annotations

import datetime
import io
import pathlib
from typing import Any

import numpy
import pytest

from compact_artifact import CompactArtifact, errors

UTC = datetime.timezone.utc


def test_another_language_indexes_the_words_of_all_records_anew(artifact: CompactArtifact) -> None:
    artifact.add_batch(["die alten Häuser der Stadt", "ein Haus"])
    assert artifact.language == "english" and len(artifact.search("Haus")) == 1
    report = artifact.set_text_options(language="german")
    assert (report["records"], report["left"], artifact.language) == (2, 0, "german")
    assert len(artifact.search("Haus")) == 2
    assert artifact.set_text_options(language="german")["records"] == 0  # nothing to do
    assert artifact.set_text_options(fold_diacritics=None)["records"] == 0
    artifact.set_text_options(language=None, fold_diacritics=True)
    assert artifact.language is None and len(artifact.search("Haus")) == 1 and len(artifact.search("hauser")) == 1


def test_settings_say_all_that_is_kept_in_the_artifact(path: pathlib.Path) -> None:
    with CompactArtifact.create(path, expires_at="until", fold_diacritics=False, precompute_similar=5) as artifact:
        assert (artifact.expires_at, artifact.fold_diacritics, artifact.precompute_similar) == ("until", False, 5)
    with CompactArtifact.create(path.with_name("plain")) as artifact:
        assert (artifact.expires_at, artifact.fold_diacritics, artifact.precompute_similar) == (None, True, 0)


def test_a_change_of_language_is_ended_by_what_hears_of_it(artifact: CompactArtifact) -> None:
    artifact.add_batch(["die alten Häuser"] * 3)
    artifact.seal()
    heard: list[tuple[int, int]] = []

    def hear(done: int, all: int) -> bool:
        heard.append((done, all))
        return False

    assert artifact.set_text_options(language="german", progress=hear)["left"] == 3
    assert heard == [(0, 3)] and artifact.language == "english"
    with pytest.raises(ZeroDivisionError):
        artifact.set_text_options(language="german", progress=lambda done, all: 1 // 0)
    assert artifact.language == "english"
    wrong: list[dict[str, Any]] = [{"language": "klingon"}, {"stop_words": True}, {"fold_diacritics": "yes"}]
    for options in wrong:
        with pytest.raises((errors.InvalidArgumentError, TypeError)):
            artifact.set_text_options(**options)


def test_metadata_must_be_what_the_schema_says(path: pathlib.Path) -> None:
    with CompactArtifact.create(path, schema={"year": {"type": "number", "required": True}, "tags": "string"}) as artifact:
        assert artifact.schema == {"year": {"type": "number", "required": True}, "tags": "string"}
        artifact.add("a cat", key="cat", metadata={"year": 2026, "tags": ["pet"], "more": None})
        refused: list[dict[str, Any]] = [{}, {"year": "2026"}, {"year": 2026, "tags": [1]}]
        for metadata in refused:
            with pytest.raises(errors.SchemaViolationError):
                artifact.add("a dog", metadata=metadata)
        with pytest.raises(errors.SchemaViolationError):
            artifact.update("cat", {"year": None})
        assert len(artifact) == 1 and artifact["cat"].metadata["year"] == 2026
        with pytest.raises(errors.SchemaViolationError, match='record 0 with the key "cat"'):
            artifact.set_schema({"more": {"type": "date", "required": True}})
        with pytest.raises(errors.InvalidArgumentError, match="whole"):
            artifact.set_schema({"year": "whole"})  # type: ignore[dict-item] # pyright: ignore[reportArgumentType]
    with pytest.raises(errors.SettingsMismatchError, match="set_schema"):
        CompactArtifact.open(path, schema={"year": "string"})
    with CompactArtifact.open(path) as artifact:
        artifact.set_schema(None)
        assert artifact.schema is None and artifact.add("anything") == 1


def test_a_record_is_there_until_it_expires(path: pathlib.Path) -> None:
    now = datetime.datetime.now(UTC)
    with CompactArtifact.create(path, expires_at="until") as artifact:
        artifact.add("soon", key="soon", expires_at=now + datetime.timedelta(hours=1))
        artifact.add_batch([{"text": "gone", "expires_at": now - datetime.timedelta(hours=1)}, {"text": "old", "expires_at": datetime.datetime(1950, 1, 1, tzinfo=UTC)}])
        assert [entry.key for entry in artifact] == ["soon"]
        assert datetime.datetime.fromisoformat(artifact["soon"].metadata["until"].replace("Z", "+00:00")) > now
        with pytest.raises(errors.InvalidArgumentError, match="time zone"):
            artifact.add("x", expires_at=datetime.datetime(2026, 1, 1))
        with pytest.raises(TypeError, match="expected a datetime, found int"):
            artifact.add("x", expires_at=5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    with CompactArtifact.create(path.with_name("b")) as artifact:
        with pytest.raises(errors.InvalidArgumentError, match="expires_at"):
            artifact.add("x", expires_at=now)


def test_a_record_expires_at_the_microsecond_that_is_given(path: pathlib.Path) -> None:
    half = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
    with CompactArtifact.create(path, expires_at="until") as artifact:
        for time in [
            datetime.datetime(2040, 1, 1, 0, 0, 0, 123457, tzinfo=UTC),
            datetime.datetime(9000, 1, 1, 1, 1, 1, 1, tzinfo=half),
            datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        ]:
            id = artifact.add("x", expires_at=time)
            assert artifact.count({"until": time}) == 1 and datetime.datetime.fromisoformat(artifact[id].metadata["until"]) == time
            artifact.delete(id)
        for time in [datetime.datetime(1, 1, 1, tzinfo=UTC), datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)]:
            artifact.add("gone", expires_at=time)
        assert len(artifact) == 0
        with pytest.raises(errors.InvalidArgumentError, match="when a record expires: .*0000 to 9999"):
            artifact.add("x", expires_at=datetime.datetime.max.replace(tzinfo=datetime.timezone(-datetime.timedelta(hours=1))))


def test_a_slip_in_a_field_is_explained_or_refused(artifact: CompactArtifact) -> None:
    artifact.add("a whale", metadata={"year": 1851})
    slip = {"yaer": {"$gte": 1800}}
    explain = artifact.search("whale", filter=slip, explain=True).explain
    assert explain is not None and explain["unknown_fields"] == [{"field": "yaer", "nearest": "year"}]
    with pytest.raises(errors.NoSuchFieldError, match="year"):
        artifact.search("whale", filter=slip, strict_fields=True)
    with pytest.raises(errors.NoSuchFieldError):
        artifact.delete_where({"$strict": slip})
    assert len(artifact) == 1


def test_a_recall_is_asked_for_of_graphs(path: pathlib.Path) -> None:
    rows = numpy.random.default_rng(3).normal(size=(600, 16)).astype("f4")
    with CompactArtifact.create(path, spaces={"v": 16}, graph_from=100) as artifact:
        ids = artifact.add_batch(embeddings={"v": rows})
        artifact.seal()
        assert artifact.search(vector=rows[5], recall=0.99, k=3)[0].id == ids[5]
        wrong: list[dict[str, Any]] = [{"recall": 1.5}, {"recall": 0.9, "exact": True}, {"recall": 0.9, "ef_search": 64}]
        for arguments in wrong:
            with pytest.raises(errors.InvalidArgumentError):
                artifact.search(vector=rows[5], **arguments)
        found = artifact.audit_recall("v", ef_search=[64, 600], sample=50, k=5)
        assert len(found) == 2 and 0.5 < found[0] <= found[1] <= 1
        with pytest.raises(errors.NoSuchSpaceError):
            artifact.audit_recall("w", ef_search=[64])


def test_a_file_is_added_piece_by_piece(artifact: CompactArtifact) -> None:
    content = bytes(range(256)) * 20_000
    id = artifact.add_file(io.BytesIO(content), key="film", metadata={"kind": "film"})
    assert artifact[id].content == content and artifact["film"].metadata == {"kind": "film"}
    assert artifact[artifact.add_file(io.BytesIO())].content == b""

    class Broken:
        calls = 0

        def read(self, size: int) -> bytes:
            self.calls += 1
            if self.calls > 2:
                raise LookupError("the tape is torn")
            return b"x" * size

    class Text:
        def read(self, size: int) -> str:
            return "text"

    class Writing:
        def read(self, size: int) -> bytes:
            artifact.add("from inside")
            return b""

    with pytest.raises(LookupError, match="torn"):
        artifact.add_file(Broken())
    with pytest.raises(TypeError, match="expected bytes, found str"):
        artifact.add_file(Text())  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    with pytest.raises(errors.ReentrantError):
        artifact.add_file(Writing())
    with pytest.raises(AttributeError):
        artifact.add_file("film")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    assert len(artifact) == 2 and artifact.add("and on it goes") > id


def test_a_snapshot_answers_what_the_artifact_does(artifact: CompactArtifact) -> None:
    ids = artifact.add_batch([{"text": f"a cat {n}", "key": str(n), "metadata": {"n": n % 2}, "embeddings": {"v": [1, n, 0]}} for n in range(4)])
    then = artifact.snapshot()
    before = [entry.to_dict() for entry in artifact.records({"n": 1})]
    artifact.delete_where({"n": 1})
    assert [entry.to_dict() for entry in then.records({"n": 1})] == before and len(list(then.records())) == 4
    assert then.ids_where({"n": 1}) == [ids[1], ids[3]] and then.id_of_key("1") == ids[1] and then.id_of_key("9") is None
    assert [entry and entry.key for entry in then.get_many(["3", ids[0], "9"])] == ["3", "0", None]
    assert then.values("n") == [{"value": 0, "count": 2}, {"value": 1, "count": 2}] and then.values("n", {"n": 1}) == [{"value": 1, "count": 2}]
    found = then.embedding(ids[1], "v")
    assert found is not None and abs(found[0] - found[1]) < 1e-6
    assert [len(hits) for hits in then.search_batch(["cat", {"text": "cat", "filter": {"n": 1}}])] == [4, 2]
    assert [len(hits) for hits in artifact.search_batch(["cat", {"text": "cat", "filter": {"n": 1}}])] == [2, 0]


def test_a_snapshot_is_searched_as_the_artifact_was_set_up_then(artifact: CompactArtifact) -> None:
    artifact.add("a cat", key="cat", embeddings={"v": [1, 0, 0]})
    then = artifact.snapshot()
    artifact.add_space("w", 2)
    assert [hit.key for hit in then.search("cat", vector=[1, 0, 0])] == ["cat"], "it has one space"
    artifact.close()
    assert [hit.key for hit in then.search(vector=[1, 0, 0])] == ["cat"] and len(then.search_batch(["cat"])[0]) == 1
    with pytest.raises(errors.NoSuchSpaceError):
        then.search(vector={"w": [1, 0]})


def test_a_batch_takes_embeddings_away(artifact: CompactArtifact) -> None:
    id = artifact.add("a cat", embeddings={"v": [1, 0, 0]})
    with artifact.batch() as batch:
        batch.remove_embedding(id, "v")
    assert artifact.embedding(id, "v") is None and len(artifact) == 1
