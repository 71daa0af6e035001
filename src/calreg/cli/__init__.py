"""The command line: parse, call one function, print, exit.

`main` is the program, `call` the same inside a process that goes on. Every command stands
in one module per group of commands and is imported when it is called; `group` holds the
table of them, `edge` turns errors into lines and exit codes, once. A new command is one
function in such a module and one line in the table.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["call", "main"]


def call(words: Sequence[str]) -> int:
    """Run one command line in this process; what it would exit with."""
    from calreg.cli.edge import exit_code_of

    return exit_code_of(words)


def main(words: Sequence[str] | None = None, *, standalone_mode: bool = True) -> int:
    """The program: run what was typed and exit; not `standalone_mode`: hand back the code."""
    import gc
    import sys

    # A command is short and imports much: looking for cycles all the while is a tenth of it.
    gc.set_threshold(200_000)
    code = call(sys.argv[1:] if words is None else words)
    if standalone_mode:
        raise SystemExit(code)
    return code
