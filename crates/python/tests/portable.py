"""A little of everything, without any other package: what a wheel has to do on any processor and with any Python. `wheels.sh` runs it."""

from __future__ import annotations

import asyncio
import pathlib
import platform
import tempfile
from typing import Any

from compact_artifact import CompactArtifact, maif


def main(folder: pathlib.Path) -> None:
    """Stores texts and vectors, and finds them again by all kinds of indexes."""
    with CompactArtifact.create(folder / "a", embedder="built-in", spaces={"v": 64}, graph_from=500) as artifact:
        records: list[Any] = [
            {"text": f"a cat and a dog, number {i}", "key": str(i), "embeddings": {"v": [1.0, i / 100] * 32}} for i in range(1000)
        ]
        artifact.add_batch(records, batch_size=250)
        artifact.seal()
        assert len(artifact.search("felines", k=5)) == 5
        exact = artifact.search(vector=[1.0] * 64, space="v", k=5, exact=True)
        assert exact[0].key == "100" and artifact.search(vector=[1.0] * 64, space="v", k=5)[0].key == "100"
        assert artifact.verify()["is_sound"]

    async def by_the_guide() -> None:
        async with maif.create_client(folder=folder) as client:
            notes = await client.create_artifact("b")
            await notes.add_text("dogs chase cats")
            assert (await notes.search("pets and animals"))[0].text == "dogs chase cats"

    asyncio.run(by_the_guide())
    print(f"{platform.machine()}, Python {platform.python_version()}: sound")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(pathlib.Path(folder))
