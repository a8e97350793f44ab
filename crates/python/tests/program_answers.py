"""What is asked of an artifact, a snapshot or a reader in `test_programs.py`, and compared with the model's answer."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

from compact_artifact import CompactArtifact, Snapshot, errors
from program_model import KEYS, SPACES, WORDS, Known, Letters, Model, by_text, cosine, counts, in_order, kind, passes, period, scalars, score
from program_model import some_filter, some_vector, sort_key, values_of

# How far scores may be off, by the originals that are kept. Vectors of `some_vector` are no longer than 16.
TOLERANCES = {"f32": 1e-5, "f16": 1e-3, "residual": 0.01, "none": 0.04}


class Answers:
    """Compares, with questions that are chosen by chance."""

    def __init__(self, rng: random.Random, tolerance: float) -> None:
        self.rng, self.tolerance = rng, tolerance
        self.asks_words = "text"

    def compare(self, seen: CompactArtifact | Snapshot, model: Model, language: str | None, letters: Letters | None) -> None:
        """Everything that can be asked has the model's answer, if texts have stems of this language, and were embedded so."""
        rng, ids = self.rng, sorted(model)
        # What is asked for by a text is asked for by its meaning where texts are embedded.
        embeds = letters is not None or isinstance(seen, CompactArtifact) and any(space["model"] for space in seen.spaces.values())
        self.asks_words = "words" if embeds else "text"
        assert len(seen) == len(ids)
        assert [entry.id for entry in seen] == ids
        for entry in [*seen.get_many(ids), *(seen[id] for id in ids)]:
            assert entry is not None
            same(entry, model[entry.id])
        keys = {known.key: id for id, known in model.items() if known.key is not None}
        assert dict(seen.keys()) == keys and list(seen.keys()) == sorted(keys, key=str.encode)
        assert dict(seen.keys("k")) == {key: id for key, id in keys.items() if key.startswith("k")}
        for key in KEYS:
            assert seen.id_of_key(key) == keys.get(key) and (key in seen) == (key in keys)
        assert (10**6 in seen, seen.get(10**6), seen.get("none")) == (False, None, None)
        filters = [None, *(some_filter(rng) for _ in range(4))]
        for filter in filters:
            self.compare_filtered(seen, model, filter)
            if language in ("english", None):
                self.compare_stems(seen, model, filter, language)
            if letters is not None:
                self.compare_meaning(seen, model, filter, letters)

    def compare_filtered(self, seen: Any, model: Model, filter: dict[str, Any] | None) -> None:
        rng = self.rng
        ids = [id for id in sorted(model) if filter is None or passes(model[id], filter)]
        try:
            assert seen.ids_where(filter or {}) == ids and seen.count(filter or {}) == len(ids)
        except errors.TypeMismatchError:
            assert filter is not None and has_wrong_type(filter, model), filter
            return
        assert [entry.id for entry in seen.records(filter)] == ids
        big: Any = {"k": 60_000, "filter": filter}
        word, other = rng.choice(WORDS), rng.choice(WORDS)
        have = [id for id in ids if model[id].has_word(word)]
        found = seen.search(words=word, total=True, **big)
        assert found.is_complete and sorted(found.ids) == have and found.scores == sorted(found.scores, reverse=True)
        assert found.total is not None and found.total["records"] == len(have)
        for hit in found:
            assert hit.record is not None
            same(hit.record, model[hit.id])
        assert sorted(seen.search(query=f'"{word} {other}"', **big).ids) == [id for id in ids if model[id].has_phrase(word, other)]
        titled = [id for id in ids if (title := model[id].title) is not None and word in title.split(" ")]
        assert sorted(seen.search(query=f"title:{word}", **big).ids) == titled
        both = [id for id in ids if model[id].has_word(word) and not model[id].has_word(other)]
        assert sorted(seen.search(query=f"+{word} -{other}", **big).ids) == both
        size = rng.randrange(1, 5)
        assert [id for at in range(0, len(have), size) for id in seen.search(words=word, filter=filter, k=size, offset=at).ids] == found.ids
        again = seen.search_batch([{"words": word, "filter": filter, "k": 1000, "snippet": 40}, {self.asks_words: word, "filter": filter, "k": 1000}])
        assert [(one.ids, one.scores) for one in again] == [(found.ids, found.scores)] * 2
        for hit in again[0]:
            marks = [hit.snippet["text"][mark["start"] : mark["end"]] for mark in hit.snippet["highlights"]]
            assert marks and set(marks) == {word}
        least = rng.choice([0.0, *found.scores])
        assert seen.search(words=word, min_score=least, **big).ids == [hit.id for hit in found if hit.score >= least]
        self.compare_columns(seen, model, filter, ids)
        for space in SPACES:
            self.compare_near(seen, model, space, filter, ids, word)

    def compare_stems(self, seen: Any, model: Model, filter: dict[str, Any] | None, language: str | None) -> None:
        """A word is found by another of its forms where texts have a language."""
        if filter is None or not has_wrong_type(filter, model):
            word = self.rng.choice(WORDS)
            ids = [id for id in sorted(model) if language and model[id].has_word(word) and (filter is None or passes(model[id], filter))]
            assert sorted(seen.search(words=word + "s", filter=filter, k=60_000).ids) == ids, (word, language)

    def compare_meaning(self, seen: Any, model: Model, filter: dict[str, Any] | None, letters: Letters) -> None:
        """Texts are found by what they were embedded by."""
        text = " ".join(self.rng.choices(WORDS, k=3))
        target = letters.vector(text)
        if target is None or filter is not None and has_wrong_type(filter, model):
            return
        have = {id: letters.vector(known.meant()) for id, known in model.items() if filter is None or passes(known, filter)}
        true = {id: cosine(vector, target) for id, vector in have.items() if vector is not None}
        for exact in (True, False):
            found = seen.search(meaning=text, filter=filter, k=1000, exact=exact, fetch=False)
            assert found.is_complete and sorted(found.ids) == sorted(true), letters.name
            assert all(abs(given - true[id]) <= TOLERANCES["none"] for id, given in zip(found.ids, found.scores, strict=True))
        (embedding,) = seen.embed([text]) if isinstance(seen, CompactArtifact) else [None]
        assert embedding is None or abs(cosine(embedding, target) - 1) < 1e-5

    def compare_columns(self, seen: CompactArtifact | Snapshot, model: Model, filter: dict[str, Any] | None, ids: list[int]) -> None:
        """Orders, counts, groups and fields of hits."""
        rng = self.rng
        short = [field for field in "nsdtbm" if all(len(value) <= 256 for known in model.values() for value in scalars(known, field) if isinstance(value, str))]
        by: Any = [(field, rng.choice(["asc", "desc"])) for field in rng.sample(short, min(len(short), rng.choice([1, 2])))]
        field = rng.choice("nsdtbm")
        found = seen.search(filter=filter, order_by=by, k=1000, total=True, facets=[{"field": field, "limit": 1000}], fields=["n", "s", "t", "o.p"])
        assert found.ids == in_order(model, ids, by), by
        assert found.total == {"records": len(ids), "is_exact": True}
        for hit in found:
            values = {name: values_of(model[hit.id], name) for name in ["n", "s", "t", "o.p"]}
            assert {name: value if isinstance(value, list) else [value] for name, value in hit.fields.items()} == {name: value for name, value in values.items() if value}
        unit = rng.choice(["year", "month", "day", "hour"])
        asked: Any = [{"field": "h", "width": 10}, {"field": "d", "unit": unit}]
        intervals = seen.search(filter=filter, facets=asked).facets
        wide = Counter(low for id in ids for low in {value // 10 * 10 for value in scalars(model[id], "h")})
        assert [(one["value"], one["count"]) for one in intervals[0]["counts"]] == sorted(wide.items())
        periods = Counter(begin for id in ids for begin in {period(value, unit) for value in scalars(model[id], "d")})
        assert [(one["value"], one["count"]) for one in intervals[1]["counts"]] == sorted(periods.items()), unit
        counted = counts(model, ids, field)
        (facet,) = found.facets
        assert {(kind(one["value"]), one["value"]): one["count"] for one in facet["counts"]} == counted, (field, facet)
        assert [one["count"] for one in facet["counts"]] == sorted(counted.values(), reverse=True)
        assert (facet["distinct"], facet["records"]) == (len(counted), sum(bool(scalars(model[id], field)) for id in ids))
        table = found.to_arrow()
        assert table["id"].to_pylist() == found.ids and table["key"].to_pylist() == [model[id].key for id in found.ids]
        listed = seen.values(field, filter)
        assert sorted(map(repr, listed)) == sorted(map(repr, facet["counts"]))
        assert [by_text(one["value"]) for one in listed] == sorted(by_text(one["value"]) for one in listed)
        if field in short and by:
            groups, first, most = Counter[Any](), [], rng.choice([1, 2])
            for id in in_order(model, ids, by):
                values_here = scalars(model[id], field)
                group = min(map(sort_key, values_here)) if values_here else ("none", id)
                groups[group] += 1
                if groups[group] <= most:
                    first.append(id)
            assert seen.search(filter=filter, order_by=by, group_by=(field, most), k=1000).ids == first, (field, by)

    def compare_near(self, seen: CompactArtifact | Snapshot, model: Model, space: str, filter: dict[str, Any] | None, ids: list[int], word: str) -> None:
        """Neighbours of a vector and of a record, and vectors beside words."""
        rng = self.rng
        off = self.tolerance * (1 if SPACES[space][1] == "cosine" else 256)
        have = [id for id in ids if space in model[id].vectors]
        target = some_vector(rng, space)
        true = {id: score(space, model[id].vectors[space], target) for id in have}
        for k, exact in [(1000, True), (1000, False), (3, True)]:
            found = seen.search(vector=target, space=space, filter=filter, k=k, exact=exact, fetch=False)
            assert found.is_complete and len(found.ids) == min(k, len(have)) == len(set(found.ids))
            # What the residuals of a first round were not read of may be nearer than the last of it, and comes behind.
            assert found.scores == sorted(found.scores, reverse=True) or not exact and self.tolerance == TOLERANCES["residual"]
            for id, given in zip(found.ids, found.scores, strict=True):
                assert abs(given - true[id]) <= off, (space, given, true[id])
            least = sorted(true.values(), reverse=True)[: len(found.ids)]
            assert all(true[id] >= best - 2 * off for id, best in zip(found.ids, least, strict=True))
        for id in have[:5]:
            stored = seen.embedding(id, space)
            assert stored is not None and abs(score(space, stored, target) - true[id]) <= off
        other = next((id for id in sorted(model) if space not in model[id].vectors), None)
        assert other is None or seen.embedding(other, space) is None
        centre = next((id for id in sorted(model) if space in model[id].vectors), None)
        if centre is not None:
            found = seen.search(similar_to=centre, space=space, filter=filter, k=1000, fetch=False)
            assert sorted(found.ids) == [id for id in have if id != centre]
            near = [score(space, model[id].vectors[space], model[centre].vectors[space]) for id in found.ids]
            assert all(abs(a - b) <= 2 * off for a, b in zip(near, found.scores, strict=True))
        found = seen.search(words=word, vector=target, space=space, filter=filter, k=1000, candidates=1000, fetch=False)
        assert sorted(found.ids) == [id for id in ids if space in model[id].vectors or model[id].has_word(word)]
        assert found.scores == sorted(found.scores, reverse=True)


def has_wrong_type(filter: Any, model: Model) -> bool:
    """Whether a filter compares a field with a type that no value of it has."""
    for name, test in filter.items():
        if name.startswith("$"):
            if any(has_wrong_type(inner, model) for inner in (test if isinstance(test, list) else [test])):
                return True
            continue
        operands = list(test.values())[0] if isinstance(test, dict) else test
        wanted = {kind(one) or "date" for one in (operands if isinstance(operands, list) else [operands]) if one is not None}
        if not (isinstance(test, dict) and "$exists" in test) and wanted - {kind(value) for known in model.values() for value in scalars(known, name)}:
            return True
    return False


def same(entry: Any, known: Known) -> None:
    """An entry is what the model knows; numbers are of the same type, and zeros of the same sign."""
    content = known.content.encode() if isinstance(known.content, str) else known.content
    assert (entry.content, entry.is_text, entry.key, len(entry)) == (content, isinstance(known.content, str), known.key, len(content))
    assert json.dumps(entry.metadata, sort_keys=True) == json.dumps(known.metadata, sort_keys=True)
    assert entry.fields == ({} if known.title is None else {"title": known.title})
