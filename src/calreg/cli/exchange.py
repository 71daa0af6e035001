"""`import` and `export`: calibrations from and to the files of other systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calreg.cli.files import read_file, replace_file
from calreg.cli.group import Session, pass_session
from calreg.cli.opening import config_of, open_registry
from calreg.cli.options import json_option, push_option, timestamp_option, when
from calreg.cli.terminal import note, print_json, say
from calreg.config import require_development
from calreg.errors import InputError, UsageError
from calreg.names import HeadName, nearest, parse_head_at

if TYPE_CHECKING:
    from calreg.documents import Calibration, LabelCalibration
    from calreg.formats import Imported
    from calreg.plan import Computed
    from calreg.registry import Registry

__all__ = ["export_command", "import_command"]

_FORMATS = ("nomarr-sidecar", "nomarr-bundle", "nomarr-state")
_MAX_NOTES = 5


@click.command("export")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.argument("heads", nargs=-1, metavar="[HEAD[@vN]...]")
@click.option(
    "--format", "fmt", type=click.Choice(_FORMATS), default=_FORMATS[0], show_default=True
)
@click.option(
    "--head-type",
    "head_types",
    multiple=True,
    metavar="[PATTERN=]TYPE",
    help="The folder below heads/, for all heads (default: softmax) or those whose full name "
    "matches PATTERN ('essentia/*_regression=identity'). Repeatable; the last match wins.",
)
@click.option(
    "--file-base",
    "file_bases",
    multiple=True,
    metavar="HEAD=BASE",
    help="The base of the model's file that a head belongs to, where it is not the head's own "
    "name (essentia/musicnn/mood-happy=mood_happy-msd-musicnn-1). Repeatable.",
)
@click.option(
    "--library-size", type=click.IntRange(0), help="Items in the library; else the samples."
)
@click.option("--plain-names", is_flag=True, help="File names without the version.")
@click.option("--force", is_flag=True, help="Replace files that are there and differ.")
@json_option
@pass_session
def export_command(
    session: Session, /, *, folder: Path, heads: tuple[str, ...], as_json: bool, **options: Any
) -> None:
    """Write references below DIR (a folder of models) as another system reads them.

    Without HEAD, all heads; HEAD@v3 takes that version.
    """
    from calreg.formats import Options, write
    from calreg.report.numbers import plural

    registry = open_registry(session)
    chosen = _chosen(registry, heads)
    names = [calibration.name for calibration in chosen]
    settings = registry.settings()
    how = Options(
        **_head_types(options["head_types"], names),
        file_bases=_file_bases(options["file_bases"], names),
        versioned=not options["plain_names"],
        library_size=options["library_size"],
        min_samples_of={name.full: settings.for_head(name).min_samples for name in names},
    )
    files = write(chosen, options["fmt"], how)
    written = _write(folder, files, replace=options["force"])
    if as_json:
        print_json({"folder": str(folder), "format": options["fmt"], "files": sorted(files)})
        return
    same = len(files) - written
    unchanged = f" ({same:,} were the same already)" if same else ""
    say([f"{plural(len(files), options['fmt'] + ' file')} below {folder}{unchanged}"])


def _head_types(texts: Sequence[str], names: Sequence[HeadName]) -> dict[str, Any]:
    """The type of all heads and those by pattern, from the values of --head-type.

    >>> _head_types(["identity", "a/*=softmax"], [HeadName("a", "mood")])
    {'head_types': {'a/*': 'softmax'}, 'head_type': 'identity'}

    Raises:
        UsageError: Not TYPE or PATTERN=TYPE, or a pattern that no exported head matches.
    """
    found: dict[str, Any] = {"head_types": {}}
    for text in texts:
        pattern, equals, head_type = text.rpartition("=")
        if not head_type or (equals and not pattern):
            raise UsageError(f"--head-type: expected TYPE or PATTERN=TYPE, got {text!r}")
        if equals:
            known = [name.full for name in names]
            if not any(fnmatchcase(name, pattern) for name in known):
                raise UsageError(
                    f"--head-type: no exported head matches {pattern!r}",
                    hint=nearest(pattern, known),
                )
            # Taken out first: the last match wins, and this one is the last.
            found["head_types"].pop(pattern, None)
            found["head_types"][pattern] = head_type
        else:
            found["head_type"] = text
    return found


def _file_bases(texts: Sequence[str], names: Sequence[HeadName]) -> dict[str, str]:
    """Full head name to file base, from the values of --file-base.

    Raises:
        UsageError: Not HEAD=BASE, or a head that is not exported.
    """
    known = {name.full for name in names}
    found = {}
    for text in texts:
        head, equals, base = text.partition("=")
        if not (head and equals and base):
            raise UsageError(f"--file-base: expected HEAD=BASE, got {text!r}")
        if head not in known:
            raise UsageError(f"--file-base: {head!r} is not exported", hint=nearest(head, known))
        found[head] = base
    return found


def _chosen(registry: Registry, heads: Sequence[str]) -> list[Calibration]:
    if not heads:
        return [reference.calibration for reference in registry.state().references.values()]
    return [registry.calibration(*parse_head_at(head)).calibration for head in heads]


def _write(folder: Path, files: Mapping[str, bytes], *, replace: bool) -> int:
    """Write the files that are not there as they should be; how many those were.

    Raises:
        InputError: A file is there and differs, and `replace` is false: nothing is written.
    """
    todo = {}
    for path, raw in sorted(files.items()):
        target = folder / path
        there = target.read_bytes() if target.is_file() else None
        if there is not None and there != raw and not replace:
            raise InputError(
                "is there already and differs",
                where=str(target),
                hint="--force replaces it; nothing was written.",
                code="exists",
            )
        if there != raw:
            todo[target] = raw
    for target, raw in todo.items():
        replace_file(target, raw)
    return len(todo)


@click.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILES...")
@click.option(
    "--model", metavar="MODEL", help="The model's path; else the backbone the file names."
)
@push_option
@click.option("--dry-run", is_flag=True, help="The same report; writes nothing.")
@timestamp_option
@json_option
@pass_session
def import_command(
    session: Session, /, *, files: tuple[str, ...], model: str | None, as_json: bool, **options: Any
) -> None:
    """Make a run of the calibrations in FILES that another system kept, and commit it."""
    from calreg.cli.publishing import Mode, publish_run
    from calreg.cli.run_report import Reading, tell

    mode = Mode(push=options["push"], dry_run=options["dry_run"])
    mode.check()
    config = config_of(session)
    registry = open_registry(session, config)
    if not mode.dry_run:
        require_development(config, command="import")
    found = [_read(Path(name), model) for name in files]
    _tell_notes(found)
    computed = _computed(found, files)
    outcome = publish_run(
        registry, lambda _settings: computed, moment=when(options["timestamp"]), mode=mode
    )
    tell(outcome, Reading(), as_json=as_json)


def _read(file: Path, model: str | None) -> Imported:
    from calreg.formats import read

    return read(read_file(file), str(file), model=model)


def _tell_notes(found: Sequence[Imported]) -> None:
    notes = list(dict.fromkeys(text for part in found for text in part.notes))
    note(f"Note: {text}" for text in notes[:_MAX_NOTES])
    if len(notes) > _MAX_NOTES:
        note([f"Note: and {len(notes) - _MAX_NOTES} more"])


def _computed(found: Sequence[Imported], files: Sequence[str]) -> Computed:
    """What the files bring to a run; its digest is that of the numbers, not of the files."""
    from calreg.documents import RunInputs, canonical_bytes, digest_of
    from calreg.plan import Computed

    heads: dict[HeadName, Mapping[str, LabelCalibration]] = {}
    shown: dict[HeadName, str] = {}
    origin: dict[HeadName, str] = {}
    for file, part in zip(files, found, strict=True):
        for head in part.heads:
            if head.name in heads:
                raise InputError(
                    f"holds {head.name}, and so does {origin[head.name]}",
                    where=file,
                    hint="Import them one after the other, or with another --model.",
                    code="two-heads",
                )
            heads[head.name], origin[head.name] = head.labels, file
            if head.display_name is not None:
                shown[head.name] = head.display_name
    numbers = {
        name.full: {label: one.to_json() for label, one in labels.items()}
        for name, labels in heads.items()
    }
    count = sum(len(labels) for labels in heads.values())
    inputs = RunInputs(
        digest=digest_of(canonical_bytes(numbers)),
        kind=", ".join(sorted({part.format for part in found})),
        rows=count,
        accepted=count,
        rejected={},
        files=tuple(sorted(Path(name).name for name in files)),
    )
    excluded = {head: why for part in found for head, why in part.excluded.items()}
    return Computed(heads=heads, display_names=shown, excluded=excluded, inputs=inputs)
