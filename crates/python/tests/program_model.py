"""The plain model beside an artifact, for `test_programs.py`: a dict of records, filters by their definition, vectors compared one by one."""

from __future__ import annotations

import copy
import datetime
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy

WORDS = ["red", "green", "kite", "rose", "sea"]
KEYS = [*(f"key {i}" for i in range(7)), "ключ", "k\0", "#1", " ", "k" * 1024]
# At the end of a text, so that no phrase goes across them.
ENDS = ["", "", "", "", " 🙂", " \0", " straße", " ﷽", " 日本語", " " + "w" * 300, " \r\n"]
BLOBS = [b"", b"\0\xff", b"red kite", bytes(range(256)) * 9]
NUMBERS: list[Any] = [-3, 0, 1, 2, 2.5, -0.0, 0.1, 1.0, 2**53, 2**53 + 1, float(2**53), 2**63 - 1, 2**63, float(2**63), 2**64 - 1, -(2**63), 1e300, -1e300, 5e-324]
LONG = "x" * 300
STRINGS = ["", "a", "A", "ab", "é", "e\u0301", "z", "\0", "\uffff", "😀", "x" * 255, "x" * 256, LONG, LONG + "a", LONG + "b"]
DATES = ["2026-01-01", "2025-12-31T23:00:00-01:00", "2026-01-01T00:00:00.5Z", "1999-12-31", "2026-02-01T12:30:00+02:00"]
PAST, FUTURE = "2001-01-01T00:00:00Z", "9000-01-01"
TAGS: list[Any] = [["red"], ["red", "sea"], ["sea", "red", "sea"], [], ["", "a"], ["sea", None]]
# Cosine, squared distance and dot product; by the name of the space.
SPACES = {"v": (4, "cosine"), "w": (3, "l2"), "u": (3, "dot")}


class Known:
    """What the model knows of a record."""

    def __init__(self, content: str | bytes, key: str | None, metadata: dict[str, Any], title: str | None, vectors: dict[str, Any]) -> None:
        self.content, self.key, self.metadata, self.title, self.vectors = content, key, metadata, title, vectors

    def parts(self) -> Any:
        """The arguments of `add`."""
        parts: dict[str, Any] = {"text" if isinstance(self.content, str) else "blob": self.content, "metadata": self.metadata}
        if self.key is not None:
            parts["key"] = self.key
        if self.title is not None:
            parts["fields"] = {"title": self.title}
        if self.vectors:
            parts["embeddings"] = self.vectors
        return parts

    def copy(self) -> Known:
        return Known(self.content, self.key, copy.deepcopy(self.metadata), self.title, dict(self.vectors))

    def texts(self) -> list[list[str]]:
        """The words of its texts."""
        texts = [self.content] if isinstance(self.content, str) else []
        return [text.split(" ") for text in texts + ([self.title] if self.title is not None else [])]

    def meant(self) -> str | None:
        """What of a text is embedded."""
        title = [] if self.title is None else [self.title]
        return ". ".join([*title, self.content]) if isinstance(self.content, str) else None

    def has_word(self, word: str) -> bool:
        return any(word in text for text in self.texts())

    def has_phrase(self, first: str, second: str) -> bool:
        return any((first, second) in zip(text, text[1:], strict=False) for text in self.texts())


Model = dict[int, Known]


class Letters:
    """An embedder: how often each of the letters of its name is in a text."""

    def __init__(self, name: str) -> None:
        self.name, self.dimension = name, len(name)

    def embed(self, texts: list[str]) -> list[list[float]]:
        return [[float(text.count(letter)) for letter in self.name] for text in texts]

    def vector(self, text: str | None) -> list[float] | None:
        """The embedding of a text, if it has one."""
        (vector,) = self.embed([text or ""])
        return vector if any(vector) else None


def breaks_schema(metadata: dict[str, Any], name: str, wanted: str, is_required: bool) -> bool:
    """Whether metadata are not what a schema says of a field."""
    value = metadata.get(name)
    if value is None:
        return is_required
    elements = [element for element in (value if isinstance(value, list) else [value]) if element is not None]
    allowed = {"string", "date"} if wanted == "string" else {wanted}
    return not elements or any(kind(element) not in allowed for element in elements)


def some_text(rng: random.Random) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(rng.randrange(5))) + rng.choice(ENDS)


def some_vector(rng: random.Random, space: str) -> Any:
    """Of all kinds that are taken, with values that all of them have exactly."""
    values = [rng.randrange(-8, 9) for _ in range(SPACES[space][0])]
    values[rng.randrange(len(values))] = rng.choice([-8, 3, 7])
    kind = rng.choice(["f4", "f8", "f2", "i1", "list", "tuple", "strided", "order"])
    if kind == "list":
        return [float(value) for value in values]
    if kind == "tuple":
        return tuple(values)
    if kind == "strided":
        return numpy.array([values, values], "f4").T[:, 0]
    if kind == "order":
        return numpy.array(values[::-1], "f8")[::-1]
    return numpy.array(values, kind)


def some_metadata(rng: random.Random) -> dict[str, Any]:
    fields: dict[str, Callable[[], Any]] = {
        "n": lambda: rng.choice(NUMBERS),
        "s": lambda: rng.choice(STRINGS),
        "d": lambda: rng.choice(DATES),
        "t": lambda: list(rng.choice(TAGS)),
        "b": lambda: rng.choice([True, False]),
        "h": lambda: rng.choice([0, 1, -1, 9.5, 10, -10, 25, [3, 4, 30]]),
        "until": lambda: rng.choice([FUTURE, FUTURE, FUTURE, PAST]),
        "o": lambda: rng.choice([{"p": rng.choice([1, 2])}, {"p": {"q": 1}}, {}, [{"p": 1}, {"p": 2}], {"p": None}]),
        "m": lambda: rng.choice([True, 1, 1.5, "1", "b", None, [1, "1", False]]),
    }
    return {name: make() for name, make in fields.items() if rng.random() < 0.5}


def some_record(rng: random.Random, key: str | None) -> Known:
    content = rng.choice(BLOBS) if rng.random() < 0.15 else some_text(rng)
    vectors = {space: some_vector(rng, space) for space in SPACES if rng.random() < 0.5}
    return Known(content, key, some_metadata(rng), some_text(rng) if rng.random() < 0.3 else None, vectors)


def reach(value: Any, path: list[str]) -> Iterator[tuple[Any, bool]]:
    """The values at a path, and whether each is an element of an array there."""
    if not path:
        yield value, False
        if isinstance(value, list):
            yield from ((element, True) for element in value)
        return
    for inner in value if isinstance(value, list) else [value]:
        if isinstance(inner, dict) and path[0] in inner:
            yield from reach(inner[path[0]], path[1:])


def date(text: str) -> datetime.datetime:
    found = datetime.datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=datetime.timezone.utc)


def kind(value: Any) -> str | None:
    """The type of a value as filters know it."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "date" if value in DATES else "string"
    return None


def scalars(known: Known, field: str) -> list[Any]:
    """The values of a field that can be compared."""
    return [value for value, _ in reach(known.metadata, field.split(".")) if kind(value)]


def compare(value: Any, operator: str, operand: Any) -> bool:
    if isinstance(operand, dict):
        if kind(value) != "date":
            return False
        value, operand = date(value), date(operand["$date"])
    elif kind(value) != kind(operand):
        return False
    elif isinstance(value, str):
        value, operand = value.encode(), operand.encode()
    return bool({"$eq": value == operand, "$lt": value < operand, "$lte": value <= operand, "$gt": value > operand, "$gte": value >= operand}[operator])


def passes(known: Known, filter: dict[str, Any]) -> bool:
    """Whether a filter, with at most one operator for a field, lets a record through."""
    return all(passes_one(known, name, test) for name, test in filter.items())


def passes_one(known: Known, name: str, test: Any) -> bool:
    if name == "$and":
        return all(passes(known, inner) for inner in test)
    if name == "$or":
        return any(passes(known, inner) for inner in test)
    if name == "$not":
        return not passes(known, test)
    found = list(reach(known.metadata, name.split(".")))
    if test is None:
        test = {"$exists": False}
    if not isinstance(test, dict) or "$date" in test:
        test = {"$eq": test}
    ((operator, operand),) = test.items()
    if operator == "$exists":
        return any(not is_element and value is not None for value, is_element in found) is operand
    if operator in ("$ne", "$nin"):
        return not passes_one(known, name, {"$eq" if operator == "$ne" else "$in": operand})
    if operator == "$in":
        return any(compare(value, "$eq", one) for value, _ in found for one in operand)
    if operator == "$contains":
        return any(is_element and compare(value, "$eq", operand) for value, is_element in found)
    if operator == "$prefix":
        return any(isinstance(value, str) and value.startswith(operand) for value, _ in found)
    return any(compare(value, operator, operand) for value, _ in found)


def some_filter(rng: random.Random, depth: int = 0) -> dict[str, Any]:
    if depth < 2 and rng.random() < 0.3:
        name = rng.choice(["$and", "$or", "$not"])
        return {name: some_filter(rng, depth + 1) if name == "$not" else [some_filter(rng, depth + 1) for _ in range(rng.randrange(1, 3))]}
    ordered = ["$eq", "$ne", "$lt", "$lte", "$gt", "$gte"]
    tests: dict[str, Callable[[], Any]] = {
        "n": lambda: rng.choice([{rng.choice(ordered): rng.choice(NUMBERS)}, {rng.choice(["$in", "$nin"]): rng.sample(NUMBERS, 3)}, rng.choice(NUMBERS)]),
        "s": lambda: rng.choice([{rng.choice(ordered): rng.choice(STRINGS)}, {"$prefix": rng.choice(STRINGS)}, {"$in": rng.sample(STRINGS, 2)}]),
        "d": lambda: {rng.choice(ordered): {"$date": rng.choice(DATES)}},
        "t": lambda: rng.choice([{"$contains": rng.choice(["red", "sea", ""])}, "sea", {"$exists": True}, {"$ne": "red"}]),
        "b": lambda: rng.choice([True, {"$ne": False}, {"$in": [True, False]}]),
        "o.p": lambda: rng.choice([1, {"$exists": True}, {"$gt": 1}, None]),
        "o": lambda: {"$exists": rng.choice([True, False])},
        "m": lambda: rng.choice([1, "1", True, None, {"$in": [1, "b"]}, {"$exists": True}, {"$gte": 1}]),
    }
    names = rng.sample(list(tests), rng.choice([1, 1, 2]))
    return {name: tests[name]() for name in names}


RANKS = {"bool": 0, "number": 1, "string": 2, "date": 3}


def sort_key(value: Any) -> tuple[int, Any]:
    rank = RANKS[str(kind(value))]
    return rank, value if rank < 2 else value.encode() if rank == 2 else date(value)


def in_order(model: Model, ids: list[int], by: list[tuple[str, str]]) -> list[int]:
    """Ids in the order of fields, those without a field last."""
    ids = sorted(ids)
    for field, direction in reversed(by):
        down, best = direction == "desc", max if direction == "desc" else min
        there = [id for id in ids if scalars(model[id], field)]
        without = [id for id in ids if not scalars(model[id], field)]
        values = {id: best(map(sort_key, scalars(model[id], field))) for id in there}
        there.sort(key=values.__getitem__, reverse=down)
        ids = there + without
    return ids


def counts(model: Model, ids: list[int], field: str) -> Counter[Any]:
    """How many records have each value of a field, by its type and itself."""
    counted: Counter[Any] = Counter()
    for id in ids:
        # Equal numbers of both types are one value; dates are told apart by their text.
        counted.update({(kind(value), value) for value in scalars(model[id], field)})
    return counted


def period(text: str, unit: str) -> str:
    """The year, month, day or hour in UTC of a date."""
    found = date(text).astimezone(datetime.timezone.utc).isoformat()
    return found[: {"year": 4, "month": 7, "day": 10, "hour": 13}[unit]] + (":00:00Z" if unit == "hour" else "")


def cosine(a: Any, b: Any) -> float:
    a, b = numpy.asarray(a, "f8"), numpy.asarray(b, "f8")
    return float(a @ b / numpy.sqrt((a @ a) * (b @ b)))


def score(space: str, a: Any, b: Any) -> float:
    a, b = numpy.asarray(a, "f8"), numpy.asarray(b, "f8")
    metric = SPACES[space][1]
    if metric == "cosine":
        return cosine(a, b)
    return float(a @ b) if metric == "dot" else -float((a - b) @ (a - b))


def values_of(known: Known, field: str) -> list[Any]:
    """The values of a field in their order, each once."""
    values: dict[Any, Any] = {}
    for value in sorted(scalars(known, field), key=sort_key):
        values.setdefault((kind(value), value), value)
    return list(values.values())


def by_text(value: Any) -> tuple[int, Any]:
    """The order of values, in which dates are as they are written, and the beginning of a string counts."""
    rank, _ = sort_key(value)
    return rank, value.encode()[:256] if isinstance(value, str) else value


def snapshot_of(model: Model) -> Model:
    return {id: known.copy() for id, known in model.items()}


def merged(old: Any, patch: dict[str, Any]) -> dict[str, Any]:
    """A JSON merge patch."""
    result = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value) if isinstance(value, dict) else copy.deepcopy(value)
    return result
