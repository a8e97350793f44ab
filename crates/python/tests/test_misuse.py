"""What is wrong is refused with a sentence, and nothing is changed by it."""

from __future__ import annotations

import datetime
import pathlib
import threading
from collections.abc import Callable
from typing import Any

import numpy
import pytest

from compact_artifact import CompactArtifact, Int8Quantizer, LatencyAnalyzer, MemoryAnalyzer, benchmark, errors

Invalid = errors.InvalidArgumentError


class Odd:
    """A value that JSON does not have."""


LOOP: dict[str, Any] = {}
LOOP["self"] = LOOP

WRONG: list[tuple[type[Exception], str, Callable[[Any], Any]]] = [
    # Records.
    (Invalid, "expected a text", lambda a: a.add()),
    (TypeError, "expected a str, bytes, or a dict, found int", lambda a: a.add(7)),
    (TypeError, "expected a str, found int", lambda a: a.add_text(7)),
    (TypeError, "expected bytes, found str", lambda a: a.add_blob("text")),
    (Invalid, "found 'colour'", lambda a: a.add("x", colour="red")),
    (Invalid, "given twice", lambda a: a.add("x", text="y")),
    (Invalid, "expected one of them", lambda a: a.add(text="x", blob=b"y")),
    (Invalid, "without content", lambda a: a.add(key="x")),
    (TypeError, "`key` of a record: expected a str", lambda a: a.add("x", key=7)),
    (TypeError, "`metadata` of a record: expected a dict", lambda a: a.add("x", metadata=[1])),
    (TypeError, "names that are str", lambda a: a.add("x", metadata={1: 2})),
    (TypeError, "found Odd", lambda a: a.add("x", metadata={"a": [Odd()]})),
    (Invalid, "finite", lambda a: a.add("x", metadata={"a": float("nan")})),
    (Invalid, "beyond 64 bits", lambda a: a.add("x", metadata={"a": 2**64})),
    (Invalid, "nested more than", lambda a: a.add("x", metadata=LOOP)),
    (Invalid, "time zone", lambda a: a.add("x", metadata={"a": datetime.datetime(2026, 1, 1)})),
    (TypeError, "a dict of texts", lambda a: a.add("x", fields=["title"])),
    (TypeError, "by their spaces", lambda a: a.add("x", embeddings=[1, 2, 3])),
    (TypeError, "a record beside its parts", lambda a: a.add({"text": "x"}, key="y")),
    # Batches.
    (Invalid, "a batch of nothing", lambda a: a.add_batch()),
    (TypeError, "an iterable of records", lambda a: a.add_batch("text")),
    (TypeError, "an iterable of records", lambda a: a.add_batch({"text": "x"})),
    (TypeError, "not iterable", lambda a: a.add_batch(7)),
    (TypeError, "record 1 of the batch", lambda a: a.add_batch(["x", 7])),
    (Invalid, "record 1 of the batch", lambda a: a.add_batch(["x", {"key": "y"}])),
    (Invalid, "expected 1 or more", lambda a: a.add_batch(["x"], batch_size=0)),
    (Invalid, "expected `batch_size` beside it", lambda a: a.add_batch(["x"], progress=print)),
    (Invalid, "expected one of them", lambda a: a.add_batch(["x"], texts=["y"])),
    (TypeError, "no column 'colours'", lambda a: a.add_batch(colours=["red"])),
    (TypeError, "text 0 of the batch", lambda a: a.add_batch(texts=[7])),
    (TypeError, "texts: expected a list or an array", lambda a: a.add_batch(texts="letters")),
    (TypeError, "keys: expected a list or an array", lambda a: a.add_batch(texts=["x", "y"], keys="kl")),
    (TypeError, "texts: expected a list or an array", lambda a: a.add_batch(texts={"x": "y"})),
    (TypeError, "", lambda a: a.add_batch(["x"], batch_size="many")),
    (Invalid, "above 0", lambda a: a.batch_writer(batch_size=0)),
    (Invalid, "seconds, 0 or more", lambda a: a.batch_writer(flush_interval=-1)),
    # Queries.
    (TypeError, "no argument \"colour\"", lambda a: a.search("x", colour="red")),
    (TypeError, "no argument \"colour\"", lambda a: a.search("x", colour=None)),
    (TypeError, "expected a str", lambda a: a.search(7)),
    (Invalid, "asked for twice", lambda a: a.search("x", words="y")),
    (TypeError, "k: ", lambda a: a.search("x", k="ten")),
    (Invalid, "k: ", lambda a: a.search("x", k=-1)),
    (Invalid, "k: expected 1 to", lambda a: a.search("x", k=0)),
    (Invalid, "would have no effect", lambda a: a.search("x", exact=True)),
    (Invalid, "would have no effect", lambda a: a.search("x", space="v")),
    (Invalid, "a dict of vectors names", lambda a: a.search(vector={"v": [1, 0, 0]}, space="v")),
    (Invalid, "a dict of vectors names", lambda a: a.search(vector={"v": [1, 0, 0]}, space="w")),
    (Invalid, "vector: expected a space and its vector", lambda a: a.search(vector={})),
    (Invalid, "vector: expected a space and its vector", lambda a: a.search("x", vector={}, space="v")),
    (Invalid, "\"n\" is named twice", lambda a: a.search("x", order_by=["n", ("n", "desc")])),
    (Invalid, "min_score would have no effect", lambda a: a.search(filter={"n": 1}, min_score=0.5)),
    (Invalid, "would have no effect", lambda a: a.search("x", snippet=10, fetch=False)),
    (Invalid, "weights: expected some of words", lambda a: a.search("x", vector=[1, 0, 0], weights={"w": 1})),
    (Invalid, "`weights` would have no effect", lambda a: a.search(filter={"n": 1}, weights={"words": 1})),
    (Invalid, "fusion: expected", lambda a: a.search("x", vector=[1, 0, 0], fusion="best")),
    (Invalid, "order_by: expected", lambda a: a.search("x", order_by=("n", "down"))),
    (TypeError, "facets: expected a list", lambda a: a.search("x", facets="n")),
    (Invalid, "found \"colour\"", lambda a: a.search("x", facets=[{"field": "n", "colour": 1}])),
    (Invalid, "expected its field", lambda a: a.search("x", facets=[{"width": 1}])),
    (Invalid, "found both", lambda a: a.search("x", facets=[{"field": "n", "width": 1, "unit": "day"}])),
    (Invalid, "year, month, day or hour", lambda a: a.search("x", facets=[{"field": "n", "unit": "week"}])),
    (Invalid, "a width that is a number, found \"3\"", lambda a: a.search("x", facets=[{"field": "n", "width": "3"}])),
    (Invalid, "a limit of 0 or more", lambda a: a.search("x", facets=[{"field": "n", "limit": -1}])),
    (Invalid, "deadline: expected seconds", lambda a: a.search("x", deadline=-1)),
    (TypeError, "a str or a dict", lambda a: a.search_batch([7])),
    (errors.InvalidFilterError, "", lambda a: a.search("x", filter={"n": {"$regex": "x"}})),
    (errors.InvalidFilterError, "", lambda a: a.count([1])),
    (errors.InvalidFilterError, "", lambda a: a.count("n")),
    (errors.NoSuchSpaceError, "none", lambda a: a.search(vector={"none": [1]})),
    # Everything else.
    (TypeError, "", lambda a: a.get(1.5)),
    (TypeError, "its id, an int, or its key, a str, found float", lambda a: a.delete(1.5)),
    (Invalid, "found -1", lambda a: a.get(-1)),
    (Invalid, "expected 0 to", lambda a: a.get_many([2**64])),
    (TypeError, "", lambda a: a.get_many("k1")),
    (Invalid, "level: expected headers", lambda a: a.verify("all")),
    (TypeError, "a change of metadata", lambda a: a.update("x", [1])),
    (Invalid, "seconds, 0 or more", lambda a: a.watch(-1)),
    (TypeError, "a dimension or a dict", lambda a: a.add_space("w", "large")),
    (Invalid, "expected its dimension", lambda a: a.add_space("w", {"metric": "l2"})),
    (Invalid, "found 'colour'", lambda a: a.add_space("w", {"dimension": 2, "colour": 1})),
    (Invalid, "", lambda a: a.add_space("w", {"dimension": 2, "metric": "taxi"})),
    (Invalid, "", lambda a: a.add_space("w", {"dimension": 2, "originals": "f8"})),
    (Invalid, "", lambda a: a.add_space("w", {"dimension": 2, "quantization": "int4"})),
    (Invalid, "", lambda a: a.add_space("w", 0)),
    (TypeError, "`name`, `dimension` and `embed`", lambda a: a.reembed(Odd())),
    (errors.EmbedderError, "", lambda a: a.reembed("no/such/model")),
    (TypeError, "", lambda a: MemoryAnalyzer(a.path)),
    (Invalid, "clients: expected 1 to", lambda a: benchmark(a.path, clients=[0])),
    (ZeroDivisionError, "", lambda a: LatencyAnalyzer().trace(lambda: 1 // 0)),
]


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_a_call_that_is_wrong_is_refused_and_changes_nothing(artifact: CompactArtifact, number: int) -> None:
    error, said, call = WRONG[number]
    before = artifact.commit
    with pytest.raises(error) as raised:
        call(artifact)
    assert said in str(raised.value), str(raised.value)
    assert artifact.commit == before and len(artifact) == 0


class Flagged:
    """An embedder one of whose numbers may be none."""

    name = "flagged"

    def __init__(self, dimension: Any, weight: Any) -> None:
        self.dimension, self.weight = dimension, weight

    def embed(self, texts: list[str]) -> list[list[float]]:
        return [[1.0, 2.0]] * len(texts)


NUMBERS: list[Callable[[Any, Any], Any]] = [
    lambda a, flag: a.get(flag),
    lambda a, flag: a[flag],
    lambda a, flag: a.get_many([flag]),
    lambda a, flag: a.delete(flag),
    lambda a, flag: a.update(flag, {"n": 2}),
    lambda a, flag: a.embedding(flag, "v"),
    lambda a, flag: a.snapshot().embedding(flag, "v"),
    lambda a, flag: a.add_embedding(flag, "v", [1, 0, 0]),
    lambda a, flag: a.remove_embedding(flag, "v"),
    lambda a, flag: a.batch().delete(flag),
    lambda a, flag: a.batch().update(flag, {"n": 2}),
    lambda a, flag: a.batch().add_embedding(flag, "v", [1, 0, 0]),
    lambda a, flag: a.batch().remove_embedding(flag, "v"),
    lambda a, flag: a.search(similar_to=flag, space="v"),
    lambda a, flag: a.search("cat", k=flag),
    lambda a, flag: a.search("cat", offset=flag),
    lambda a, flag: a.search("cat", snippet=flag),
    lambda a, flag: a.search("cat", min_score=flag),
    lambda a, flag: a.search("cat", group_by=("n", flag)),
    lambda a, flag: a.search("cat", deadline=flag),
    lambda a, flag: a.search("cat", weights={"words": flag}),
    lambda a, flag: a.audit_recall("v", ef_search=[flag]),
    lambda a, flag: a.audit_recall("v", ef_search=[64], k=flag),
    lambda a, flag: a.add_space("w", flag),
    lambda a, flag: a.add_space("w", {"dimension": flag}),
    lambda a, flag: CompactArtifact.open_read_only(a.path, cache_bytes=flag),
    lambda a, flag: a.search("cat")[flag],
    lambda a, flag: a.add_batch(["x"], batch_size=flag),
    lambda a, flag: a.batch_writer(batch_size=flag),
    lambda a, flag: a.batch_writer(max_memory=flag),
    lambda a, flag: a.batch_writer(flush_interval=flag),
    lambda a, flag: a.compact(flag),
    lambda a, flag: a[a.search("cat")[0].id].read(flag, 1),
    lambda a, flag: a[a.search("cat")[0].id].read(0, flag),
    lambda a, flag: a.changes_since(flag),
    lambda a, flag: a.add_field("title", flag),
    lambda a, flag: CompactArtifact.open_packed(b"", flag),
    lambda a, flag: Int8Quantizer(flag),
    lambda a, flag: Int8Quantizer(3).decode(b"abc", flag),
    lambda a, flag: CompactArtifact.open_read_only(a.path, embedder=Flagged(flag, 0.5)),
    lambda a, flag: CompactArtifact.open_read_only(a.path, embedder=Flagged(2, flag)),
]


@pytest.mark.parametrize("number", range(len(NUMBERS)))
def test_a_bool_is_neither_an_id_nor_a_number(artifact: CompactArtifact, number: int) -> None:
    artifact.add_batch([{"text": "a cat", "embeddings": {"v": [1, 0, 0]}} for _ in range(2)])
    before = artifact.commit
    for flag in (True, False):
        with pytest.raises(TypeError, match="found bool"):
            NUMBERS[number](artifact, flag)
    assert artifact.commit == before and len(artifact) == 2


def test_a_str_is_no_list_of_texts_to_embed(artifact: CompactArtifact) -> None:
    with pytest.raises(TypeError, match="texts: expected a list of str, found str"):
        artifact.embed("cat")


class Weighty:
    """An embedder whose weight is no number."""

    name, dimension, weight = "weighty", 2, float("nan")

    def embed(self, texts: list[str]) -> list[list[float]]:
        return [[1.0, 2.0]] * len(texts)


@pytest.mark.parametrize(
    "option, said",
    [
        ({"colour": 1}, "no option 'colour'"),
        ({"compression": "gzip"}, "option compression: expected"),
        ({"on_maintenance_error": 5}, "option on_maintenance_error: expected a function, found int"),
        ({"compression": "zstd:23"}, "option compression: expected"),
        ({"compression": 3}, "option compression"),
        ({"durability": "maybe"}, "option durability: expected"),
        ({"maintenance": "sometimes"}, "option maintenance"),
        ({"auto_compact": {"dead": 1}}, "option auto_compact: expected"),
        ({"auto_compact": 7}, "option auto_compact"),
        ({"auto_compact": {"dead_percent": 1}}, "auto_compact"),
        ({"spaces": ["v"]}, "option spaces: expected a dict"),
        ({"spaces": {"v": "large"}}, "option spaces"),
        ({"fields": ["title"]}, "option fields"),
        ({"language": "klingon"}, "option language"),
        ({"threads": -1}, "option threads"),
        ({"threads": 0}, "threads"),
        ({"result_ttl": -1}, "option result_ttl"),
        ({"result_ttl": 1, "result_cache_bytes": 0}, "result_ttl"),
        ({"quantization": "int4"}, "option quantization: expected int8"),
        ({"memory_limit": 1}, "memory_limit"),
        ({"idle_release": 1}, "idle_release"),
        ({"embedder": 7}, "option embedder"),
        ({"bm25": 1.2}, "option bm25"),
        ({"edge": "yes"}, "option edge"),
        ({"cache_bytes": "1MB"}, "option cache_bytes"),
    ],
)
def test_an_option_that_is_wrong_is_refused_and_creates_nothing(path: pathlib.Path, option: dict[str, Any], said: str) -> None:
    with pytest.raises((TypeError, ValueError)) as raised:
        CompactArtifact.create(path, **option)
    assert said in str(raised.value).replace("\"", "'"), str(raised.value)
    assert not path.exists()


WRITING: list[dict[str, Any]] = [
    {"compression": "none"}, {"block_len": 4096}, {"segment_len": 1 << 20}, {"durability": "buffered"}, {"maintenance": "manual"}, {"auto_compact": False},
    {"busy_timeout": 1}, {"idle_release": 1, "busy_timeout": 1}, {"graph_from": 5}, {"keep_embedding_cache": True}, {"on_maintenance_error": print},
]  # fmt: skip


@pytest.mark.parametrize("option", WRITING, ids=lambda option: next(iter(option)))
def test_an_option_that_says_how_to_write_is_refused_where_an_artifact_is_read(artifact: CompactArtifact, tmp_path: pathlib.Path, option: dict[str, Any]) -> None:
    artifact.add("x")
    artifact.pack(tmp_path / "pack")
    packed = tmp_path / "pack"
    calls: list[Callable[[], CompactArtifact]] = [
        lambda: CompactArtifact.open_read_only(artifact.path, **option),
        lambda: CompactArtifact.open_packed(packed, **option),
        lambda: CompactArtifact.open_packed(packed.read_bytes(), **option),
    ]
    for opens in calls:
        with pytest.raises(Invalid, match=f"option {next(iter(option))} would have no effect"):
            opens()
    written = tmp_path / "written"
    CompactArtifact.create(written, **option).close()
    CompactArtifact.open(written, **option).close()


def test_options_that_say_how_to_read_are_taken_by_readers(artifact: CompactArtifact, tmp_path: pathlib.Path) -> None:
    artifact.add("x")
    artifact.pack(tmp_path / "pack")
    options: dict[str, Any] = {"cache_bytes": 1 << 20, "threads": 1, "memory_limit": 64 << 20, "edge": True, "embedder": None, "idle_release": None, "on_maintenance_error": None}
    for reader in (CompactArtifact.open_read_only(artifact.path, **options), CompactArtifact.open_packed(tmp_path / "pack", **options)):
        assert len(reader) == 1


@pytest.mark.parametrize("name", ["a:b", "a b", "x(y", 'x"y', "a\\b", "-a", "+a", "a*", "a~", "a^2", "a\u00a0b"])
def test_a_field_that_no_query_can_name_is_not_made(artifact: CompactArtifact, path: pathlib.Path, name: str) -> None:
    with pytest.raises(Invalid, match="a query can have before a colon"):
        artifact.add_field(name, 2)
    with pytest.raises(Invalid, match="a query can have before a colon"):
        CompactArtifact.create(path.with_name("other"), fields={name: 2})
    assert not path.with_name("other").exists()
    artifact.add_field("Ünter-titel.2", 2)
    artifact.add("x", fields={"Ünter-titel.2": "ein Kater"})
    assert len(artifact.search(query="Ünter-titel.2:Kater")) == 1


@pytest.mark.parametrize("fraction", [float("nan"), -1, -1e-9, 1.5, float("inf")])
def test_a_part_of_the_time_is_between_0_and_1(fraction: float) -> None:
    with pytest.raises(Invalid, match="min_fraction: expected 0 to 1"):
        LatencyAnalyzer(min_fraction=fraction)
    LatencyAnalyzer(min_fraction=0)
    LatencyAnalyzer(min_fraction=1)


def test_a_weight_that_is_no_number_is_refused_and_creates_nothing(path: pathlib.Path) -> None:
    with pytest.raises(errors.EmbedderError, match="a weight of NaN; expected 0 or more"):
        CompactArtifact.create(path, embedder=Weighty())
    assert not path.exists()


def test_a_vector_is_refused_where_there_is_no_space_for_it(path: pathlib.Path) -> None:
    with CompactArtifact.create(path) as artifact, pytest.raises(Invalid, match="^vector: the artifact has no vector space"):
        artifact.search(vector=[1, 0])


def test_a_space_has_to_be_named_where_there_are_several(artifact: CompactArtifact) -> None:
    artifact.add_space("w", 2)
    with pytest.raises(Invalid, match="one of the 2 spaces of the artifact: v, w"):
        artifact.search(vector=[1, 0, 0])


def test_numbers_and_dates_of_numpy_and_datetime_are_metadata(artifact: CompactArtifact) -> None:
    moment = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.timezone.utc)
    id = artifact.add(
        "x",
        metadata={
            "i": numpy.int64(7), "f": numpy.float32(0.5), "b": numpy.bool_(True), "a": numpy.arange(3),
            "at": moment, "day": datetime.date(2026, 1, 2), "pair": (1, 2),
        },
    )
    assert artifact[id].metadata == {
        "i": 7, "f": 0.5, "b": True, "a": [0, 1, 2], "at": "2026-01-01T12:00:00+00:00", "day": "2026-01-02", "pair": [1, 2]
    }
    assert artifact.count({"at": {"$lte": moment}}) == 1


@pytest.mark.parametrize(
    "offset",
    [
        datetime.timedelta(minutes=19, seconds=32),  # of Amsterdam until 1937
        datetime.timedelta(hours=-4, minutes=-56, seconds=-2),
        datetime.timedelta(hours=1, microseconds=1),
    ],
)
def test_a_datetime_whose_offset_has_seconds_is_that_point_in_time(artifact: CompactArtifact, offset: datetime.timedelta) -> None:
    born = datetime.datetime(1880, 1, 1, 12, 30, tzinfo=datetime.timezone(offset))
    utc = born.astimezone(datetime.timezone.utc)
    artifact.add("x", key="x", metadata={"at": born})
    assert artifact["x"].metadata == {"at": utc.isoformat()}
    second = datetime.timedelta(seconds=1)
    assert artifact.count({"at": born}) == artifact.count({"at": {"$lt": utc + second, "$gt": born - second}}) == 1
    first, last = datetime.datetime.min, datetime.datetime.max
    moment = (first if offset > second * 0 else last).replace(tzinfo=datetime.timezone(offset))
    with pytest.raises(Invalid, match="1 to 9999"):
        artifact.add("x", metadata={"at": moment})
    assert len(artifact) == 1


@pytest.mark.parametrize(
    "value, said",
    [
        (numpy.datetime64("2026-01-01T00:00:00", "s"), "expected a datetime with a time zone"),
        (numpy.datetime64("2026-01-01T00:00:00", "us"), "expected a datetime with a time zone"),
        (numpy.datetime64("2026-01-01T00:00:00", "ns"), r"of datetime64\[ns\]; .*timezone.utc"),
        (numpy.array(["2026-01-01"], "M8[ns]"), r"of datetime64\[ns\]"),
        (numpy.array([["2026-01-01"]], "M8[ps]"), r"of datetime64\[ps\]"),
        (numpy.datetime64("20260-01-01"), r"of datetime64\[D\]; .*1 to 9999"),
        (numpy.datetime64("NaT"), "found NaT of datetime64; leave it out"),
        (numpy.array(["2026-01-01", "NaT"], "M8[D]"), r"found NaT of datetime64\[D\]"),
        (numpy.timedelta64(3, "ns"), r"of timedelta64\[ns\]; make it a number"),
        (numpy.timedelta64(3, "s"), r"of timedelta64\[s\]; make it a number"),
        (numpy.timedelta64("NaT"), "found NaT of timedelta64"),
        (numpy.array([(1, "2026-01-01")], [("n", "i4"), ("at", "M8[ns]")]), "expected a date"),
        (numpy.array([numpy.datetime64("2026-01-01", "ns")], object), r"of datetime64\[ns\]"),
    ],
    ids=repr,
)
def test_a_time_of_numpy_is_a_date_or_is_refused_and_never_a_number(artifact: CompactArtifact, value: Any, said: str) -> None:
    for wrong in (value, [value], {"in": value}):
        with pytest.raises(Invalid, match=said):
            artifact.add("x", metadata={"at": wrong})
    with pytest.raises(Invalid, match=said):
        artifact.count({"at": {"$lt": value}})
    assert len(artifact) == 0


def test_a_day_of_numpy_is_a_date_and_a_number_that_python_has_not_is_refused(artifact: CompactArtifact) -> None:
    days = numpy.array(["2026-01-01", "2026-01-02"], "M8[D]")
    artifact.add("x", key="x", metadata={"day": days[0], "days": days, "table": numpy.array([(1, 2.5)], "i4,f4")})
    assert artifact["x"].metadata == {"day": "2026-01-01", "days": ["2026-01-01", "2026-01-02"], "table": [[1, 2.5]]}
    assert artifact.count({"day": {"$lt": days[1]}}) == 1
    for value in (numpy.longdouble(1), numpy.ones(2, "longdouble")):
        with pytest.raises(TypeError, match="make it a `float`"):
            artifact.add("x", metadata={"n": value})


def test_metadata_that_look_like_a_duration_stay_what_they_are(artifact: CompactArtifact) -> None:
    artifact.add("x", key="x", metadata={"secs": 1, "nanos": 2, "in": {"secs": 3, "nanos": 4}})
    assert artifact["x"].metadata == {"secs": 1, "nanos": 2, "in": {"secs": 3, "nanos": 4}}


def test_an_artifact_is_not_closed_from_inside_of_its_own_calls(path: pathlib.Path) -> None:
    with CompactArtifact.create(path) as artifact:

        def close(done: int, all: int | None) -> None:
            artifact.close()

        # Between two commits nobody waits for the call.
        with pytest.raises(errors.ClosedError):
            artifact.add_batch(["x"] * 4, batch_size=2, progress=close)
    assert len(CompactArtifact.open_read_only(path)) == 2


def test_a_callback_may_call_the_artifact(path: pathlib.Path) -> None:
    found: list[int] = []
    with CompactArtifact.create(path) as artifact:
        artifact.add_batch(["a cat", "a dog"])
        with pytest.raises(ZeroDivisionError):
            artifact.reembed("built-in", progress=lambda done, all: 1 // 0)
        artifact.reembed("built-in", progress=lambda done, all: found.append(len(artifact.search("cat"))))
        assert found and set(found) == {1}


def test_what_progress_calls_works_or_is_a_reentrant_error(path: pathlib.Path) -> None:
    artifact = CompactArtifact.create(path, spaces={"v": 2}, fields={"title": 2})
    artifact.add("die alten Häuser")
    calls: list[Callable[[], object]] = [
        artifact.seal,
        artifact.compact,
        lambda: artifact.pack(path.with_name("pack")),
        lambda: artifact.add_space("w", 2),
        lambda: artifact.drop_space("v"),
        lambda: artifact.rename_space("v", "w"),
        lambda: artifact.add_field("subtitle", 2),
        lambda: artifact.set_schema(None),
        lambda: artifact.set_text_options(language="french"),
        lambda: artifact.reembed("built-in"),
        artifact.close,
        artifact.destroy,
    ]
    raised: list[type[Exception]] = []

    def progress(done: int, all: int) -> None:
        for call in calls:
            with pytest.raises(errors.ReentrantError):
                call()
            raised.append(errors.ReentrantError)
        artifact.add("zwei Häuser")
        assert len(artifact.search("Häuser")) == len(artifact)

    artifact.set_text_options(language="german", progress=progress)
    assert len(raised) == len(calls) and len(artifact.search("Haus")) == len(artifact) == 2
    artifact.seal()
    artifact.close()


def test_a_reader_that_is_to_be_destroyed_stays_open(path: pathlib.Path) -> None:
    artifact = CompactArtifact.create(path)
    artifact.add("x")
    reader = CompactArtifact.open_read_only(path)
    with pytest.raises(errors.ReadOnlyError):
        reader.destroy()
    assert not reader.closed and len(reader) == 1
    reader.close()
    with pytest.raises(errors.ClosedError):
        reader.destroy()
    artifact.destroy()
    assert artifact.closed and not path.exists()


class CallsBack:
    """An embedder, and a vector, that calls something when it is asked; and keeps what that raised."""

    dimension = 2

    def __init__(self, name: str) -> None:
        self.name = name
        self.call: Callable[[], object] = lambda: None
        self.raised: list[type[Exception]] = []

    def calls(self) -> None:
        call, self.call = self.call, lambda: None
        try:
            call()
        except errors.Error as error:
            self.raised.append(type(error))

    def embed(self, texts: list[str]) -> list[list[float]]:
        self.calls()
        return [[1.0, 2.0]] * len(texts)

    def __array__(self) -> Any:
        self.calls()
        return numpy.ones(2)


def test_what_is_called_from_inside_of_what_it_waits_for_is_an_error(path: pathlib.Path) -> None:
    back = CallsBack("calls back")
    artifact = CompactArtifact.create(path, spaces={"v": 2}, embedder=back)
    back.call = artifact.close
    artifact.search(vector=back, space="v")
    writer = artifact.batch_writer(batch_size=1)
    for number, call in enumerate((writer.finish, writer.flush, lambda: writer.add("another"))):
        back.call = call
        writer.add(f"text {number}")  # one that was embedded before is not given to an embedder
    other = CallsBack("other")
    other.call = lambda: artifact.reembed(back)
    artifact.reembed(other)
    assert back.raised + other.raised == [errors.ReentrantError] * 5
    assert writer.finish()["records"] == len(artifact) == 3
    # Of another artifact nothing waits.
    back.call = CompactArtifact.create(path.with_name("other")).close
    artifact.search(vector=back, space="v")
    assert len(back.raised) == 4
    artifact.close()


def test_the_class_says_how_artifacts_are_made() -> None:
    kind: Any = CompactArtifact
    for arguments, options in [((), {}), (("notes",), {"embedder": "built-in"})]:
        with pytest.raises(TypeError, match=r"CompactArtifact\.create\(path\)"):
            kind(*arguments, **options)


def test_an_artifact_that_was_read_from_bytes_outlives_their_name(artifact: CompactArtifact, tmp_path: pathlib.Path) -> None:
    artifact.add_text("a cat", key="cat")
    artifact.pack(tmp_path / "a.pack")
    packed = CompactArtifact.open_packed((tmp_path / "a.pack").read_bytes())
    assert packed["cat"].text == "a cat" and packed.search("cat")
    with pytest.raises(Invalid):
        CompactArtifact.open_packed(b"", 7)
    with pytest.raises(errors.Error):
        CompactArtifact.open_packed(b"no pack")


def test_an_artifact_is_closed_though_other_threads_go_on_calling_it(path: pathlib.Path) -> None:
    artifact = CompactArtifact.create(path)
    artifact.add("a cat")

    def call_until_closed() -> None:
        with pytest.raises(errors.ClosedError):
            while True:
                artifact.search("cat")

    callers = [threading.Thread(target=call_until_closed, daemon=True) for _ in range(8)]
    for caller in callers:
        caller.start()
    closing = threading.Thread(target=artifact.close, daemon=True)
    closing.start()
    for thread in [closing, *callers]:
        thread.join(30)
        assert not thread.is_alive()
