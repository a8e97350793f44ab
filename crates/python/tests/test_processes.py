"""Threads, forks, readers in other processes, and writers that are killed."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import threading
import time

import pytest

from compact_artifact import CompactArtifact, errors


def test_many_threads_write_and_search_one_artifact(artifact: CompactArtifact) -> None:
    def work(thread: int) -> int:
        for i in range(50):
            artifact.add_text(f"thread {thread} wrote number {i}", key=f"{thread}/{i}")
            assert artifact[f"{thread}/{i}"].text.startswith(f"thread {thread}")
            assert artifact.search(f"thread {thread}", k=1)
        return 50

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(work, range(8))) == len(artifact) == 400


def test_a_batch_writer_takes_records_from_many_threads(artifact: CompactArtifact) -> None:
    with artifact.batch_writer(batch_size=30, flush_interval=0.01, max_memory=1 << 20) as writer:
        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda i: writer.add(f"number {i}", key=str(i)), range(200)))
        writer.upsert("other", key="0")
        writer.flush()
        assert len(artifact) == 200
        with pytest.raises(errors.InUseError):
            artifact.close()
    with pytest.raises(errors.ClosedError):
        writer.add("x")
    writer = artifact.batch_writer()
    writer.add("x", key="1")  # is there already
    with pytest.raises(errors.AlreadyExistsError):
        writer.finish()
    forgotten = artifact.batch_writer(flush_interval=60)
    forgotten.add("never committed")
    del forgotten
    artifact.close()


def test_other_threads_run_while_a_call_works(artifact: CompactArtifact) -> None:
    """A call that waits for seconds does not hold the interpreter."""
    reader = CompactArtifact.open_read_only(artifact.path)
    steps = 0
    waiting = threading.Thread(target=lambda: reader.watch(2))
    waiting.start()
    while waiting.is_alive() and steps < 100:
        steps += 1
        time.sleep(0.001)
    assert steps == 100 and waiting.is_alive()
    artifact.add_text("x")
    waiting.join()
    assert len(reader) == 1


def test_closing_waits_for_calls_of_other_threads(path: pathlib.Path) -> None:
    artifact = CompactArtifact.create(path, durability="buffered")
    stopped = threading.Event()
    added: list[int] = []

    def add() -> None:
        while not stopped.is_set():
            try:
                added.append(artifact.add_text("x"))
            except errors.ClosedError:
                return

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    while len(added) < 50:
        time.sleep(0.001)
    artifact.close()
    stopped.set()
    for thread in threads:
        thread.join()
    with CompactArtifact.open(path) as artifact:
        assert artifact.recovery["is_clean"] and len(artifact) == len(added)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_after_a_fork_the_handles_of_the_parent_say_so(artifact: CompactArtifact) -> None:
    artifact.add_text("x", key="x")
    reader = CompactArtifact.open_read_only(artifact.path)
    writer = artifact.batch_writer()
    entry = artifact["x"]
    snapshot, records, found = artifact.snapshot(), iter(artifact), iter(artifact.snapshot().records({"$not": {"n": 1}}))
    child = os.fork()
    if child == 0:
        failed = 1
        try:
            for call in (
                lambda: artifact.add_text("y"),
                lambda: artifact.search("x"),
                lambda: len(reader),
                artifact.close,
                artifact.destroy,
                lambda: writer.add("z"),
                writer.finish,
                artifact.snapshot,
                lambda: len(snapshot),
                lambda: snapshot.commit,
                lambda: iter(snapshot),
                lambda: snapshot["x"],
                lambda: "x" in snapshot,
                lambda: snapshot.get_many(["x"]),
                lambda: snapshot.id_of_key("x"),
                snapshot.records,
                lambda: snapshot.ids_where({"n": 1}),
                lambda: snapshot.values("n"),
                lambda: snapshot.count({"n": 1}),
                snapshot.keys,
                lambda: snapshot.search("x"),
                lambda: next(records),
                lambda: next(found),
            ):
                try:
                    call()
                except errors.OtherProcessError as error:
                    assert "open it anew" in str(error)
                else:
                    os._exit(2)
            # What was read stays readable, and the child may open what it likes.
            assert entry.text == "x" and CompactArtifact.open_read_only(artifact.path)["x"].text == "x"
            failed = 0
        finally:
            os._exit(failed)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    writer.finish()
    assert artifact.add_text("y") and len(artifact) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_process_lets_go_of_handles_and_harms_nobody(path: pathlib.Path) -> None:
    artifact = CompactArtifact.create(path, maintenance="background", durability="buffered")
    artifact.add_text("x")
    writer = artifact.batch_writer(flush_interval=60)
    writer.add("y")
    reader = CompactArtifact.open_read_only(path)
    child = os.fork()
    if child == 0:
        del writer, reader, artifact  # whose threads this process does not have
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    writer.finish()
    artifact.close()
    assert reader.refresh() and len(reader) == 2


def test_a_handle_that_reads_is_pickled_by_its_path(artifact: CompactArtifact, tmp_path: pathlib.Path) -> None:
    artifact.add_text("a cat", key="cat")
    artifact.pack(tmp_path / "a.pack")
    (tmp_path / "larger").write_bytes(b"x" * 512 + (tmp_path / "a.pack").read_bytes())
    for reader in (
        CompactArtifact.open_read_only(artifact.path, cache_bytes=1 << 20),
        CompactArtifact.open_read_only(tmp_path / "a.pack"),
        CompactArtifact.open_packed(tmp_path / "larger", 512),
    ):
        copy = pickle.loads(pickle.dumps(reader))
        assert copy["cat"].text == "a cat" and copy.is_read_only
        assert copy.cache_stats()["blocks"]["limit_bytes"] == reader.cache_stats()["blocks"]["limit_bytes"]
    for refused in (artifact, CompactArtifact.open_packed((tmp_path / "a.pack").read_bytes())):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(refused)


def count_and_follow(reader: CompactArtifact, wanted: int) -> int:
    """How many records there are in the end, as another process sees it."""
    end = time.monotonic() + 60
    while len(reader) < wanted and time.monotonic() < end:
        reader.watch(0.5)
        for hit in reader.search("number", k=5):
            assert hit.text is not None and hit.text.startswith("number")
    return len(reader)


@pytest.mark.parametrize("method", ["spawn", "fork"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_processes_read_beside_a_writer(artifact: CompactArtifact, method: str) -> None:
    reader = CompactArtifact.open_read_only(artifact.path)
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as processes:
        counts = [processes.submit(count_and_follow, reader, 300) for _ in range(2)]
        for i in range(30):
            artifact.add_batch([f"number {10 * i + j}" for j in range(10)])
        artifact.seal()
        assert [count.result() for count in counts] == [300, 300]


WRITER = """
import sys
from compact_artifact import CompactArtifact
artifact = CompactArtifact.open_or_create(sys.argv[1], segment_len=1 << 16)
number = len(artifact)
while True:
    artifact.add_batch([{"text": f"number {number + i} " * 20, "key": str(number + i)} for i in range(3)])
    number += 3
    print(number, flush=True)
"""


def killed(path: pathlib.Path, after: int) -> int:
    """Kills a writer after some commits; returns how many records it said that it had added."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = 0
    for _ in range(after):
        line = process.stdout.readline()
        assert line, "the writer ended by itself"
        said = int(line)
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().split()
    process.wait()
    process.stdout.close()
    return int(rest[-1]) if rest else said


@pytest.mark.parametrize("times", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_what_a_writer_acknowledged_is_there_after_it_was_killed(path: pathlib.Path, times: int) -> None:
    for round in range(times):
        said = killed(path, 5 + 7 * round)
        reader = CompactArtifact.open_read_only(path)
        for artifact in (reader, CompactArtifact.open(path)):
            assert len(artifact) >= said and len(artifact) % 3 == 0
            assert sorted(int(key) for key in artifact.keys()) == list(range(len(artifact)))
            assert len(artifact.search("number", k=10)) == 10
            assert artifact.verify()["is_sound"]
            artifact.close()


def test_a_call_that_waits_is_interrupted_by_ctrl_c(path: pathlib.Path) -> None:
    CompactArtifact.create(path).close()
    # A shell that starts the tests in the background has told them to ignore Ctrl-C.
    heeding = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    waiting = "import sys; from compact_artifact import CompactArtifact; a = CompactArtifact.open_read_only(sys.argv[1]); print(1, flush=True); a.watch(600)"
    process = subprocess.Popen(
        [sys.executable, "-c", heeding + waiting, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in said


def test_a_writer_waits_for_another_one(path: pathlib.Path) -> None:
    first = CompactArtifact.create(path)
    with pytest.raises(errors.LockedError):
        CompactArtifact.open(path, busy_timeout=0.05)
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        second = threads.submit(CompactArtifact.open, path, busy_timeout=60)
        time.sleep(0.05)
        first.close()
        second.result().close()
    turns = [CompactArtifact.open(path, busy_timeout=60, idle_release=0.001) for _ in range(2)]
    for i in range(6):
        turns[i % 2].add_text(f"turn {i}")
    turns[0].refresh()
    assert len(turns[0]) >= 5
