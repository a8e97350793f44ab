export interface Search {
  /** By meaning and words; by words alone where there is no model. Beside `words`: by meaning, for which there must be one. */
  text?: string;
  /** By words: any of them, "a phrase", begin*, roughly~, +must, -not. */
  words?: string;
  vector?: { space: string; values: number[] };
  /** `{"year": {"$gte": 1960}}` */
  filter?: Record<string, unknown>;
  /** Default: 10. */
  k?: number;
  offset?: number;
  /** A field of the metadata, or `-field` for the largest first. */
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

export class Module {
  static load(source: BufferSource | Response | Promise<Response>): Promise<Module>;
  setModel(model: ArrayBuffer | Uint8Array): void;
  open(pack: ArrayBuffer | Uint8Array): Artifact;
}

export class Artifact {
  search(search: Search): Results;
  get(name: string | number): Entry | null;
  keys(prefix?: string): { key: string; id: number }[];
  stats(): { records: number; finds_by_meaning: boolean; spaces: string[] };
  close(): void;
}
