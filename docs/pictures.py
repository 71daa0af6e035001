"""Make docs/run.svg, the terminal of a real run, and docs/tune.svg, what a tuning draws.

    python docs/pictures.py

Runs the demo in a pseudo-terminal and keeps its second run, colours and all; then tunes the
demo's scores with truth.
"""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import tempfile
from contextlib import chdir
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from calreg.demo import write_tables_with_truth

WIDTH = 116
FROM, UNTIL = "$ calreg --registry registry run first-1200.csv", "Next:"
# No web fonts: a page must not fetch anything to show this.
FRAME = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>
{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g>
</g>
</svg>
"""


def shown_in_a_terminal(words: list[str]) -> str:
    """What a command writes to a terminal of our width."""
    terminal = {"COLUMNS": str(WIDTH), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    ours, theirs = pty.openpty()
    with subprocess.Popen(words, stdout=theirs, stderr=theirs, env=os.environ | terminal):
        os.close(theirs)
        parts = []
        while part := _read(ours):
            parts.append(part)
    os.close(ours)
    return b"".join(parts).decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # how Linux says that the other end was closed
        return b""


CALREG = str(Path(sys.executable).with_name("calreg"))


def main() -> None:
    """Write both pictures beside this file."""
    run_picture()
    tune_picture()


def tune_picture() -> None:
    """Reliability before and after, the curves with the chosen points, scores by truth."""
    target = Path(__file__).with_name("tune.svg").absolute()
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        write_tables_with_truth("choose.csv", "apart.csv")
        words = ["tune", "choose.csv", "--holdout", "apart.csv", "--head", "digits/forest/loop"]
        asked = ["--method", "platt", "--objective", "max-recall@fpr<=0.01"]
        subprocess.run([CALREG, *words, *asked, "--plot", str(target)], check=True)
    # What a screen reader is told of every point; the page has a text instead of the picture.
    target.write_text(re.sub(r' (aria-\w+|role)="[^"]*"', "", target.read_text()))


def run_picture() -> None:
    """The demo's second run."""
    written = shown_in_a_terminal([CALREG, "demo"])
    lines = written.replace("\r\n", "\n").split("\n")
    plain = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in lines]
    first = next(number for number, line in enumerate(plain) if line.startswith(FROM))
    last = next(n for n, line in enumerate(plain) if n > first and line.startswith(UNTIL))
    kept = [line.split("\r")[-1] for line in lines[first:last]]
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(Text.from_ansi("\n".join(kept).rstrip()))
    svg = console.export_svg(
        title="calreg run", theme=MONOKAI, code_format=FRAME, unique_id="calreg"
    )
    Path(__file__).with_name("run.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
