export interface Search {
  /** By meaning and words; by words alone where there is no model. Beside `words`: by meaning, for which there must be one. */
  text?: string;
  /** By words: any of them, "a phrase", begin*, roughly~, +must, -not. */
  words?: string;
  /** By meaning alone, for which there must be a model. */
  meaning?: string;
  vector?: { space: string; values: number[] | Float32Array };
  /** `{"year": {"$gte": 1960}}` */
  filter?: Record<string, unknown>;
  /** Default: 10. */
  k?: number;
  offset?: number;
  /** A field of the metadata, or `-field` for the largest first. Strings are compared by their first 256 bytes. Every score is 0 then, but near a vector or by meaning, where the best 100 are sorted. */
  order_by?: string;
  group_by?: string;
  total?: boolean;
  /** The longest snippet in bytes; 0: none. Default: 160. */
  snippet?: number;
}

export interface Snippet {
  field: string | null;
  text: string;
  /** What was looked for, in bytes of UTF-8. */
  highlights: { start: number; end: number }[];
  is_cut_before: boolean;
  is_cut_after: boolean;
}

export interface Hit {
  id: number;
  key: string | null;
  score: number;
  snippet: Snippet | null;
  metadata: Record<string, unknown> | null;
}

export interface Results {
  hits: Hit[];
  total: { records: number; is_exact: boolean } | null;
  is_complete: boolean;
  losses: string[];
}

export interface Entry {
  id: number;
  key: string | null;
  metadata: Record<string, unknown>;
  fields: Record<string, string>;
  /** Of a text. */
  text?: string;
  /** Of a blob, whose content is not read. */
  len?: number;
}

/** The module with its memory. One module may have any number of artifacts open. */
export class Module {
  private constructor();
  /** Makes a module of `search.wasm`: its bytes, or a response that has them. */
  static load(source: BufferSource | Response | Promise<Response>): Promise<Module>;
  /** A model for the artifacts that are opened from then on, so that `text` finds by meaning; throws for bytes that are none. Packs of another
   *  model, or of none, are searched by words: see `finds_by_meaning` of `stats`. */
  setModel(model: BufferSource): void;
  /** Opens a pack; throws for bytes that are none. */
  open(pack: BufferSource): Artifact;
  /**
   * Opens the pack of a response, whose bytes are put in place as they come: there is no other copy of them. `onProgress` is called with how many have
   * come, and of how many if that is known.
   */
  openResponse(source: Response | Promise<Response>, onProgress?: (loaded: number, total: number | undefined) => void): Promise<Artifact>;
}

/** A packed artifact that is open. All calls throw an `Error` with a sentence for what cannot be answered. */
export class Artifact {
  private constructor();
  /** Records by words, meaning, vectors and metadata. */
  search(search?: Search): Results;
  /** A record by its key, or by its id as a number; null if there is none. */
  get(name: string | number): Entry | null;
  /** The keys that begin with a prefix, with their ids. */
  keys(prefix?: string): { key: string; id: number }[];
  /** `damage`: what was met when the pack was opened; it is searched without what that costs. */
  stats(): { records: number; finds_by_meaning: boolean; damage: string[]; spaces: string[] };
  /** Lets go of its memory. */
  close(): void;
}
