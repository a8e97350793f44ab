"""Random programs of calls: whatever is asked of the artifact, its snapshots and its readers has the answer of a dict beside it.

`PROGRAMS=500 python -m pytest tests/test_programs.py` runs so many programs, from the seed `FIRST` on.
"""

from __future__ import annotations

import io
import json
import os
import pathlib
import pickle
import random
from collections.abc import Callable
from typing import Any

import numpy
import pyarrow  # type: ignore[import-untyped]
import pytest

from bad_calls import bad_calls
from compact_artifact import CompactArtifact, Snapshot, errors, unpack
from program_answers import TOLERANCES, Answers, has_wrong_type
from program_model import KEYS, PAST, SPACES, Known, Letters, Model, breaks_schema, merged, passes, snapshot_of, some_filter, some_metadata, some_record, some_vector

STEPS = 30


class Program:
    """An artifact, readers and a snapshot of it, and what each of them has to show."""

    def __init__(self, folder: pathlib.Path, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        self.folder, self.step = folder, 0
        self.path = folder / "0"
        self.originals = rng.choice(list(TOLERANCES))
        self.options: dict[str, Any] = {
            "maintenance": rng.choice(["manual", "inline", "background"]),
            "block_len": 1024,
            "segment_len": 64 << 10,
            "durability": rng.choice(["buffered", "buffered", 0.00001]),
            "graph_from": rng.choice([8, 1000]),
            "precompute_similar": rng.choice([0, 3]),
        }
        spaces: Any = {name: {"dimension": dimension, "metric": metric, "originals": self.originals} for name, (dimension, metric) in SPACES.items()}
        self.does_expire = rng.random() < 0.5
        self.artifact = CompactArtifact.create(self.path, spaces=spaces, expires_at="until" if self.does_expire else None, **self.options)
        self.model: Model = {}
        self.answers = Answers(rng, TOLERANCES[self.originals])
        self.reader, self.read, self.read_at = CompactArtifact.open_read_only(self.path), Model(), 0
        self.old: list[tuple[Snapshot, Model, str | None, Letters | None]] = []
        self.letters: Letters | None = None
        self.language = self.read_language = self.artifact.language

    def close(self) -> None:
        self.old.clear()
        self.reader.close()
        self.artifact.close()
    # What changes.

    def id_of(self, key: str | None) -> int | None:
        return next((id for id, known in self.model.items() if known.key == key), None) if key is not None else None

    def some_id(self) -> int | None:
        return self.rng.choice(list(self.model)) if self.model else None

    def some_key(self) -> str | None:
        return self.rng.choice([None, *KEYS])

    def put(self, ids: list[int], known: list[Known]) -> None:
        assert len(ids) == len(known) and ids == sorted(ids)
        self.model.update({id: one.copy() for id, one in zip(ids, known, strict=True)})
        self.expire()

    def expire(self) -> None:
        if self.does_expire:
            for id in [id for id, known in self.model.items() if known.metadata.get("until") == PAST]:
                del self.model[id]

    def add(self) -> None:
        known = some_record(self.rng, self.some_key())
        parts = known.parts()
        rest = {name: value for name, value in parts.items() if name not in ("text", "blob")}
        is_text = isinstance(known.content, str)
        one_by_one: Callable[..., int] = self.artifact.add_text if is_text else self.artifact.add_blob
        calls: list[Callable[[], int]] = [
            lambda: self.artifact.add(parts),
            lambda: self.artifact.add(**parts),
            lambda: self.artifact.add(known.content, **rest),
            lambda: one_by_one(known.content, **rest),
        ]
        self.adds(known, self.rng.choice(calls))

    def adds(self, known: Known, call: Callable[[], int]) -> None:
        if self.id_of(known.key) is not None:
            with pytest.raises(errors.AlreadyExistsError):
                call()
        else:
            self.put([call()], [known])

    def add_file(self) -> None:
        content = bytes(self.rng.randrange(256) for _ in range(self.rng.choice([0, 3, 5000])))
        known = Known(content, self.some_key(), some_metadata(self.rng), None, {})
        self.adds(known, lambda: self.artifact.add_file(io.BytesIO(content), key=known.key, metadata=known.metadata))

    def some_batch(self) -> list[Known]:
        keys = self.rng.sample(KEYS, self.rng.randrange(4))
        anonymous = self.rng.choice([1, 5, 40])
        batch = [some_record(self.rng, key) for key in [*keys, *[None] * anonymous]]
        self.rng.shuffle(batch)
        return batch

    def add_batch(self) -> None:
        batch = self.some_batch()
        records: list[Any] = [known.parts() for known in batch]
        upsert = self.rng.random() < 0.3
        form = self.rng.choice(["list", "tuple", "generator", "pieces", "writer", "columns", "arrow"])
        if upsert:
            batch = [known for known in batch if known.key is not None and not self.would_lose(known)]
            records = [known.parts() for known in batch]
        elif any(self.id_of(known.key) is not None for known in batch):
            with pytest.raises(errors.AlreadyExistsError):
                self.artifact.add_batch(records)
            return
        if form in ("columns", "arrow"):
            self.add_columns(batch, form, upsert)
        elif form == "writer":
            with self.artifact.batch_writer(batch_size=7) as writer:
                for record in records:
                    (writer.upsert if upsert else writer.add)(record)
            new = [entry.id for entry in self.artifact if entry.id not in self.model]
            self.put_all(new, batch)
        elif records:
            size = 7 if form == "pieces" else None
            given: Any = {"tuple": tuple(records), "generator": iter(records)}.get(form, records)
            self.put_all(self.artifact.add_batch(given, batch_size=size, upsert=upsert), batch)

    def put_all(self, ids: list[int], batch: list[Known]) -> None:
        """Puts records, also in the place of others."""
        for known in batch:
            self.take_over(known)
        # Those that expired have an id, but where it was not said there is nobody to ask.
        there = [known for known in batch if not self.does_expire or known.metadata.get("until") != PAST]
        self.put(ids, batch if len(ids) == len(batch) else there)

    def add_columns(self, batch: list[Known], form: str, upsert: bool) -> None:
        space = self.rng.choice(list(SPACES))
        dimension = SPACES[space][0]
        for known in batch:
            known.content = known.content if isinstance(known.content, str) else b""
            known.title, known.vectors = None, {space: numpy.array(some_vector(self.rng, space), "f4")}
            known.metadata = {name: value for name, value in known.metadata.items() if value is not None}
        if upsert:
            batch = [known for known in batch if not self.would_lose(known)]
        texts = [known.content if isinstance(known.content, str) else None for known in batch]
        keys, metadata = [known.key for known in batch], [known.metadata for known in batch]
        rows = numpy.array([known.vectors[space] for known in batch], self.rng.choice(["f2", "f4", "f8", "i1"])).reshape(-1, dimension)
        if form == "columns":
            embeddings: Any = {space: self.rng.choice([rows, rows.tolist(), numpy.asfortranarray(rows), list(rows)])}
            ids = self.artifact.add_batch(texts=texts, keys=keys, metadata=metadata, embeddings=embeddings, upsert=upsert)
        else:
            vectors = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(rows.reshape(-1)), dimension)
            written = pyarrow.array([json.dumps(one) for one in metadata], self.rng.choice([pyarrow.string(), pyarrow.large_string(), pyarrow.string_view()]))
            table = pyarrow.table({"text": pyarrow.array(texts, pyarrow.string()), "key": pyarrow.array(keys, pyarrow.string()), "metadata": written, space: vectors})
            cut = self.rng.randrange(len(batch) + 1)
            parts = [table.slice(0, cut), table.slice(cut)]
            ids = self.artifact.add_batch(self.rng.choice([table, pyarrow.concat_tables(parts)]), upsert=upsert)
        self.put_all(ids, batch)

    def would_lose(self, known: Known) -> bool:
        """Whether an upsert would lose an embedding of the record that it takes the place of."""
        old = self.id_of(known.key)
        return old is not None and bool(self.model[old].vectors.keys() - known.vectors.keys()) and not self.is_same(self.model[old], known)

    def is_same(self, a: Known, b: Known) -> bool:
        return (a.content, a.title) == (b.content, b.title)

    def take_over(self, known: Known) -> None:
        """Removes the record that another takes the place of, whose embeddings stay where the content does."""
        old = self.id_of(known.key)
        if old is not None:
            known.vectors = {**self.model.pop(old).vectors, **known.vectors}

    def upsert(self) -> None:
        known = some_record(self.rng, self.some_key())
        old = self.id_of(known.key)
        if old is not None and self.rng.random() < 0.5:
            known.content, known.title = self.model[old].content, self.model[old].title
        if known.key is None or self.would_lose(known):
            with pytest.raises(errors.InvalidArgumentError if known.key is None else errors.WouldLoseEmbeddingError):
                self.artifact.upsert(known.parts())
        else:
            id = self.artifact.upsert(**known.parts())
            self.take_over(known)
            self.put([id], [known])

    def delete(self) -> None:
        id = self.rng.choice([self.some_id(), 10**6])
        if id is not None:
            known = self.model.pop(id, None)
            name = known.key if known and known.key is not None and self.rng.random() < 0.5 else id
            if self.rng.random() < 0.5:
                assert self.artifact.delete(name) == (known is not None)
            elif known is not None:
                del self.artifact[name]
            else:
                with pytest.raises(KeyError):
                    del self.artifact[name]
            assert self.artifact.delete(name) is False

    def some_matching(self) -> tuple[dict[str, Any], list[int]] | None:
        """A filter that is no error, and what it lets through."""
        filter = some_filter(self.rng)
        ids = [id for id, known in self.model.items() if passes(known, filter)]
        return None if has_wrong_type(filter, self.model) or len(ids) > 12 else (filter, ids)

    def delete_where(self) -> None:
        if found := self.some_matching():
            filter, ids = found
            assert self.artifact.delete_where(filter) == len(ids)
            for id in ids:
                del self.model[id]

    def patch(self, id: int, patch: dict[str, Any]) -> None:
        if id in self.model:
            self.model[id].metadata = merged(self.model[id].metadata, patch)
            self.expire()

    def some_patch(self) -> dict[str, Any]:
        return {**some_metadata(self.rng), **{name: None for name in self.rng.sample("nsdtbom", 2)}}

    def update(self) -> None:
        patch, id = self.some_patch(), self.some_id()
        if id is None:
            assert self.artifact.update(10**6, patch) is self.artifact.update("none", patch) is False
        else:
            key = self.model[id].key
            assert self.artifact.update(key if key is not None else id, patch)
            self.patch(id, patch)

    def update_where(self) -> None:
        if found := self.some_matching():
            patch = self.some_patch()
            assert self.artifact.update_where(found[0], patch) == len(found[1])
            for id in found[1]:
                self.patch(id, patch)

    def embed(self) -> None:
        for id in self.rng.sample(list(self.model), min(len(self.model), self.rng.choice([1, 8]))):
            space = self.rng.choice(list(SPACES))
            if self.rng.random() < 0.2:
                self.artifact.remove_embedding(id, space)
                self.model[id].vectors.pop(space, None)
            else:
                vector = self.model[id].vectors[space] = some_vector(self.rng, space)
                self.artifact.add_embedding(id, space, vector)

    def batch(self) -> None:
        """Several changes in one commit, or none of them where an exception comes between."""
        known, id, patch = some_record(self.rng, None), self.some_id(), self.some_patch()
        does_raise = self.rng.random() < 0.3
        before, batch = self.artifact.commit, self.artifact.batch()
        try:
            with batch:
                batch.add(**known.parts())
                if id is not None:
                    batch.update(id, patch)
                    batch.add_embedding(id, "v", [1, 2, 3, 4])
                    batch.delete("none")
                if does_raise:
                    raise RuntimeError
        except RuntimeError:
            assert batch.receipt is None and self.artifact.commit == before
            return
        assert batch.receipt is not None
        assert (batch.receipt["updated"], batch.receipt["deleted"]) == (int(id is not None), 0)
        self.put(batch.receipt["ids"], [known])
        if id is not None:
            self.model[id].vectors["v"] = [1, 2, 3, 4]
            self.patch(id, patch)

    def spaces(self) -> None:
        """A space that comes, gets another name and goes; a snapshot keeps to the one that it knows."""
        ids = self.rng.sample(list(self.model), min(len(self.model), 3))
        options: Any = self.rng.choice([2, {"dimension": 2, "metric": "l2", "originals": "f32"}])
        self.artifact.add_space("x", options)
        for id in ids:
            self.artifact.add_embedding(id, "x", [id + 1, 1])
        then = self.artifact.snapshot()
        assert sorted(then.search(vector={"x": [1, 1]}).ids) == sorted(ids)
        self.artifact.rename_space("x", "y")
        assert sorted(self.artifact.search(vector={"y": [1, 1]}).ids) == sorted(ids)
        self.artifact.drop_space("y")
        for name in ("x", "y"):
            with pytest.raises(errors.NoSuchSpaceError):
                self.artifact.search(vector={name: [1, 1]})
        assert sorted(then.search(vector=[1, 1], space="x").ids) == sorted(ids) and self.artifact.spaces.keys() - {"meaning"} == SPACES.keys()

    def set_language(self) -> None:
        """Texts have other stems, for the artifact and not for those who saw it before."""
        self.language = self.rng.choice([None, "english", "english", "german", "french"])
        told: list[tuple[int, int]] = []
        report = self.artifact.set_text_options(language=self.language, progress=lambda done, all: told.append((done, all)))
        assert self.artifact.language == self.language and report is not None

    def set_schema(self) -> None:
        """What breaks a schema is not added, and a schema that records break is not set."""
        name, wanted, is_required = self.rng.choice("nsdtbhmo"), self.rng.choice(["bool", "number", "string", "date"]), self.rng.random() < 0.3
        schema: Any = {name: {"type": wanted, "required": True} if is_required else wanted}
        before = self.artifact.commit
        if any(breaks_schema(known.metadata, name, wanted, is_required) for known in self.model.values()):
            with pytest.raises(errors.SchemaViolationError):
                self.artifact.set_schema(schema)
            assert self.artifact.schema is None and self.artifact.commit == before
            return
        self.artifact.set_schema(schema)
        self.rng.choice([self.reopen, self.seal, self.compact, self.pack, self.refresh])()
        assert self.artifact.schema == schema
        for _ in range(4):
            known = some_record(self.rng, None)
            if breaks_schema(known.metadata, name, wanted, is_required):
                with pytest.raises(errors.SchemaViolationError):
                    if self.rng.random() < 0.5:
                        self.artifact.add(**known.parts())
                    else:
                        self.artifact.add_batch(["fine", known.parts()])
            else:
                self.put([self.artifact.add(**known.parts())], [known])
        patch, id = self.some_patch(), self.some_id()
        if id is not None:
            if breaks_schema(merged(self.model[id].metadata, patch), name, wanted, is_required):
                with pytest.raises(errors.SchemaViolationError):
                    self.artifact.update(id, patch)
            else:
                assert self.artifact.update(id, patch)
                self.patch(id, patch)
        self.artifact.set_schema(None)

    def reembed(self) -> None:
        """Texts are embedded, by another model than before, also where that was begun with a third one."""
        some = ["".join(self.rng.sample("redgnkitosa", self.rng.choice([4, 5]))) for _ in range(2)]
        given = [Letters(name) for name in some]
        if self.rng.random() < 0.4:
            self.artifact.reembed(self.rng.choice(given), progress=lambda done, all: False)
            self.rng.choice([self.add, self.upsert, self.delete, self.seal, self.compact])()
        assert self.artifact.reembed(given[0])["left"] == 0
        self.letters = given[0]
        assert self.artifact.spaces["meaning"]["model"] == some[0]

    def seal(self) -> None:
        assert self.artifact.seal()["damage"] == []

    def compact(self) -> None:
        self.artifact.compact()
        assert self.artifact.verify()["is_sound"]

    def reopen(self) -> None:
        self.artifact.close()
        options = {name: value for name, value in self.options.items() if name != "precompute_similar"}
        self.artifact = CompactArtifact.open(self.path, embedder=self.letters, **options)
        assert self.artifact.recovery["is_clean"]

    def pack(self) -> None:
        """To a file and back, which takes the place of the old one."""
        self.step += 1
        packed = self.folder / f"{self.step}.pack"
        self.artifact.pack(packed)
        with CompactArtifact.open_read_only(packed) as reader:
            self.answers.compare(reader, self.model, self.language, None)
        with CompactArtifact.open_packed(packed.read_bytes(), embedder=self.letters) as reader:
            self.answers.compare(reader, self.model, self.language, self.letters)
        self.close()
        self.path = self.folder / str(self.step)
        unpack(packed, self.path)
        self.artifact = CompactArtifact.open(self.path, embedder=self.letters)
        self.reader, self.read = CompactArtifact.open_read_only(self.path), snapshot_of(self.model)
        self.read_at, self.read_language = self.reader.commit, self.language

    def snapshot(self) -> None:
        self.old = [*self.old[-1:], (self.artifact.snapshot(), snapshot_of(self.model), self.language, self.letters)]

    def refresh(self) -> None:
        before, is_new = self.read, self.reader.refresh()
        assert is_new or before.keys() == self.model.keys()
        self.read, self.read_language = snapshot_of(self.model), self.language
        assert self.reader.language == self.language
        changes: Any = self.reader.changes_since(self.read_at)
        self.read_at = self.reader.commit
        if changes is not None and not self.does_expire:
            came = changes["added"] + changes["replaced"]
            assert sorted(change["id"] for change in came) == sorted(self.read.keys() - before.keys())
            went = [change["id"] for change in changes["deleted"]] + [change["replaces"] for change in changes["replaced"]]
            assert sorted(went) == sorted(before.keys() - self.read.keys())
        if self.rng.random() < 0.2:
            self.reader = pickle.loads(pickle.dumps(self.reader))

    def refuse(self) -> None:
        """What is wrong is an exception of a class for it, and changes nothing."""
        before = self.artifact.commit
        for call in self.rng.sample(bad_calls(self.artifact, self.some_id() or 0), 8):
            try:
                found = call()
            except (errors.Error, TypeError, ValueError):
                assert self.artifact.commit == before, call
            else:
                raise AssertionError(f"{call} is not refused: {found}")

    def run(self) -> None:
        every = [self.add] * 4 + [self.add_batch] * 4 + [self.upsert] * 4 + [self.delete, self.delete_where, self.update, self.update_where]
        every += [self.embed, self.batch, self.batch, self.batch, self.refuse, self.seal, self.seal, self.compact, self.reopen, self.snapshot, self.refresh, self.refuse, self.add_file, self.pack, self.spaces]
        every += [self.set_language, self.set_schema, self.reembed]
        for step in range(STEPS):
            self.rng.choice(every)()
            assert len(self.artifact) == len(self.model)
            if step % 5 == 4:
                self.answers.compare(self.artifact, self.model, self.language, self.letters)
                self.answers.compare(self.reader, self.read, self.read_language, None)
                for old, model, language, letters in self.old:
                    self.answers.compare(old, model, language, letters)


@pytest.mark.parametrize("number", range(int(os.environ.get("PROGRAMS", 8))))
def test_a_program_finds_what_a_dict_beside_it_has(tmp_path: pathlib.Path, number: int) -> None:
    program = Program(tmp_path, int(os.environ.get("FIRST", 0)) + number)
    try:
        program.run()
    finally:
        program.close()
