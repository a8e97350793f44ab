"""Calls that are awaited."""

from __future__ import annotations

import asyncio
import pathlib
from typing import Any

import pytest

from compact_artifact import CompactArtifact, _awaited, errors


def test_calls_are_awaited_side_by_side(path: pathlib.Path) -> None:
    async def run() -> None:
        artifact = CompactArtifact.create(path, durability="buffered", spaces={"v": 2})
        ids = await asyncio.gather(*(artifact.add_text_async(f"number {i}", key=str(i)) for i in range(50)))
        assert len(set(ids)) == len(artifact) == 50
        found = await asyncio.gather(*(artifact.search_async(f"number {i}", k=1) for i in range(50)))
        assert [hits[0].key for hits in found] == [str(i) for i in range(50)]
        more = await artifact.add_batch_async(["a", {"text": "b"}])
        assert [entry and entry.text for entry in await artifact.get_many_async(more)] == ["a", "b"]
        assert await artifact.add_async("c", key="c") and await artifact.upsert_async("d", key="c")
        assert await artifact.add_blob_async(b"e") and await artifact.update_async("c", {"n": 1})
        assert await artifact.update_where_async({"n": 1}, {"n": 2}) == 1 and await artifact.count_async({"n": 2}) == 1
        entry = await artifact.get_async("c")
        assert entry is not None and entry.text == "d"
        assert len(await artifact.search_batch_async(["a", "b"])) == 2
        assert await artifact.delete_async("c") and await artifact.delete_where_async({"n": 2}) == 0
        assert (await artifact.reembed_async("built-in"))["left"] == 0
        assert (await artifact.seal_async())["records"] > 0 and (await artifact.compact_async())["bytes_after"]
        assert (await artifact.verify_async())["is_sound"] and not await artifact.refresh_async()
        assert (await artifact.pack_async(path.with_suffix(".pack")))["bytes"]
        await artifact.sync_async()
        with pytest.raises(errors.InvalidArgumentError):
            await artifact.search_async("x", k=0)
        await artifact.close_async()
        with pytest.raises(errors.ClosedError):
            await artifact.search_async("x")

    asyncio.run(run())


def test_a_call_that_is_cancelled_before_its_turn_is_never_carried_out(path: pathlib.Path) -> None:
    async def run() -> None:
        import concurrent.futures
        import threading

        release = threading.Event()
        loop = asyncio.get_running_loop()
        loop.set_default_executor(concurrent.futures.ThreadPoolExecutor(1))
        artifact = CompactArtifact.create(path)
        busy = loop.run_in_executor(None, release.wait)
        call = asyncio.ensure_future(artifact.add_text_async("never"))
        await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        release.set()
        await busy
        await artifact.add_text_async("always")
        assert [entry.text for entry in artifact] == ["always"]
        artifact.close()

    asyncio.run(run())


def test_a_call_that_has_begun_is_carried_out_though_nobody_waits(path: pathlib.Path) -> None:
    async def run() -> None:
        artifact = CompactArtifact.create(path, durability=0.05)
        call = asyncio.ensure_future(artifact.add_text_async("carried out"))
        while not call.done():
            await asyncio.sleep(0.02)
            call.cancel()
        await asyncio.sleep(0)
        artifact.close()  # waits for it
        reader = CompactArtifact.open_read_only(path)
        assert len(reader) == 1

    asyncio.run(run())


def test_each_method_that_is_awaited_is_one_that_is_called() -> None:
    for name in _awaited.NAMES:
        method: Any = getattr(CompactArtifact, f"{name}_async")
        assert callable(getattr(CompactArtifact, name)) and name in method.__doc__ and method.__name__ == f"{name}_async"
