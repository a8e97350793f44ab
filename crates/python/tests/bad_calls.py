"""Calls that no artifact obeys, for `test_programs.py`."""

from __future__ import annotations

import datetime
import io
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy
import pyarrow  # type: ignore[import-untyped]

from compact_artifact import CompactArtifact


class Odd:
    """A value that JSON does not have."""


def bad_calls(artifact: CompactArtifact, id: int) -> list[Callable[[], Any]]:
    """Calls with arguments that cannot be: values that no record has, and what would be half a batch."""
    a: Any = artifact
    inf, nan, lone = float("inf"), float("nan"), "\ud800"
    values: list[Any] = [nan, inf, 2**64, -(2**63) - 1, 10**400, lone, Odd(), {lone: 1}, {1: 2}, [nan], {"a": [Odd()]}, datetime.datetime(2026, 1, 1), numpy.float32("nan")]
    vectors: list[Any] = [[1, 0, 0], [0] * 4, [nan] * 4, [inf, 1, 1, 1], [1e300] * 4, ["1"] * 4, [None] * 4, None, "1234", numpy.zeros((1, 4), "f4"), numpy.zeros(0, "f4"), numpy.array(3.0, "f4")]
    vectors += [numpy.ones(4, "i8"), numpy.ones(4, ">f4"), numpy.array([Odd()] * 4), numpy.ma.masked_array([1.0] * 4, [True, False, False, False]), [[1, 2, 3, 4]]]
    records: list[Any] = [None, 7, {}, [], {"key": "x"}, {"text": lone}, {"text": b"x"}, {"blob": "x"}, {"text": "x", "blob": b"x"}, {"text": "x", "key": ""}, {"text": "x", "key": lone}]
    records += [{"text": "x", "key": "k" * 1025}, {"text": "x", "expires_at": 7}, {"text": "x", "fields": {"none": "x"}}, {"text": "x", "embeddings": {"none": [1]}}, {"text": "x", lone: 1}]
    records += [{"text": "x", "metadata": {"f": value}} for value in values] + [{"text": "x", "embeddings": {"v": vector}} for vector in vectors]
    deep: Any = 1
    for _ in range(101):
        deep = [deep]
    records += [{"text": "x", "metadata": value} for value in [{"f": deep}, {"f" * 1025: 1}, {"f": "x" * (1 << 20)}, {"f" * 600: {"g" * 600: 1}}]]
    calls: list[Callable[[], Any]] = []
    for record in records:
        keyed = {"key": "bad", **record} if isinstance(record, dict) else record
        calls += [partial(a.add, record), partial(a.add_batch, [{"text": "good"}, record]), partial(a.upsert, keyed)]
    for value in values:
        calls += [partial(a.update, id, {"f": value}), partial(a.update_where, {}, {"f": value}), partial(a.count, {"n": {"$eq": value}})]
        calls += [partial(a.delete_where, {"n": {"$in": [1, value]}}), partial(a.add_batch, texts=["a", "b"], metadata=[{}, {"f": value}])]
    for vector in vectors:
        rows = {"v": [[1, 2, 3, 4], vector]}
        calls += [partial(a.add_embedding, id, "v", vector), partial(a.search, vector={"v": vector}), partial(a.add_batch, embeddings=rows)]
    for name in [lone, 1.5, -1, 2**64, None, b"x", [1]]:
        calls += [partial(a.get, name), partial(a.delete, name), partial(a.update, name, {}), partial(a.__getitem__, name), partial(a.get_many, [name])]
    for table in [{"text": ["a", "a"], "v": [[1.0] * 4, None], "key": ["x", "x"]}, {"text": ["a"], "blob": [b"a"]}, {"text": [1]}, {"text": ["a"], "f": [nan]}, {"text": ["a"], "v": [[1.0, None, 1.0, 1.0]]}]:
        calls.append(partial(a.add_batch, pyarrow.table(table)))
    calls += [partial(a.add_batch, texts=["a"], keys=["x", "y"]), partial(a.add_batch, raising()), partial(a.add_batch, [{"text": "x", "key": "twice"}] * 2)]
    calls += [partial(a.add_file, io.StringIO("text")), partial(a.search, words="red", k=2**70), partial(a.search, query='"red'), partial(a.search, lone)]
    return calls


def raising() -> Iterator[str]:
    yield "good"
    raise ValueError

