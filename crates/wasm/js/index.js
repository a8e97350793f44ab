// Packed artifacts in the browser or in Node:
//
//   const module = await Module.load(fetch("search.wasm"));
//   const artifact = module.open(await (await fetch("notes.pack")).arrayBuffer());

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The module with its memory. One module may have any number of artifacts open. */
export class Module {
  #exports;

  constructor(instance) {
    this.#exports = instance.exports;
  }

  /** Makes a module of `search.wasm`: its bytes, or a response that has them. */
  static async load(source) {
    const response = await source;
    const isResponse = typeof Response !== "undefined" && response instanceof Response;
    const bytes = isResponse ? await successful(response).arrayBuffer() : response;
    const { instance } = await WebAssembly.instantiate(bytes, {});
    return new Module(instance);
  }

  #write(at, bytes) {
    new Uint8Array(this.#exports.memory.buffer, at >>> 0, bytes.byteLength).set(bytes);
  }

  #put(bytes) {
    this.#write(room(bytes.byteLength, this.#exports.input), bytes);
  }

  #result() {
    const at = this.#exports.output() >>> 0;
    const len = this.#exports.output_len() >>> 0;
    return decoder.decode(new Uint8Array(this.#exports.memory.buffer, at, len));
  }

  /** A model for the artifacts that are opened from then on, so that `text` finds by meaning; throws for bytes that are none. Packs of another
   *  model, or of none, are searched by words. */
  setModel(model) {
    this.#put(view(model, "a model"));
    if (this.#exports.set_model() === 0) throw new Error(this.#result());
  }

  /** Opens a pack; throws for bytes that are none. */
  open(pack) {
    const bytes = view(pack, "a pack; a Response is for openResponse");
    const number = room(bytes.byteLength, this.#exports.reserve);
    this.#write(this.#exports.address(number), bytes);
    return this.#opened(number);
  }

  /**
   * Opens the pack of a response, whose bytes are put in place as they come: there is no other copy of them. `onProgress` is called with how many have
   * come, and of how many if that is known.
   */
  async openResponse(source, onProgress = () => {}) {
    const response = successful(await source);
    // What is sent compressed is longer than its header says.
    const len = response.headers.has("content-encoding") ? 0 : Number(response.headers.get("content-length"));
    if (!(len > 0) || response.body === null) {
      const pack = await response.arrayBuffer();
      onProgress(pack.byteLength, undefined);
      return this.open(pack);
    }
    const number = room(len, this.#exports.reserve);
    try {
      let loaded = 0;
      const reader = response.body.getReader();
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
        if (loaded + piece.value.byteLength > len) throw new Error(`${response.url}: more than the ${len} bytes that were announced`);
        this.#write(this.#exports.address(number) + loaded, piece.value);
        loaded += piece.value.byteLength;
        onProgress(loaded, len);
      }
      if (loaded < len) throw new Error(`${response.url}: ended after ${loaded} of ${len} bytes`);
    } catch (e) {
      this.#exports.close(number);
      throw e;
    }
    return this.#opened(number);
  }

  #opened(number) {
    if (this.#exports.open(number, Date.now()) === 0) throw new Error(this.#result());
    return new Artifact((request) => {
      this.#put(encoder.encode(toJson(request)));
      this.#exports.ask(number);
      const answer = JSON.parse(this.#result());
      if (answer !== null && answer.error !== undefined) throw new Error(answer.error);
      return answer;
    }, () => this.#exports.close(number));
  }
}

function successful(response) {
  if (response?.headers === undefined) throw new TypeError("expected a Response; an ArrayBuffer is for open");
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${response.statusText}`);
  return response;
}

/** Bytes as they lie, without a copy. */
function view(source, what) {
  if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  if (Object.prototype.toString.call(source).endsWith("ArrayBuffer]")) return new Uint8Array(source);
  throw new TypeError(`expected an ArrayBuffer or a view of one for ${what}`);
}

/** What the module has for so many bytes; its memory ends at 4 GiB. */
function room(len, reserve) {
  const place = len < 2 ** 32 ? reserve(len) : 0;
  if (place === 0) throw new RangeError(`${len} bytes do not fit into the memory of the module`);
  return place;
}

/**
 * A request as JSON. Typed arrays are arrays in it, and dates texts; what JSON would leave out, or make null or {} of, is refused, but for options that are
 * undefined.
 */
function toJson(request) {
  const options = Object.values(request);
  return JSON.stringify(request, function (name, value) {
    const given = this[name]; // of which `value` is what its `toJSON` says
    if (ArrayBuffer.isView(given) && Object.prototype.toString.call(given) !== "[object DataView]") return Array.from(given);
    const isLeftOut = ["undefined", "function", "symbol"].includes(typeof value) && !(value === undefined && options.includes(this));
    const isMadeNull = value === null && given !== null;
    if (isLeftOut || isMadeNull || !isPlain(value)) {
      const found = typeof given === "object" ? given.constructor?.name ?? "an object" : given;
      throw new TypeError(`${name}: expected a value that JSON has, found ${String(found)}`);
    }
    if (typeof value === "number" && !Number.isFinite(value)) throw new TypeError(`${name}: expected a number that is finite, found ${value}`);
    return value;
  });
}

/** Whether it is no object, an array, or an object of no class, maybe of another window. */
function isPlain(value) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return true;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** A packed artifact that is open. */
export class Artifact {
  #ask;
  #close;

  constructor(ask, close) {
    this.#ask = ask;
    this.#close = close;
  }

  /** Records by words, meaning, vectors and metadata. */
  search(search = {}) {
    return this.#ask({ search });
  }

  /** A record by its key, or by its id as a number; null if there is none. */
  get(name) {
    return this.#ask({ get: typeof name === "number" ? { id: name } : { key: name } });
  }

  /** The keys that begin with a prefix, with their ids. */
  keys(prefix = "") {
    return this.#ask({ keys: { prefix } });
  }

  stats() {
    return this.#ask({ stats: {} });
  }

  /** Lets go of its memory. */
  close() {
    this.#close();
  }
}
