/* Made by cbindgen of the sources in crates/capi/src. */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * CompactArtifact keeps texts, blobs, metadata and embeddings in one place, and finds them again offline. docs/guide/src/c.md begins with an example.
 *
 * Codes     Calls return CA_OK or what went wrong, and answer in the places that their last arguments point to. A place is written only if the call
 *           succeeds, but for places of handles, which are NULL then, and lengths of what finds no room. ca_last_error has the sentence.
 * Handles   ca_artifact and the like are numbers that are never followed: a handle that was freed, or is of another kind, is CA_BAD_HANDLE. Each kind has
 *           one call that frees it.
 * Texts     UTF-8 by pointer and length, not ended by a zero byte. What a call is given is copied, and may go when the call returns. What a handle
 *           gives out lasts as long as the handle, and may be read by any thread.
 * Pointers  NULL, a wrong alignment and impossible lengths are failures. Any other pointer must lead to as much as the call says.
 * Structs   Those with a `size` may become longer in later versions: set it by sizeof, and fill the others with zeros. All others stay as they are.
 * Threads   Any thread may make any call with any handle at any time; calls with one ca_batch or one ca_reader take turns. A handle may not be freed
 *           while another thread still reads what it gave out.
 * fork      A forked process opens artifacts anew: calls with any handle of its parent, also to free it, are CA_OTHER_PROCESS.
 */


// The version of this interface. It changes when programs that were compiled for another one would break.
#define CA_ABI_VERSION 1

// How thoroughly `ca_verify` reads: manifests, headers and tables.
#define CA_VERIFY_HEADERS 0

// And every stored byte, against its checksum.
#define CA_VERIFY_CHECKSUMS 1

// And every block decoded, every record found.
#define CA_VERIFY_DECODE 2

// What a call returns. The numbers stay: later versions of the library may have more of them.
enum ca_code
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // It did what it was asked to.
  CA_OK = 0,
  // There is no artifact at this path.
  CA_NOT_FOUND = 1,
  // There is something where an artifact was to be created, or a record with this key.
  CA_ALREADY_EXISTS = 2,
  // The bytes are not those of an artifact.
  CA_NOT_AN_ARTIFACT = 3,
  // The artifact was written by a newer version of the format than this library reads.
  CA_NEWER_FORMAT = 4,
  // A file belongs to another artifact, or to another place in this one.
  CA_FOREIGN = 5,
  // Another writer, in this process or another one, has the artifact open.
  CA_LOCKED = 6,
  // The artifact was opened, or lies on a medium, that cannot be written to.
  CA_READ_ONLY = 7,
  // Stored bytes are not the bytes that were written.
  CA_DAMAGED = 8,
  // The disk, or a quota, is full.
  CA_DISK_FULL = 9,
  // An earlier write or sync failed: this handle takes no more. Open the artifact anew to go on.
  CA_POISONED = 10,
  // An upsert of other content, or a move to another model, would lose an embedding that a record has.
  CA_WOULD_LOSE_EMBEDDING = 11,
  // A record that does not exist, or was deleted.
  CA_NO_SUCH_RECORD = 12,
  // A vector space that the artifact does not have.
  CA_NO_SUCH_SPACE = 13,
  // A field of texts that the artifact does not have; or one of the metadata that no record has, where the query has `strict_fields` or the filter `$strict`.
  CA_NO_SUCH_FIELD = 14,
  // A vector space that was set up otherwise.
  CA_SPACE_MISMATCH = 15,
  // An option of an artifact that was created with another.
  CA_SETTINGS_MISMATCH = 16,
  // A vector whose number of dimensions is not that of its space.
  CA_WRONG_DIMENSION = 17,
  // A vector with a NaN, an infinite value, or values that are too large or too small to be kept.
  CA_NOT_FINITE = 18,
  // A vector of zeros under the cosine metric.
  CA_ZERO_VECTOR = 19,
  // Texts are to be embedded or searched by meaning, and there is no model for it.
  CA_NO_MODEL = 20,
  // The model that was given is not the one that the texts of the artifact are embedded by.
  CA_MODEL_MISMATCH = 21,
  // A model cannot be opened, or failed.
  CA_EMBEDDER = 22,
  // A blob was asked for as a text.
  CA_NOT_TEXT = 23,
  // Something larger than its limit: a key, metadata, a query.
  CA_TOO_LARGE = 24,
  // Text that is not JSON.
  CA_INVALID_JSON = 25,
  // A filter that cannot be.
  CA_INVALID_FILTER = 26,
  // A filter that compares a field with a type that none of its values has.
  CA_TYPE_MISMATCH = 27,
  // A text query that cannot be read.
  CA_INVALID_QUERY = 28,
  // An argument or option outside its limits.
  CA_INVALID_ARGUMENT = 29,
  // The artifact, or the call, uses what this build of the library leaves out, or a newer version of it has.
  CA_UNSUPPORTED = 30,
  // The call comes from a process that was forked from the one that opened the artifact.
  CA_OTHER_PROCESS = 31,
  // The call comes from inside of another one that it would wait for.
  CA_REENTRANT = 32,
  // Another thread is in a call with the artifact that was to be closed.
  CA_IN_USE = 33,
  // There is not enough memory for what was asked for as a whole.
  CA_OUT_OF_MEMORY = 34,
  // Any other failure of the operating system.
  CA_IO = 35,
  // Metadata that break the schema of the artifact.
  CA_SCHEMA_VIOLATION = 36,
  // A pointer that must not be NULL is NULL, or does not have the alignment of its type.
  CA_BAD_POINTER = 100,
  // A handle that was freed, or is of another kind.
  CA_BAD_HANDLE = 101,
  // A text that is not UTF-8.
  CA_INVALID_UTF8 = 102,
  // The place for the answer is too small; how large it must be was written.
  CA_BUFFER_TOO_SMALL = 103,
  // A mistake of the library. Free the handle, and open the artifact anew.
  CA_PANIC = 104,
  // A failure that this version has no number for.
  CA_OTHER = 105,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ca_code ca_code;
#else
typedef int32_t ca_code;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// An artifact that is open: by its one writer, or to read. Any number of threads may call with it at the same time. `ca_close` or `ca_artifact_free` frees it.
typedef struct ca_artifact ca_artifact;

// Changes that are made together: all of them, or none.
typedef struct ca_batch ca_batch;

// A text that the library made: a report, statistics.
typedef struct ca_buffer ca_buffer;

// What a search found.
typedef struct ca_hits ca_hits;

// Reads records one after the other, all of one commit, whatever is written meanwhile.
typedef struct ca_reader ca_reader;

// A stored record. It stays readable whatever is deleted meanwhile, and after its artifact is closed.
typedef struct ca_record ca_record;

// A view of one commit, whatever is written meanwhile.
typedef struct ca_snapshot ca_snapshot;

// A text in UTF-8 that need not end with a zero byte. `data` is NULL: no text; an empty text has a pointer and a `len` of 0.
typedef struct {
  // Its bytes.
  const char *data;
  // How many.
  size_t len;
} ca_str;

// Any bytes. `data` is NULL: none; no bytes at all have a pointer and a `len` of 0.
typedef struct {
  // The first one.
  const uint8_t *data;
  // How many.
  size_t len;
} ca_bytes;

// A text beside the content of a record.
typedef struct {
  // `title`, which new artifacts have, or another field of the artifact.
  ca_str name;
  // Its text.
  ca_str text;
} ca_field;

// A vector in a vector space.
typedef struct {
  // The name of the space.
  ca_str space;
  // As many values as the space has dimensions.
  const float *values;
  // How many.
  size_t len;
} ca_vector;

// A record to be stored. Set `size`, and `text` or `blob`; everything else may be 0.
typedef struct {
  // `sizeof(ca_new_record)`.
  size_t size;
  // A text, which is found by its words; or none, and a blob.
  ca_str text;
  // Any bytes; or none, and a text.
  ca_bytes blob;
  // A name that no other record of the artifact has, up to 1,024 bytes; or none.
  ca_str key;
  // A JSON object that filters ask about; or none.
  ca_str metadata;
  // Texts beside the content.
  const ca_field *fields;
  // How many.
  size_t field_count;
  // Embeddings, at most one for each vector space.
  const ca_vector *embeddings;
  // How many.
  size_t embedding_count;
  // When it is not there any more, in milliseconds since 1970 (UTC), for an artifact with the option `expires_at`; 0: never.
  uint64_t expires_at_ms;
} ca_new_record;

// What a commit did.
typedef struct {
  // The number of the commit.
  uint64_t commit;
  // Records that were added or upserted.
  uint64_t added;
  // Records that were deleted; one that an upsert replaced does not count.
  uint64_t deleted;
  // Records that got other metadata.
  uint64_t updated;
} ca_receipt;

// A search: by words, by meaning, by vectors, by likeness to a record, or by several of them at once, among the records that a filter lets through. With a
// filter alone it lists those, in the order of their ids. Set `size`, and what you ask for; everything else may be 0.
typedef struct {
  // `sizeof(ca_query)`.
  size_t size;
  // Looks for a text by its words and by its meaning at once: as `words` and `meaning`.
  ca_str text;
  // Looks for any of the words of a plain text.
  ca_str words;
  // Looks for words as people write it: `word "a phrase" begin* roughly~ +must -not title:word`.
  ca_str syntax;
  // Looks for texts that mean the same: of an artifact that embeds texts. Needs the option `embedder` again where it is opened, unless that was `built-in`.
  ca_str meaning;
  // Looks for records with embeddings near these vectors.
  const ca_vector *vectors;
  // How many.
  size_t vector_count;
  // Looks for records with embeddings near that of the record `similar_to`, in this vector space; or none.
  ca_str similar_space;
  // The record; it has no meaning without `similar_space`, and must then be 0.
  uint64_t similar_to;
  // A filter as JSON, `{"year": {"$gte": 2020}}`; or none.
  ca_str filter;
  // How many hits, 1 to 65,536. 0: 10.
  size_t k;
  // How many of the best are left out first.
  size_t offset;
  // Hits come with the place of each text, up to so many bytes, that fits best, and with keys. 0: without.
  size_t snippet;
  // Not 0: hits come with their keys, contents and metadata.
  uint32_t fetch;
  // 0.
  uint32_t reserved;
  // Everything else as a JSON object, `{"exact": true, "ef_search": 128}`: the page on C lists it; or none.
  ca_str options;
} ca_query;

// A piece of a text: bytes from `start` on, up to but not including `end`.
typedef struct {
  // The first byte.
  size_t start;
  // The byte behind the last one.
  size_t end;
} ca_range;

// A record that was found. What it points to lasts as long as its `ca_hits`.
typedef struct {
  // Its id.
  uint64_t id;
  // Larger is better.
  float score;
  // `CA_OK`, or why the record that was asked for cannot be read: `CA_DAMAGED`.
  ca_code code;
  // Its key; none without `fetch` or `snippet`, or if it has none.
  ca_str key;
  // The place in its text that fits best; none without `snippet`.
  ca_str snippet;
  // What of the snippet was asked for.
  const ca_range *highlights;
  // How many.
  size_t highlight_count;
  // The content of a text; none without `fetch`.
  ca_str text;
  // The content of a blob; none without `fetch`.
  ca_bytes blob;
  // Its metadata as a JSON object; none without `fetch`.
  ca_str metadata;
} ca_hit;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The version of the interface of the library that the program runs with. A program that was compiled with another `CA_ABI_VERSION` does not fit it.
uint32_t ca_abi_version(void);

// The version of the library, `0.1.0`. It lasts as long as the program.
ca_str ca_version(void);

// What the last failure of this thread was, as a sentence: what, where, expected, found, what next. It lasts until the next call of this thread that fails;
// calls that succeed do not change it. It does not end with a zero byte: print it with `%.*s`.
ca_str ca_last_error(void);

// Creates an artifact in the directory `path`, whose parent exists. A directory that is there already must be empty. `options` is a JSON object, or none for
// the defaults: see the page on C.
ca_code ca_create(ca_str path,
                  ca_str options,
                  ca_artifact **artifact);

// Opens an artifact for writing, and recovers it if it was not closed. There is one writer at a time.
ca_code ca_open(ca_str path, ca_str options, ca_artifact **artifact);

// Opens an artifact for writing, or creates it where there is none.
ca_code ca_open_or_create(ca_str path, ca_str options, ca_artifact **artifact);

// Opens an artifact for reading: a directory, beside its writer or on read-only media, or a file that `ca_pack` wrote. `ca_refresh` sees later commits.
ca_code ca_open_read_only(ca_str path,
                          ca_str options,
                          ca_artifact **artifact);

// Opens a packed artifact that begins at `offset` in a larger file.
ca_code ca_open_packed_at(ca_str path, uint64_t offset, ca_str options, ca_artifact **artifact);

// Opens a packed artifact in memory. The bytes are copied.
ca_code ca_open_packed_copied(ca_bytes bytes, ca_str options, ca_artifact **artifact);

// Opens a packed artifact in memory, where it stays: nobody may change or free the bytes before `release` is called with `context`. That happens once, in any
// thread: when the artifact and all that was read from it are freed; or before this returns, if it fails, or if the bytes do not begin at a multiple of 64 and so
// are copied. `release` may be NULL for bytes that last as long as the program; it must not call the library.
ca_code ca_open_packed_borrowed(ca_bytes bytes,
                                void (*release)(void *context),
                                void *context,
                                ca_str options,
                                ca_artifact **artifact);

// Makes everything durable, seals what was added if there is much of it, and frees the handle: opening the artifact again is quick then. `CA_IN_USE`: another
// thread is in a call with it, and it stays open. After any other failure the handle is freed, and what was acknowledged is on disk.
ca_code ca_close(ca_artifact *artifact);

// Removes the artifact from the disk, the files that the format gives names to and no others, and frees the handle. `CA_IN_USE`: another thread is in a call with it, and
// everything stays.
ca_code ca_destroy(ca_artifact *artifact);

// Frees the handle without closing: nothing that was acknowledged is lost, and the next open recovers. Calls of other threads that are on their way end as
// if nothing had happened. NULL does nothing.
ca_code ca_artifact_free(ca_artifact *artifact);

// Adds a record. Its key, if it has one, must be new. `id` may be NULL.
ca_code ca_add(const ca_artifact *artifact, const ca_new_record *new_record, uint64_t *id);

// Adds a record in the place of the one with its key, if there is one. `id` may be NULL.
ca_code ca_upsert(const ca_artifact *artifact, const ca_new_record *new_record, uint64_t *id);

// Adds a blob of any length, of which a piece at a time is in memory. `read` writes up to `capacity` bytes to `to`, and returns how many: 0 at the end, `SIZE_MAX` if it
// cannot go on, which adds nothing and is `CA_IO`. `new_record` has the rest of the record, without embeddings. Other commits wait meanwhile; a call of `read` that
// writes to the artifact, or closes it, is `CA_REENTRANT`. `id` may be NULL.
ca_code ca_add_stream(const ca_artifact *artifact,
                      const ca_new_record *new_record,
                      size_t (*read)(void *context, uint8_t *to, size_t capacity),
                      void *context,
                      uint64_t *id);

// Deletes a record. `deleted`: how many, 1 or 0; it may be NULL.
ca_code ca_delete(const ca_artifact *artifact, uint64_t id, uint64_t *deleted);

// Deletes the record with this key. `deleted`: how many, 1 or 0; it may be NULL.
ca_code ca_delete_key(const ca_artifact *artifact, ca_str key, uint64_t *deleted);

// Deletes all records that a filter lets through. A comparison with a type that no value of its field has is no failure, as it is in `ca_count`, and matches nothing, negated or
// not. `deleted`: how many; it may be NULL.
ca_code ca_delete_where(const ca_artifact *artifact,
                        ca_str filter_json,
                        uint64_t *deleted);

// Changes the metadata of a record by a JSON merge patch (RFC 7396): `null` removes a field. `updated`: how many records, 1 or 0; it may be NULL.
ca_code ca_update(const ca_artifact *artifact,
                  uint64_t id,
                  ca_str patch_json,
                  uint64_t *updated);

// Changes the metadata of the record with this key: see `ca_update`.
ca_code ca_update_key(const ca_artifact *artifact, ca_str key, ca_str patch_json, uint64_t *updated);

// Changes the metadata of all records that a filter lets through: see `ca_update`. `updated`: how many; it may be NULL.
ca_code ca_update_where(const ca_artifact *artifact, ca_str filter_json, ca_str patch_json, uint64_t *updated);

// Gives a record that is there already an embedding, in the place of the one that it has in this vector space.
ca_code ca_add_embedding(const ca_artifact *artifact, uint64_t id, ca_str space, const float *values, size_t len);

// Takes the embedding away that a record has in a vector space; that it has none is no failure.
ca_code ca_remove_embedding(const ca_artifact *artifact, uint64_t id, ca_str space);

// Makes a batch without changes. It belongs to no artifact.
ca_code ca_batch_new(ca_batch **batch);

// Adds a record. Its key, if it has one, must be new. What the record points to is copied.
ca_code ca_batch_add(ca_batch *batch, const ca_new_record *new_record);

// Adds a record in the place of the one with its key, if there is one.
ca_code ca_batch_upsert(ca_batch *batch, const ca_new_record *new_record);

// Deletes a record; that there is none is no failure.
ca_code ca_batch_delete(ca_batch *batch, uint64_t id);

// Deletes the record with this key; that there is none is no failure.
ca_code ca_batch_delete_key(ca_batch *batch, ca_str key);

// Deletes all records that a filter lets through when the batch is committed, those of the batch itself not included: see `ca_delete_where`.
ca_code ca_batch_delete_where(ca_batch *batch,
                              ca_str filter_json);

// Changes the metadata of a record by a JSON merge patch; that there is none is no failure. Records of the batch itself cannot be changed.
ca_code ca_batch_update(ca_batch *batch,
                        uint64_t id,
                        ca_str patch_json);

// Changes the metadata of the record with this key: see `ca_batch_update`.
ca_code ca_batch_update_key(ca_batch *batch, ca_str key, ca_str patch_json);

// Changes the metadata of all records that a filter lets through: see `ca_batch_update`.
ca_code ca_batch_update_where(ca_batch *batch, ca_str filter_json, ca_str patch_json);

// Gives a record that is there already an embedding, in the place of the one that it has in this vector space.
ca_code ca_batch_add_embedding(ca_batch *batch, uint64_t id, ca_str space, const float *values, size_t len);

// Takes the embedding away that a record has in a vector space; that it has none is no failure.
ca_code ca_batch_remove_embedding(ca_batch *batch, uint64_t id, ca_str space);

// Commits a batch. The batch is empty afterwards, and can be filled anew; one that could not be committed is empty, too, unless the code is
// `CA_BUFFER_TOO_SMALL`, `CA_BAD_POINTER` or `CA_BAD_HANDLE`. `ids`: room for `capacity` ids, at least as many as records were added and upserted, in their order; or
// NULL. `receipt` may be NULL.
ca_code ca_write(const ca_artifact *artifact,
                 ca_batch *batch,
                 uint64_t *ids,
                 size_t capacity,
                 ca_receipt *receipt);

// Frees a batch; what was not committed is nowhere. NULL does nothing.
ca_code ca_batch_free(ca_batch *batch);

// What the artifact is set up as, as JSON: `path`, `is_read_only`, `language`, `fold_diacritics`, `fields`, `spaces`, `schema`, `expires_at`, `precompute_similar`, and
// `is_model_at_hand`, whether texts can be searched by meaning.
ca_code ca_settings(const ca_artifact *artifact,
                    ca_buffer **json);

// Adds a vector space. One that is there already, set up the same, is no failure. `metric`: `cosine`, `dot` or `l2`, or none for `cosine`; `quantization`: `int8` or
// `rotated-int8`, how vectors become codes of a byte a dimension, or none for the latter beyond 64 dimensions; `originals`: `none`, `residual`, `f16` or `f32`, what is kept
// beside codes, or none for `residual`.
ca_code ca_add_space(const ca_artifact *artifact,
                     ca_str name,
                     size_t dimension,
                     ca_str metric,
                     ca_str quantization,
                     ca_str originals);

// Removes a vector space: its vectors are not found from now on, and `ca_compact` returns their bytes.
ca_code ca_drop_space(const ca_artifact *artifact, ca_str name);

// Gives a vector space another name, which none has.
ca_code ca_rename_space(const ca_artifact *artifact, ca_str name, ca_str to);

// Adds a field of texts, whose words count `weight` times, 1 to 10. One that is there already with that weight is no failure.
ca_code ca_add_field(const ca_artifact *artifact,
                     ca_str name,
                     uint32_t weight);

// Changes how texts become words, and indexes the words of all records anew; searches go on by the old ones until that is done. `options` is a JSON object:
// `language`, `"german"` for one or `"none"`, and `fold_diacritics`; what is not in it stays as it is. `report`, as JSON, may be NULL.
ca_code ca_set_text_options(const ca_artifact *artifact,
                            ca_str options,
                            ca_buffer **report);

// Says what the metadata of records must be from now on, `{"year": {"type": "number", "required": true}, "tags": "string"}` with the types `bool`, `number`,
// `string` and `date`; none: anything. `CA_SCHEMA_VIOLATION`: a record that is there breaks it, and nothing was changed.
ca_code ca_set_schema(const ca_artifact *artifact,
                      ca_str schema_json);

// Moves to another model, `built-in` or the path of one, and embeds texts that have no embedding. `report`, as JSON, may be NULL. After a failure
// searches go on with the old model, and the same call goes on where it was. `CA_WOULD_LOSE_EMBEDDING`: records that are no texts have vectors that were given
// in the space of the old model, and nothing was changed.
ca_code ca_reembed(const ca_artifact *artifact,
                   ca_str model,
                   ca_buffer **report);

// The same with options: `{"lose_given": true}` lets vectors go that were given for records that are no texts; the report counts them as `given`.
ca_code ca_reembed_with(const ca_artifact *artifact,
                        ca_str model,
                        ca_str options,
                        ca_buffer **report);

// Searches the newest commit. Nothing found is no failure: the hits are none then.
ca_code ca_search(const ca_artifact *artifact, const ca_query *wanted, ca_hits **hits);

// Several searches at once, divided among the `threads` of the artifact. `wanted`: pointers to `count` queries; `hits`: places for the hits of each. If one of them
// fails, all do, and all places are NULL.
ca_code ca_search_batch(const ca_artifact *artifact,
                        const ca_query *const *wanted,
                        size_t count,
                        ca_hits **hits);

// The hits as an array, the best first, which lasts until `ca_hits_free`.
ca_code ca_hits_get(const ca_hits *hits, const ca_hit **first, size_t *len);

// Whether everything was looked at: otherwise a deadline passed, a word with `*` or `~` stood for too many terms, fewer groups than were asked for were found in the best 65,536
// hits (`group_by`), or there are losses. `losses`: what could not be read because it is damaged, and may be NULL.
ca_code ca_hits_complete(const ca_hits *hits,
                         bool *is_complete,
                         size_t *losses);

// Everything that was found as JSON: hits, losses, and what `options` asked for, `total`, `facets`, `explain`.
ca_code ca_hits_json(const ca_hits *hits, ca_buffer **json);

// Frees hits, and what they point to. NULL does nothing.
ca_code ca_hits_free(ca_hits *hits);

// How many records a filter lets through; how many there are without one.
ca_code ca_count(const ca_artifact *artifact, ca_str filter_json, uint64_t *count);

// The ids of records that a filter lets through, in ascending order. `len`: how many there are, also when `capacity` is too small: `CA_BUFFER_TOO_SMALL`.
ca_code ca_ids_where(const ca_artifact *artifact,
                     ca_str filter_json,
                     uint64_t *ids,
                     size_t capacity,
                     size_t *len);

// A record. `record` becomes NULL if it was deleted, or never was, which is no failure.
ca_code ca_get(const ca_artifact *artifact, uint64_t id, ca_record **record);

// The record with this key. `record` becomes NULL if there is none, which is no failure.
ca_code ca_get_by_key(const ca_artifact *artifact, ca_str key, ca_record **record);

// The id of the record with this key. `found`: whether there is one; without it `id` is not written.
ca_code ca_id_of_key(const ca_artifact *artifact, ca_str key, uint64_t *id, bool *found);

// The keys that begin with `prefix`, all keys for an empty one, in their order, as JSON: `[{"key": "a", "id": 0}]`.
ca_code ca_keys(const ca_artifact *artifact, ca_str prefix, ca_buffer **json);

// The values of a field of the metadata among the records that a filter lets through, or all without one, in their order, as JSON: `[{"value": 2026, "count": 3}]`.
ca_code ca_values(const ca_artifact *artifact,
                  ca_str field,
                  ca_str filter_json,
                  ca_buffer **json);

// The id of a record.
ca_code ca_record_id(const ca_record *record, uint64_t *id);

// Its key; none if it has none. It lasts until `ca_record_free`, as all that is read from a record.
ca_code ca_record_key(const ca_record *record, ca_str *key);

// Whether it is a text; otherwise it is a blob.
ca_code ca_record_is_text(const ca_record *record, bool *is_text);

// The length of its content in bytes.
ca_code ca_record_len(const ca_record *record, uint64_t *len);

// The content of a text. `CA_NOT_TEXT`: it is a blob.
ca_code ca_record_text(const ca_record *record, ca_str *text);

// The whole content of a text or a blob. For one that may not fit in memory there is `ca_record_read`.
ca_code ca_record_bytes(const ca_record *record, ca_bytes *bytes);

// Copies content from `offset` on to `to`, up to `capacity` bytes. `len`: how many were copied, fewer only at the end.
ca_code ca_record_read(const ca_record *record, uint64_t offset, uint8_t *to, size_t capacity, size_t *len);

// Its metadata as a JSON object, `{}` if it has none.
ca_code ca_record_metadata(const ca_record *record, ca_str *metadata);

// The text of a field; none if it has none.
ca_code ca_record_field(const ca_record *record, ca_str name, ca_str *text);

// Frees a record, and what was read from it. NULL does nothing.
ca_code ca_record_free(ca_record *record);

// The embedding of a record in a vector space, as near as it is stored. `len`: its dimensions, also when `capacity` is too small, `CA_BUFFER_TOO_SMALL`; 0 if the
// record has none there. `CA_DAMAGED` where it may have been lost.
ca_code ca_get_embedding(const ca_artifact *artifact,
                         uint64_t id,
                         ca_str space,
                         float *values,
                         size_t capacity,
                         size_t *len);

// The embedding of a text, as the model of the artifact gives it. `len`: its dimensions, also when `capacity` is too small, `CA_BUFFER_TOO_SMALL`; 0 if the model knows
// nothing in the text.
ca_code ca_embed(const ca_artifact *artifact,
                 ca_str text,
                 float *values,
                 size_t capacity,
                 size_t *len);

// Begins to read the records that a filter lets through, or all records without one, in the order of their ids.
ca_code ca_reader_new(const ca_artifact *artifact, ca_str filter_json, ca_reader **reader);

// The next record; `record` becomes NULL behind the last one. `CA_DAMAGED` stands for the records of one damaged block: the next call goes on behind it.
ca_code ca_reader_next(ca_reader *reader,
                       ca_record **record);

// Frees a reader; records that it gave stay. NULL does nothing.
ca_code ca_reader_free(ca_reader *reader);

// The newest commit, for several calls that are to see the same. Its files stay on the disk until it is freed.
ca_code ca_snapshot_new(const ca_artifact *artifact, ca_snapshot **snapshot);

// The number of the commit.
ca_code ca_snapshot_commit(const ca_snapshot *snapshot, uint64_t *commit);

// Searches the commit: see `ca_search`.
ca_code ca_snapshot_search(const ca_snapshot *snapshot, const ca_query *wanted, ca_hits **hits);

// A record of the commit: see `ca_get`.
ca_code ca_snapshot_get(const ca_snapshot *snapshot, uint64_t id, ca_record **record);

// The record of the commit with this key: see `ca_get_by_key`.
ca_code ca_snapshot_get_by_key(const ca_snapshot *snapshot, ca_str key, ca_record **record);

// How many records of the commit a filter lets through: see `ca_count`.
ca_code ca_snapshot_count(const ca_snapshot *snapshot, ca_str filter_json, uint64_t *count);

// Begins to read the records of the commit: see `ca_reader_new`.
ca_code ca_snapshot_reader(const ca_snapshot *snapshot, ca_str filter_json, ca_reader **reader);

// Frees a snapshot; what it gave stays. NULL does nothing.
ca_code ca_snapshot_free(ca_snapshot *snapshot);

// Sees what another process committed since this reader opened the artifact or called this. `changed`, whether anything did, may be NULL.
ca_code ca_refresh(const ca_artifact *artifact,
                   bool *changed);

// Waits until there is a newer commit, and sees it as `ca_refresh` does. `changed`, whether there is one, or `timeout_ms` milliseconds are over, may be NULL.
ca_code ca_watch(const ca_artifact *artifact,
                 uint64_t timeout_ms,
                 bool *changed);

// The number of the commit that the artifact shows.
ca_code ca_commit(const ca_artifact *artifact, uint64_t *commit);

// What happened since a commit, as JSON: `added`, `replaced`, `updated` and `deleted` records, up to `commit`. `json` becomes NULL if the commit is too old to tell, or none
// of this artifact, which is no failure: begin anew, with all records.
ca_code ca_changes_since(const ca_artifact *artifact,
                         uint64_t commit,
                         ca_buffer **json);

// Makes every commit so far durable.
ca_code ca_sync(const ca_artifact *artifact);

// Brings everything committed so far into its final form: records in segments, indexes with graphs. It happens by itself when there is much of it.
ca_code ca_seal(const ca_artifact *artifact,
                ca_buffer **report);

// Returns the space of deleted records, with at most `budget` bytes of memory, 4 MiB or more.
ca_code ca_compact(const ca_artifact *artifact, size_t budget, ca_buffer **report);

// Writes the newest commit to one file, which must not exist yet.
ca_code ca_pack(const ca_artifact *artifact, ca_str path, ca_buffer **report);

// Makes a directory of a packed artifact, which `ca_open` can write to. `to` must be an empty directory, or not exist while its parent does.
ca_code ca_unpack(const ca_artifact *artifact,
                  ca_str to,
                  ca_buffer **report);

// Compares the checksums of an artifact that is open. `is_sound`: whether there is no damage; it may be NULL, and so may the report, which names every damaged place.
ca_code ca_verify(const ca_artifact *artifact,
                  uint32_t level,
                  bool *is_sound,
                  ca_buffer **report);

// Compares the checksums of an artifact that need not be one that opens: a directory or a packed file.
ca_code ca_verify_path(ca_str path, uint32_t level, bool *is_sound, ca_buffer **report);

// Copies everything that is sound from a damaged artifact, a directory or a packed file, into a new one at `to`.
ca_code ca_salvage(ca_str from, ca_str to, ca_str options, ca_buffer **report);

// What the artifact holds, as JSON: records, bytes on disk, vector spaces.
ca_code ca_stats(const ca_artifact *artifact, ca_buffer **json);

// What opening found beyond what a closed artifact has, as JSON.
ca_code ca_recovery(const ca_artifact *artifact, ca_buffer **json);

// Memory that the artifact takes, in bytes, and what its searches did so far, as JSON.
ca_code ca_memory_stats(const ca_artifact *artifact, ca_buffer **json);

// What each cache did since the artifact was opened, and what it holds, as JSON.
ca_code ca_cache_stats(const ca_artifact *artifact, ca_buffer **json);

// Empties the caches.
ca_code ca_clear_caches(const ca_artifact *artifact);

// Lets go of caches, and of room that searches keep. Everything is found as before, only slower at first.
ca_code ca_release_memory(const ca_artifact *artifact);

// The text of a report, which lasts until `ca_buffer_free`.
ca_code ca_buffer_get(const ca_buffer *buffer, ca_str *text);

// Frees a report. NULL does nothing.
ca_code ca_buffer_free(ca_buffer *buffer);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#ifndef __cplusplus
// A text that stands in the program: CA_STR("a cat").
#define CA_STR(literal) ((ca_str){ "" literal, sizeof(literal) - 1 })
#endif

// A text that ends with a zero byte; NULL is none.
static inline ca_str ca_str_from(const char *text) {
  ca_str str;
  str.data = text;
  str.len = text ? strlen(text) : 0;
  return str;
}
