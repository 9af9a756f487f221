"""soak.py [--sanitized] SOAK [POLLS [FILE.svg]]: runs the soak (3,000 polls by default), tells its rows as they come and
looks at whether memory, heap in use, open files and threads have stopped growing: the last quarter against the second
one. Draws them, and the size of the database, which grows by what is kept of each day. Much memory of a sanitized one
is the sanitizer's, and only told."""

import csv
import statistics
import subprocess
import sys

COLORS = {"resident_kb": "#0072b2", "heap_kb": "#56b4e9", "files": "#e69f00", "threads": "#009e73", "database_kb": "#d55e00"}
# What the last quarter may have more of: connections and readers that happen to be open, pages that are free for a
# moment, and in a short run what is needed once.
ALLOWED = {"resident_kb": 1.5, "heap_kb": 1.5, "files": 1.5, "threads": 1.5}
ALLOWED_IN_A_LONG_RUN = {"resident_kb": 1.15, "heap_kb": 1.15, "files": 1.25, "threads": 1.25}


def draw(rows, path):
    """Each relative to its median in the second quarter."""
    width, height = 900, 420
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="12">', '<rect width="100%" height="100%" fill="#fff"/>']
    for mark in (0.5, 1, 1.5, 2):
        y = height - 40 - mark * 180
        parts.append(f'<path d="M50 {y}H700" stroke="#ddd"/><text x="44" y="{y + 4}" text-anchor="end">{mark}</text>')
    for i, (name, color) in enumerate(COLORS.items()):
        base = statistics.median(row[name] for row in rows[len(rows) // 4 : len(rows) // 2])
        if base == 0:
            continue  # a sanitizer has a heap of its own
        points = " ".join(f"{50 + 650 * row['polls'] / rows[-1]['polls']:.1f},{height - 40 - min(row[name] / base, 2.05) * 180:.1f}" for row in rows)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"/><text x="715" y="{60 + 22 * i}" fill="{color}">{name}, 1 = {base:,.0f}</text>')
    parts.append(f'<text x="50" y="{height - 12}">0 to {rows[-1]["polls"]:,.0f} polls</text></svg>')
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(parts) + "\n")


arguments = [word for word in sys.argv[1:] if word != "--sanitized"]
polls = int(arguments[1]) if len(arguments) > 1 else 3000
limits = dict(ALLOWED_IN_A_LONG_RUN if polls >= 100000 else ALLOWED)
if len(arguments) < len(sys.argv) - 1:
    del limits["resident_kb"], limits["heap_kb"]
lines = []
with subprocess.Popen([arguments[0], str(polls)], stdout=subprocess.PIPE, text=True) as process:
    for line in process.stdout:
        print(line, end="", flush=True)
        lines.append(line)
if process.returncode != 0:
    sys.exit(f"{arguments[0]} ended with {process.returncode}")
rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(lines)]
if len(arguments) > 2:
    draw(rows, arguments[2])
quarter = len(rows) // 4
grown = []
for name in COLORS:
    before = statistics.median(row[name] for row in rows[quarter : 2 * quarter])
    after = statistics.median(row[name] for row in rows[-quarter:])
    print(f"{name}: {before:,.0f} in the second quarter, {after:,.0f} in the last")
    if after > before * limits.get(name, float("inf")):
        grown.append(name)
if grown:
    sys.exit("grows: " + ", ".join(grown))
