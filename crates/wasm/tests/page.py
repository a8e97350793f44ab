"""The example page in Chromium answers as the command line does, and says what is wrong: page.py CART FOLDER [--measure] [--pictures FOLDER].

FOLDER is what `example.sh` made. CHROMIUM names the browser.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

PAGES = 9  # fresh pages whose median is the time of the first result


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Site:
    """The page on a server of its own, and the command line beside it."""

    def __init__(self, browser, cart, folder):
        self.browser, self.cart, self.folder = browser, cart, folder
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}/"

    def opened(self, pack=None, **context):
        """A fresh page, on which nothing goes wrong unseen; `pack` answers in the place of the server."""
        page = self.browser.new_context(**context).new_page()
        page.wrong = []
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        if pack is not None:
            page.route("**/demo.pack", pack)
        page.goto(self.url)
        return page

    def ready(self, **context):
        page = self.opened(**context)
        expect(page.get_by_role("button", name="Search")).to_be_enabled(timeout=60_000)
        return page

    def expected(self, *args):
        """Keys of the hits of `cart search`."""
        said = subprocess.run([self.cart, "search", self.folder / "demo.pack", *args, "--json"], capture_output=True, check=True, text=True)
        return json.loads(said.stdout)["hits"]


def keys(page):
    return page.locator("#hits .key").all_text_contents()


def same(page, hits):
    """The page has these hits, with their scores."""
    expect(page.locator("#hits li")).to_have_count(len(hits))
    expected = [hit["key"] or f"#{hit['id']}" for hit in hits]
    expect(page.locator("#hits .key")).to_have_text(expected)
    for shown, hit in zip(page.locator("#hits .score").all_text_contents(), hits):
        assert abs(float(shown) - hit["score"]) <= 0.0011, (shown, hit["score"])


def words(text):
    return set(re.findall(r"[a-z]+", text.lower()))


def answers(site):
    page = site.ready()
    search = page.get_by_role("searchbox", name="Search for")
    same(page, site.expected("doctor for animals"))
    expect(page.get_by_role("status")).to_contain_text("ms after the pack")

    # By meaning: the first hit has none of the words. From anywhere to the box by a key.
    query = "puppies"
    page.locator("body").press("/")
    expect(search).to_be_focused()
    page.keyboard.type(query)
    page.keyboard.press("Enter")
    hits = site.expected(query)
    same(page, hits)
    first = page.locator("#hits .text").first.inner_text()
    assert not words(query) & words(first), first
    assert "dog" in " ".join(page.locator("#hits .text").all_text_contents()), first

    # While one types, without Enter.
    search.fill("warm clothing")
    same(page, site.expected("warm clothing"))

    # A filter, and another beside it.
    page.get_by_label("Part of speech").select_option("verb")
    same(page, site.expected("warm clothing", "--filter", '{"pos":"verb"}'))
    page.get_by_text("Another filter").click()
    page.get_by_label("Metadata, as JSON").fill('{"senses": {"$gte": 3}}')
    same(page, site.expected("warm clothing", "--filter", '{"$and":[{"pos":"verb"},{"senses":{"$gte":3}}]}'))
    page.get_by_label("Metadata, as JSON").fill("")

    # By words, which are marked.
    page.get_by_label("Part of speech").select_option("")
    page.get_by_label("Find by").select_option("words")
    expect(page.get_by_text("begin*")).to_be_visible()
    search.fill("+animal* -dog")
    same(page, site.expected("--syntax", "+animal* -dog"))
    for found in page.locator("#hits mark").all_text_contents():
        assert found.lower().startswith("animal"), found
    assert page.locator("#hits mark").count() >= 10

    # The places of marks are counted in bytes, also where letters have several of them.
    search.fill("meringue")
    same(page, site.expected("--syntax", "meringue"))
    marks = page.locator("#hits mark").all_text_contents()
    assert marks and all(found.lower() in ("meringue", "meringues") for found in marks), marks

    # More, by keyboard: the focus is on the first new hit, which opens.
    search.fill("animal")
    same(page, site.expected("--syntax", "animal"))
    page.get_by_role("button", name="More").focus()
    page.keyboard.press("Enter")
    hits = site.expected("--syntax", "animal", "-k", "20")
    same(page, hits)
    expect(page.locator("#hits li").nth(10).locator("summary")).to_be_focused()
    page.keyboard.press("Enter")
    record = json.loads(page.locator("#hits li").nth(10).locator("pre").inner_text())
    assert record["key"] == hits[10]["key"] and record["text"], record

    # No query at all: the filter alone. Then nothing at all.
    search.fill("")
    page.get_by_label("Part of speech").select_option("adverb")
    same(page, site.expected("--filter", '{"pos":"adverb"}'))
    page.get_by_label("Part of speech").select_option("")
    search.fill("qqqqzzzz")
    expect(page.get_by_role("status")).to_have_text("Nothing found.")
    page.get_by_role("button", name="fear of small rooms").click()
    same(page, site.expected("fear of small rooms", "--meaning"))
    assert page.wrong == [], page.wrong


def refusals(site):
    page = site.ready()
    alert = page.get_by_role("alert")
    page.get_by_label("Find by").select_option("words")
    page.get_by_role("searchbox").fill('"not closed')
    said = subprocess.run([site.cart, "search", site.folder / "demo.pack", "--syntax", '"not closed'], capture_output=True, text=True)
    expect(alert).to_contain_text("not closed")
    assert said.returncode == 2 and "not closed" in said.stderr, said
    expect(page.locator("#hits li")).to_have_count(0)
    page.get_by_role("searchbox").fill("animal")
    expect(alert).to_be_hidden()
    page.get_by_text("Another filter").click()
    for wrong, message in [('{"senses": {"$near": 1}}', "$near"), ("{", "no JSON"), ('{"senses": {"$gte": "x"}}', "senses"), ("[]", "object")]:
        page.get_by_label("Metadata, as JSON").fill(wrong)
        expect(alert).to_contain_text(message)
    assert page.wrong == [], page.wrong


def packs_that_are_none(site):
    pack = (site.folder / "demo.pack").read_bytes()
    half = len(pack) // 2
    damaged = pack[:half] + bytes(byte ^ 0xFF for byte in pack[half:][:20_000_000])
    cases = [
        ("404", lambda route: route.fulfill(status=404, body="no")),
        ("demo.pack", lambda route: route.abort()),
        ("", lambda route: route.fulfill(body=bytes(1000))),
        ("", lambda route: route.fulfill(body=b"")),
        ("", lambda route: route.fulfill(body=pack[:half] if len(pack) < 20_000_000 else pack[:1_000_000])),
    ]
    for message, answer in cases:
        page = site.opened(pack=answer)
        alert = page.get_by_role("alert")
        expect(alert).to_be_visible(timeout=30_000)
        expect(alert).to_contain_text(message or re.compile("pack|damaged|artifact"))
        expect(page.get_by_role("button", name="Search")).to_be_disabled()
        expect(page.get_by_role("progressbar")).to_be_hidden()
        page.get_by_role("searchbox").fill("animal")  # does nothing
        assert page.wrong == [], page.wrong
    if len(pack) < 20_000_000:  # what is put in the place of an answer goes through the driver
        # What can be opened is searched as far as it is sound, and the rest is said.
        page = site.opened(pack=lambda route: route.fulfill(body=damaged))
        expect(page.locator("main")).to_contain_text(re.compile("could not be read|damaged"), timeout=30_000)
        assert page.wrong == [], page.wrong


def sizes_and_colours(site, pictures):
    for width, scheme in [(360, "light"), (360, "dark"), (1280, "light"), (1280, "dark")]:
        page = site.ready(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page.get_by_text("Another filter").click()
        page.locator("#hits summary").first.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        ink, paper = page.evaluate("(() => { const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]; })()")
        light = [sum(int(part) for part in re.findall(r"\d+", colour)[:3]) for colour in (ink, paper)]
        assert (light[0] > light[1]) == (scheme == "dark"), (scheme, ink, paper)
        for control in page.locator("input, select, button").all():
            if control.is_visible():
                named = control.evaluate("e => e.labels?.length > 0 || e.ariaLabel || e.textContent.trim()")
                assert named, control.evaluate("e => e.outerHTML")
        if pictures:
            page.screenshot(path=pictures / f"{width}-{scheme}.png", full_page=True)


def measure(site):
    times, told = [], ""
    for _ in range(PAGES):
        page = site.ready()
        told = page.get_by_role("status").inner_text()
        times.append(page.evaluate("Number(document.getElementById('form').dataset.firstMs)"))
        page.context.close()
    records = re.search(r"which has ([\d,]+) records", told)[1]
    print(f"{records} records: the first result {statistics.median(times):.1f} ms after the pack (median of {PAGES} fresh pages, {min(times):.1f} to {max(times):.1f})")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("cart", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--pictures", type=Path)
    args = parser.parse_args()
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        site = Site(browser, args.cart.resolve(), args.folder.resolve())
        if args.measure:
            measure(site)
        answers(site)
        refusals(site)
        packs_that_are_none(site)
        sizes_and_colours(site, args.pictures)
        print(f"the page answers as the command line does, in Chromium {browser.version}")
        browser.close()


if __name__ == "__main__":
    main()
