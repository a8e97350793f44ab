// A blob that comes piece by piece: read back, failing halfway, and writing to the artifact that waits for it.

#include <compact_artifact.h>
#include <stdio.h>
#include <stdlib.h>

enum { LEN = 5000000 };

typedef struct {
  size_t done, fails_at;
  ca_artifact *writes_to;
  ca_code (*closes)(ca_artifact *);
} source;

static uint8_t byte_at(size_t place) { return (uint8_t)(place * 7 + place / 1000); }

static size_t pieces(void *context, uint8_t *to, size_t capacity) {
  source *from = context;
  if (from->closes) return from->closes(from->writes_to) == CA_REENTRANT ? 0 : SIZE_MAX;
  if (from->writes_to) {
    const ca_new_record record = {.size = sizeof record, .text = CA_STR("from inside")};
    return ca_add(from->writes_to, &record, NULL) == CA_REENTRANT ? 0 : SIZE_MAX;
  }
  if (from->done >= from->fails_at) return SIZE_MAX;
  size_t len = 0;
  for (; len < capacity && len < 4321 && from->done < LEN; len++) to[len] = byte_at(from->done++);
  return len;
}

static void check(int holds, int line) {
  if (holds) return;
  const ca_str error = ca_last_error();
  fprintf(stderr, "line %d: %.*s\n", line, (int)error.len, error.data);
  exit(1);
}
#define CHECK(holds) check(holds, __LINE__)

int main(int argc, char **argv) {
  char path[4096];
  if (argc != 2) return 2;
  snprintf(path, sizeof path, "%s/stream.artifact", argv[1]);
  ca_artifact *artifact;
  CHECK(ca_create(ca_str_from(path), (ca_str){0}, &artifact) == CA_OK);
  const ca_new_record film = {.size = sizeof film, .key = CA_STR("film"), .metadata = CA_STR("{\"year\": 1896}")};

  source torn = {.fails_at = LEN / 2};
  uint64_t id, count;
  CHECK(ca_add_stream(artifact, &film, pieces, &torn, &id) == CA_IO);
  CHECK(ca_count(artifact, (ca_str){0}, &count) == CA_OK && count == 0);

  source whole = {.fails_at = SIZE_MAX};
  CHECK(ca_add_stream(artifact, &film, pieces, &whole, &id) == CA_OK);
  ca_record *record;
  ca_bytes bytes;
  CHECK(ca_get_by_key(artifact, CA_STR("film"), &record) == CA_OK && ca_record_bytes(record, &bytes) == CA_OK);
  CHECK(bytes.len == LEN);
  for (size_t place = 0; place < LEN; place++) CHECK(bytes.data[place] == byte_at(place));
  CHECK(ca_record_free(record) == CA_OK);

  source inside = {.writes_to = artifact};
  const ca_new_record other = {.size = sizeof other};
  CHECK(ca_add_stream(artifact, &other, pieces, &inside, NULL) == CA_OK);
  inside.closes = ca_close;
  CHECK(ca_add_stream(artifact, &other, pieces, &inside, NULL) == CA_OK);
  inside.closes = ca_destroy;
  CHECK(ca_add_stream(artifact, &other, pieces, &inside, NULL) == CA_OK);
  CHECK(ca_count(artifact, (ca_str){0}, &count) == CA_OK && count == 4);
  CHECK(ca_close(artifact) == CA_OK);
  puts("stream: what was read is there");
  return 0;
}
