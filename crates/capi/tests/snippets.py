"""Takes the blocks of C and C++ out of a page of the guide, a program each: snippets.py PAGE FOLDER.

A block without `main` becomes the body of one, with an artifact of three records that is open as `artifact`."""

import re
import sys
from pathlib import Path

C = """#include <compact_artifact.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void check(ca_code code) {
  if (code == CA_OK) return;
  const ca_str error = ca_last_error();
  fprintf(stderr, "failure %d: %.*s\\n", (int)code, (int)error.len, error.data);
  exit(1);
}

int main(int argc, char **argv) {
  if (argc != 2 || chdir(argv[1])) return 2;
  ca_artifact *artifact;
  check(ca_create(CA_STR("a.artifact"), CA_STR("{\\"spaces\\": {\\"colour\\": {\\"dimension\\": 3}}}"), &artifact));
  const ca_str texts[] = {CA_STR("a cat"), CA_STR("a dog"), CA_STR("a whale")};
  for (int i = 0; i < 3; i++) {
    const ca_new_record record = {.size = sizeof record, .text = texts[i], .key = texts[i], .metadata = CA_STR("{\\"year\\": 2026}")};
    check(ca_add(artifact, &record, NULL));
  }
  {
SNIPPET
  }
  check(ca_close(artifact));
  return 0;
}
"""

CPP = """#include <compact_artifact.hpp>
#include <iostream>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc != 2 || chdir(argv[1])) return 2;
SNIPPET
}
"""

page, folder = Path(sys.argv[1]).read_text(), Path(sys.argv[2])
blocks = re.findall(r"^```(c|cpp)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
assert blocks, "no blocks"
for number, (language, block) in enumerate(blocks, 1):
    program = block if "int main(" in block else {"c": C, "cpp": CPP}[language].replace("SNIPPET", block)
    (folder / f"snippet{number}.{language}").write_text(program)
