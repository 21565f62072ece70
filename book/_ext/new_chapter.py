"""Begin a topic in its four places: make new-chapter TOPIC=metric/graph

What is written fails the tests until it is filled in, and they say where.
"""

import re
import sys

from chapters import ROOT

HEADER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
    format_version: 0.13
    jupytext_version: 1.19.6
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

"""

PLACES = {
    "handbook_code/{family}/__init__.py": '"""Losses of the family."""\n',
    "handbook_code/{family}/{name}.py": '"""Losses of …"""\n',
    "handbook_code/catalogue/{family}/__init__.py": "",
    "handbook_code/catalogue/{family}/{name}.py": '"""Losses of …"""\n',
    "book/{family}/{name}.md": HEADER + "# …\n\n```{{code-cell}} ipython3\n"
    "from handbook_code import show\n```\n",
    "tests/{family}/test_{name}.py": "",
}


def main(topic: str) -> int:
    if not re.fullmatch(r"[a-z_]+/[a-z_]+", topic):
        print(f"TOPIC: expected family/name in lower case, got {topic!r}")
        return 1
    family, name = topic.split("/")
    for place, text in PLACES.items():
        path = ROOT / place.format(family=family, name=name)
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(), "utf8")
        print("wrote", path.relative_to(ROOT))
    print(f"Now list book/{topic} in _toc.yml; `make test` names the rest.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
