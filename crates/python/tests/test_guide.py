"""Programs against MAIF's performance guide, one for each of its listings, with one import changed.

They are what its readers would write: the same names, arguments and order of calls. A folder is where they run.
"""

from __future__ import annotations

import asyncio
import pathlib
import subprocess
import sys
import textwrap
import warnings

import pytest

from compact_artifact import CompactArtifact, errors, maif

LISTINGS = {
    "batch processing": """
        from compact_artifact.maif import create_client, BatchProcessor
        import asyncio

        client = create_client(endpoint="https://api.maif.ai", batch_size=10000, max_connections=50, compression=True)
        batch_processor = BatchProcessor(client, batch_size=500, flush_interval="1s", max_memory="2GB")

        def chunks(values, size):
            return (values[start:start + size] for start in range(0, len(values), size))

        async def ingest():
            artifact = await client.create_artifact("high-throughput")
            documents = [{"content": f"Document {i} with some content", "metadata": {"index": i}} for i in range(2000)]
            async with batch_processor:
                for batch in chunks(documents, 500):
                    await batch_processor.add_text_batch(artifact, batch)
            assert len(artifact.inner) == 2000
            assert artifact.inner.count({"index": {"$lt": 10}}) == 10

        asyncio.run(ingest())
    """,
    "parallel processing": """
        import asyncio
        from concurrent.futures import ThreadPoolExecutor
        from types import SimpleNamespace
        from compact_artifact.maif import create_client

        parallel_client = create_client(endpoint="https://api.maif.ai", max_workers=16, processing_mode="parallel")
        items = [SimpleNamespace(content=f"Item {i}", metadata={"index": i}) for i in range(60)]

        async def process_chunk(artifact, chunk):
            return [await artifact.add_text(item.content, metadata=item.metadata) for item in chunk]

        async def main():
            artifact = await parallel_client.create_artifact("parallel-processing")
            with ThreadPoolExecutor(max_workers=8):
                tasks = [asyncio.create_task(process_chunk(artifact, items[at:at + 20])) for at in (0, 20, 40)]
                results = await asyncio.gather(*tasks)
            assert len({id for ids in results for id in ids}) == 60 == len(artifact.inner)

        asyncio.run(main())
    """,
    "caching": """
        from compact_artifact.maif import CacheManager, EmbeddingCache, create_client
        import asyncio, time

        async def populate():
            async with create_client() as client:
                artifact = await client.create_artifact("search-optimized")
                await artifact.add_batch([f"machine learning in chapter {i}" for i in range(50)])

        asyncio.run(populate())
        cache_manager = CacheManager(l1_cache="memory://256MB", l2_cache="redis://localhost", l3_cache="disk://1GB", cache_policy="lru")
        embedding_cache = EmbeddingCache(cache_size="512MB", precompute_similar=True, quantization="int8")
        cached_client = create_client(endpoint="https://api.maif.ai", cache_manager=cache_manager, embedding_cache=embedding_cache)

        async def search_twice():
            artifact = await cached_client.get_artifact("search-optimized")
            start = time.time()
            first = await artifact.search("machine learning algorithms")
            middle = time.time()
            second = await artifact.search("machine learning algorithms")
            print(f"{(middle - start) * 1000:.2f}ms {(time.time() - middle) * 1000:.2f}ms")
            assert [hit.id for hit in first] == [hit.id for hit in second] and first
            assert artifact.inner.cache_stats()["results"]["hits"] == 1
            assert artifact.inner.cache_stats()["embeddings"]["limit_bytes"] == 512_000_000

        asyncio.run(search_twice())
    """,
    "memory": """
        from compact_artifact.maif import CompactArtifact, QuantizedEmbeddings, create_client
        import asyncio
        import numpy as np

        client = create_client()
        compact_artifact = CompactArtifact(client, compression="zstd", quantization="int8", memory_mapping=True)
        sample_embeddings = [np.random.rand(128) for _ in range(100)]
        quantized_embeddings = QuantizedEmbeddings(precision="int8", calibration_data=sample_embeddings)

        async def generate_embedding(content):
            return np.random.rand(128)

        async def main():
            artifact = await compact_artifact.create("memory-optimized")
            for i in range(30):
                content = f"Document content {i}"
                text_id = await artifact.add_text_compressed(content)
                quantized = quantized_embeddings.quantize(await generate_embedding(content))
                await artifact.add_embedding(quantized, block_id=text_id)
            stats = await artifact.get_memory_stats()
            print(f"{stats.total_mb:.2f} MB, {stats.compression_ratio:.2f}x")
            assert stats.total_mb > 0
            found = await artifact.search(vector=quantized.decode(), space="embeddings", k=1)
            assert found[0].id == text_id

        asyncio.run(main())
    """,
    "benchmarking": """
        from compact_artifact.maif import PerformanceBenchmark, create_client
        import asyncio

        async def main():
            client = create_client()
            artifact = await client.create_artifact("measured")
            await artifact.add_batch([f"some words of the text with number {i}" for i in range(300)])
            benchmark = PerformanceBenchmark(
                client, test_duration="50ms", warmup_duration="10ms", metrics=["throughput", "latency", "memory", "cpu"]
            )
            throughput = await benchmark.test_throughput(operation="add_text", batch_sizes=[100, 500], concurrent_clients=[1, 2])
            latency = await benchmark.test_latency(
                operation="search", query_types=["simple", "complex", "multi_modal"], percentiles=[50, 90, 95, 99]
            )
            report = benchmark.generate_report({"throughput": throughput, "latency": latency})
            print(f"{report.max_throughput:.2f} MB/s, {report.p95_latency:.2f} ms")
            assert report.max_throughput > 0 and report.p95_latency > 0 and len(throughput) == 4

        asyncio.run(main())
    """,
    "best practices": """
        from compact_artifact.maif import create_client
        import asyncio

        perf_client = create_client(
            endpoint="https://api.maif.ai", connection_pool_size=20, keep_alive=True,
            auto_batch=True, batch_size=1000, batch_timeout="100ms",
            enable_caching=True, cache_size="512MB", cache_ttl="1h",
            compression="lz4", compression_level=3,
            async_mode=True, max_concurrent_requests=50,
        )

        async def main():
            artifact = await perf_client.create_artifact("best-practices")
            ids = await artifact.add_batch([{"content": f"text {i}"} for i in range(1000)])
            found = await asyncio.gather(*[artifact.search_async(query) for query in ("text 1", "text 2")])
            assert all(found)
            blocks = await artifact.get_blocks_cached(ids[:5])
            assert [block.text for block in blocks] == [f"text {i}" for i in range(5)]
            more = await asyncio.gather(*[artifact.add_text(f"alone {i}") for i in range(20)])
            assert len(set(more)) == 20 and artifact.inner.commit <= 4

        asyncio.run(main())
    """,
    "troubleshooting": """
        from compact_artifact.maif import LatencyAnalyzer, MemoryAnalyzer, create_client
        import asyncio

        async def main():
            client = create_client(cache_size=0)
            artifact = await client.create_artifact("slow")
            await artifact.add_batch([f"text {i}" for i in range(100)])
            for i in range(20):
                await artifact.search(f"text {i}")
            bottlenecks = await LatencyAnalyzer(client).identify_bottlenecks()
            assert bottlenecks and all(bottleneck.message for bottleneck in bottlenecks)
            for bottleneck in bottlenecks:
                if bottleneck.type == "network":
                    await client.optimize_network_settings()
                elif bottleneck.type == "cache_miss":
                    await client.warm_cache(bottleneck.keys)
            leaks = await MemoryAnalyzer(client).detect_leaks()
            if leaks:
                await client.cleanup_memory()
            forgotten = artifact.inner.snapshot()
            leaks = await MemoryAnalyzer(client, max_age=0).detect_leaks()
            assert leaks[0]["kind"] == "pinned_snapshot" and leaks[0]["artifact"] == "slow"
            await client.cleanup_memory()

        asyncio.run(main())
    """,
}


@pytest.mark.parametrize("name", LISTINGS)
def test_a_listing_of_the_guide_runs_with_one_import_changed(name: str, tmp_path: pathlib.Path) -> None:
    program = textwrap.dedent(LISTINGS[name])
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # Closed when the program ends, so that the next opening finds nothing to recover.
    import compact_artifact

    for path in tmp_path.glob("*.artifact"):
        assert compact_artifact.CompactArtifact.open_read_only(path).recovery["is_clean"]


def test_what_has_no_meaning_is_said_once(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maif, "_warned", set())
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(3):
            maif.create_client(endpoint="https://api.maif.ai", keep_alive=True, compression="lz4", compression_level=3, folder=tmp_path)
            maif.CacheManager(l2_cache="redis://localhost")
            asyncio.run(maif.create_client(folder=tmp_path).optimize_network_settings())
    assert len(said) == 5 and all(issubclass(warning.category, maif.MaifWarning) for warning in said)
    assert "there is no server" in str(said[0].message) and said[0].filename == __file__


def test_each_name_of_the_table_is_there() -> None:
    page = pathlib.Path(__file__).resolve().parents[3] / "docs" / "guide" / "src" / "names.md"
    table = [line.split("|")[1] for line in page.read_text().splitlines() if line.startswith("| `")]
    names = {name.split("(")[0].strip() for cell in table for name in cell.split("`")[1::2]}
    elsewhere = {"ThreadPoolExecutor", "gather"}  # of Python itself
    arguments = {"auto_batch", "batch_timeout", "cache_size", "cache_ttl"}
    there = set(maif.__all__)
    for name in maif.__all__:
        there |= set(dir(getattr(maif, name)))
    missing = {name.split(".")[-1] for name in names} - there - elsewhere - arguments
    assert len(names) > 20 and not missing, missing
    import inspect

    assert arguments <= set(inspect.signature(maif.create_client).parameters)


def test_auto_batch_commits_together_and_fails_alone(tmp_path: pathlib.Path) -> None:
    async def run() -> None:
        async with maif.create_client(folder=tmp_path, auto_batch=True, batch_size=10, batch_timeout="1ms", embedder=None) as client:
            artifact = await client.create_artifact("a")
            before = artifact.inner.commit
            ids = await asyncio.gather(*(artifact.add_text(f"number {i}", key=str(i)) for i in range(30)))
            assert len(set(ids)) == 30 and artifact.inner.commit <= before + 3
            calls = (artifact.add_text("x", key=key) for key in ("new", "7", "newer"))
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert isinstance(results[1], errors.AlreadyExistsError) and isinstance(results[0], int)
            assert artifact.inner["newer"].text == "x" and len(artifact.inner) == 32
            cancelled = asyncio.ensure_future(artifact.add_text("never"))
            await asyncio.sleep(0)
            cancelled.cancel()
            await artifact.add_text("always")
            assert len(artifact.inner) == 33

    asyncio.run(run())


def test_records_that_wait_are_committed_when_a_client_closes_and_what_cannot_be_text_fails_alone(tmp_path: pathlib.Path) -> None:
    async def run() -> None:
        client = maif.create_client(folder=tmp_path, auto_batch=True, batch_timeout="1h", embedder=None)
        artifact = await client.create_artifact("a")
        waiting = asyncio.ensure_future(artifact.add_text("x", key="x"))
        wrong = asyncio.ensure_future(artifact.add_text("\ud800"))
        await asyncio.sleep(0)
        await client.close()
        await asyncio.wait_for(asyncio.wait([waiting, wrong]), 60)
        assert waiting.result() == 0 and isinstance(wrong.exception(), errors.InvalidArgumentError)
        with CompactArtifact.open(client.path("a")) as kept:
            assert len(kept) == 1
        with pytest.raises(errors.ClosedError):
            await asyncio.wait_for(artifact.add_text("too late"), 60)

    asyncio.run(run())


def test_batches_of_all_artifacts_are_finished_though_one_fails(tmp_path: pathlib.Path) -> None:
    async def run() -> None:
        async with maif.create_client(folder=tmp_path, embedder=None) as client:
            a, b = await client.create_artifact("a"), await client.create_artifact("b")
            await a.add_text("x", key="k")
            processor = maif.BatchProcessor(client, flush_interval="1h")
            await processor.add_text_batch(a, [{"content": "x", "key": "k"}])
            await processor.add_text_batch(b, ["y"])
            with pytest.raises(errors.AlreadyExistsError):
                await processor.finish()
            assert len(b.inner) == 1

    asyncio.run(run())


def test_all_of_a_document_is_stored_and_all_options_of_a_client_are_obeyed(tmp_path: pathlib.Path) -> None:
    async def run() -> None:
        async with maif.create_client(folder=tmp_path, compression_level=9, embedder=None, max_workers=1) as client:
            assert maif.CompactArtifact(client).options == {"memory_mapping": True}
            assert maif.CompactArtifact(client, compression="lz4").options["compression"] == "lz4"
            artifact = await client.create_artifact("a")
            [id] = await artifact.add_batch([{"content": "x", "fields": {"title": "y"}, "metadata": {"n": 1}}])
            assert artifact.inner[id].fields == {"title": "y"}
            for wrong in ({"content": "x", "colour": 1}, {"content": "x", "text": "y"}):
                with pytest.raises(errors.InvalidArgumentError):
                    await artifact.add_batch([wrong])
            assert await client.get_artifact("a", threads=1) is artifact
            with pytest.raises(errors.InvalidArgumentError, match="threads"):
                await client.get_artifact("a", threads=2)

    asyncio.run(run())


def test_a_client_creates_opens_and_closes_artifacts(tmp_path: pathlib.Path) -> None:
    async def run() -> None:
        client = maif.create_client(folder=tmp_path)
        artifact = await client.create_artifact("a")
        assert await client.get_artifact("a") is artifact
        with pytest.raises(errors.AlreadyExistsError):
            await client.create_artifact("a")
        with pytest.raises(errors.NotFoundError):
            await client.get_artifact("b")
        assert len(await artifact.generate_embedding("a cat") or []) > 10
        await artifact.add_text_batch(["one", "two"])
        await artifact.close()
        again = await maif.CompactArtifact(client).get("a")
        assert again is not artifact and len(again.inner) == 2
        await client.close()
        assert again.inner.closed

    asyncio.run(run())


@pytest.mark.parametrize(
    "call",
    [
        lambda: maif.create_client(colour="red"),
        lambda: maif.create_client(processing_mode="quantum"),
        lambda: maif.create_client(async_mode=False),
        lambda: maif.create_client(cache_size="much"),
        lambda: maif.create_client(cache_ttl="1 fortnight"),
        lambda: maif.create_client(cache_size=5, cache_manager=maif.CacheManager()),
        lambda: maif.create_client(cache_ttl=5, cache_manager=maif.CacheManager()),
        lambda: maif.create_client(enable_caching=False, cache_size=5),
        lambda: maif.create_client(enable_caching=False, embedding_cache=maif.EmbeddingCache(precompute_similar=3)),
        lambda: maif.CacheManager("memory://1MB", cache_size=5),
        lambda: maif.CacheManager(cache_policy="fifo"),
        lambda: maif.EmbeddingCache(quantization="int4"),
        lambda: maif.QuantizedEmbeddings(precision="fp8"),
        lambda: maif.QuantizedEmbeddings(calibration_data=[]),
        lambda: maif.CompactArtifact(maif.create_client(), quantization="int4"),
        lambda: maif.PerformanceBenchmark(maif.create_client(), metrics=["colour"]),
        lambda: asyncio.run(maif.PerformanceBenchmark(maif.create_client()).test_latency()),
        lambda: asyncio.run(maif.PerformanceBenchmark(maif.create_client()).test_latency(percentiles=[42])),
        lambda: asyncio.run(maif.PerformanceBenchmark(maif.create_client()).test_throughput(operation="fly")),
        lambda: asyncio.run(maif.create_client().create_artifact("../a")),
        lambda: asyncio.run(maif.create_client().create_artifact("")),
    ],
)
def test_what_is_wrong_is_refused(call: object) -> None:
    with pytest.raises((TypeError, ValueError)) as raised:
        call()  # type: ignore[operator]
    assert str(raised.value)
