"""Nothing is kept by calls that were made."""

from __future__ import annotations

import gc
import importlib
import pathlib
import sys
import weakref
from collections.abc import Callable
from typing import Any

import numpy
import pytest

from compact_artifact import CompactArtifact, errors

pyarrow: Any = importlib.import_module("pyarrow")  # whose types are not declared

CALLS = 100_000


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(not pathlib.Path("/proc/self/statm").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("what", ["search", "get", "filter", "errors", "vectors", "iterate", "arrow", "dicts"])
def test_many_calls_keep_no_references_and_no_memory(artifact: CompactArtifact, what: str) -> None:
    artifact.add_batch([{"text": f"a cat number {i}", "key": str(i), "metadata": {"n": i}, "embeddings": {"v": [1, i, 0]}} for i in range(20)])
    artifact.seal()
    text, key, vector, filter = "a cat number " + "7", "7" * 1, numpy.ones(3, "f4"), {"n": {"$gte": 10}}
    table = pyarrow.table({"id": [1]})

    def failing() -> None:
        try:
            artifact.search(text, filter={"n": {"$regex": key}})
        except errors.Error:
            pass

    # How often each is one call.
    calls: dict[str, tuple[int, Callable[[], object]]] = {
        "search": (1, lambda: [hit.text for hit in artifact.search(text, k=2)]),
        "get": (1, lambda: (artifact[key].metadata, artifact.get("none"))),
        "filter": (1, lambda: artifact.count(filter)),
        "errors": (1, failing),
        "vectors": (1, lambda: artifact.search(vector=vector, k=1)),
        "iterate": (20, lambda: [entry.id for entry in artifact]),
        "arrow": (10, lambda: artifact.search(text, k=2).__arrow_c_stream__()),
        "dicts": (5, lambda: artifact.search(text, k=2, explain=True, snippet=20).to_dict()),
    }
    weight, call = calls[what]
    times = CALLS // weight
    watched = [text, key, vector, filter, artifact, table]
    for _ in range(times // 10):
        call()
    gc.collect()
    references, memory = [sys.getrefcount(value) for value in watched], resident()
    for _ in range(times):
        call()
    gc.collect()
    assert [sys.getrefcount(value) for value in watched] == references
    # A leak of 40 bytes a call would be more.
    assert resident() - memory < 4_000_000


def test_handles_are_let_go_of_with_their_last_name(path: pathlib.Path) -> None:
    for i in range(200):
        artifact = CompactArtifact.open_or_create(path, durability="buffered")
        gone = weakref.ref(artifact)
        artifact.add_text(f"number {i}")
        snapshot, entries, found = artifact.snapshot(), iter(artifact), artifact.search("number")
        del artifact, snapshot, entries, found
        assert gone() is None
    assert len(CompactArtifact.open(path)) == 200
    open_files = len(list(pathlib.Path("/proc/self/fd").iterdir()))
    assert open_files < 100


def test_a_cycle_through_a_callback_is_no_reason_to_keep_an_artifact_open(path: pathlib.Path) -> None:
    artifact = CompactArtifact.create(path, on_maintenance_error=lambda message: None)
    artifact.add_text("x")
    del artifact
    gc.collect()
    CompactArtifact.open(path).close()
