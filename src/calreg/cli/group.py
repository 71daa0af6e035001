"""The group `calreg`: its options, and the table of commands it imports when called.

The table holds one line per command, so that `calreg --help` and `calreg --version` import
none of them: a production machine must not pay for what it does not use.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import click

from calreg import __version__

__all__ = ["EXIT_CODES", "Session", "pass_session", "program"]


@dataclass(frozen=True, slots=True)
class Session:
    """What the group's options say, for every command."""

    folder: Path | None = None


pass_session = click.make_pass_decorator(Session, ensure=True)

# Command: the module below calreg.cli that holds it, and its one line of help.
_SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "Publish": {
        "init": ("setup", "Make a registry here or in DIR."),
        "collect": ("collect", "Score a data set once with your scorer, resumable."),
        "run": ("run", "Compute all heads, compare with the references, commit."),
        "tune": ("tune", "Choose thresholds and probabilities on scores with truth."),
        "compare": ("compare", "Several ways of calibrating, on one holdout."),
        "feedback": (
            "feedback",
            "Predictions and outcomes: metrics, suggestions, bounded overrides.",
        ),
        "promote": ("move", "Move a head's reference to a newer version."),
        "rollback": ("move", "Move a head's reference back, and hold it there."),
        "withdraw": ("move", "Mark a version as unfit for any use."),
        "pin": ("move", "Hold a head's reference where it is."),
        "unpin": ("move", "Let runs move a head's reference again."),
        "propose": ("propose", "Compute a run and open a pull request for it."),
        "push": ("push", "Publish runs and moves that wait here."),
        "gc": ("gc", "Take versions that nothing needs off the tip."),
        "stable": ("stable", "Publish references for production: index, signatures."),
        "site": ("site", "Build a static site of the published references."),
        "keys": ("keys", "Keys that sign the index: make them, trust them, list them."),
        "import": ("exchange", "Make a run of calibrations that another system kept."),
    },
    "Look": {
        "show": ("look", "One head, or all of them at a glance."),
        "history": ("look", "What runs found, newest first, with trends."),
        "diff": ("look", "Two versions of a head, side by side."),
        "export": ("exchange", "Write references as another system reads them."),
    },
    "Use": {
        "pull": ("production", "Install references from a registry."),
        "verify": ("production", "Check every installed file again."),
        "status": ("production", "Is what is installed still what the registry says?"),
        "apply": ("apply", "Write calibrated scores for raw ones."),
        "retag": ("retag", "Which items change their outcome between two references."),
    },
    "Serve": {
        "serve": ("serve", "Serve a registry over HTTP, with a dashboard."),
        "store": ("store", "What the service's store holds; its history made anew."),
    },
    "Check": {
        "gate": ("gate", "Judge a change to the registry: may it be merged?"),
        "doctor": ("doctor", "Check this installation and a registry."),
        "demo": ("setup", "See the whole loop on real data, in a temporary folder."),
    },
}
_COMMANDS = {name: row for section in _SECTIONS.values() for name, row in section.items()}

EXIT_CODES = (
    ("0", "yes, or done"),
    ("1", "gate, verify, status, doctor: no; feedback: an alert fired"),
    ("2", "usage"),
    ("3", "the input is refused; nothing was written"),
    ("4", "the registry refuses"),
    ("5", "git, the network, or the system: no space, no permission"),
    ("70", "a bug"),
    ("130", "interrupted (141: the reader of a pipe went away)"),
)


class _LazyGroup(click.Group):
    """A group whose commands are imported when they are called, not when they are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """All commands, in the order of the table."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 -- click's signature
        """The command, from its module; None if there is no such command."""
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"calreg.cli.{_COMMANDS[cmd_name][0]}")
        found = getattr(module, f"{cmd_name}_command")
        if not isinstance(found, click.Command):
            raise TypeError(f"{module.__name__}.{cmd_name}_command is no command")
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, with the nearest names for one that is not there."""
        if args and not args[0].startswith("-") and args[0] not in _COMMANDS:
            from calreg.errors import UsageError
            from calreg.names import nearest

            hint = nearest(args[0], _COMMANDS)
            raise UsageError(f"no command {args[0]!r}", hint=f"{hint} See calreg --help.")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 -- click's signature
        """The table by sections, without importing what it names."""
        for title, section in _SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, text) for name, (_, text) in section.items()], 12)
        with formatter.section("Exit codes"):
            formatter.write_dl(EXIT_CODES, 12)


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--registry",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The registry's folder; else the nearest upwards that holds a registry.yaml.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error, too.")
@click.version_option(__version__, prog_name="calreg", message="%(prog)s %(version)s")
@click.pass_context
def program(context: click.Context, folder: Path | None, *, debug: bool) -> None:  # noqa: ARG001 -- the edge reads --debug itself: it must work for errors in parsing, too
    """The registry of calibrations: compute, compare, commit, pull, apply.

    Every command that reports takes --json: one document on standard output, nothing else.
    """
    context.obj = Session(folder=folder)
