// The page: loads the module, a model and a pack, then searches while one types. Texts of the pack are put in as texts, never as HTML.

import { Module } from "./index.js";

const PAGE = 10;
/** Milliseconds after the last key until a search begins. */
const PAUSE = 120;

const { pack: packUrl, model: modelUrl } = document.documentElement.dataset;
const by = (id) => document.getElementById(id);
const [form, query, hits, next, status, error] = ["form", "query", "hits", "next", "status", "error"].map(by);

let artifact;
/** What was searched for last, for the next page of it. */
let shown;

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** A file that is asked for; an error that says which, if nobody answers. */
async function requested(url) {
  try {
    return await fetch(url);
  } catch (e) {
    throw new Error(`${url} cannot be loaded: ${e.message}`);
  }
}

/** The bytes of a file. */
async function download(url) {
  const response = await requested(url);
  if (!response.ok) throw new Error(`${url} cannot be loaded: ${response.status} ${response.statusText}`);
  return response.arrayBuffer();
}

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

function showProgress(loaded, total) {
  by("loading-what").textContent = `Loading the texts: ${megabytes(loaded)}${total === undefined ? "" : ` of ${megabytes(total)}`}`;
  if (total !== undefined) Object.assign(by("progress"), { max: total, value: loaded });
}

function fail(message) {
  error.textContent = message;
  error.hidden = false;
}

/** A text in which what was looked for is marked; the places are counted in bytes of UTF-8. */
function marked({ text, highlights, is_cut_before, is_cut_after }) {
  const bytes = new TextEncoder().encode(text);
  const piece = (start, end) => new TextDecoder().decode(bytes.subarray(start, end));
  const pieces = [is_cut_before ? "…" : ""];
  let at = 0;
  for (const { start, end } of highlights) {
    pieces.push(piece(at, start), element("mark", {}, piece(start, end)));
    at = end;
  }
  pieces.push(piece(at), is_cut_after ? "…" : "");
  return pieces;
}

const value = (value) => (Array.isArray(value) ? value.join(", ") : String(value));

function describe(hit) {
  const about = Object.entries(hit.metadata ?? {}).map(([name, found]) => element("span", {}, `${name}: ${value(found)}`));
  const summary = element(
    "summary", {},
    element("span", { className: "text" }, ...(hit.snippet ? marked(hit.snippet) : [hit.key ?? `#${hit.id}`])),
    element("span", { className: "about" }, element("span", { className: "key" }, hit.key ?? `#${hit.id}`), ...about,
      element("span", { className: "score", title: "score" }, hit.score.toFixed(3))),
  );
  const details = element("details", {}, summary);
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(element("pre", {}, whole(hit.id)));
  });
  const item = element("li", {}, details);
  item.dataset.id = hit.id;
  return item;
}

/** A record as it is stored. */
function whole(id) {
  try {
    return JSON.stringify(artifact.get(id), null, 2);
  } catch (e) {
    return e.message;
  }
}

/** What the form asks for. */
function asked() {
  const text = query.value.trim();
  const filters = [];
  if (by("pos").value) filters.push({ pos: by("pos").value });
  if (by("filter").value.trim()) filters.push(JSON.parse(by("filter").value));
  return {
    ...(text && { [by("by").value]: text }),
    ...(filters.length > 0 && { filter: filters.length === 1 ? filters[0] : { $and: filters } }),
    k: PAGE,
    total: true,
  };
}

/** Searches, and shows hits below those that are there. */
function append(search) {
  const begun = performance.now();
  const results = artifact.search(search);
  const took = performance.now() - begun;
  hits.append(...results.hits.map(describe));
  shown = search;
  next.hidden = results.hits.length < PAGE;
  const losses = results.is_complete ? "" : ` Some of the pack could not be read: ${results.losses.join("; ")}`;
  const found = hits.children.length;
  const of = results.total ? ` of ${results.total.is_exact ? "" : "at least "}${results.total.records.toLocaleString("en")}` : "";
  status.textContent = found === 0 ? "Nothing found." : `${found}${of} in ${took.toFixed(1)} ms.${losses}`;
}

function search() {
  if (!artifact) return;
  hits.replaceChildren();
  next.hidden = error.hidden = true;
  status.textContent = "";
  try {
    append({ ...asked(), offset: 0 });
  } catch (e) {
    fail(e instanceof SyntaxError ? `The filter is no JSON: ${e.message}` : e.message);
  }
}

let timer;
form.addEventListener("input", () => {
  by("hint").hidden = by("by").value !== "words";
  clearTimeout(timer);
  timer = setTimeout(search, PAUSE);
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(timer);
  search();
});
next.addEventListener("click", () => {
  const first = hits.children.length;
  try {
    append({ ...shown, offset: shown.offset + PAGE });
  } catch (e) {
    fail(e.message);
  }
  hits.children[first]?.querySelector("summary").focus();
});
for (const example of document.querySelectorAll(".example")) {
  example.addEventListener("click", () => {
    query.value = example.textContent;
    by("by").value = example.dataset.by ?? "text";
    form.dispatchEvent(new Event("input"));
    query.focus();
  });
}
// From anywhere to the search box, as on other pages that are for searching.
document.addEventListener("keydown", (event) => {
  const isTyped = event.target.matches("input, select, textarea");
  if (event.key === "/" && !isTyped && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    query.focus();
    query.select();
  }
});

try {
  // The module and the model on their way while the pack begins to come.
  const packOnItsWay = requested(packUrl);
  packOnItsWay.catch(() => {}); // reported below
  const [module, model] = await Promise.all([Module.load(requested("search.wasm")), download(modelUrl)]);
  module.setModel(model);
  let arrived;
  artifact = await module.openResponse(packOnItsWay, (loaded, total) => {
    arrived = performance.now();
    showProgress(loaded, total);
  });
  search();
  const first = performance.now() - arrived;
  by("loading").hidden = true;
  form.querySelector("[type=submit]").disabled = false;
  const { records, damage } = artifact.stats();
  if (damage.length > 0) fail(`The pack is damaged, and is searched as far as it is sound: ${damage.join("; ")}`);
  form.dataset.firstMs = first; // for measurements
  status.textContent += ` The first result was there ${first.toFixed(0)} ms after the pack, which has ${records.toLocaleString("en")} records.`;
} catch (e) {
  by("loading").hidden = true;
  fail(e.message);
}
