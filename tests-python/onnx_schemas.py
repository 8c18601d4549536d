"""Writes the table of operator versions that `crates/onnx` checks nodes against, from the schemas of the `onnx` package.

    onnx_schemas.py crates/onnx/src/ops/schemas.txt

A line is an operator since one version of its operator set: name, version, least and most inputs, least and most
outputs, then its attributes as `name:type`, with `!` where one is required. Types: i f s integer, number, text;
I F S lists of them; t tensor; x anything else, which is never read. The operators are those the file already names.
"""

import pathlib
import sys

import onnx.defs

TYPES = {"INT": "i", "FLOAT": "f", "STRING": "s", "INTS": "I", "FLOATS": "F", "STRINGS": "S", "TENSOR": "t"}
DOMAINS = {"": "", "ai.onnx.ml": "ml."}
MOST = 99999


def line(schema):
    """One operator since one version."""
    attributes = []
    for name, attribute in sorted(schema.attributes.items()):
        kind = TYPES.get(attribute.type.name, "x")
        attributes.append(f"{name}:{kind}{'!' if attribute.required else ''}")
    counts = [schema.min_input, schema.max_input, schema.min_output, schema.max_output]
    words = [DOMAINS[schema.domain] + schema.name, schema.since_version, *(min(c, MOST) for c in counts), *attributes]
    return " ".join(str(word) for word in words)


def main():
    path = pathlib.Path(sys.argv[1])
    lines = path.read_text(encoding="utf-8").splitlines()
    named = {text.split()[0] for text in lines if text and not text.startswith("#")}
    found = [s for s in onnx.defs.get_all_schemas_with_history() if s.domain in DOMAINS]
    found = [s for s in found if DOMAINS[s.domain] + s.name in named and not s.deprecated]
    found.sort(key=lambda s: (s.domain, s.name, s.since_version))
    missing = named - {DOMAINS[s.domain] + s.name for s in found}
    if missing:
        sys.exit(f"no such operators: {sorted(missing)}")
    head = [text for text in lines if text.startswith("#")]
    path.write_text("\n".join(head + [line(s) for s in found]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
