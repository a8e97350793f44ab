"""Calls that are awaited: each is carried out by a thread of the event loop's executor."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

NAMES = (
    "add",
    "add_batch",
    "add_blob",
    "add_text",
    "close",
    "compact",
    "count",
    "delete",
    "delete_where",
    "get",
    "get_many",
    "pack",
    "refresh",
    "reembed",
    "seal",
    "search",
    "search_batch",
    "set_schema",
    "set_text_options",
    "sync",
    "update",
    "update_where",
    "upsert",
    "verify",
)


def awaited(name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
    """The method `name`, as one that is awaited.

    The arguments are not looked at before it is awaited. Cancelled before its turn the call is never carried out; once it has begun it is carried out to its end,
    whether or not anybody waits for it.
    """

    async def call(self: Any, /, *arguments: Any, **by_name: Any) -> Any:
        method = functools.partial(getattr(self, name), *arguments, **by_name)
        return await asyncio.get_running_loop().run_in_executor(None, method)

    call.__name__ = f"{name}_async"
    call.__qualname__ = f"CompactArtifact.{name}_async"
    call.__doc__ = f"What `{name}` does, awaited."
    return call


def add_to(kind: type[Any]) -> None:
    """Gives a class the methods that are awaited."""
    for name in NAMES:
        setattr(kind, f"{name}_async", awaited(name))
