"""Make docs/run.svg: the terminal of a real run, as a picture.

    python docs/pictures.py

Runs the demo in a pseudo-terminal and keeps its second run, colours and all.
"""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

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


def main() -> None:
    """Write the picture beside this file."""
    written = shown_in_a_terminal([str(Path(sys.executable).with_name("calreg")), "demo"])
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
