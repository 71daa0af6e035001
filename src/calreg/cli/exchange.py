"""`import` and `export`: calibrations from and to the files of other systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calreg.cli.group import Session, pass_session
from calreg.cli.opening import config_of, open_registry
from calreg.cli.options import json_option, push_option, timestamp_option, when
from calreg.cli.terminal import note, print_json, say
from calreg.config import require_development
from calreg.errors import InputError, UsageError
from calreg.files import read_file, replace_file
from calreg.names import HeadName, nearest, parse_head_at

if TYPE_CHECKING:
    from calreg.documents import Calibration, LabelCalibration
    from calreg.formats import Imported
    from calreg.plan import Computed
    from calreg.registry import Registry

__all__ = ["export_command", "import_command"]

_NOMARR = ("nomarr-sidecar", "nomarr-bundle", "nomarr-state")
_FASTTEXT, _HALLUCINATION = "fasttext-thresholds", "hallucination-thresholds"
_FACTORS = "price-factors"
_FORMATS = (*_NOMARR, _FASTTEXT, _HALLUCINATION, _FACTORS)
_MAX_NOTES = 5
_MAX_CAUTIONS = 20
_MAX_KIND = 50  # as schemas/run.schema.json says

# Options of `export` that only some formats know: anywhere else they would say nothing.
_ONLY_FOR: dict[str, tuple[str, ...]] = {
    "--head-type": _NOMARR,
    "--library-size": _NOMARR,
    "--plain-names": (*_NOMARR, _FASTTEXT, _FACTORS),
    "--flat": (_FASTTEXT,),
    "--never": (_FASTTEXT, _HALLUCINATION),
}


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
    help="nomarr: the folder below heads/, for all heads (default: softmax) or those whose full "
    "name matches PATTERN ('essentia/*_regression=identity'). Repeatable; the last match wins.",
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
    "--library-size",
    type=click.IntRange(0),
    help="nomarr: items in the library; else the samples.",
)
@click.option("--plain-names", is_flag=True, help="File names without the version.")
@click.option(
    "--flat", is_flag=True, help="fasttext-thresholds: {label: threshold} and nothing else."
)
@click.option(
    "--never",
    type=float,
    metavar="NUMBER",
    help="The threshold to write for a label that never fires, where a format has no null: "
    "above every score (2, not 1.0: real scores reach 1.00001). Else such labels are refused.",
)
@click.option("--force", is_flag=True, help="Replace files that are there and differ.")
@json_option
@pass_session
def export_command(
    session: Session, /, *, folder: Path, heads: tuple[str, ...], as_json: bool, **options: Any
) -> None:
    """Write references below DIR (a folder of models) as another system reads them.

    Without HEAD, all heads; HEAD@v3 takes that version.

    The nomarr formats hold heads that are rescaled (minmax); fasttext-thresholds a raw score
    per label from which on it fires; hallucination-thresholds the one raw score up to which a
    head's only label fires; price-factors a factor per group.
    """
    from calreg.formats import Options, write
    from calreg.report.numbers import plural

    fmt = options["fmt"]
    _check_options(fmt, options)
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
        flat=options["flat"],
        never=options["never"],
        times=_times(registry, chosen, fmt),
    )
    files = write(chosen, fmt, how)
    written = _write(folder, files, replace=options["force"])
    if as_json:
        print_json({"folder": str(folder), "format": fmt, "files": sorted(files)})
        return
    same = len(files) - written
    unchanged = f" ({same:,} were the same already)" if same else ""
    say([f"{plural(len(files), fmt + ' file')} below {folder}{unchanged}"])


def _check_options(fmt: str, options: Mapping[str, Any]) -> None:
    """Refuse an option that the format does not know: it would be ignored in silence.

    Raises:
        UsageError: There is one.
    """
    given = {
        "--head-type": bool(options["head_types"]),
        "--library-size": options["library_size"] is not None,
        "--plain-names": options["plain_names"],
        "--flat": options["flat"],
        "--never": options["never"] is not None,
    }
    for option, formats in _ONLY_FOR.items():
        if given[option] and fmt not in formats:
            raise UsageError(
                f"{option} says nothing in {fmt}", hint=f"It is for {', '.join(formats)}."
            )


def _times(registry: Registry, chosen: Sequence[Calibration], fmt: str) -> dict[str, str]:
    """Full head name to the time of the run that made the calibration, where one is recorded."""
    if fmt in _NOMARR:
        return {}
    runs = {run.version: run.timestamp for run in registry.runs()}
    # The run of an import is no time of tuning, but a file's name must say some time.
    return {
        calibration.name.full: runs[calibration.version]
        for calibration in chosen
        if calibration.version in runs and (fmt == _HALLUCINATION or _is_tuned(calibration))
    }


def _is_tuned(calibration: Calibration) -> bool:
    return any(label.calibration is not None for label in calibration.labels.values())


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
    from calreg.plan import refuse_withdrawn

    state = registry.state()
    found = [registry.calibration(*parse_head_at(head)) for head in heads]
    for reference in found or state.references.values():
        refuse_withdrawn(state, reference)
    return [one.calibration for one in found or state.references.values()]


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
@click.option(
    "--head",
    metavar="MODEL/HEAD",
    help="The full name of the head, for one file that holds one; else what the file or its "
    "name says.",
)
@click.option(
    "--keep-sentinel",
    is_flag=True,
    help="Keep a fastText threshold of 1.0 as a number. Else it is read as what that tuner "
    "meant by it: no threshold meets the target, the label never fires.",
)
@click.option(
    "--direction",
    type=click.Choice(["higher", "lower"]),
    help="Which scores fire in a hallucination-thresholds file.  [default: lower, that "
    "format's own]",
)
@push_option
@click.option("--dry-run", is_flag=True, help="The same report; writes nothing.")
@timestamp_option
@json_option
@pass_session
def import_command(
    session: Session, /, *, files: tuple[str, ...], as_json: bool, **options: Any
) -> None:
    """Make a run of the calibrations in FILES that another system kept, and commit it.

    FILES are nomarr sidecars, bundles and state exports, the thresholds of a fastText
    classifier, or of a hallucination detector, or factors of prices; which, is told from
    what is in them. Read the warnings: a format may say less than it seems to.
    """
    from calreg.cli.run_report import Reading, tell
    from calreg.computing import Mode, publish_run

    mode = Mode(push=options["push"], dry_run=options["dry_run"])
    mode.check()
    asked = _asked(files, options)
    config = config_of(session)
    registry = open_registry(session, config)
    if not mode.dry_run:
        require_development(config, command="import")
    found = [_read(Path(name), asked) for name in files]
    _check_asked(found, asked)
    _tell_notes(found)
    computed = _computed(found, files)
    outcome = publish_run(
        registry, lambda _state: computed, moment=when(options["timestamp"]), mode=mode
    )
    tell(outcome, Reading(more=_remarks(found)), as_json=as_json)


def _asked(files: Sequence[str], options: Mapping[str, Any]) -> dict[str, Any]:
    """What the options say about the files, as `calreg.formats.read` takes it.

    Raises:
        UsageError: One name for several files, or two names for one head.
    """
    head = options["head"]
    if head is not None and options["model"] is not None:
        raise UsageError("--head and --model both name the model", hint="--head is enough.")
    if head is not None and len(files) > 1:
        raise UsageError(
            f"--head is the name of one head, and there are {len(files)} files",
            hint="Import them one after the other, or with --model.",
        )
    return {
        "model": options["model"],
        "head": HeadName.parse(head) if head is not None else None,
        "keep_sentinel": options["keep_sentinel"],
        "direction": options["direction"],
    }


def _read(file: Path, asked: Mapping[str, Any]) -> Imported:
    from calreg.formats import read

    return read(read_file(file), str(file), **asked)


def _check_asked(found: Sequence[Imported], asked: Mapping[str, Any]) -> None:
    """Refuse an option that none of the files has a use for.

    Raises:
        UsageError: There is one.
    """
    there = {part.format for part in found}
    for option, fmt in (("keep_sentinel", _FASTTEXT), ("direction", _HALLUCINATION)):
        if asked[option] and fmt not in there:
            raise UsageError(
                f"--{option.replace('_', '-')} is for {fmt}, and there is no such file; "
                f"there is {', '.join(sorted(there))}"
            )


def _tell_notes(found: Sequence[Imported]) -> None:
    cautions = [str(caution) for part in found for caution in part.cautions]
    notes = list(dict.fromkeys(text for part in found for text in part.notes))
    note(_shortened("Warning", cautions, _MAX_CAUTIONS))
    note(_shortened("Note", notes, _MAX_NOTES))


def _shortened(word: str, texts: Sequence[str], most: int) -> list[str]:
    lines = [f"{word}: {text}" for text in texts[:most]]
    return lines + ([f"{word}: and {len(texts) - most} more"] if len(texts) > most else [])


def _remarks(found: Sequence[Imported]) -> dict[str, Any]:
    """All notes and warnings, for programs."""
    return {
        "notes": list(dict.fromkeys(text for part in found for text in part.notes)),
        "warnings": [
            {
                "code": caution.code,
                "head": caution.head.full,
                "label": caution.label,
                "message": caution.message,
            }
            for part in found
            for caution in part.cautions
        ],
    }


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
        kind=_kind({part.format for part in found}),
        rows=count,
        accepted=count,
        rejected={},
        files=tuple(sorted(Path(name).name for name in files)),
    )
    excluded = {head: why for part in found for head, why in part.excluded.items()}
    return Computed(heads=heads, display_names=shown, excluded=excluded, inputs=inputs)


def _kind(formats: set[str]) -> str:
    listed = ", ".join(sorted(formats))
    return listed if len(listed) <= _MAX_KIND else f"{len(formats)} formats"
