"""`cart mcp` under the official client of the Model Context Protocol, in each revision that has a way of its own.

    python3 crates/cart/tests/mcp_client.py [CART]

Builds `cart` if it is not named, and makes a virtual environment with the package `mcp` in `target/mcp-client` the first time.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
VENV = TARGET / "mcp-client"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def in_venv():
    """Goes on in the virtual environment, which is made if it is not there."""
    if Path(sys.prefix).resolve() == VENV.resolve():
        return
    if not (VENV / "complete").exists():
        venv.create(VENV, with_pip=True, clear=True)
        subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", "mcp>=2.3,<3"], check=True)
        (VENV / "complete").touch()
    sys.exit(subprocess.run([PYTHON, *sys.argv]).returncode)


def built():
    """The `cart` of this tree."""
    subprocess.run(["cargo", "build", "--quiet", "-p", "cart", "--target-dir", TARGET], cwd=ROOT, check=True)
    return TARGET / "debug" / ("cart.exe" if os.name == "nt" else "cart")


async def converse(cart, folder, mode, version):
    """Adds, finds, reads and deletes through the client, which validates all that it is answered."""
    from mcp import Client, StdioServerParameters

    args = ["mcp", "--write", "--delete", "memory=" + str(folder / f"memory-{mode}")]
    server = StdioServerParameters(command=cart, args=args)
    async with Client(server, mode=mode, read_timeout_seconds=60) as client:
        assert client.protocol_version == version, client.protocol_version
        if mode != version:  # otherwise nothing is asked of the server beforehand
            assert client.server_info.name == "cart" and "memory" in client.instructions
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert list(tools) == ["search", "get", "list", "stats", "add", "delete"], list(tools)
        assert tools["search"].annotations.read_only_hint and tools["delete"].annotations.destructive_hint

        async def call(name, **arguments):
            result = await client.call_tool(name, arguments)
            assert not result.is_error, result
            return result.structured_content

        for number in range(25):
            metadata = {"number": number, "tags": ["even" if number % 2 == 0 else "odd"]}
            added = await call("add", key=f"note/{number}", text=f"Note {number} about herons and rivers.", metadata=metadata)
            assert added["created_artifact"] is (number == 0), added
        found = await call("search", text="water birds", filter={"tags": {"$contains": "odd"}}, k=5)
        assert len(found["hits"]) == 5 and found["total"] == 12 and found["next_offset"] == 5, found
        entry = await call("get", key="note/7")
        assert entry["text"] == "Note 7 about herons and rivers." and entry["metadata"]["number"] == 7, entry
        page = await call("list", prefix="note/", limit=20)
        rest = await call("list", prefix="note/", limit=20, after=page["next"])
        assert len(page["records"]) + len(rest["records"]) == 25 and "next" not in rest
        together = await asyncio.gather(*(call("get", id=record["id"]) for record in page["records"]))
        assert [entry["key"] for entry in together] == [record["key"] for record in page["records"]]
        stats = await call("stats")
        assert stats["artifacts"][0]["metadata_fields"] == ["number", "tags"], stats

        resources = (await client.list_resources()).resources
        assert len(resources) == 25
        content = (await client.read_resource(resources[3].uri)).contents[0]
        assert content.text == "Note 3 about herons and rivers." and content.mime_type == "text/plain"
        templates = (await client.list_resource_templates()).resource_templates
        assert [template.uri_template for template in templates] == ["artifact://memory/{key}"]

        wrong = await client.call_tool("search", {"k": 0, "text": "x"})
        assert wrong.is_error and "from 1 to 100" in wrong.content[0].text, wrong
        assert (await call("delete", keys=["note/7", "note/nothing"]))["deleted"] == 1
        assert (await client.call_tool("get", {"key": "note/7"})).is_error


async def several(cart, folder):
    """Four clients with a server each write to one artifact at the same time."""
    from mcp import Client, StdioServerParameters

    path = "memory=" + str(folder / "shared")

    async def one(number):
        async with Client(StdioServerParameters(command=cart, args=["mcp", "--write", "--wait", "120", path])) as client:
            for each in range(10):
                result = await client.call_tool("add", {"key": f"{number}/{each}", "text": f"seen by {number}: {each}"})
                assert not result.is_error, result

    await asyncio.gather(*(one(number) for number in range(4)))
    async with Client(StdioServerParameters(command=cart, args=["mcp", path])) as client:
        result = await client.call_tool("list", {})
        assert result.structured_content["total"] == 40, result


def main():
    in_venv()
    cart = str(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else built())
    with tempfile.TemporaryDirectory() as folder:
        for mode, version in [("legacy", "2025-11-25"), ("auto", "2026-07-28"), ("2026-07-28", "2026-07-28")]:
            asyncio.run(converse(cart, Path(folder), mode, version))
        asyncio.run(several(cart, Path(folder)))
    from importlib.metadata import version

    print(f"cart mcp answers the client of the package mcp {version('mcp')}")


if __name__ == "__main__":
    main()
