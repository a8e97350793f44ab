// Times searches through C: search ARTIFACT, which examples/search_in_rust.rs made. Queries are the same as there.

#include <compact_artifact.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { QUERIES = 3000, DIMENSION = 64 };

static void check(ca_code code) {
  if (code == CA_OK) return;
  const ca_str error = ca_last_error();
  fprintf(stderr, "failure %d: %.*s\n", (int)code, (int)error.len, error.data);
  exit(1);
}

static uint64_t state = 7;

static uint32_t next(uint32_t below) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 33) % below;
}

static int by_size(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  ca_artifact *artifact;
  check(ca_open_read_only(ca_str_from(argv[1]), CA_STR("{\"result_cache_bytes\": 0}"), &artifact));
  const char *kinds[] = {"words", "vector", "words with filter, key and snippet"};
  for (int kind = 0; kind < 3; kind++) {
    static double times[QUERIES];
    size_t found = 0;
    for (int round = 0; round < QUERIES; round++) {
      char words[32];
      float values[DIMENSION];
      ca_query query = {.size = sizeof query, .k = 10};
      const ca_vector vector = {CA_STR("v"), values, DIMENSION};
      if (kind == 1) {
        for (int i = 0; i < DIMENSION; i++) values[i] = (float)next(1000) / 500.0f - 1.0f;
        query.vectors = &vector, query.vector_count = 1;
      } else {
        const uint32_t one = next(2000);
        snprintf(words, sizeof words, "w%u w%u", one, next(2000));
        query.words = ca_str_from(words);
      }
      if (kind == 2) query.filter = CA_STR("{\"n\": {\"$lt\": 50}}"), query.snippet = 80;
      struct timespec before, after;
      ca_hits *hits;
      const ca_hit *hit;
      size_t len;
      clock_gettime(CLOCK_MONOTONIC, &before);
      check(ca_search(artifact, &query, &hits));
      check(ca_hits_get(hits, &hit, &len));
      for (size_t i = 0; i < len; i++) found += hit[i].id;
      check(ca_hits_free(hits));
      clock_gettime(CLOCK_MONOTONIC, &after);
      times[round] = (double)(after.tv_sec - before.tv_sec) * 1e6 + (double)(after.tv_nsec - before.tv_nsec) / 1e3;
    }
    qsort(times, QUERIES, sizeof *times, by_size);
    printf("C     %-36s p50 %7.2f us, p95 %7.2f us, sum of ids %zu\n", kinds[kind], times[QUERIES / 2], times[QUERIES * 19 / 20], found);
  }
  check(ca_close(artifact));
  return 0;
}
