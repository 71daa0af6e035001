"""The edge: exit codes, one line per error, nothing that a pipe or a log should not have."""

import fcntl
import os
import pty
import re
import shlex
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import click
import pytest

from calreg.cli.edge import exit_code_of, printable, redacted
from calreg.cli.group import EXIT_CODES, program
from calreg.errors import InputError

HEAVY = {"numpy", "git", "jsonschema", "duckdb", "rich", "yaml", "requests"}


def child(*words, **options):
    """The program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from calreg.cli import main; main()", *words],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


@pytest.mark.parametrize(
    "words", [["--version"], ["--help"], ["run", "--help"], ["pull", "--help"]]
)
def test_start_up_imports_nothing_heavy(words):
    """Version and help come without any library but click."""
    code = (
        "import sys; from calreg.cli import main; "
        f"code = main({words!r}, standalone_mode=False); "
        "print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert not set(done.stderr.split()) & HEAVY


def test_version(cli):
    """`calreg --version` is one line: the program and its version."""
    assert re.fullmatch(r"calreg \d+\.\d+\.\d+\n", cli("--version").out)


def test_help_lists_every_command_and_exit_code(cli):
    """The help names all commands by section, and what every exit code means."""
    said = cli("--help")

    assert said.code == 0
    for name in program.list_commands(click.Context(program)):
        assert re.search(rf"^  {name} ", said.out, re.MULTILINE)
    for code, meaning in EXIT_CODES:
        assert re.search(rf"^  {code} +{re.escape(meaning[:20])}", said.out, re.MULTILINE)


@pytest.mark.parametrize("name", program.list_commands(click.Context(program)))
def test_every_command_has_help(cli, name):
    """Each command of the table exists and explains itself."""
    said = cli(name, "--help")

    assert said.code == 0
    assert said.out.startswith(f"Usage: calreg {name}")


def test_unknown_command_names_the_nearest(cli):
    """A command that does not exist is a usage error that names the nearest."""
    said = cli("histroy")

    assert said.code == 2
    assert said.err == "no command 'histroy'\nHint: Did you mean history? See calreg --help.\n"


def test_usage_error_in_json(cli):
    """With --json even a usage error is a document on standard output."""
    said = cli("history", "--limit", "many", "--json")

    assert said.code == 2
    assert said.json["error"]["code"] == "usage"
    assert "many" in said.json["error"]["message"]


def test_interruption_is_130(published):
    """Ctrl-C ends a command with exit code 130 and no traceback."""
    os.mkfifo("scores.json")
    process = subprocess.Popen(
        [sys.executable, "-c", "from calreg.cli import main; main()", "import", "scores.json"],
        stderr=subprocess.PIPE,
        text=True,
    )

    with Path("scores.json").open("w"):  # returns once the command has begun to read
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()

    assert process.returncode == 130
    assert err.strip() == "interrupted"


@pytest.mark.parametrize("words", [[], ["--json"]], ids=str)
def test_interruption_that_an_engine_swallows_is_130(capfd, words):
    """Ctrl-C that an engine in C turns into an error of its own is still 130, and no bug."""

    def engine(_words):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise RuntimeError("Query interrupted") from None

    code = exit_code_of(words, invoke=engine)

    assert code == 130
    assert "bug" not in "".join(capfd.readouterr())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_message_is_of_a_length_to_be_read(capfd):
    """An error that lists a thousand things keeps its beginning and its end; --json has all."""
    names = ", ".join(f"column_{number}" for number in range(1000))

    def refuse(_words):
        raise InputError(f"no column 'score'; it has {names}")

    assert exit_code_of([], invoke=refuse) == 3
    line = capfd.readouterr().err.rstrip()
    assert len(line) == 1000
    assert line.startswith("no column 'score'; it has column_0, ")
    assert line.endswith("column_999")

    assert exit_code_of(["--json"], invoke=refuse) == 3
    assert names in capfd.readouterr().out


@pytest.mark.parametrize("closed", ["1>&-", "2>&-", "1>&- 2>&-"])
def test_closed_stream_is_no_bug(published, closed):
    """A command started with a closed stream does its work and exits with its own code."""
    program = shlex.quote(sys.executable) + " -c 'from calreg.cli import main; main()'"
    shell = ["bash", "-c", f"{program} show {closed}; {program} shwo {closed}; exit $?"]

    done = subprocess.run(shell, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["show", "--json"], ["show"], ["--help"]], ids=" ".join)
def test_reader_that_goes_away_is_quiet(published, words):
    """A reader that closes the pipe early causes no traceback and no 'no'."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from calreg.cli import main; main()", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()

    assert process.wait() == 141
    assert err == b""


def test_full_disk_is_no_bug(published):
    """Output that cannot be written is one line and exit 5, not a traceback."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", "from calreg.cli import main; main()", "show"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert done.returncode == 5
    assert done.stderr == "no space left on device\n"


def test_bug_is_said_to_be_one(published, monkeypatch):
    """What nobody foresaw is exit code 70 and one line; the traceback only if asked for."""
    monkeypatch.setitem(sys.modules, "calreg.report.heads", object())
    code = exit_code_of(["show"])

    assert code == 70


def test_bug_tells_its_traceback_under_debug(cli, published, monkeypatch):
    """CALREG_DEBUG and --debug show the traceback, otherwise nobody sees one."""
    monkeypatch.setitem(sys.modules, "calreg.report.heads", object())

    assert "Traceback" not in cli("show").err
    assert "Traceback" in cli("--debug", "show").err
    monkeypatch.setenv("CALREG_DEBUG", "1")
    assert "Traceback" in cli("show").err


def test_missing_extra_says_what_to_install(cli, published, table, monkeypatch):
    """A library that is not installed is a usage error with the command that installs it."""
    for name in [name for name in sys.modules if name.split(".")[0] in {"duckdb", "nanoarrow"}]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.startswith("calreg.scores")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "duckdb", None)

    said = cli("run", table, "--head", "m/h")

    assert said.code == 2
    assert "pip install 'calreg[develop]'" in said.err


def test_passwords_never_reach_the_terminal(cli, tmp_path):
    """A password in a URL is struck out of every message."""
    said = cli("pull", "https://me:s3cret@localhost:1/r.git", tmp_path / "dest", "--json")

    assert said.code == 5
    assert "s3cret" not in said.out + said.err


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:s3cret@example.org/r", "https://***@example.org/r"),
        ("at ssh://git@host/x now", "at ssh://***@host/x now"),
        ("https://example.org/a@b", "https://example.org/a@b"),
    ],
)
def test_redaction(url, shown):
    """User names and passwords in URLs are struck out, nothing else."""
    assert redacted(url) == shown


def test_what_steers_a_terminal_is_never_printed(capfd):
    """A name with an escape sequence or turned text shows a '?' for each such character."""
    from rich.text import Text

    from calreg.cli.terminal import note, say

    say(["made \x1b[31mred\u202e.json", Text("head\u202e", style="bold")])
    note(["folder\x9b2J"])

    said = capfd.readouterr()
    assert (said.out, said.err) == ("made ?[31mred?.json\nhead?\n", "folder?2J\n")


def test_a_time_that_utc_cannot_say_is_refused():
    """A time before the first of UTC is a usage error, not a bug."""
    from calreg.cli.options import when
    from calreg.errors import UsageError

    with pytest.raises(UsageError, match="is no time in UTC"):
        when("0001-01-01T00:00:00+14:00")


def test_control_characters_are_written_out(cli, tmp_path):
    """A file name cannot steer the terminal of whoever reads the error."""
    said = cli("run", "evil\x1b[31m.csv", "--head", "m/h", "--dry-run")

    assert "\x1b" not in said.err
    assert printable("a\x1b\n") == "a\\x1b\\n"


COMMANDS = [
    ["show"], ["show", "m/mood"], ["history"], ["diff", "m/mood", "v1", "v1"], ["doctor"], ["run"],
]  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_pipe_gets_plain_text(cli, published, drifted, words):
    """In a pipe there is no escape code, no bar and no box."""
    more = [drifted, "--head", "m/mood", "--dry-run"] if words == ["run"] else []

    said = cli(*words, *more)

    assert "\x1b" not in said.out + said.err
    assert not set(said.out) & set("━│┃┌─")


def on_a_terminal(words, *, columns, **environment):
    """What a command prints where all streams are a terminal of that width."""
    # Test runners set these, and they win over the terminal's own size.
    kept = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", "from calreg.cli import main; main()", *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**kept, "TERM": "xterm-256color", **environment},
    )
    os.close(theirs)
    chunks = []
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        try:
            while chunk := terminal.read(65536):
                chunks.append(chunk)
        except OSError:  # Linux says so when the last writer is gone
            pass
    assert process.wait() == 0
    return b"".join(chunks).decode()


def test_terminal_gets_colour(published):
    """On a terminal the verdict is coloured."""
    assert "\x1b[" in on_a_terminal(["show"], columns=100)


def test_no_color_is_respected(published):
    """NO_COLOR takes all colour from a terminal."""
    assert "\x1b[" not in on_a_terminal(["show"], columns=100, NO_COLOR="1")


@pytest.mark.parametrize("columns", [60, 80, 140])
def test_width_follows_the_terminal(published, columns):
    """No line of a table is wider than the terminal."""
    lines = on_a_terminal(["history"], columns=columns, NO_COLOR="1").splitlines()

    assert lines
    assert max(map(len, lines)) <= columns


@pytest.mark.parametrize(
    "words", [["show", "m/mood"], ["diff", "m/mood", "v1", "v1"]], ids=lambda words: words[0]
)
def test_tables_of_one_head_fit_80_columns(published, words):
    """`show HEAD` and `diff` leave columns out rather than break their lines."""
    lines = on_a_terminal(words, columns=80, NO_COLOR="1").splitlines()

    assert any(line.startswith("label") for line in lines)
    assert max(map(len, lines)) <= 80


def test_ascii_terminal_gets_ascii(published, drifted):
    """A stream that speaks only ASCII gets signs it can show."""
    done = child(
        "run", str(drifted), "--head", "m/mood", "--dry-run",
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert "v1 -> v2" in done.stdout
