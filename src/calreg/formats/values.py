"""What reading a foreign file gives, what writing one takes, and where such files lie."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import PurePosixPath, PureWindowsPath
from typing import Literal

from calreg.documents import DEFAULT_MIN_SAMPLES, Calibration, Direction, LabelCalibration
from calreg.errors import InputError
from calreg.names import HeadName, slug, slug_path

__all__ = [
    "Asked",
    "Caution",
    "FormatName",
    "Imported",
    "ImportedHead",
    "Options",
    "PathWords",
    "backbone_of",
    "head_name",
    "path_words",
    "target_paths",
    "unique_paths",
]

FormatName = Literal[
    "nomarr-sidecar",
    "nomarr-bundle",
    "nomarr-state",
    "fasttext-thresholds",
    "hallucination-thresholds",
    "price-factors",
]

_FILE = re.compile(
    r"(?P<base>.+?)(?:-calibration(?:-v(?P<version>[1-9][0-9]{0,8}))?)?\.json", re.IGNORECASE
)
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody says about a foreign file, over what it says itself.

    Args:
        model: The model's path, instead of what the file names.
        head: The name of the one head that the file holds, instead of what the file says.
        keep_sentinel: A threshold of 1.0 is a number, and not that tuner's "infeasible".
        direction: Which scores speak for the label, where a format has them one way.
    """

    model: str | None = None
    head: HeadName | None = None
    keep_sentinel: bool = False
    direction: Direction | None = None


@dataclass(frozen=True, slots=True)
class Caution:
    """Something about a foreign file that a person must know before they rely on it.

    `code` is a stable slug for programs; `label` is None where it is about the whole head.
    """

    code: str
    head: HeadName
    label: str | None
    message: str

    def __str__(self) -> str:
        label = "" if self.label is None else f" label {self.label!r}"
        return f"{self.head}{label}: {self.message}"


@dataclass(frozen=True, slots=True)
class ImportedHead:
    """One head of a foreign file.

    `display_name` is the name it had there, where its slug differs. `version` is the other
    system's number, for the record: the registry gives its own.
    """

    name: HeadName
    display_name: str | None
    labels: Mapping[str, LabelCalibration]
    version: int | None = None
    head_type: str | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """What a foreign format wants to know and a calibration does not say.

    Args:
        head_type: The folder and `head_type` of a head that `head_types` does not match.
        head_types: Pattern of full head names (`*`, `?`) to head type; the last match wins.
        file_bases: Full head name to the base of the model's file, where it is not the
            head's own name.
        versioned: Whether file names end in `-calibration-v3.json` or `-calibration.json`.
        library_size: Items in the library; None takes the samples of the best-covered label.
        min_samples: Fewer scores than this were refused when the calibration was computed.
        min_samples_of: Full head name to the same, where it differs by head.
        generated_at: ISO 8601 time for a bundle's metadata; None leaves it out.
        embedder_release_dates: Backbone to the date that names its embedder in a state file.
        flat: Whether fastText thresholds are written as `{label: threshold}` and nothing else.
        never: The number that stands for "never fires" in formats that have no null; None
            refuses labels that never fire.
        times: Full head name to the ISO 8601 time at which its calibration was made.
    """

    head_type: str = "softmax"
    head_types: Mapping[str, str] = field(default_factory=dict)
    file_bases: Mapping[str, str] = field(default_factory=dict)
    versioned: bool = True
    library_size: int | None = None
    min_samples: int = DEFAULT_MIN_SAMPLES
    min_samples_of: Mapping[str, int] = field(default_factory=dict)
    generated_at: str | None = None
    embedder_release_dates: Mapping[str, str] = field(default_factory=dict)
    flat: bool = False
    never: float | None = None
    times: Mapping[str, str] = field(default_factory=dict)

    def type_of(self, head: HeadName) -> str:
        """The head type that becomes a folder and a field.

        Raises:
            InputError: It could not be a folder's name.
        """
        found = self.head_type
        for pattern, head_type in self.head_types.items():
            if fnmatchcase(head.full, pattern):
                found = head_type
        return _plain(found, what="head type", head=head)

    def base_of(self, calibration: Calibration) -> str:
        """The base of the model's file that the calibration goes beside.

        An import keeps it as the head's name, or as the display name where slugging
        changed it.
        """
        head, shown = calibration.name, calibration.display_name
        base = self.file_bases.get(head.full)
        if base is None and shown and _PLAIN.fullmatch(shown) and _slug_is(shown, head.head):
            base = shown
        return _plain(head.head if base is None else base, what="file base", head=head)

    def model_base_of(self, head: HeadName) -> str:
        """The base of a file that is called like the model: as told, else its last step."""
        base = self.file_bases.get(head.full, backbone_of(head))
        return _plain(base, what="file base", head=head)


@dataclass(frozen=True, slots=True)
class Imported:
    """What a foreign file holds.

    `excluded` maps a head that was left out to the reason; `notes` are sentences about what
    the file did not say or calreg does not keep; `cautions` are what a person must look at.
    `options` are those with which `write` gives the same file again.
    """

    format: FormatName
    heads: tuple[ImportedHead, ...]
    notes: tuple[str, ...] = ()
    excluded: Mapping[str, str] = field(default_factory=dict)
    options: Options = field(default_factory=Options)
    cautions: tuple[Caution, ...] = ()


def _plain(text: str, *, what: str, head: HeadName) -> str:
    if not _PLAIN.fullmatch(text) or ".." in text:
        raise InputError(
            f"{what} {text!r} of {head} cannot be part of a file's path",
            hint="Use letters, digits, '.', '_' and '-', first a letter or digit.",
            code="format",
        )
    return text


def _slug_is(text: str, segment: str) -> bool:
    try:
        return slug(text) == segment
    except InputError:
        return False


def backbone_of(head: HeadName) -> str:
    """The other system's word for a model: the last step of its path."""
    return head.model.rpartition("/")[2]


def target_paths(calibrations: list[Calibration], options: Options) -> dict[str, Calibration]:
    """Where each head's file goes below the folder of models.

    Raises:
        InputError: Two heads want one path.
    """

    def path_of(calibration: Calibration) -> str:
        head = calibration.name
        ending = f"-v{calibration.version}" if options.versioned else ""
        name = f"{options.base_of(calibration)}-calibration{ending}.json"
        return f"{backbone_of(head)}/heads/{options.type_of(head)}/{name}"

    return unique_paths(calibrations, path_of)


def unique_paths(
    calibrations: list[Calibration], path_of: Callable[[Calibration], str]
) -> dict[str, Calibration]:
    """The calibrations by the path that each is written to.

    Raises:
        InputError: Two heads want one path.
    """
    found: dict[str, Calibration] = {}
    for calibration in calibrations:
        path = path_of(calibration)
        other = found.setdefault(path, calibration)
        if other is not calibration:
            raise InputError(
                f"{other.name} and {calibration.name} would both be written to {path}",
                hint="Export them into different folders, or give one another file base.",
                code="format",
            )
    return found


@dataclass(frozen=True, slots=True)
class PathWords:
    """What a foreign file's path says about it; None where it does not."""

    base: str
    version: int | None
    backbone: str | None
    head_type: str | None


def path_words(where: str) -> PathWords:
    """File base, version, backbone and head type of `<backbone>/heads/<type>/<file>`.

    >>> path_words("models/musicnn/heads/softmax/mood_happy-1-calibration-v3.json")
    PathWords(base='mood_happy-1', version=3, backbone='musicnn', head_type='softmax')
    """
    steps = PurePosixPath(PureWindowsPath(where).as_posix()).parts
    name = steps[-1] if steps else ""
    found = _FILE.fullmatch(name)
    version = found["version"] if found else None
    in_place = len(steps) >= 4 and steps[-3] == "heads"
    return PathWords(
        base=found["base"] if found else name or "imported",
        version=int(version) if version else None,
        backbone=steps[-4] if in_place else None,
        head_type=steps[-2] if in_place else None,
    )


def head_name(
    asked: Asked, model: str, head: str, *, where: str, pointer: str
) -> tuple[HeadName, str | None]:
    """The slugged name of a head, and what it was called if that differs.

    A head that was asked for by name has that name, and no other.

    Raises:
        InputError: A name that has no short form.
    """
    if asked.head is not None:
        return asked.head, None
    try:
        name = HeadName(slug_path(model), slug(head))
    except InputError as error:
        raise InputError(
            f"at {pointer}: {error.message}", where=where, hint=error.hint, code="format"
        ) from error
    return name, None if name.head == head else head[:200]
