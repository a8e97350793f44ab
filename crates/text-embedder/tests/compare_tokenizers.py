"""Compares the tokens of `StaticEmbedder` with those of the PyPI package `tokenizers`, text by text.

    pip install tokenizers zstandard
    cargo build --release -p text-embedder --examples
    python3 crates/text-embedder/tests/compare_tokenizers.py MODEL_FOLDER [WORDNET.jsonl.zst [RELEVANCE_FOLDER]]

Texts: glosses of WordNet; descriptions of Debian packages (`apt-cache dumpavail`); judged collections; every character of Unicode alone and within a
word; and random strings of characters that are handled in special ways. Special tokens that are written out in a text are text for us, so the
package is used without them.
"""

import glob
import io
import json
import random
import subprocess
import sys

import zstandard
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

SPECIAL = [
    "\0", "\t", "\n", "\x0b", "\x1f", "\x7f", "\x85", "\xa0", "\xad", "\u200b", "\u200d", "\u2028", "\u3000", "\ufeff", "\ufffd",
    "é", "e\u0301", "Å", "ﬁ", "ß", "ẞ", "İ", "ı", "Σ", "ς", "ǅ", "한국", "각", "中", "文", "ひ", "が", "か\u3099", "\u302e", "\u0345",
    "\U0002f800", "\U0002b820", "\U0002b920", "½", "…", "“", "”", "—", "€", "$", "^", "`", "#", "##", "##s", "[CLS]", "[UNK]", "'", "-", "a", "B",
    "ing", "s", "x" * 100, "y" * 101, "é" * 100, "\u0f71\u0f72", "\u0958", "\u1e9b\u0323", "\U0001f600", "\U000e0041", "\ue000", "й", "ё", "ά",
]


def tokenizer_of(folder):
    with open(f"{folder}/tokenizer.json", encoding="utf-8") as file:
        model = json.load(file)["model"]
    tokenizer = Tokenizer(WordPiece(model["vocab"], unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = BertNormalizer()
    tokenizer.pre_tokenizer = BertPreTokenizer()
    return tokenizer


def json_lines(path):
    with open(path, "rb") as file:
        for line in io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), encoding="utf-8"):
            yield json.loads(line)


def wordnet(path):
    for record in json_lines(path):
        yield record["text"]


def relevance(folder):
    for path in sorted(glob.glob(f"{folder}/*.docs.jsonl.zst")):
        for record in json_lines(path):
            yield f"{record['title']}. {record['text']}"


def debian():
    available = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, check=True).stdout.decode("utf-8", "replace")
    for package in available.split("\n\n"):
        yield package


def characters():
    for first in range(0, 0x110000, 64):
        block = [chr(c) for c in range(first, first + 64) if not 0xD800 <= c < 0xE000]
        yield " ".join(block)
        yield " ".join(f"a{c}b" for c in block)
        yield "".join(block)


def strings():
    generator = random.Random(1)
    for _ in range(20_000):
        yield "".join(generator.choice(SPECIAL) + generator.choice(["", "", " "]) for _ in range(generator.randrange(1, 12)))


def compare(name, texts, folder, tokenizer):
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    example = ["target/release/examples/tokens", folder]
    ours = subprocess.run(example, input=lines, capture_output=True, check=True, text=True).stdout.splitlines()
    theirs = [encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]
    assert len(ours) == len(theirs)
    differing = [text for text, mine, other in zip(texts, ours, theirs) if json.loads(mine) != other]
    print(f"{name}: {len(texts)} texts, {sum(map(len, theirs))} tokens, {len(differing)} texts differ", flush=True)
    for text in differing[:5]:
        print("   ", ascii(text[:200]))
    return len(differing)


def main():
    folder, *paths = sys.argv[1:]
    tokenizer = tokenizer_of(folder)
    sources = {"characters": characters(), "strings": strings(), "Debian packages": debian()}
    if paths:
        sources["WordNet"] = wordnet(paths[0])
    if paths[1:]:
        sources["judged collections"] = relevance(paths[1])
    sys.exit(any([compare(name, list(texts), folder, tokenizer) for name, texts in sources.items()]))


if __name__ == "__main__":
    main()
