// A packed artifact in the browser or in Node: `const artifact = await open(await (await fetch("notes.pack")).arrayBuffer())`.

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
    const bytes = isResponse ? await response.arrayBuffer() : response;
    const { instance } = await WebAssembly.instantiate(bytes, {});
    return new Module(instance);
  }

  #put(bytes) {
    const at = this.#exports.input(bytes.byteLength) >>> 0;
    new Uint8Array(this.#exports.memory.buffer, at, bytes.byteLength).set(bytes);
  }

  #result() {
    const at = this.#exports.output() >>> 0;
    const len = this.#exports.output_len() >>> 0;
    return decoder.decode(new Uint8Array(this.#exports.memory.buffer, at, len));
  }

  /** A model for the artifacts that are opened from then on, so that `text` finds by meaning. */
  setModel(model) {
    this.#put(new Uint8Array(model));
    this.#exports.set_model();
  }

  /** Opens a pack; throws for bytes that are none. */
  open(pack) {
    this.#put(new Uint8Array(pack));
    const number = this.#exports.open(Date.now());
    if (number === 0) throw new Error(this.#result());
    return new Artifact((request) => {
      this.#put(encoder.encode(JSON.stringify(request)));
      this.#exports.ask(number);
      const answer = JSON.parse(this.#result());
      if (answer !== null && answer.error !== undefined) throw new Error(answer.error);
      return answer;
    }, () => this.#exports.close(number));
  }
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
  search(search) {
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
