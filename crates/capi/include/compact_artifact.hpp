// CompactArtifact in C++17: handles that free themselves and can be moved but not copied, and exceptions with the code of what went wrong. All of it stands
// on compact_artifact.h, whose calls may be mixed in: `get` gives a handle to them, `ask` their answer.
#pragma once

#include "compact_artifact.h"

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace ca {

// A call that failed: `code` to decide by, `what` to read.
class error : public std::runtime_error {
  ca_code code_;

 public:
  explicit error(ca_code code) : std::runtime_error(std::string(ca_last_error().data, ca_last_error().len)), code_(code) {}
  ca_code code() const noexcept { return code_; }
};

inline void check(ca_code code) {
  if (code != CA_OK) throw error(code);
}

// What a call writes to the place that its last argument points to: `ask<uint64_t>(ca_count, artifact.get(), str(filter))`.
template <typename Answer, typename Call, typename... Arguments>
Answer ask(Call call, Arguments... arguments) {
  Answer answer{};
  check(call(arguments..., &answer));
  return answer;
}

// Where a struct is that lasts as long as the expression.
template <typename T>
const T *address(const T &value) { return &value; }

inline ca_str str(std::string_view text) { return {text.data() ? text.data() : "", text.size()}; }
inline std::string_view view(ca_str text) { return {text.data ? text.data : "", text.len}; }

template <auto Free>
struct freed_by {
  template <typename T>
  void operator()(T *raw) const noexcept { Free(raw); }
};

// Owns a handle of C.
template <typename T, auto Free>
using handle = std::unique_ptr<T, freed_by<Free>>;
using buffer = handle<ca_buffer, ca_buffer_free>;
using reader = handle<ca_reader, ca_reader_free>;
using snapshot = handle<ca_snapshot, ca_snapshot_free>;

// The text of a report.
inline std::string take(ca_buffer *raw) { return std::string(view(ask<ca_str>(ca_buffer_get, buffer(raw).get()))); }

// A record to be stored. It borrows what it is given until it was added.
class item {
  ca_new_record raw_{};
  std::vector<ca_field> fields_;
  std::vector<ca_vector> embeddings_;
  template <typename Content>
  item(Content ca_new_record::*member, Content content) { raw_.size = sizeof raw_, raw_.*member = content; }

 public:
  static item text(std::string_view text) { return item(&ca_new_record::text, str(text)); }
  static item blob(const void *data, size_t len) { return item(&ca_new_record::blob, {static_cast<const uint8_t *>(data ? data : ""), len}); }
  item &key(std::string_view key) { return raw_.key = str(key), *this; }
  item &metadata(std::string_view json) { return raw_.metadata = str(json), *this; }
  item &field(std::string_view name, std::string_view text) { return fields_.push_back({str(name), str(text)}), *this; }
  item &expires_at_ms(uint64_t since_1970) { return raw_.expires_at_ms = since_1970, *this; }
  item &embedding(std::string_view space, const std::vector<float> &values) {
    return embeddings_.push_back({str(space), values.data(), values.size()}), *this;
  }
  ca_new_record get() const {
    ca_new_record raw = raw_;
    raw.fields = fields_.data(), raw.field_count = fields_.size();
    raw.embeddings = embeddings_.data(), raw.embedding_count = embeddings_.size();
    return raw;
  }
};

// A search. It borrows what it is given until it was made. Fields that have no call here are set in `raw`.
class query {
  std::vector<ca_vector> vectors_;

 public:
  ca_query raw{};
  query() { raw.size = sizeof raw; }
  query &text(std::string_view text) { return raw.text = str(text), *this; }
  query &words(std::string_view words) { return raw.words = str(words), *this; }
  query &meaning(std::string_view text) { return raw.meaning = str(text), *this; }
  query &vector(std::string_view space, const std::vector<float> &values) {
    return vectors_.push_back({str(space), values.data(), values.size()}), *this;
  }
  query &filter(std::string_view json) { return raw.filter = str(json), *this; }
  query &k(size_t k) { return raw.k = k, *this; }
  query &offset(size_t offset) { return raw.offset = offset, *this; }
  query &snippet(size_t bytes) { return raw.snippet = bytes, *this; }
  query &fetch() { return raw.fetch = 1, *this; }
  query &options(std::string_view json) { return raw.options = str(json), *this; }
  ca_query get() const {
    ca_query wanted = raw;
    if (!vectors_.empty()) wanted.vectors = vectors_.data(), wanted.vector_count = vectors_.size();
    return wanted;
  }
};

// What a search found: a range of ca_hit.
class hits : public handle<ca_hits, ca_hits_free> {
  const ca_hit *first_ = nullptr;
  size_t len_ = 0;

 public:
  explicit hits(ca_hits *raw) : unique_ptr(raw) { check(ca_hits_get(raw, &first_, &len_)); }
  const ca_hit *begin() const noexcept { return first_; }
  const ca_hit *end() const noexcept { return first_ + len_; }
  size_t size() const noexcept { return len_; }
  const ca_hit &operator[](size_t at) const noexcept { return first_[at]; }
  std::string json() const { return take(ask<ca_buffer *>(ca_hits_json, get())); }
};

// A stored record. What it gives out lasts as long as itself.
struct record : handle<ca_record, ca_record_free> {
  using unique_ptr::unique_ptr;
  uint64_t id() const { return ask<uint64_t>(ca_record_id, get()); }
  std::string_view text() const { return view(ask<ca_str>(ca_record_text, get())); }
  ca_bytes bytes() const { return ask<ca_bytes>(ca_record_bytes, get()); }
  std::string_view metadata() const { return view(ask<ca_str>(ca_record_metadata, get())); }
  std::optional<std::string_view> key() const {
    const ca_str key = ask<ca_str>(ca_record_key, get());
    return key.data ? std::optional(view(key)) : std::nullopt;
  }
};

// Changes that are made together.
struct batch : handle<ca_batch, ca_batch_free> {
  batch() : unique_ptr(ask<ca_batch *>(ca_batch_new)) {}
  batch &add(const item &item) { return check(ca_batch_add(get(), address(item.get()))), *this; }
  batch &upsert(const item &item) { return check(ca_batch_upsert(get(), address(item.get()))), *this; }
  batch &remove(uint64_t id) { return check(ca_batch_delete(get(), id)), *this; }
  batch &remove_key(std::string_view key) { return check(ca_batch_delete_key(get(), str(key))), *this; }
};

// Frees an artifact in a destructor: closed if no other thread is using it. Failures are what `artifact::close` throws.
inline void close_or_free(ca_artifact *raw) noexcept {
  if (ca_close(raw) == CA_IN_USE) ca_artifact_free(raw);
}

class artifact : public handle<ca_artifact, close_or_free> {
  using unique_ptr::unique_ptr;
  static std::optional<record> found(ca_record *raw) { return raw ? std::optional<record>(std::in_place, raw) : std::nullopt; }

 public:
  static artifact create(std::string_view path, std::string_view options = "{}") { return artifact(ask<ca_artifact *>(ca_create, str(path), str(options))); }
  static artifact open(std::string_view path, std::string_view options = "{}") { return artifact(ask<ca_artifact *>(ca_open, str(path), str(options))); }
  static artifact open_read_only(std::string_view path, std::string_view options = "{}") {
    return artifact(ask<ca_artifact *>(ca_open_read_only, str(path), str(options)));
  }
  uint64_t add(const item &item) { return ask<uint64_t>(ca_add, get(), address(item.get())); }
  uint64_t upsert(const item &item) { return ask<uint64_t>(ca_upsert, get(), address(item.get())); }
  bool remove(uint64_t id) { return ask<uint64_t>(ca_delete, get(), id) > 0; }
  bool remove_key(std::string_view key) { return ask<uint64_t>(ca_delete_key, get(), str(key)) > 0; }
  uint64_t remove_where(std::string_view filter) { return ask<uint64_t>(ca_delete_where, get(), str(filter)); }
  ca_receipt write(batch &changes) { return ask<ca_receipt>(ca_write, get(), changes.get(), nullptr, size_t{0}); }
  hits search(const query &query) const { return hits(ask<ca_hits *>(ca_search, get(), address(query.get()))); }
  std::optional<record> find(uint64_t id) const { return found(ask<ca_record *>(ca_get, get(), id)); }
  std::optional<record> find_key(std::string_view key) const { return found(ask<ca_record *>(ca_get_by_key, get(), str(key))); }
  uint64_t size() const { return ask<uint64_t>(ca_count, get(), ca_str{nullptr, 0}); }
  std::string stats() const { return take(ask<ca_buffer *>(ca_stats, get())); }
  void seal() { check(ca_seal(get(), nullptr)); }
  void pack(std::string_view path) { check(ca_pack(get(), str(path), nullptr)); }
  // Throws, and leaves the artifact open, if another thread is in a call with it.
  void close() {
    const ca_code code = ca_close(get());
    if (code != CA_IN_USE) release();
    check(code);
  }
};

}  // namespace ca
