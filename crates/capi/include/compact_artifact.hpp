// CompactArtifact in C++17: handles that free themselves and can be moved but not copied, and exceptions with the code of what went wrong. All of it stands
// on compact_artifact.h, whose calls may be mixed in: see `get`.
#ifndef COMPACT_ARTIFACT_HPP
#define COMPACT_ARTIFACT_HPP

#include "compact_artifact.h"

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ca {

// A call that failed: `code` to decide by, `what` to read.
class error : public std::runtime_error {
 public:
  explicit error(ca_code code) : std::runtime_error(last()), code_(code) {}
  ca_code code() const noexcept { return code_; }

 private:
  static std::string last() {
    const ca_str text = ca_last_error();
    return std::string(text.data, text.len);
  }
  ca_code code_;
};

inline void check(ca_code code) {
  if (code != CA_OK) throw error(code);
}

inline ca_str str(std::string_view text) { return {text.data() ? text.data() : "", text.size()}; }
inline std::string_view view(ca_str text) { return {text.data ? text.data : "", text.len}; }

// Owns a handle of C.
template <typename T, ca_code (*Free)(T *)>
class handle {
 public:
  explicit handle(T *raw = nullptr) noexcept : raw_(raw) {}
  handle(handle &&other) noexcept : raw_(other.release()) {}
  handle &operator=(handle &&other) noexcept {
    if (this != &other) {
      reset();
      raw_ = other.release();
    }
    return *this;
  }
  ~handle() { reset(); }
  T *get() const noexcept { return raw_; }
  T *release() noexcept { return std::exchange(raw_, nullptr); }
  void reset() noexcept {
    if (raw_) Free(release());
  }

 private:
  T *raw_;
};

inline std::string take(ca_buffer *raw) {
  handle<ca_buffer, ca_buffer_free> owner(raw);
  ca_str text;
  check(ca_buffer_get(raw, &text));
  return std::string(view(text));
}

// A record to be stored. It borrows what it is given until it was added.
class item {
 public:
  static item text(std::string_view text) { return item(&ca_new_record::text, str(text)); }
  static item blob(const void *data, size_t len) {
    static const uint8_t nothing = 0;
    return item(&ca_new_record::blob, ca_bytes{data ? static_cast<const uint8_t *>(data) : &nothing, len});
  }
  item &key(std::string_view key) { return raw_.key = str(key), *this; }
  item &metadata(std::string_view json) { return raw_.metadata = str(json), *this; }
  item &field(std::string_view name, std::string_view text) { return fields_.push_back({str(name), str(text)}), *this; }
  item &embedding(std::string_view space, const std::vector<float> &values) {
    return embeddings_.push_back({str(space), values.data(), values.size()}), *this;
  }
  ca_new_record get() const {
    ca_new_record raw = raw_;
    raw.fields = fields_.data(), raw.field_count = fields_.size();
    raw.embeddings = embeddings_.data(), raw.embedding_count = embeddings_.size();
    return raw;
  }

 private:
  template <typename Content>
  item(Content ca_new_record::*member, Content content) {
    raw_.size = sizeof raw_;
    raw_.*member = content;
  }
  ca_new_record raw_{};
  std::vector<ca_field> fields_;
  std::vector<ca_vector> embeddings_;
};

// A search. It borrows what it is given until it was made. Fields that have no call here are set in `raw`.
class query {
 public:
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
  ca_query raw{};

 private:
  std::vector<ca_vector> vectors_;
};

// What a search found: a range of ca_hit.
class hits : public handle<ca_hits, ca_hits_free> {
 public:
  explicit hits(ca_hits *raw) : handle(raw) { check(ca_hits_get(raw, &first_, &len_)); }
  const ca_hit *begin() const noexcept { return first_; }
  const ca_hit *end() const noexcept { return first_ + len_; }
  size_t size() const noexcept { return len_; }
  const ca_hit &operator[](size_t at) const noexcept { return first_[at]; }
  std::string json() const {
    ca_buffer *json;
    check(ca_hits_json(get(), &json));
    return take(json);
  }

 private:
  const ca_hit *first_ = nullptr;
  size_t len_ = 0;
};

// A stored record. What it gives out lasts as long as itself.
class record : public handle<ca_record, ca_record_free> {
 public:
  using handle::handle;
  uint64_t id() const { return read<uint64_t>(ca_record_id); }
  std::string_view text() const { return view(read<ca_str>(ca_record_text)); }
  ca_bytes bytes() const { return read<ca_bytes>(ca_record_bytes); }
  std::string_view metadata() const { return view(read<ca_str>(ca_record_metadata)); }
  std::optional<std::string_view> key() const {
    const ca_str key = read<ca_str>(ca_record_key);
    return key.data ? std::optional(view(key)) : std::nullopt;
  }

 private:
  template <typename Answer>
  Answer read(ca_code (*call)(const ca_record *, Answer *)) const {
    Answer answer;
    check(call(get(), &answer));
    return answer;
  }
};

// Changes that are made together.
class batch : public handle<ca_batch, ca_batch_free> {
 public:
  batch() : handle(made()) {}
  batch &add(const item &item) { return put(ca_batch_add, item); }
  batch &upsert(const item &item) { return put(ca_batch_upsert, item); }
  batch &remove(uint64_t id) { return check(ca_batch_delete(get(), id)), *this; }
  batch &remove_key(std::string_view key) { return check(ca_batch_delete_key(get(), str(key))), *this; }

 private:
  static ca_batch *made() {
    ca_batch *raw;
    check(ca_batch_new(&raw));
    return raw;
  }
  batch &put(ca_code (*call)(ca_batch *, const ca_new_record *), const item &item) {
    const ca_new_record raw = item.get();
    return check(call(get(), &raw)), *this;
  }
};

// Frees an artifact in a destructor: closed if no other thread is using it. Failures are what `artifact::close` throws.
inline ca_code close_or_free(ca_artifact *raw) {
  const ca_code code = ca_close(raw);
  return code == CA_IN_USE ? ca_artifact_free(raw) : code;
}

class artifact : public handle<ca_artifact, close_or_free> {
 public:
  static artifact create(std::string_view path, std::string_view options = "{}") { return at(ca_create, path, options); }
  static artifact open(std::string_view path, std::string_view options = "{}") { return at(ca_open, path, options); }
  static artifact open_read_only(std::string_view path, std::string_view options = "{}") {
    return at(ca_open_read_only, path, options);
  }
  uint64_t add(const item &item) { return put(ca_add, item); }
  uint64_t upsert(const item &item) { return put(ca_upsert, item); }
  bool remove(uint64_t id) { return changed(ca_delete, id) > 0; }
  bool remove_key(std::string_view key) { return changed(ca_delete_key, str(key)) > 0; }
  uint64_t remove_where(std::string_view filter) { return changed(ca_delete_where, str(filter)); }
  ca_receipt write(batch &changes) {
    ca_receipt receipt;
    check(ca_write(get(), changes.get(), nullptr, 0, &receipt));
    return receipt;
  }
  hits search(const query &query) const {
    const ca_query wanted = query.get();
    ca_hits *found;
    check(ca_search(get(), &wanted, &found));
    return hits(found);
  }
  std::optional<record> find(uint64_t id) const { return found(ca_get, id); }
  std::optional<record> find_key(std::string_view key) const { return found(ca_get_by_key, str(key)); }
  uint64_t size() const {
    uint64_t count;
    check(ca_count(get(), ca_str{nullptr, 0}, &count));
    return count;
  }
  std::string stats() const {
    ca_buffer *json;
    check(ca_stats(get(), &json));
    return take(json);
  }
  void seal() { check(ca_seal(get(), nullptr)); }
  void pack(std::string_view path) { check(ca_pack(get(), str(path), nullptr)); }
  // Throws, and leaves the artifact open, if another thread is in a call with it.
  void close() {
    const ca_code code = ca_close(get());
    if (code != CA_IN_USE) release();
    check(code);
  }

 private:
  using handle::handle;
  static artifact at(ca_code (*open)(ca_str, ca_str, ca_artifact **), std::string_view path, std::string_view options) {
    ca_artifact *raw;
    check(open(str(path), str(options), &raw));
    return artifact(raw);
  }
  uint64_t put(ca_code (*call)(const ca_artifact *, const ca_new_record *, uint64_t *), const item &item) {
    const ca_new_record raw = item.get();
    uint64_t id;
    check(call(get(), &raw, &id));
    return id;
  }
  template <typename What>
  uint64_t changed(ca_code (*call)(const ca_artifact *, What, uint64_t *), What what) {
    uint64_t count;
    check(call(get(), what, &count));
    return count;
  }
  template <typename What>
  std::optional<record> found(ca_code (*call)(const ca_artifact *, What, ca_record **), What what) const {
    ca_record *raw;
    check(call(get(), what, &raw));
    return raw ? std::optional<record>(std::in_place, raw) : std::nullopt;
  }
};

}  // namespace ca

#endif
