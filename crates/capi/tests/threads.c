// Threads that write, search and read with one handle, and with a batch and a reader that they share.

#include <compact_artifact.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 4, ROUNDS = 30 };

static ca_artifact *artifact;
static ca_batch *batch;
static ca_reader *reader;

static void check(ca_code code, int line) {
  if (code == CA_OK) return;
  const ca_str error = ca_last_error();
  fprintf(stderr, "line %d: failure %d: %.*s\n", line, (int)code, (int)error.len, error.data);
  exit(1);
}
#define CHECK(call) check(call, __LINE__)

static void *work(void *read) {
  const ca_new_record record = {.size = sizeof record, .text = CA_STR("a cat in a thread")};
  for (int round = 0; round < ROUNDS; round++) {
    CHECK(ca_add(artifact, &record, NULL));
    CHECK(ca_batch_add(batch, &record));
    ca_hits *hits;
    const ca_hit *hit;
    size_t len;
    const ca_query query = {.size = sizeof query, .words = CA_STR("cat"), .fetch = 1, .k = 5};
    CHECK(ca_search(artifact, &query, &hits));
    CHECK(ca_hits_get(hits, &hit, &len));
    if (len == 0 || hit->text.len != record.text.len || memcmp(hit->text.data, record.text.data, hit->text.len)) exit(1);
    CHECK(ca_hits_free(hits));
    ca_record *next;
    CHECK(ca_reader_next(reader, &next));
    *(size_t *)read += next != NULL;
    CHECK(ca_record_free(next));
    // Failures of one thread are not those of another.
    if (ca_close(NULL) != CA_BAD_POINTER || ca_last_error().len == 0) exit(1);
  }
  return NULL;
}

int main(int argc, char **argv) {
  char path[4096];
  if (argc != 2) return 2;
  snprintf(path, sizeof path, "%s/threads.artifact", argv[1]);
  CHECK(ca_create(ca_str_from(path), CA_STR("{\"durability\": \"buffered\"}"), &artifact));
  CHECK(ca_batch_new(&batch));
  const ca_new_record record = {.size = sizeof record, .text = CA_STR("before")};
  for (int i = 0; i < 2 * THREADS; i++) CHECK(ca_add(artifact, &record, NULL));
  CHECK(ca_reader_new(artifact, (ca_str){0}, &reader));
  pthread_t threads[THREADS];
  size_t read[THREADS] = {0}, all = 0;
  for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, work, &read[i]);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL), all += read[i];
  ca_receipt receipt;
  uint64_t count;
  CHECK(ca_write(artifact, batch, NULL, 0, &receipt));
  CHECK(ca_count(artifact, (ca_str){0}, &count));
  CHECK(ca_reader_free(reader));
  CHECK(ca_batch_free(batch));
  CHECK(ca_close(artifact));
  if (receipt.added != THREADS * ROUNDS || count != 2 * THREADS * (ROUNDS + 1) || all != 2 * THREADS) return 1;
  puts("threads: nothing was lost");
  return 0;
}
