"""Run every benchmark and print one table: ``python -m benchmarks [--only NAME] [--json FILE]``."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measure import machine, row

_CHILD = """
import importlib, json, sys
rows = importlib.import_module("benchmarks." + sys.argv[1]).run()
open(sys.argv[2], "w", encoding="utf-8").write(json.dumps(rows))
"""


def names() -> list[str]:
    """Return the benchmarks: the files beside this one that have a function ``run``."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return [file.stem for file in files if "\ndef run(" in file.read_text(encoding="utf-8")]


def run_apart(name: str) -> list[dict[str, Any]]:
    """Run one benchmark in a process of its own, so that none finds memory or caches that another left."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "rows.json"
        done = subprocess.run([sys.executable, "-c", _CHILD, name, result], stdout=sys.stderr, check=False)
        if done.returncode != 0:
            return [row(name, "failed", note=f"exit code {done.returncode}; its messages are above")]
        rows: list[dict[str, Any]] = json.loads(result.read_text(encoding="utf-8"))
        return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Return rows as a Markdown table."""
    lines = ["| question | ours | peer | ratio | note |", "| --- | --- | --- | --- | --- |"]
    for item in rows:
        ratio = "" if item.get("ratio") is None else f"{item['ratio']:.2f}"
        cells = [item["question"], item["ours"], item.get("peer", ""), ratio, item.get("note", "")]
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join(lines)


def main() -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=names(), metavar="NAME", help=", ".join(names()))
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows here")
    options = parser.parse_args()
    about = machine()
    print(about, flush=True)
    rows = []
    for name in options.only or names():
        print(f"… {name}", file=sys.stderr, flush=True)
        rows += run_apart(name)
    print()
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps({"machine": about, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    return 1 if any(item["ours"] == "failed" for item in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
