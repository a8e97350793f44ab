"""The examples in docstrings, in the README and in the page of the guide do what they say."""

from __future__ import annotations

import doctest
import pathlib
import types
from typing import Any

import pytest

import compact_artifact
from compact_artifact import errors, maif

ROOT = pathlib.Path(__file__).resolve().parents[1]
GUIDE = ROOT.parents[1] / "docs" / "guide" / "src" / "python.md"


def examples_of(owner: Any, name: str, names: dict[str, Any]) -> list[doctest.DocTest]:
    """The examples in the docstring of something, and of what is in it."""
    parser = doctest.DocTestParser()
    found: list[doctest.DocTest] = []
    if isinstance(owner.__doc__, str) and ">>>" in owner.__doc__:
        # What the native part documents has its signature elsewhere; the text begins at the margin.
        found.append(parser.get_doctest(owner.__doc__, dict(names), name, None, None))
    if isinstance(owner, type):
        for member, value in vars(owner).items():
            value = value.__func__ if isinstance(value, staticmethod) else value
            if not member.startswith("__") and hasattr(value, "__doc__") and not isinstance(value, type):
                found += examples_of(value, f"{name}.{member}", names)
    return found


def all_examples() -> list[doctest.DocTest]:
    names = {name: getattr(compact_artifact, name) for name in compact_artifact.__all__}
    found = examples_of(compact_artifact, "compact_artifact", names)
    for name, value in names.items():
        if not isinstance(value, (str, types.ModuleType)):
            found += examples_of(value, name, names)
    for module in (errors, maif):
        found += doctest.DocTestFinder().find(module)
    return [test for test in found if test.examples]


EXAMPLES = all_examples()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_in_a_docstring_does_what_it_says(example: doctest.DocTest) -> None:
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example)
    assert result.failed == 0 and result.attempted > 0


def test_there_are_examples() -> None:
    assert len(EXAMPLES) > 20, [example.name for example in EXAMPLES]


@pytest.mark.parametrize("page", [ROOT / "README.md", GUIDE], ids=lambda page: page.name)
def test_the_examples_of_a_page_do_what_they_say(
    page: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = doctest.testfile(
        str(page), module_relative=False, encoding="utf-8", optionflags=doctest.ELLIPSIS
    )
    assert result.failed == 0 and result.attempted > 0
