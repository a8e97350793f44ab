"""What tests have in common."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from compact_artifact import CompactArtifact


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    """Where an artifact can be created."""
    return tmp_path / "a.artifact"


@pytest.fixture
def artifact(path: pathlib.Path) -> Iterator[CompactArtifact]:
    """An artifact with a vector space, `v`, of three dimensions."""
    with CompactArtifact.create(path, spaces={"v": 3}, durability="buffered") as artifact:
        yield artifact
