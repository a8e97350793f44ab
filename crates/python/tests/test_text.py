"""Texts that UTF-8 has no bytes for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import pytest

import compact_artifact
from compact_artifact import CompactArtifact
from compact_artifact.errors import InvalidArgumentError

LONE = "a \ud800"


class Named:
    """A model with a name that cannot be written."""

    name = LONE
    dimension = 3

    def embed(self, texts: list[str]) -> list[list[float]]:
        return [[1, 0, 0] for _ in texts]


def calls(artifact: CompactArtifact, path: str) -> dict[str, Callable[[], Any]]:
    """Every argument that takes a text, by what it is an argument of."""
    a: Any = artifact
    s: Any = artifact.snapshot()
    new: Any = CompactArtifact
    verify: Any = compact_artifact.verify
    batch: Any = artifact.batch()
    vector = numpy.ones(3, "f4")
    found: dict[str, Callable[[], Any]] = {
        "option": lambda: new.create(path, **{LONE: 1}),
        "option, reading": lambda: new.open_read_only(path, **{LONE: 1}),
        "embedder": lambda: new.create(path, embedder=Named()),
        "fields": lambda: new.create(path, fields={LONE: 1}),
        "spaces": lambda: new.create(path, spaces={LONE: 3}),
        "space metric": lambda: new.create(path, spaces={"v": {"dimension": 3, "metric": LONE}}),
        "space originals": lambda: new.create(path, spaces={"v": {"dimension": 3, "originals": LONE}}),
        "space part": lambda: new.create(path, spaces={"v": {"dimension": 3, LONE: 1}}),
        "auto_compact": lambda: new.create(path, auto_compact={LONE: 1}),
        "schema": lambda: new.create(path, schema={LONE: "number"}),
        "add_space": lambda: a.add_space(LONE, 3),
        "drop_space": lambda: a.drop_space(LONE),
        "rename_space": lambda: a.rename_space("v", LONE),
        "add_field": lambda: a.add_field(LONE, 1),
        "set_schema": lambda: a.set_schema({LONE: "number"}),
        "set_schema, type": lambda: a.set_schema({"n": LONE}),
        "set_text_options": lambda: a.set_text_options(language=LONE),
        "set_text_options, name": lambda: a.set_text_options(**{LONE: 1}),
        "add_file": lambda: a.add_file(None, key=LONE),
        "add_batch texts": lambda: a.add_batch(texts=["x", LONE]),
        "add_batch keys": lambda: a.add_batch(texts=["x"], keys=[LONE]),
        "add_batch metadata": lambda: a.add_batch(texts=["x"], metadata=[{"f": LONE}]),
        "add_batch embeddings": lambda: a.add_batch(embeddings={LONE: vector.reshape(1, 3)}),
        "add_batch": lambda: a.add_batch(["x", LONE]),
        "audit_recall": lambda: a.audit_recall(LONE, ef_search=[10]),
        "embed": lambda: a.embed([LONE]),
        "verify": lambda: a.verify(LONE),
        "verify, path": lambda: verify(artifact.path, LONE),
        "batch durability": lambda: a.batch(durability=LONE),
        "search_batch": lambda: a.search_batch([LONE]),
        "search_batch, dict": lambda: a.search_batch([{"text": LONE}]),
        "search_batch, name": lambda: a.search_batch([{LONE: 1}]),
        "batch_writer": lambda: a.batch_writer().add(LONE),
    }
    for name in ["language", "expires_at", "compression", "durability", "maintenance", "quantization"]:
        found[f"option {name}"] = lambda name=name: new.create(path, **{name: LONE})  # type: ignore[misc]
    writers: list[tuple[str, Any]] = [("artifact", a), ("batch", batch)]
    for of, to in writers:
        writing: dict[str, Callable[..., Any]] = {
            "add": lambda to: to.add(LONE),
            "add text": lambda to: to.add(text=LONE),
            "add key": lambda to: to.add("x", key=LONE),
            "add metadata": lambda to: to.add("x", metadata={"f": [LONE]}),
            "add name": lambda to: to.add("x", metadata={LONE: 1}),
            "add fields": lambda to: to.add("x", fields={"title": LONE}),
            "add field name": lambda to: to.add("x", fields={LONE: "x"}),
            "add embeddings": lambda to: to.add("x", embeddings={LONE: vector}),
            "upsert": lambda to: to.upsert("x", key=LONE),
            "delete": lambda to: to.delete(LONE),
            "delete_where": lambda to: to.delete_where({"f": LONE}),
            "update": lambda to: to.update(LONE, {}),
            "update metadata": lambda to: to.update(0, {"f": LONE}),
            "update_where": lambda to: to.update_where({"f": LONE}, {}),
            "update_where metadata": lambda to: to.update_where({}, {LONE: 1}),
            "add_embedding": lambda to: to.add_embedding(0, LONE, vector),
            "remove_embedding": lambda to: to.remove_embedding(0, LONE),
        }
        found.update({f"{of}: {name}": lambda call=call, to=to: call(to) for name, call in writing.items()})  # type: ignore[misc]
    searches: list[dict[str, Any]] = [{name: LONE} for name in ["text", "words", "query", "meaning", "space", "order_by", "group_by", "fusion"]]
    searches += [{"words": "x", "weights": {LONE: 1}}, {"vector": {LONE: vector}}, {"vector": vector, "space": LONE}, {"filter": {LONE: 1}}]
    searches += [{"order_by": (LONE, "asc")}, {"order_by": ["x", ("x", LONE)]}, {"group_by": (LONE, 1)}, {"fields": [LONE]}, {"facets": [LONE]}]
    searches += [{"facets": [{"field": LONE}]}, {LONE: 1}]
    for of, view in [("artifact", a), ("snapshot", s)]:
        reading: dict[str, Callable[..., Any]] = {
            "get": lambda view: view.get(LONE),
            "[]": lambda view: view[LONE],
            "in": lambda view: LONE in view,
            "get_many": lambda view: view.get_many([LONE]),
            "id_of_key": lambda view: view.id_of_key(LONE),
            "count": lambda view: view.count({"f": LONE}),
            "ids_where": lambda view: view.ids_where({LONE: 1}),
            "records": lambda view: view.records({"f": {"$in": [LONE]}}),
            "keys": lambda view: view.keys(LONE),
            "values": lambda view: view.values(LONE),
            "embedding": lambda view: view.embedding(0, LONE),
        }
        found.update({f"{of}: {name}": lambda call=call, view=view: call(view) for name, call in reading.items()})  # type: ignore[misc]
        for search in searches:
            found[f"{of}: search {search!r}"] = lambda view=view, search=search: view.search(**{"words": "x", **search} if "filter" in search else search)  # type: ignore[misc]
    return found


def test_a_text_with_a_lone_surrogate_is_an_error_of_this_package_wherever_it_is_given(artifact: CompactArtifact, tmp_path: Any) -> None:
    artifact.add("x", key="x", metadata={"n": 1}, embeddings={"v": [1, 0, 0]})
    before, raised = artifact.commit, {}
    for name, call in calls(artifact, str(tmp_path / "new")).items():
        try:
            call()
        except InvalidArgumentError:
            continue
        except Exception as e:
            raised[name] = repr(e)
        raised.setdefault(name, "nothing")
    assert raised == {}
    assert artifact.commit == before


def test_the_error_of_a_lone_surrogate_says_where_it_is(artifact: CompactArtifact) -> None:
    with pytest.raises(InvalidArgumentError, match=r"lone surrogate '\\ud800' at character 2"):
        artifact.add(LONE)
    with pytest.raises(InvalidArgumentError, match="record 1 of the batch: .* at character 2"):
        artifact.add_batch(["x", LONE])
