// Some texts with metadata: found by words, by meaning and by a filter; changed; and found again after the artifact was closed. Then what misuse answers.
//
//     demo FOLDER     makes FOLDER/notes.artifact, which must not exist yet

#include <compact_artifact.h>
#include <stdio.h>
#include <stdlib.h>

// Ends the program with the sentence of a failure.
static void check(ca_code code) {
  if (code == CA_OK) return;
  const ca_str error = ca_last_error();
  fprintf(stderr, "failure %d: %.*s\n", (int)code, (int)error.len, error.data);
  exit(1);
}

static void search(const ca_artifact *artifact, const ca_query *query) {
  ca_hits *hits;
  check(ca_search(artifact, query, &hits));
  const ca_hit *hit;
  size_t len;
  check(ca_hits_get(hits, &hit, &len));
  for (const ca_hit *end = hit + len; hit < end; hit++) {
    printf("  %5.2f  %-6.*s  %.*s\n", (double)hit->score, (int)hit->key.len, hit->key.data, (int)hit->snippet.len, hit->snippet.data);
  }
  check(ca_hits_free(hits));
}

int main(int argc, char **argv) {
  char path[4096];
  if (argc != 2 || snprintf(path, sizeof path, "%s/notes.artifact", argv[1]) >= (int)sizeof path) {
    fprintf(stderr, "usage: demo FOLDER\n");
    return 2;
  }
  if (ca_abi_version() != CA_ABI_VERSION) {
    fprintf(stderr, "compiled for another version of the library\n");
    return 1;
  }

  // Texts are embedded by the model of the library.
  ca_artifact *artifact;
  check(ca_create(ca_str_from(path), CA_STR("{\"embedder\": \"built-in\"}"), &artifact));

  // One commit: all of it, or nothing. It is on disk when the call returns.
  const ca_new_record notes[] = {
      {.size = sizeof(ca_new_record), .text = CA_STR("a cat sat on the mat"), .key = CA_STR("cat"), .metadata = CA_STR("{\"year\": 2024}")},
      {.size = sizeof(ca_new_record), .text = CA_STR("dogs chase cats"), .key = CA_STR("dog"), .metadata = CA_STR("{\"year\": 2026}")},
      {.size = sizeof(ca_new_record), .text = CA_STR("the stock market fell"), .key = CA_STR("market"), .metadata = CA_STR("{\"year\": 2026}")},
  };
  ca_batch *batch;
  check(ca_batch_new(&batch));
  for (size_t i = 0; i < sizeof notes / sizeof *notes; i++) check(ca_batch_add(batch, &notes[i]));
  check(ca_write(artifact, batch, NULL, 0, NULL));
  check(ca_batch_free(batch));

  puts("by words, \"cats\":");
  search(artifact, &(ca_query){.size = sizeof(ca_query), .words = CA_STR("cats"), .snippet = 80});
  puts("by words and meaning, \"pets and animals\", since 2025:");
  search(artifact, &(ca_query){.size = sizeof(ca_query), .text = CA_STR("pets and animals"), .filter = CA_STR("{\"year\": {\"$gte\": 2025}}"), .k = 1, .snippet = 80});

  const ca_new_record sleep = {.size = sizeof sleep, .text = CA_STR("dogs sleep"), .key = CA_STR("dog")};
  check(ca_upsert(artifact, &sleep, NULL));          // takes the place of the record with this key
  check(ca_delete_key(artifact, CA_STR("market"), NULL));
  check(ca_close(artifact));

  check(ca_open_read_only(ca_str_from(path), (ca_str){0}, &artifact));
  uint64_t count;
  check(ca_count(artifact, (ca_str){0}, &count));
  printf("%d records after it was opened anew:\n", (int)count);
  ca_record *record;
  ca_str text;
  check(ca_get_by_key(artifact, CA_STR("dog"), &record));
  check(ca_record_text(record, &text));
  printf("  dog: %.*s\n", (int)text.len, text.data);
  check(ca_record_free(record));

  puts("misuse is told:");
  const struct { const char *what; ca_code code; } mistakes[] = {
      {"a record that was freed", ca_record_text(record, &text)},
      {"no query", ca_search(artifact, NULL, &(ca_hits *){0})},
      {"a writing call with what was opened to read", ca_add(artifact, &sleep, NULL)},
  };
  for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) printf("  %s: %d\n", mistakes[i].what, (int)mistakes[i].code);
  check(ca_close(artifact));
  return mistakes[0].code == CA_BAD_HANDLE && mistakes[1].code == CA_BAD_POINTER && mistakes[2].code == CA_READ_ONLY && count == 2 ? 0 : 1;
}
