"""Every kind of error is an exception of its class, and says what to do in words of Python."""

from __future__ import annotations

import os
import pathlib
import pickle
import re
from collections.abc import Callable
from typing import Any

import pytest

import compact_artifact
from compact_artifact import CompactArtifact, errors

ROOT = pathlib.Path(__file__).resolve().parents[3]
CRATES = ROOT / "crates"


def kinds_of_the_library() -> list[str]:
    text = (CRATES / "compact-artifact" / "src" / "api" / "error.rs").read_text()
    body = text.split("pub enum ErrorKind {")[1].split("\n}")[0]
    return re.findall(r"^    ([A-Z]\w+),$", body, re.MULTILINE)


def test_each_kind_of_the_library_has_a_class() -> None:
    kinds = kinds_of_the_library()
    assert len(kinds) > 30
    classes = {name for name in errors.__all__ if name != "Error"}
    assert classes == {f"{kind}Error" for kind in kinds} | {"ClosedError"}
    for name in errors.__all__:
        kind = getattr(errors, name)
        assert issubclass(kind, compact_artifact.Error) and kind.__doc__


class Failing:
    name = "failing"
    dimension = 2

    def embed(self, texts: list[str]) -> list[list[float]]:
        raise LookupError("the model is gone")


def damaged(folder: pathlib.Path) -> pathlib.Path:
    """An artifact in whose largest file some bytes are others."""
    path = folder / "damaged"
    with CompactArtifact.create(path) as artifact:
        artifact.add_batch([{"blob": os.urandom(2000), "key": str(i)} for i in range(500)])
        artifact.seal()
    largest = max((file for file in path.iterdir() if file.is_file()), key=lambda file: file.stat().st_size)
    content = bytearray(largest.read_bytes())
    for at in range(len(content) // 3, len(content) // 2):
        content[at] ^= 0x5A
    largest.write_bytes(content)
    return path


def provoked(a: CompactArtifact, folder: pathlib.Path) -> dict[str, tuple[type[Exception], Callable[[], Any]]]:
    """How each kind comes about."""
    other = folder / "other"
    CompactArtifact.create(other).close()
    no_artifact = folder / "none"
    no_artifact.mkdir()
    (folder / "file").write_bytes(b"no pack" * 1000)
    with CompactArtifact.create(folder / "m", embedder="built-in"):
        pass
    id = a.add("x", key="x", embeddings={"v": [1, 0, 0]}, metadata={"n": 1})
    blob = a.add_blob(b"bytes")
    reader = CompactArtifact.open_read_only(other)
    strict = CompactArtifact.create(folder / "strict", schema={"year": "number"})

    def reentrant() -> None:
        class Closing(Failing):
            artifact: CompactArtifact

            def embed(self, texts: list[str]) -> list[list[float]]:
                self.artifact.close()
                return []

        model = Closing()
        model.artifact = CompactArtifact.create(folder / "reentrant", embedder=model)
        try:
            model.artifact.add_text("x")
        except errors.EmbedderError as error:
            assert error.__cause__ is not None
            raise error.__cause__

    def in_use() -> None:
        artifact = CompactArtifact.create(folder / "in use")
        writer = artifact.batch_writer()
        try:
            artifact.close()
        finally:
            writer.finish()
            artifact.close()

    def closed() -> None:
        reader.close()
        reader.stats()

    def all_damaged() -> None:
        artifact = CompactArtifact.open_read_only(damaged(folder))
        for i in range(500):
            entry = artifact.get(str(i))
            assert entry is not None and entry.content

    return {
        "NotFound": (FileNotFoundError, lambda: CompactArtifact.open(folder / "nothing")),
        "AlreadyExists": (FileExistsError, lambda: CompactArtifact.create(other)),
        "NotAnArtifact": (ValueError, lambda: CompactArtifact.open_read_only(folder / "file")),
        "Locked": (BlockingIOError, lambda: CompactArtifact.open(a.path)),
        "ReadOnly": (PermissionError, lambda: reader.add("x")),
        "Damaged": (OSError, all_damaged),
        "WouldLoseEmbedding": (ValueError, lambda: a.upsert("y", key="x")),
        "NoSuchRecord": (KeyError, lambda: a.add_embedding(10**6, "v", [1, 0, 0])),
        "NoSuchSpace": (KeyError, lambda: a.search(vector=[1], space="none")),
        "NoSuchField": (KeyError, lambda: a.add("x", fields={"none": "x"})),
        "SchemaViolation": (ValueError, lambda: strict.add("x", metadata={"year": "2026"})),
        "SpaceMismatch": (ValueError, lambda: a.add_space("v", 4)),
        "SettingsMismatch": (ValueError, lambda: CompactArtifact.open(other, language="german")),
        "WrongDimension": (ValueError, lambda: a.search(vector=[1, 0])),
        "NotFinite": (ValueError, lambda: a.search(vector=[float("nan"), 0, 0])),
        "ZeroVector": (ValueError, lambda: a.add("x", embeddings={"v": [0, 0, 0]})),
        "NoModel": (ValueError, lambda: a.search(meaning="x")),
        "ModelMismatch": (ValueError, lambda: CompactArtifact.open(folder / "m", embedder=Failing())),
        "Embedder": (RuntimeError, lambda: CompactArtifact.create(folder / "f", embedder=Failing()).add("x")),
        "NotText": (TypeError, lambda: a[blob].text),
        "TooLarge": (ValueError, lambda: a.add("x", key="k" * 2000)),
        "InvalidFilter": (ValueError, lambda: a.count({"n": {"$regex": "x"}})),
        "TypeMismatch": (ValueError, lambda: a.count({"n": "text"})),
        "InvalidQuery": (ValueError, lambda: a.search(query='"no end')),
        "InvalidArgument": (ValueError, lambda: a.search("x", k=0)),
        "Reentrant": (RuntimeError, reentrant),
        "InUse": (RuntimeError, in_use),
        "Closed": (ValueError, closed),
        "Io": (OSError, lambda: a.pack(folder / "no" / "such" / "folder" / "a.pack")),
    }


# What only a full disk, a newer version, another build, or a fork gives: `test_processes` has the last.
NOT_PROVOKED = {
    "NewerFormat",
    "Foreign",
    "DiskFull",
    "Poisoned",
    "InvalidJson",
    "Unsupported",
    "OtherProcess",
    "OutOfMemory",
}


def test_each_kind_that_can_be_provoked_is_raised_as_its_class(artifact: CompactArtifact, tmp_path: pathlib.Path) -> None:
    calls = provoked(artifact, tmp_path)
    assert set(calls) | NOT_PROVOKED == set(kinds_of_the_library()) | {"Closed"}
    for kind, (natural, call) in calls.items():
        with pytest.raises(getattr(errors, f"{kind}Error")) as raised:
            call()
        error = raised.value
        assert isinstance(error, natural) and isinstance(error, compact_artifact.Error), kind
        assert error.kind == kind and str(error) and str(error) == error.args[0], kind
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), copy.kind, str(copy)) == (type(error), kind, str(error))


def test_what_an_embedder_raised_is_the_cause(tmp_path: pathlib.Path) -> None:
    artifact = CompactArtifact.create(tmp_path / "a", embedder=Failing())
    with pytest.raises(errors.EmbedderError, match="the model is gone") as raised:
        artifact.add_text("x")
    assert isinstance(raised.value.__cause__, LookupError)
    with pytest.raises(errors.NotFoundError) as plain:
        CompactArtifact.open(tmp_path / "nothing")
    assert plain.value.__cause__ is None


class Ending:
    """An embedder, a file, a number and a function that end the program."""

    name = "ending"
    dimension = 2

    def __init__(self, kind: type[BaseException]) -> None:
        self.kind = kind

    def __call__(self, *_: object) -> Any:
        raise self.kind("enough")

    embed = read = __call__

    def __float__(self) -> float:
        raise self.kind("enough")


class EndingAtOnce(Ending):
    @property
    def weight(self) -> float:
        raise self.kind("enough")


class Quit(BaseException):
    """No `Exception`, as libraries have them."""


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, Quit])
def test_what_ends_a_program_comes_out_of_callbacks_as_it_is(tmp_path: pathlib.Path, kind: type[BaseException]) -> None:
    ending = Ending(kind)

    def records() -> Any:
        yield "x"
        ending()

    artifact = CompactArtifact.create(tmp_path / "a", embedder=ending, spaces={"v": 1})
    plain = CompactArtifact.create(tmp_path / "b", spaces={"v": 1})
    plain.add("x")

    def writer() -> None:
        with artifact.batch_writer() as writer:
            writer.add("x")

    number: Any = [ending]
    calls: list[Callable[[], object]] = [
        lambda: CompactArtifact.create(tmp_path / "c", embedder=EndingAtOnce(kind)),
        lambda: artifact.add("x"),
        lambda: artifact.add_batch(["x", "y"]),
        writer,
        lambda: artifact.search("x"),
        lambda: artifact.search_batch(["x", "y"]),
        lambda: artifact.embed(["x"]),
        lambda: plain.reembed(ending),
        lambda: plain.add_batch(records()),
        lambda: plain.add_batch(["x"], batch_size=1, progress=ending),
        lambda: plain.set_text_options(language="german", progress=ending),
        lambda: plain.add_file(ending),
        lambda: plain.search(vector=number, space="v"),
        lambda: plain.add_embedding(0, "v", number),
    ]
    for call in calls:
        with pytest.raises(kind, match="enough"):
            call()


def test_what_an_embedder_raised_is_the_cause_also_in_another_thread(tmp_path: pathlib.Path) -> None:
    with CompactArtifact.create(tmp_path / "a", embedder=Failing(), threads=2) as artifact:
        with pytest.raises(errors.EmbedderError) as raised:
            artifact.search_batch(["x"] * 9)
        assert isinstance(raised.value.__cause__, LookupError)
        with pytest.raises(errors.EmbedderError) as raised, artifact.batch_writer() as writer:
            writer.add("x")
        assert isinstance(raised.value.__cause__, LookupError)


def test_a_full_disk_is_an_error_of_its_kind(tmp_path: pathlib.Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    artifact = CompactArtifact.create(tmp_path / "a")
    with pytest.raises((errors.AlreadyExistsError, errors.DiskFullError, errors.IoError)):
        artifact.pack("/dev/full")
