"""The types that are declared are those that are there."""

from __future__ import annotations

import ast
import inspect
import pathlib
import shutil
import subprocess
import sys
from typing import Any

import pytest

import compact_artifact
from compact_artifact import CompactArtifact, _native

ROOT = pathlib.Path(__file__).resolve().parents[1]
STUB = ROOT / "python" / "compact_artifact" / "_native.pyi"


def declared() -> dict[str, set[str]]:
    """Functions, and classes with their members, of the stub: those that exist at run time."""
    names: dict[str, set[str]] = {}
    for node in ast.parse(STUB.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            names[node.name] = set()
        elif isinstance(node, ast.ClassDef) and any(isinstance(d, ast.Name) and d.id == "final" for d in node.decorator_list):
            names[node.name] = {item.name for item in node.body if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef))}
    return names


def members(kind: type[Any]) -> set[str]:
    """What a class has of its own, but for what every object has."""
    return {name for name in vars(kind) if not name.startswith("__")}


def test_the_stub_has_what_the_module_has() -> None:
    stub = declared()
    there = {name for name in vars(_native) if not name.startswith("_") and not name.startswith("bench_")}
    assert set(stub) == there
    for name, declared_members in stub.items():
        value = getattr(_native, name)
        if isinstance(value, type):
            assert {member for member in declared_members if not member.startswith("__")} == members(value), name
            for special in {member for member in declared_members if member.startswith("__")}:
                assert hasattr(value, special), f"{name}.{special}"


def test_arguments_are_called_what_the_stub_calls_them() -> None:
    for node in ast.parse(STUB.read_text()).body:
        if not isinstance(node, ast.ClassDef) or not hasattr(_native, node.name):
            continue
        for item in node.body:
            if not isinstance(item, ast.FunctionDef) or item.name.startswith("__"):
                continue
            method = inspect.getattr_static(getattr(_native, node.name), item.name)
            if inspect.isgetsetdescriptor(method):
                continue
            method = method.__func__ if isinstance(method, staticmethod) else method
            there = [name for name in inspect.signature(method).parameters if name not in ("self", "cls")]
            wanted = [a.arg for a in [*item.args.posonlyargs, *item.args.args, *item.args.kwonlyargs] if a.arg != "self"]
            wanted += [a.arg for a in (item.args.vararg, item.args.kwarg) if a]
            if item.name == "search" and node.name == "CompactArtifact":
                continue  # whose signature lists what the stub has as a dict of types
            assert sorted(there) == sorted(wanted), f"{node.name}.{item.name}"


def test_everything_that_is_public_is_documented() -> None:
    for name in compact_artifact.__all__:
        value = getattr(compact_artifact, name)
        if isinstance(value, str):
            continue
        assert value.__doc__, name
        if isinstance(value, type):
            for member in members(value):
                assert getattr(value, member).__doc__, f"{name}.{member}"
    assert inspect.signature(CompactArtifact.search).parameters["k"].default == 10


@pytest.mark.parametrize("checker", [["mypy"], ["pyright"]], ids=lambda checker: checker[0])
def test_a_type_checker_agrees(checker: list[str]) -> None:
    program = pathlib.Path(sys.executable).with_name(checker[0])
    found = str(program) if program.exists() else shutil.which(checker[0])
    if found is None:
        pytest.skip(f"there is no {checker[0]}")
    done = subprocess.run([found], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
