// The same in C++: see demo.c.

#include <compact_artifact.hpp>
#include <iostream>

int main(int argc, char **argv) try {
  if (argc != 2) {
    std::cerr << "usage: demo FOLDER\n";
    return 2;
  }
  const std::string path = std::string(argv[1]) + "/notes++.artifact";

  auto artifact = ca::artifact::create(path, R"({"embedder": "built-in", "spaces": {"colour": {"dimension": 3}}})");
  ca::batch batch;
  batch.add(ca::item::text("a cat sat on the mat").key("cat").metadata(R"({"year": 2024})").embedding("colour", {0.9f, 0.6f, 0.1f}))
      .add(ca::item::text("dogs chase cats").key("dog").metadata(R"({"year": 2026})").field("title", "Pets"))
      .add(ca::item::text("the stock market fell").key("market").metadata(R"({"year": 2026})"));
  artifact.write(batch);

  const auto hits = artifact.search(ca::query().text("pets and animals").filter(R"({"year": {"$gte": 2025}})").k(1).snippet(80));
  for (const ca_hit &hit : hits) std::cout << hit.score << "  " << ca::view(hit.key) << "  " << ca::view(hit.snippet) << '\n';
  const auto orange = artifact.search(ca::query().vector("colour", {1.0f, 0.5f, 0.0f}).fetch());
  std::cout << "orange: " << ca::view(orange[0].text) << '\n';

  artifact.upsert(ca::item::text("dogs sleep").key("dog"));
  artifact.remove_key("market");
  artifact.close();

  auto reader = ca::artifact::open_read_only(path);
  const auto dog = reader.find_key("dog");
  std::cout << reader.size() << " records; dog: " << dog->text() << '\n';
  ca::artifact moved = std::move(reader);
  try {
    moved.add(ca::item::text("no"));
    return 1;
  } catch (const ca::error &error) {
    std::cout << "as it should be: " << error.what() << '\n';
    if (error.code() != CA_READ_ONLY) return 1;
  }
  const bool right = hits.size() == 1 && ca::view(hits[0].key) == "dog" && ca::view(orange[0].key) == "cat" && moved.size() == 2 &&
                     dog->text() == "dogs sleep" && dog->metadata() == "{}" && !moved.find(12345) && hits.json().find("\"score\"") != std::string::npos;
  return right ? 0 : 1;
} catch (const ca::error &error) {
  std::cerr << "failure " << error.code() << ": " << error.what() << '\n';
  return 1;
}
