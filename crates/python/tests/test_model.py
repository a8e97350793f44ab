"""Any calls in any order: the artifact is what a dict beside it is."""

from __future__ import annotations

import os
import pathlib
import tempfile
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from compact_artifact import CompactArtifact, errors

KEYS = st.sampled_from([f"key {i}" for i in range(8)])
WORDS = ["red", "green", "kite", "rose", "sea"]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join) | st.text(max_size=40)
NUMBERS = st.integers(-3, 3)
VECTORS = st.lists(st.floats(-1, 1, width=16).filter(lambda x: abs(x) > 1e-2), min_size=3, max_size=3)
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10)
METADATA = st.dictionaries(st.text(min_size=1, max_size=5).filter(lambda name: name != "n"), SCALARS | st.lists(SCALARS, max_size=3), max_size=3)


class Machine(RuleBasedStateMachine):
    """An artifact, and what has to be in it: text, metadata and whether there is a vector, by key."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name) / "a"
        self.artifact = CompactArtifact.create(self.path, spaces={"v": 3}, durability="buffered")
        self.model: dict[str, tuple[str, dict[str, Any], bool]] = {}

    def teardown(self) -> None:
        self.artifact.close()
        self.folder.cleanup()

    @rule(key=KEYS, text=TEXTS, n=NUMBERS, metadata=METADATA)
    def add(self, key: str, text: str, n: int, metadata: dict[str, Any]) -> None:
        metadata = {**metadata, "n": n}
        try:
            self.artifact.add_text(text, key=key, metadata=metadata)
        except errors.AlreadyExistsError:
            assert key in self.model
        else:
            assert key not in self.model
            self.model[key] = (text, metadata, False)

    @rule(key=KEYS, text=TEXTS, n=NUMBERS)
    def upsert(self, key: str, text: str, n: int) -> None:
        try:
            self.artifact.upsert(text=text, key=key, metadata={"n": n})
        except errors.WouldLoseEmbeddingError:
            assert self.model[key][2] and self.model[key][0] != text
        else:
            kept = key in self.model and self.model[key][2]
            assert not kept or self.model[key][0] == text
            self.model[key] = (text, {"n": n}, kept)

    @rule(keys=st.lists(KEYS, unique=True, max_size=4), text=TEXTS, vector=VECTORS)
    def add_batch(self, keys: list[str], text: str, vector: list[float]) -> None:
        records: list[Any] = [{"text": text, "key": key, "metadata": {"n": 0}, "embeddings": {"v": vector}} for key in keys]
        try:
            self.artifact.add_batch(records)
        except errors.AlreadyExistsError:
            assert any(key in self.model for key in keys)
        else:
            assert not any(key in self.model for key in keys)
            self.model.update({key: (text, {"n": 0}, True) for key in keys})

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        assert self.artifact.delete(key) == (self.model.pop(key, None) is not None)

    @rule(n=NUMBERS)
    def delete_where(self, n: int) -> None:
        gone = [key for key, (_, metadata, _) in self.model.items() if metadata["n"] == n]
        assert self.artifact.delete_where({"n": n}) == len(gone)
        for key in gone:
            del self.model[key]

    @rule(key=KEYS, n=NUMBERS)
    def update(self, key: str, n: int) -> None:
        assert self.artifact.update(key, {"n": n}) == (key in self.model)
        if key in self.model:
            text, metadata, vector = self.model[key]
            self.model[key] = (text, {**metadata, "n": n}, vector)

    @rule()
    def seal(self) -> None:
        self.artifact.seal()

    @rule()
    def compact(self) -> None:
        self.artifact.compact()

    @rule()
    def reopen(self) -> None:
        self.artifact.close()
        self.artifact = CompactArtifact.open(self.path, durability="buffered")

    @precondition(lambda self: self.model)
    @rule(word=st.sampled_from(WORDS))
    def search(self, word: str) -> None:
        found = {hit.key for hit in self.artifact.search(words=word, k=100)}
        assert found >= {key for key, (text, _, _) in self.model.items() if word in text.split()}
        assert found <= set(self.model)

    @invariant()
    def is_what_the_model_is(self) -> None:
        artifact = self.artifact
        assert len(artifact) == len(self.model) and set(artifact.keys()) == set(self.model)
        for key, (text, metadata, _) in self.model.items():
            entry = artifact[key]
            assert (entry.text, entry.metadata) == (text, metadata)
        near = {hit.key for hit in artifact.search(vector=[1, 0, 0], k=100, exact=True)}
        assert near == {key for key, (_, _, vector) in self.model.items() if vector}
        for n in (-1, 0, 2):
            try:
                found = artifact.count({"n": n})
            except errors.TypeMismatchError:
                found = 0
            assert found == sum(metadata["n"] == n for _, metadata, _ in self.model.values())


@pytest.mark.parametrize("examples", [15, pytest.param(200, marks=pytest.mark.slow)])
def test_an_artifact_is_what_a_dict_beside_it_is(examples: int) -> None:
    examples = int(os.environ.get("EXAMPLES", examples))
    quiet = settings(max_examples=examples, stateful_step_count=30, deadline=None)
    run_state_machine_as_test(Machine, settings=quiet)
