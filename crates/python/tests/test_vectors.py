"""Vectors from lists, arrays and tables are the same vectors."""

from __future__ import annotations

import array
import importlib
import json
import pathlib
from typing import Any

import numpy
import pytest

from compact_artifact import CompactArtifact, Int8Quantizer, errors

pyarrow: Any = importlib.import_module("pyarrow")  # whose types are not declared

VALUES = [[1, 0, 0], [0, 2, 0], [3, 4, 5], [0, 0, 7]]
TWICE = pyarrow.StructArray.from_arrays([pyarrow.array([1]), pyarrow.array([2])], names=["n", "n"])


@pytest.fixture
def exact(path: pathlib.Path) -> CompactArtifact:
    """An artifact that keeps vectors as they are."""
    space = {"dimension": 3, "metric": "l2", "originals": "f32"}
    return CompactArtifact.create(path, spaces={"v": space}, durability="buffered")  # type: ignore[dict-item]


def stored(artifact: CompactArtifact, ids: list[int]) -> list[list[float] | None]:
    return [artifact.embedding(id, "v") for id in ids]


@pytest.mark.parametrize("kind", ["f4", "f8", "f2", "i1", "u1", "<f4"])
@pytest.mark.parametrize("order", ["C", "F", "sliced"])
def test_arrays_of_each_kind_and_layout_give_their_rows(exact: CompactArtifact, kind: str, order: str) -> None:
    rows = numpy.array(VALUES, dtype=kind)
    if order == "F":
        rows = numpy.asfortranarray(rows)
    if order == "sliced":
        rows = numpy.repeat(numpy.repeat(rows, 2, axis=0), 3, axis=1)[::2, ::3]
    assert stored(exact, exact.add_batch(embeddings={"v": rows})) == VALUES
    assert stored(exact, [exact.add(text="x", embeddings={"v": row}) for row in rows]) == VALUES
    for at, row in enumerate(rows):
        assert exact.search(vector=row, k=1)[0].id in {hit.id for hit in exact.search(vector=VALUES[at], k=2)}


@pytest.mark.parametrize(
    "kind, row",
    [
        ("i1", [-128, 127, 0]),
        ("u1", [0, 255, 128]),
        ("f2", [6.104e-05, 65504, -0.333251953125]),
        ("f4", [1e-30, 16777216.0, -3.4e15]),
        ("f8", [0.1, -1e10, 3e-20]),
    ],
)
def test_each_kind_of_number_keeps_its_value(path: pathlib.Path, kind: str, row: list[float]) -> None:
    array = numpy.array([row, row], dtype=kind)
    quantizer = Int8Quantizer(3, metric="l2")
    assert quantizer.quantize(array[0]) == quantizer.quantize([float(value) for value in array[0]])
    space = {"dimension": 3, "metric": "l2", "originals": "f32"}
    artifact = CompactArtifact.create(path, spaces={"v": space})  # type: ignore[dict-item]
    assert stored(artifact, artifact.add_batch(embeddings={"v": array})) == [[float(v) for v in array.astype("f4")[0]]] * 2


def test_every_half_float_is_the_number_that_numpy_says(path: pathlib.Path) -> None:
    halves = numpy.arange(2**16, dtype="u2").view("f2")
    halves = halves[numpy.isfinite(halves)].reshape(-1, 1024)
    space = {"dimension": 1024, "metric": "l2", "originals": "f32"}
    artifact = CompactArtifact.create(path, spaces={"v": space})  # type: ignore[dict-item]
    ids = artifact.add_batch(embeddings={"v": halves})
    for id, row in zip(ids, halves.astype("f4"), strict=True):
        assert numpy.array_equal(numpy.array(artifact.embedding(id, "v"), "f4"), row)
    for value in (numpy.inf, -numpy.inf, numpy.nan):
        with pytest.raises(errors.NotFiniteError):
            artifact.add(text="x", embeddings={"v": numpy.full(1024, value, "f2")})


def test_what_has_the_buffer_protocol_or_an_array_is_a_vector(exact: CompactArtifact) -> None:
    class Tensor:
        """As torch has it."""

        def __array__(self, dtype: object = None, copy: object = None) -> Any:
            return numpy.array([3, 4, 5], dtype="f4")

    vectors: list[Any] = [array.array("f", [3, 4, 5]), memoryview(array.array("d", [3, 4, 5])), bytes([3, 4, 5]), Tensor(), (3, 4, 5)]
    ids = [exact.add(text="x", embeddings={"v": vector}) for vector in vectors]
    assert stored(exact, ids) == [[3.0, 4.0, 5.0]] * 5
    assert stored(exact, exact.add_batch(embeddings={"v": vectors})) == [[3.0, 4.0, 5.0]] * 5


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
def test_what_is_no_finite_number_is_refused_and_nothing_is_added(exact: CompactArtifact, value: float) -> None:
    rows = numpy.array(VALUES, dtype="f8")
    rows[2, 1] = value
    for call in (
        lambda: exact.add_batch(embeddings={"v": rows}),
        lambda: exact.add_batch(embeddings={"v": rows.tolist()}),
        lambda: exact.add("x", embeddings={"v": rows[2]}),
        lambda: exact.search(vector=rows[2]),
    ):
        with pytest.raises(errors.NotFiniteError):
            call()
    assert len(exact) == 0


@pytest.mark.parametrize(
    "value, error",
    [
        (numpy.zeros((2, 2, 3), "f4"), errors.InvalidArgumentError),
        (numpy.zeros(3, "f4"), errors.InvalidArgumentError),
        (numpy.zeros((2, 3), "c8"), TypeError),
        (numpy.zeros((2, 3), ">f4"), TypeError),
        (numpy.zeros((2, 3), "i8"), TypeError),
        (numpy.zeros((2, 4), "f4"), errors.WrongDimensionError),
        (numpy.zeros((2**40, 0), "f4"), errors.InvalidArgumentError),
        (numpy.ma.masked_equal(VALUES, 0), errors.InvalidArgumentError),
        ([[1, 2, 3], [1, 2]], errors.WrongDimensionError),
        ([["a", "b", "c"]], TypeError),
        ("abc", TypeError),
        (7, TypeError),
        (None, errors.InvalidArgumentError),
    ],
)
def test_what_are_no_rows_of_numbers_is_refused(exact: CompactArtifact, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error) as raised:
        exact.add_batch(embeddings={"v": value} if value is not None else None)
    assert len(exact) == 0 and str(raised.value)


def test_one_vector_in_the_order_of_another_machine_is_refused(exact: CompactArtifact) -> None:
    exact.add_text("x", embeddings={"v": numpy.array([1, 0, 0], "f4")})
    other = numpy.array([1, 0, 0], ">f4")
    with pytest.raises(TypeError, match="float32"):
        exact.search(vector=other)
    with pytest.raises(TypeError, match="float32"):
        exact.add_text("x", embeddings={"v": other})


def test_columns_of_other_lengths_are_refused(exact: CompactArtifact) -> None:
    with pytest.raises(errors.InvalidArgumentError, match="texts have 1 values, embeddings of \"v\" have 4"):
        exact.add_batch(texts=["one"], embeddings={"v": VALUES})


def test_a_table_of_arrow_is_a_batch(exact: CompactArtifact) -> None:
    table = pyarrow.table(
        {
            "key": pyarrow.array(["a", "b", None], pyarrow.large_string()),
            "text": pyarrow.array(["a cat", "a dog", "a cow"], pyarrow.string_view()),
            "title": ["Cats", None, "Cows"],
            "v": pyarrow.array([[1, 2, 3], None, [4, 5, 6]], pyarrow.list_(pyarrow.float32(), 3)),
            "metadata": pyarrow.array([{"n": 1}, None, {"n": None}]),
            "year": pyarrow.array([2024, None, 2026], pyarrow.int16()),
            "weight": pyarrow.array([1.5, 2.5, None]),
            "tags": pyarrow.array([["x", "y"], [], None], pyarrow.large_list(pyarrow.string())),
            "kind": pyarrow.array(["pet", "pet", "farm"]).dictionary_encode(),
            "wild": [False, True, None],
            "nothing": pyarrow.nulls(3),
        }
    )
    ids = exact.add_batch(table)
    assert [exact[id].key for id in ids] == ["a", "b", None] and exact["a"].fields == {"title": "Cats"}
    assert stored(exact, ids) == [[1, 2, 3], None, [4, 5, 6]]
    assert exact["a"].metadata == {
        "n": 1, "year": 2024, "weight": 1.5, "tags": ["x", "y"], "kind": "pet", "wild": False
    }
    assert exact["b"].metadata["tags"] == [] and exact[ids[2]].metadata == {"n": None, "year": 2026, "kind": "farm"}
    assert [hit.text for hit in exact.search("cat", filter={"year": {"$gte": 2024}})] == ["a cat"]


def test_a_table_comes_in_batches_and_kinds(exact: CompactArtifact) -> None:
    for kind in (pyarrow.float16(), pyarrow.float32(), pyarrow.float64(), pyarrow.int8(), pyarrow.uint8()):
        for lists in (pyarrow.list_(kind), pyarrow.large_list(kind), pyarrow.list_(kind, 3)):
            rows = [numpy.array(row, dtype="f2") for row in VALUES] if kind == pyarrow.float16() else VALUES
            batch = pyarrow.record_batch({"v": pyarrow.array(rows, lists)})
            table = pyarrow.Table.from_batches([batch.slice(0, 1), batch.slice(1, 0), batch.slice(1)])
            assert stored(exact, exact.add_batch(table, batch_size=3)) == VALUES
    blobs = pyarrow.table({"blob": pyarrow.array([b"ab", b""], pyarrow.binary()), "metadata": ['{"n": [1, {"m": null}]}', None]})
    first, second = exact.add_batch(blobs)
    assert exact[first].content == b"ab" and exact[first].metadata == {"n": [1, {"m": None}]} and exact[second].content == b""
    # A reader of a stream, which gives its batches once.
    reader = pyarrow.RecordBatchReader.from_batches(table.schema, iter(table.to_batches()))
    assert len(exact.add_batch(reader)) == 4


STRINGS = pyarrow.array(["one", "two", "three"])
NESTED: dict[str, Any] = {
    "a struct in a struct": pyarrow.array([{"p": {"q": number}} for number in range(3)]),
    "a list of structs": pyarrow.array([[{"q": 1}], [], [{"q": 2}, {"q": 3}]]),
    "a list of fixed size of structs": pyarrow.array([[{"q": {"r": "a"}}] * 2, [{"q": None}] * 2, [{"q": {"r": "c"}}] * 2]).cast(
        pyarrow.list_(pyarrow.struct({"q": pyarrow.struct({"r": pyarrow.string()})}), 2)
    ),
    "a list of fixed size in a list of fixed size": pyarrow.array([[[n, n + 1]] for n in range(3)]).cast(
        pyarrow.list_(pyarrow.list_(pyarrow.int64(), 2), 1)
    ),
    "a struct of slices": pyarrow.StructArray.from_arrays(
        [pyarrow.array([{"q": n} for n in range(5)])[2:], STRINGS], names=["p", "s"]
    ),
    "lists without values, of strings that are a slice": pyarrow.ListArray.from_arrays([0, 0, 0, 0], STRINGS[2:][:0]),
    "strings": STRINGS,
    "views": STRINGS.cast(pyarrow.string_view()),
    "a dictionary": STRINGS.dictionary_encode(),
}


@pytest.mark.parametrize("name", NESTED)
def test_the_rows_of_a_slice_of_a_table_are_those_of_the_table(exact: CompactArtifact, name: str) -> None:
    column = NESTED[name]
    batch = pyarrow.record_batch({"text": STRINGS, "n": column})
    for slices in ([batch.slice(1)], [batch.slice(2, 1)], [batch.slice(0, 2).slice(1)], [batch.slice(0, 1), batch.slice(1, 0), batch.slice(1)]):
        table = pyarrow.Table.from_batches(slices)
        found = exact.get_many(exact.add_batch(table))
        assert [entry and (entry.text, entry.metadata) for entry in found] == [
            (row["text"], {"n": row["n"]}) for row in table.to_pylist()
        ]


def test_a_stream_that_fails_is_an_error(exact: CompactArtifact) -> None:
    def batches() -> Any:
        yield pyarrow.record_batch({"text": ["x"]})
        raise ValueError("no more of it")

    with pytest.raises(errors.InvalidArgumentError, match="no more of it"):
        exact.add_batch(pyarrow.RecordBatchReader.from_batches(pyarrow.schema({"text": pyarrow.string()}), batches()))
    assert len(exact) == 0


@pytest.mark.parametrize(
    "columns, said",
    [
        ({"key": ["a", "b"], "text": ["a text", None]}, 'row 1 of the table: .*column "text", found null'),
        ({"key": ["a", "b"], "blob": [b"a blob", None]}, 'row 1 of the table: .*column "blob", found null'),
        ({"text": pyarrow.nulls(2), "v": [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]}, 'row 0 of the table: .*column "text"'),
        ({"text": pyarrow.array(["a", None]).dictionary_encode()}, 'row 1 of the table: .*column "text"'),
        ({"v": [[1.0, 2.0, 3.0], None], "key": ["a", "b"]}, 'row 1 of the table: .*column "v", found null'),
        ({"key": ["a"], "body": ["a text"]}, r'the columns \["key", "body"\]; expected one "text" or "blob"'),
        ({"metadata": ["{}"]}, r'the columns \["metadata"\]'),
    ],
)
def test_a_row_of_a_table_without_content_is_refused(exact: CompactArtifact, columns: dict[str, Any], said: str) -> None:
    with pytest.raises(errors.InvalidArgumentError, match=said):
        exact.add_batch(pyarrow.table(columns), batch_size=1)
    assert len(exact) == 0


def test_rows_of_a_table_of_vectors_alone_are_blobs_of_no_bytes(exact: CompactArtifact) -> None:
    ids = exact.add_batch(pyarrow.table({"key": ["a", "b"], "v": pyarrow.array(VALUES[:2], pyarrow.list_(pyarrow.float32()))}))
    assert stored(exact, ids) == VALUES[:2] and exact["a"].content == b""


@pytest.mark.parametrize(
    "columns, said", [({"keys": ["a"]}, "texts or embeddings"), ({"texts": ["a", None]}, "text 1 of the batch: a record without content")]
)
def test_columns_without_content_are_refused(exact: CompactArtifact, columns: dict[str, Any], said: str) -> None:
    with pytest.raises(errors.InvalidArgumentError, match=said):
        exact.add_batch(**columns)
    assert len(exact) == 0


@pytest.mark.parametrize(
    "columns, said",
    [
        ({"text": [1]}, "column \"text\": expected strings, found Int64"),
        ({"blob": ["x"]}, "column \"blob\": expected bytes"),
        ({"text": ["x"], "v": [1.0]}, "column \"v\": expected lists of"),
        ({"text": ["x"], "v": [[1.0, None, 2.0]]}, "a vector with a missing value"),
        ({"text": ["x"], "metadata": ["[1]"]}, "expected a JSON object"),
        ({"text": ["x"], "metadata": ["{"]}, "column \"metadata\": JSON"),
        ({"text": ["x"], "n": [float("nan")]}, "finite"),
        ({"text": ["x"], "at": [pyarrow.scalar(0, pyarrow.timestamp("s")).as_py()]}, "cast it"),
        ({"text": ["x"], "blob": [b"x"]}, "one of them"),
        ({"text": ["x"], "metadata": ['{"n":1}'], "n": [2]}, "column \"n\": the field \"n\" stands twice"),
        ({"text": ["x"], "n": [2], "metadata": ['{"n":1}']}, "column \"metadata\": the field \"n\" stands twice"),
        ({"text": ["x"], "metadata": TWICE}, "the field \"n\" stands twice"),
        ({"text": ["x"], "m": TWICE}, "the field \"n\" stands twice"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_the_row_and_the_column(
    exact: CompactArtifact, columns: dict[str, list[Any]], said: str
) -> None:
    with pytest.raises(errors.InvalidArgumentError) as raised:
        exact.add_batch(pyarrow.table(columns))
    assert said in str(raised.value) and len(exact) == 0


GOOD, BAD = "a string of more than twelve bytes".encode(), b"ab\xff\xfecd"


def unchecked(values: list[bytes | None], kind: Any) -> Any:
    """Bytes that pyarrow takes for strings without a look at them, as it takes those of a file of Parquet."""
    form = {pyarrow.string(): pyarrow.binary(), pyarrow.large_string(): pyarrow.large_binary()}
    return pyarrow.array(values, form.get(kind, pyarrow.binary_view())).view(kind)


def by_offsets(offsets: list[int], kind: Any, child: Any = None) -> Any:
    """An array of as many values as there are pairs of offsets."""
    buffers = [None, pyarrow.py_buffer(numpy.array(offsets, "i4").tobytes())]
    if child is None:
        return pyarrow.Array.from_buffers(kind, len(offsets) - 1, [*buffers, pyarrow.py_buffer(b"abcde")])
    return pyarrow.Array.from_buffers(kind, len(offsets) - 1, buffers, children=[child])


@pytest.mark.parametrize("name", ["text", "key", "metadata", "title", "n"])
@pytest.mark.parametrize("kind", [pyarrow.string(), pyarrow.large_string(), pyarrow.string_view()], ids=str)
@pytest.mark.parametrize("bad", [BAD, GOOD + BAD, "é".encode()[:1]])
def test_a_string_of_a_table_that_is_not_utf_8_is_refused_with_the_row_and_the_column(
    tmp_path: pathlib.Path, name: str, kind: Any, bad: bytes
) -> None:
    with CompactArtifact.create(tmp_path / "a", fields={"title": 2}) as artifact:
        column = unchecked([b"{}", bad, b"{}"], kind)
        texts = {} if name == "text" else {"text": ["a", "b", "c"]}
        table = pyarrow.table({**texts, name: pyarrow.chunked_array([column[:1], column[1:]])})
        with pytest.raises(errors.InvalidArgumentError, match=f'row 1 of the table, column "{name}": .*UTF-8'):
            artifact.add_batch(table, batch_size=1)
        assert len(artifact) == 0
        # What is outside of a slice, or stands where a value is missing, is not read.
        assert len(artifact.add_batch(table[2:])) == 1


LETTER = unchecked(["é".encode(), b"x"], pyarrow.string()).buffers()[2]  # three bytes, of which offsets cut the first letter


@pytest.mark.parametrize(
    "column, row",
    [
        (pyarrow.array([["a"], [], ["b", "c"]]).cast(pyarrow.list_(pyarrow.string())), None),
        (pyarrow.ListArray.from_arrays([0, 1, 1, 3], unchecked([GOOD, GOOD, BAD], pyarrow.string())), 2),
        (pyarrow.LargeListArray.from_arrays([0, 1, 1, 3], unchecked([GOOD, GOOD, BAD], pyarrow.string_view())), 2),
        (pyarrow.FixedSizeListArray.from_arrays(unchecked([GOOD, GOOD, BAD, GOOD], pyarrow.string()), 2), 1),
        (pyarrow.StructArray.from_arrays([unchecked([GOOD, BAD], pyarrow.string())], names=["x"]), 1),
        (pyarrow.DictionaryArray.from_arrays(pyarrow.array([0, 0, 1]), unchecked([GOOD, BAD], pyarrow.string())), 2),
        (pyarrow.DictionaryArray.from_arrays(pyarrow.array([0, 7]), pyarrow.array(["a", "b"]), safe=False), 1),
        (pyarrow.DictionaryArray.from_arrays(pyarrow.array([0, -1]), pyarrow.array(["a", "b"]), safe=False), 1),
        (by_offsets([0, 5, 2], pyarrow.string()), 0),
        (by_offsets([0, -4, 2], pyarrow.string()), 0),
        (by_offsets([0, 3, 2], pyarrow.list_(pyarrow.int8()), pyarrow.array([1, 2, 3], pyarrow.int8())), 1),
        (by_offsets([0, 9, 3], pyarrow.list_(pyarrow.int8()), pyarrow.array([1, 2, 3], pyarrow.int8())), 0),
        (pyarrow.Array.from_buffers(pyarrow.string(), 2, [None, pyarrow.py_buffer(numpy.array([0, 1, 3], "i4").tobytes()), LETTER]), 0),
    ],
)
def test_offsets_keys_and_strings_inside_of_a_table_are_looked_at_before_anything_is_stored(
    exact: CompactArtifact, column: Any, row: int | None
) -> None:
    if row is None:
        assert len(exact.add_batch(pyarrow.table({"text": ["x"] * len(column), "n": column}))) == len(column)
        return
    with pytest.raises(errors.InvalidArgumentError, match=f'row {row} of the table, column "n"'):
        exact.add_batch(pyarrow.table({"text": ["x"] * len(column), "n": column}), batch_size=1)
    assert len(exact) == 0


def test_blobs_of_a_table_whose_offsets_descend_are_refused(exact: CompactArtifact) -> None:
    with pytest.raises(errors.InvalidArgumentError, match='row 0 of the table, column "blob"'):
        exact.add_batch(pyarrow.table({"blob": by_offsets([0, 5, 2], pyarrow.binary())}))


def test_a_missing_value_of_a_dictionary_is_left_out_of_the_record(exact: CompactArtifact) -> None:
    column = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0, 1, None]), pyarrow.array(["a", None]))
    for entry in exact.get_many(exact.add_batch(pyarrow.table({"text": ["x"] * 3, "key": column, "n": column}))):
        assert entry is not None
        assert (entry.key, entry.metadata) in (("a", {"n": "a"}), (None, {})), entry


def test_a_null_row_of_a_table_is_refused_by_its_number(exact: CompactArtifact) -> None:
    def rows(*masked: bool) -> Any:
        texts = pyarrow.array(["hidden"] * len(masked))
        return pyarrow.StructArray.from_arrays([texts], ["text"], mask=pyarrow.array(masked))

    for table, row in (
        ([rows(False, True, False)], 1),
        ([rows(False, True, False, True).slice(2)], 1),
        ([rows(False, False), rows(False, True)], 3),
    ):
        with pytest.raises(errors.InvalidArgumentError, match=f"row {row} is null"):
            exact.add_batch(pyarrow.chunked_array(table))
    assert len(exact) == 0
    exact.add_batch(pyarrow.chunked_array([rows(True, False).slice(1), rows(False)]))
    assert len(exact) == 2


def test_what_only_says_that_it_is_a_table_is_refused(exact: CompactArtifact) -> None:
    class NoTable:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return "no capsule"

    with pytest.raises(TypeError, match="capsule"):
        exact.add_batch(NoTable())
    capsule = pyarrow.table({"text": ["x"]}).__arrow_c_stream__()

    class Twice(NoTable):
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return capsule

    assert len(exact.add_batch(Twice())) == 1
    with pytest.raises(errors.InvalidArgumentError, match="released"):
        exact.add_batch(Twice())


def test_hits_are_a_table_of_arrow(exact: CompactArtifact) -> None:
    exact.add_batch([{"text": "a cat", "key": "a", "metadata": {"n": 1}}, {"text": "a cat too"}])
    found = exact.search("cat")
    table = found.to_arrow()
    assert table.column_names == ["id", "score", "key", "text", "metadata"] and table.num_rows == 2
    assert table["text"].to_pylist() == [hit.text for hit in found] and table["key"].to_pylist() == ["a", None]
    assert json.loads(table["metadata"][0].as_py()) == {"n": 1}
    assert pyarrow.table(found).equals(table)
    assert exact.search("cat", fetch=False).to_arrow()["text"].to_pylist() == [None, None]
    capsule = found.__arrow_c_stream__()  # nobody takes it
    del capsule
    assert exact.search("nothing").to_arrow().num_rows == 0
    # And back.
    assert len(exact.add_batch(table.drop_columns(["key"]))) == 2


def test_results_are_sliced_and_hits_compared(exact: CompactArtifact) -> None:
    exact.add_batch(["a cat", "a cat too", "cats"])
    found = exact.search("cat")
    assert found[0] == found[0] == found.hits[0] != found[1]
    assert found[:2] == found.hits[:2] and found[::-1] == found.hits[::-1] and found[3:] == []
    assert found[1] in found and len({*found, *found}) == 3
    assert found[0] != exact.search("cats")[0] and found[0] != object()


def test_vectors_are_quantized_by_hand() -> None:
    random = numpy.random.default_rng(1)
    samples = random.normal(size=(200, 16)).astype("f4")
    quantizer = Int8Quantizer(16, metric="l2", samples=samples)
    codes, scale = quantizer.quantize(samples[0])
    assert len(codes) == quantizer.dimension == 16
    assert numpy.allclose(quantizer.decode(codes, scale), samples[0], atol=0.05)
    statistics = quantizer.statistics(samples)
    assert statistics["vectors"] == 200 and statistics["saturated"] == 0 and statistics["mean_cosine_error"] < 1e-3
    with pytest.raises(errors.InvalidArgumentError):
        quantizer.decode(codes[1:], scale)
    for wrong in ([[1.0] * 15, [1.0] * 17], numpy.zeros((16, 3), "f4")):
        with pytest.raises(errors.WrongDimensionError):
            quantizer.statistics(wrong)
        with pytest.raises(errors.WrongDimensionError):
            Int8Quantizer(16, samples=wrong)
    with pytest.raises(errors.WrongDimensionError):
        quantizer.quantize([1, 2])
    with pytest.raises(errors.ZeroVectorError):
        Int8Quantizer(2).quantize([0, 0])
    with pytest.raises(errors.InvalidArgumentError):
        Int8Quantizer(0)
