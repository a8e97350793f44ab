// Everything that C can get wrong and the library can tell, and every code that a program meets in its ordinary life: each must be answered, and nothing else
// may happen. Run under AddressSanitizer and valgrind.

#include <compact_artifact.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int failures;

#define EXPECT(expected, call)                                                                              \
  do {                                                                                                      \
    const ca_code code = (call);                                                                            \
    if (code != (expected)) {                                                                               \
      const ca_str error = ca_last_error();                                                                 \
      fprintf(stderr, "%s:%d: %s: expected %s, found %d (%.*s)\n", __FILE__, __LINE__, #call, #expected,    \
              (int)code, (int)error.len, error.data);                                                       \
      failures++;                                                                                           \
    }                                                                                                       \
  } while (0)

#define HOLDS(condition)                                                                                    \
  do {                                                                                                      \
    if (!(condition)) {                                                                                     \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                       \
      failures++;                                                                                           \
    }                                                                                                       \
  } while (0)

static const ca_str NONE;
static char folder[4000];

static ca_str path(const char *name) {
  static char places[4][4096];
  static int next;
  char *place = places[next++ % 4];
  snprintf(place, sizeof places[0], "%s/%s", folder, name);
  return ca_str_from(place);
}

static ca_new_record text(const char *words) {
  ca_new_record record = {.size = sizeof record, .text = ca_str_from(words)};
  return record;
}

// Fields have their places for as long as CA_ABI_VERSION is 1.
static void layouts(void) {
  if (sizeof(void *) != 8) return;
  HOLDS(sizeof(ca_str) == 16 && sizeof(ca_bytes) == 16 && sizeof(ca_field) == 32 && sizeof(ca_vector) == 32);
  HOLDS(sizeof(ca_new_record) == 112 && offsetof(ca_new_record, expires_at_ms) == 104);
  HOLDS(sizeof(ca_query) == 176 && offsetof(ca_query, filter) == 112 && offsetof(ca_query, options) == 160);
  HOLDS(sizeof(ca_hit) == 112 && offsetof(ca_hit, key) == 16 && offsetof(ca_hit, metadata) == 96);
  HOLDS(sizeof(ca_range) == 16 && sizeof(ca_receipt) == 32 && sizeof(ca_code) == 4);
  HOLDS(ca_abi_version() == CA_ABI_VERSION && ca_version().len > 0);
}

static void creating(void) {
  ca_artifact *artifact = (ca_artifact *)8;
  EXPECT(CA_BAD_POINTER, ca_create(path("a"), NONE, NULL));
  EXPECT(CA_BAD_POINTER, ca_create(NONE, NONE, &artifact));
  HOLDS(artifact == NULL);
  EXPECT(CA_IO, ca_create(path("no/such/parent"), NONE, &artifact));
  EXPECT(CA_NOT_FOUND, ca_open(path("nowhere"), NONE, &artifact));
  EXPECT(CA_INVALID_JSON, ca_create(path("a"), CA_STR("{"), &artifact));
  EXPECT(CA_INVALID_JSON, ca_create(path("a"), CA_STR("{\"colour\": 1}"), &artifact));
  EXPECT(CA_INVALID_ARGUMENT, ca_create(path("a"), CA_STR("{\"threads\": 0}"), &artifact));
  EXPECT(CA_INVALID_UTF8, ca_create(CA_STR("\xff"), NONE, &artifact));
  EXPECT(CA_EMBEDDER, ca_create(path("a"), CA_STR("{\"embedder\": \"/no/model\"}"), &artifact));
  EXPECT(CA_OK, ca_create(path("a"), CA_STR("{\"spaces\": {\"s\": {\"dimension\": 2}}}"), &artifact));
  EXPECT(CA_LOCKED, ca_open(path("a"), NONE, &(ca_artifact *){0}));
  EXPECT(CA_OK, ca_close(artifact));
  EXPECT(CA_ALREADY_EXISTS, ca_create(path("a"), NONE, &(ca_artifact *){0}));
  EXPECT(CA_BAD_HANDLE, ca_close(artifact));
  EXPECT(CA_BAD_HANDLE, ca_artifact_free(artifact));
  EXPECT(CA_SPACE_MISMATCH, ca_open(path("a"), CA_STR("{\"spaces\": {\"s\": {\"dimension\": 3}}}"), &artifact));
  EXPECT(CA_SETTINGS_MISMATCH, ca_open(path("a"), CA_STR("{\"language\": \"french\"}"), &artifact));
  EXPECT(CA_NOT_AN_ARTIFACT, ca_open_packed_copied((ca_bytes){(const uint8_t *)"no pack", 7}, NONE, &artifact));
  EXPECT(CA_OK, ca_artifact_free(NULL));
}

static void adding(ca_artifact *artifact) {
  const ca_new_record cat = text("a cat");
  ca_new_record record = cat;
  EXPECT(CA_BAD_POINTER, ca_add(NULL, &cat, NULL));
  EXPECT(CA_BAD_POINTER, ca_add(artifact, NULL, NULL));
  record.size = 0;
  EXPECT(CA_INVALID_ARGUMENT, ca_add(artifact, &record, NULL));
  record.size = offsetof(ca_new_record, expires_at_ms) - 1;
  EXPECT(CA_INVALID_ARGUMENT, ca_add(artifact, &record, NULL));
  const struct { ca_new_record record; size_t newer; } longer = {{.size = sizeof longer, .text = CA_STR("a")}, 1};
  EXPECT(CA_UNSUPPORTED, ca_add(artifact, &longer.record, NULL));
  record = text(NULL);
  EXPECT(CA_INVALID_ARGUMENT, ca_add(artifact, &record, NULL));
  record = cat;
  record.text.len = SIZE_MAX;
  EXPECT(CA_INVALID_ARGUMENT, ca_add(artifact, &record, NULL));
  record.text = (ca_str){NULL, 5};
  EXPECT(CA_BAD_POINTER, ca_add(artifact, &record, NULL));
  record.text = CA_STR("\xc3");
  EXPECT(CA_INVALID_UTF8, ca_add(artifact, &record, NULL));
  record = cat;
  record.metadata = CA_STR("[1");
  EXPECT(CA_INVALID_JSON, ca_add(artifact, &record, NULL));
  record.metadata = CA_STR("{\"n\": 1}");
  record.key = CA_STR("cat");
  EXPECT(CA_OK, ca_add(artifact, &record, NULL));
  EXPECT(CA_ALREADY_EXISTS, ca_add(artifact, &record, NULL));
  char *key = malloc(2000);
  memset(key, 'k', 2000);
  record.key = (ca_str){key, 2000};
  EXPECT(CA_TOO_LARGE, ca_add(artifact, &record, NULL));
  free(key);
  const ca_field field = {CA_STR("colour"), CA_STR("black")};
  record = cat;
  record.fields = &field, record.field_count = 1;
  EXPECT(CA_NO_SUCH_FIELD, ca_add(artifact, &record, NULL));
  record.fields = NULL;
  EXPECT(CA_BAD_POINTER, ca_add(artifact, &record, NULL));

  const float values[] = {0, 0, NAN};
  record = cat;
  ca_vector vector = {CA_STR("s"), values, 3};
  record.embeddings = &vector, record.embedding_count = 1;
  EXPECT(CA_WRONG_DIMENSION, ca_add(artifact, &record, NULL));
  vector.len = 2;
  EXPECT(CA_ZERO_VECTOR, ca_add(artifact, &record, NULL));
  vector.values = values + 1;
  EXPECT(CA_NOT_FINITE, ca_add(artifact, &record, NULL));
  vector.values = (const float *)((const char *)values + 1);
  EXPECT(CA_BAD_POINTER, ca_add(artifact, &record, NULL));
  vector.space = CA_STR("other");
  vector.values = values;
  EXPECT(CA_NO_SUCH_SPACE, ca_add(artifact, &record, NULL));
  EXPECT(CA_NO_SUCH_RECORD, ca_add_embedding(artifact, 4711, CA_STR("s"), (const float[]){1, 0}, 2));
  const ca_new_record blob = {.size = sizeof blob, .blob = {(const uint8_t *)"\0\xff", 2}, .key = CA_STR("blob")};
  uint64_t id = 0;
  EXPECT(CA_OK, ca_add(artifact, &blob, &id));
  EXPECT(CA_OK, ca_add_embedding(artifact, id, CA_STR("s"), (const float[]){1, 0}, 2));
  const ca_new_record other = {.size = sizeof other, .text = CA_STR("no vector"), .key = CA_STR("blob")};
  EXPECT(CA_WOULD_LOSE_EMBEDDING, ca_upsert(artifact, &other, NULL));
}

static void searching(ca_artifact *artifact) {
  ca_hits *hits = (ca_hits *)8;
  const ca_hit *first = NULL;
  size_t len = 7;
  ca_query query = {.size = sizeof query};
  EXPECT(CA_BAD_POINTER, ca_search(artifact, NULL, &hits));
  EXPECT(CA_BAD_POINTER, ca_search(artifact, &query, NULL));
  EXPECT(CA_BAD_HANDLE, ca_search((ca_artifact *)1, &query, &hits));
  HOLDS(hits == NULL);
  query.text = CA_STR("cat");
  EXPECT(CA_NO_MODEL, ca_search(artifact, &query, &hits));
  query.text = NONE, query.syntax = CA_STR("(cat");
  EXPECT(CA_INVALID_QUERY, ca_search(artifact, &query, &hits));
  query.syntax = NONE, query.filter = CA_STR("{\"n\": {\"$like\": 1}}");
  EXPECT(CA_INVALID_FILTER, ca_search(artifact, &query, &hits));
  query.filter = CA_STR("{\"n\": \"one\"}");
  EXPECT(CA_TYPE_MISMATCH, ca_search(artifact, &query, &hits));
  query.filter = NONE, query.k = (size_t)1 << 40;
  EXPECT(CA_INVALID_ARGUMENT, ca_search(artifact, &query, &hits));
  query.k = 1, query.vectors = NULL, query.vector_count = 3;
  EXPECT(CA_BAD_POINTER, ca_search(artifact, &query, &hits));
  query.vector_count = 0, query.words = CA_STR("nothing like that");
  EXPECT(CA_OK, ca_search(artifact, &query, &hits));
  EXPECT(CA_OK, ca_hits_get(hits, &first, &len));
  HOLDS(len == 0);
  EXPECT(CA_BAD_POINTER, ca_hits_get(hits, NULL, &len));
  EXPECT(CA_BAD_HANDLE, ca_batch_free((ca_batch *)hits));
  EXPECT(CA_OK, ca_hits_free(hits));
  EXPECT(CA_BAD_HANDLE, ca_hits_free(hits));
  EXPECT(CA_BAD_HANDLE, ca_hits_get(hits, &first, &len));
  EXPECT(CA_OK, ca_hits_free(NULL));
}

static void reading(ca_artifact *artifact) {
  ca_record *record = NULL;
  ca_reader *reader = NULL;
  ca_str words;
  size_t len = 0;
  uint8_t byte = 0;
  EXPECT(CA_OK, ca_get(artifact, 4711, &record));
  HOLDS(record == NULL);
  EXPECT(CA_BAD_POINTER, ca_record_text(record, &words));
  EXPECT(CA_OK, ca_get_by_key(artifact, CA_STR("blob"), &record));
  EXPECT(CA_NOT_TEXT, ca_record_text(record, &words));
  EXPECT(CA_OK, ca_record_read(record, 1, &byte, 1, &len));
  HOLDS(byte == 0xff && len == 1);
  EXPECT(CA_OK, ca_record_free(record));
  EXPECT(CA_BAD_HANDLE, ca_record_key(record, &words));
  EXPECT(CA_NO_SUCH_SPACE, ca_get_embedding(artifact, 0, CA_STR("x"), NULL, 0, &len));
  EXPECT(CA_BUFFER_TOO_SMALL, ca_ids_where(artifact, CA_STR("{\"n\": 1}"), NULL, 0, &len));
  HOLDS(len == 1);
  EXPECT(CA_OK, ca_reader_new(artifact, NONE, &reader));
  size_t records = 0;
  do {
    EXPECT(CA_OK, ca_reader_next(reader, &record));
    records += record != NULL;
    EXPECT(CA_OK, ca_record_free(record));
  } while (record != NULL);
  HOLDS(records == 2);
  EXPECT(CA_OK, ca_reader_free(reader));
  EXPECT(CA_BAD_HANDLE, ca_reader_next(reader, &record));
}

static void batches(ca_artifact *artifact) {
  ca_batch *batch = NULL;
  const ca_new_record cat = text("one more cat");
  uint64_t ids[1];
  EXPECT(CA_BAD_POINTER, ca_batch_new(NULL));
  EXPECT(CA_OK, ca_batch_new(&batch));
  EXPECT(CA_OK, ca_batch_add(batch, &cat));
  EXPECT(CA_OK, ca_batch_add(batch, &cat));
  EXPECT(CA_INVALID_JSON, ca_batch_delete_where(batch, CA_STR("x")));
  EXPECT(CA_BUFFER_TOO_SMALL, ca_write(artifact, batch, ids, 1, NULL));
  EXPECT(CA_BAD_HANDLE, ca_write((ca_artifact *)batch, batch, NULL, 0, NULL));
  EXPECT(CA_OK, ca_batch_free(batch));
  EXPECT(CA_BAD_HANDLE, ca_batch_free(batch));
  EXPECT(CA_BAD_HANDLE, ca_batch_add(batch, &cat));
}

// What a forked process is answered that has handles of its parent.
static void forked(ca_artifact *artifact, ca_batch *batch, ca_snapshot *snapshot, ca_reader *reader, ca_hits *hits) {
  alarm(60);  // nothing waits for a lock that the parent holds
  failures = 0;
  const ca_new_record cat = text("a cat");
  const ca_query query = {.size = sizeof query, .words = CA_STR("cat")}, *queries[] = {&query};
  uint64_t number;
  bool is;
  const ca_hit *hit;
  size_t len;
  ca_hits *found;
  ca_record *record;
  ca_snapshot *another;
  ca_buffer *json;
  EXPECT(CA_OTHER_PROCESS, ca_add(artifact, &cat, NULL));
  EXPECT(CA_OTHER_PROCESS, ca_search(artifact, &query, &found));
  EXPECT(CA_OTHER_PROCESS, ca_search_batch(artifact, queries, 1, &found));
  EXPECT(CA_OTHER_PROCESS, ca_snapshot_new(artifact, &another));
  EXPECT(CA_OTHER_PROCESS, ca_snapshot_search(snapshot, &query, &found));
  EXPECT(CA_OTHER_PROCESS, ca_get(artifact, 0, &record));
  EXPECT(CA_OTHER_PROCESS, ca_count(artifact, NONE, &number));
  EXPECT(CA_OTHER_PROCESS, ca_commit(artifact, &number));
  EXPECT(CA_OTHER_PROCESS, ca_keys(artifact, NONE, &json));
  EXPECT(CA_OTHER_PROCESS, ca_refresh(artifact, &is));
  EXPECT(CA_OTHER_PROCESS, ca_watch(artifact, 1, &is));
  EXPECT(CA_OTHER_PROCESS, ca_settings(artifact, &json));
  EXPECT(CA_OTHER_PROCESS, ca_stats(artifact, &json));
  EXPECT(CA_OTHER_PROCESS, ca_memory_stats(artifact, &json));
  EXPECT(CA_OTHER_PROCESS, ca_release_memory(artifact));
  EXPECT(CA_OTHER_PROCESS, ca_verify(artifact, CA_VERIFY_DECODE, &is, NULL));
  EXPECT(CA_OTHER_PROCESS, ca_batch_add(batch, &cat));
  EXPECT(CA_OTHER_PROCESS, ca_reader_next(reader, &record));
  EXPECT(CA_OTHER_PROCESS, ca_hits_get(hits, &hit, &len));
  EXPECT(CA_OTHER_PROCESS, ca_batch_free(batch));
  EXPECT(CA_OTHER_PROCESS, ca_hits_free(hits));
  EXPECT(CA_OTHER_PROCESS, ca_reader_free(reader));
  EXPECT(CA_OTHER_PROCESS, ca_snapshot_free(snapshot));
  EXPECT(CA_OTHER_PROCESS, ca_close(artifact));
  EXPECT(CA_OTHER_PROCESS, ca_destroy(artifact));
  EXPECT(CA_OTHER_PROCESS, ca_artifact_free(artifact));
  // What it opens itself is its own.
  EXPECT(CA_OK, ca_create(path("child"), NONE, &artifact));
  EXPECT(CA_OK, ca_add(artifact, &cat, NULL));
  EXPECT(CA_OK, ca_count(artifact, NONE, &number));
  EXPECT(CA_OK, ca_close(artifact));
  EXPECT(CA_BAD_HANDLE, ca_close(artifact));
  // What another thread of the parent had at hand is nobody's here: who looks for leaks at an exit would find it.
  if (failures == 0) raise(SIGKILL);
  _exit(1);
}

static atomic_bool is_done;

// The allocator of AddressSanitizer, unlike that of the C library, stays locked in a process that is forked while another thread is in it (GCC 12).
#ifdef __SANITIZE_ADDRESS__
static const bool is_beside = false;
#else
static const bool is_beside = true;
#endif

// Holds the locks of handles most of the time.
static void *making(void *unused) {
  while (!is_done) {
    ca_batch *batch;
    EXPECT(CA_OK, ca_batch_new(&batch));
    EXPECT(CA_OK, ca_batch_free(batch));
  }
  return unused;
}

static void forking(ca_artifact *artifact) {
  ca_batch *batch;
  ca_snapshot *snapshot;
  ca_reader *reader;
  ca_hits *hits;
  const ca_query query = {.size = sizeof query, .words = CA_STR("cat")};
  EXPECT(CA_OK, ca_batch_new(&batch));
  EXPECT(CA_OK, ca_snapshot_new(artifact, &snapshot));
  EXPECT(CA_OK, ca_reader_new(artifact, NONE, &reader));
  EXPECT(CA_OK, ca_search(artifact, &query, &hits));
  pthread_t thread;
  if (is_beside) HOLDS(pthread_create(&thread, NULL, making, NULL) == 0);
  for (int child = 0; child < 20; child++) {
    fflush(NULL);
    const pid_t process = fork();
    if (process == 0) {
      snprintf(folder + strlen(folder), 20, "/%d", child);
      if (mkdir(folder, 0700) != 0) _exit(2);
      forked(artifact, batch, snapshot, reader, hits);
    }
    int status = 1;
    HOLDS(waitpid(process, &status, 0) == process && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  }
  is_done = true;
  if (is_beside) HOLDS(pthread_join(thread, NULL) == 0);
  EXPECT(CA_OK, ca_batch_free(batch));
  EXPECT(CA_OK, ca_snapshot_free(snapshot));
  EXPECT(CA_OK, ca_reader_free(reader));
  EXPECT(CA_OK, ca_hits_free(hits));
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  snprintf(folder, sizeof folder, "%s", argv[1]);
  ca_artifact *artifact = NULL;
  layouts();
  creating();
  EXPECT(CA_OK, ca_open(path("a"), NONE, &artifact));
  adding(artifact);
  searching(artifact);
  reading(artifact);
  batches(artifact);
  forking(artifact);
  bool sound = false;
  EXPECT(CA_INVALID_ARGUMENT, ca_verify(artifact, 17, &sound, NULL));
  EXPECT(CA_OK, ca_verify(artifact, CA_VERIFY_DECODE, &sound, NULL));
  HOLDS(sound);
  EXPECT(CA_OK, ca_pack(artifact, path("pack"), NULL));
  EXPECT(CA_ALREADY_EXISTS, ca_pack(artifact, path("pack"), NULL));
  EXPECT(CA_OK, ca_close(artifact));
  EXPECT(CA_OK, ca_open_read_only(path("pack"), NONE, &artifact));
  const ca_new_record cat = text("a cat");
  EXPECT(CA_READ_ONLY, ca_add(artifact, &cat, NULL));
  EXPECT(CA_OK, ca_close(artifact));
  if (failures == 0) puts("misuse: every mistake was told");
  return failures != 0;
}
