"""The packages that the native part is made of have licences that everybody may use."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]


def accepted() -> set[str]:
    """The licences that the workspace accepts."""
    rules = (ROOT.parent / "tidy" / "src" / "rules" / "packages.rs").read_text()
    table = rules.split("pub const LICENCES")[1].split("];")[0].split("= [")[1]
    return set(re.findall(r'"([^"]+)"', table))


def is_accepted(expression: str, licences: set[str]) -> bool:
    """Whether an expression of SPDX can be satisfied.

    >>> is_accepted("(MIT OR GPL-3.0) AND Zlib", {"MIT", "Zlib"}), is_accepted("GPL-3.0 AND MIT", {"MIT"})
    (True, False)
    """
    parts = [part.strip(" ()") for part in re.split(r"\bAND\b", expression)]
    return all(any(one.strip(" ()") in licences for one in re.split(r"\bOR\b|/", part)) for part in parts)


@pytest.mark.skipif(shutil.which("cargo") is None, reason="there is no cargo")
def test_packages_have_licences_that_the_workspace_accepts() -> None:
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    packages = json.loads(done.stdout)["packages"]
    licences = accepted()
    assert len(packages) > 50 and len(licences) > 5
    assert {p["name"]: p["license"] for p in packages if not is_accepted(p["license"] or "none", licences)} == {}
