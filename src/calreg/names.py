"""The only grammar for models, heads, labels, versions and the paths made of them.

A head is stored under its slug and shown under the name it came with. Nothing here
touches a disk: a path is text with forward slashes, relative to the registry's root.

To add a kind of file: one function that makes its path, one pattern in `classify`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Literal

from calreg.errors import InputError

__all__ = [
    "INDEX_PATH",
    "INDEX_SIGNATURE_PATH",
    "MAX_LABEL_LENGTH",
    "MAX_SEGMENT_LENGTH",
    "PINS_PATH",
    "REGISTRY_FILE",
    "RETENTION_PATH",
    "SIGNATURE_ENDING",
    "WITHDRAWN_PATH",
    "HeadName",
    "Place",
    "case_collision",
    "check_label",
    "check_segment",
    "classify",
    "is_device_name",
    "keys_path",
    "keys_signature_path",
    "model_index_path",
    "model_run_path",
    "move_path",
    "nearest",
    "packed_path",
    "parse_head_at",
    "parse_version",
    "run_path",
    "slug",
    "slug_path",
]

MAX_SEGMENT_LENGTH = 100
MAX_LABEL_LENGTH = 200
MAX_PATH_LENGTH = 400
MAX_VERSION = 10**9

REGISTRY_FILE = "registry.yaml"
PINS_PATH = "pins.json"
WITHDRAWN_PATH = "withdrawn.json"
RETENTION_PATH = "retention.json"
SIGNATURE_ENDING = ".sig"
INDEX_PATH = "index.json"
INDEX_SIGNATURE_PATH = INDEX_PATH + SIGNATURE_ENDING

_SEGMENT = re.compile(r"[a-z0-9][a-z0-9._-]*")
_VERSION = re.compile(r"v([1-9][0-9]{0,9})")
_NUMBER = re.compile(r"[1-9][0-9]{0,9}")
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)}
)
# Folders and file endings that mean something in a registry's tree.
_RESERVED = frozenset({"runs", "moves", "keys"})
_RESERVED_ENDINGS = (".json", ".lock", ".sig", ".")


def check_segment(segment: str, *, what: str = "name") -> str:
    """The segment itself, if it may be one step of a model's or head's path.

    Raises:
        InputError: Not `[a-z0-9][a-z0-9._-]*`, over 100 characters, with `..`, a Windows
            device name, or a word that the registry's own layout uses.
    """
    problem = _segment_problem(segment)
    if problem is not None:
        raise InputError(
            f"{what} {segment!r} {problem}",
            hint="Use lower-case letters, digits, '.', '_' and '-', first a letter or digit.",
            code="name",
        )
    return segment


def _segment_problem(segment: str) -> str | None:
    if not segment:
        return "is empty"
    if len(segment) > MAX_SEGMENT_LENGTH:
        return f"has {len(segment)} characters, at most {MAX_SEGMENT_LENGTH} are allowed"
    if not _SEGMENT.fullmatch(segment):
        return "may only hold a-z, 0-9, '.', '_' and '-', first a letter or digit"
    if ".." in segment:
        return "may not hold '..'"
    if is_device_name(segment):
        return "is a device name on Windows"
    if segment in _RESERVED or _VERSION.fullmatch(segment):
        return "is a folder name that every registry uses itself"
    if segment.endswith(_RESERVED_ENDINGS):
        return "may not end like a file of the registry"
    return None


def is_device_name(name: str) -> bool:
    """Whether Windows takes a file's name for a device, whatever its ending.

    >>> is_device_name("Aux.md"), is_device_name("auxiliary.md")
    (True, False)
    """
    return name.partition(".")[0].rstrip().casefold() in _DEVICES


def slug(text: str) -> str:
    """The segment that stands for any text: lower case, ASCII, separators as one '-'.

    >>> slug("tonal/atonal"), slug("voice/instrumental classifiers"), slug("mood_happy")
    ('tonal-atonal', 'voice-instrumental-classifiers', 'mood_happy')
    """
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    kept = re.sub(r"[^a-z0-9._-]+", "-", ascii_text.lower())
    kept = re.sub(r"\.{2,}", ".", kept).strip("-._")
    return check_segment(kept, what=f"the short form of {text!r},")


def slug_path(text: str) -> str:
    """The slug of every step of a model's path, the slashes kept.

    >>> slug_path("Essentia/EffNet")
    'essentia/effnet'
    """
    return "/".join(slug(step) for step in text.split("/"))


@dataclass(frozen=True, slots=True, order=True)
class HeadName:
    """A head's full name: the model's path and the head's own segment.

    Raises:
        InputError: A segment is refused (see `check_segment`), or the path is too long.
    """

    model: str
    head: str

    def __post_init__(self) -> None:
        for step in self.model.split("/"):
            check_segment(step, what="model path segment")
        check_segment(self.head, what="head name")
        if len(self.full) > MAX_PATH_LENGTH:
            raise InputError(
                f"head {self.full[:60]!r}… has {len(self.full)} characters, "
                f"at most {MAX_PATH_LENGTH} are allowed",
                code="name",
            )

    @classmethod
    def parse(cls, text: str) -> HeadName:
        """The head that `model/path/head` names; the last step is the head.

        >>> HeadName.parse("essentia/effnet/mood_happy")
        HeadName(model='essentia/effnet', head='mood_happy')
        """
        return _parsed_head(text)

    @property
    def full(self) -> str:
        """`model/head`."""
        return f"{self.model}/{self.head}"

    @property
    def reference_path(self) -> str:
        """Where production reads this head's numbers."""
        return f"{self.model}/{self.head}-calibration.json"

    def version_path(self, version: int) -> str:
        """Where one immutable version of this head's calibration lies."""
        return f"{self.model}/v{version}/{self.head}-calibration-v{version}.json"

    def __str__(self) -> str:
        return self.full


@lru_cache(maxsize=2**14)
def _parsed_head(text: str) -> HeadName:
    # A pull of a thousand heads asks for each name some ten times.
    model, slash, head = text.rpartition("/")
    if not slash:
        raise InputError(
            f"{text!r} is not a head's full name",
            hint="Write it as model/head, for example essentia/effnet/mood_happy.",
            code="name",
        )
    return HeadName(model, head)


def check_label(label: str) -> str:
    """The label itself, if it may be a JSON key: 1 to 200 printable characters, NFC.

    Raises:
        InputError: Empty, too long, with control characters, surrogates or outer
            white space, or not in Unicode normal form C (two spellings of one label).
    """
    problem = None
    if not label:
        problem = "is empty"
    elif len(label) > MAX_LABEL_LENGTH:
        problem = f"has {len(label)} characters, at most {MAX_LABEL_LENGTH} are allowed"
    elif any(unicodedata.category(c) in {"Cc", "Cs"} for c in label):
        problem = "holds control characters"
    elif label != label.strip():
        problem = "begins or ends with white space"
    elif not unicodedata.is_normalized("NFC", label):
        problem = "is not in Unicode normal form C"
    if problem is not None:
        raise InputError(f"label {label[:60]!r} {problem}", code="name")
    return label


def parse_version(text: str) -> int:
    """The number in `v3` or `3`, from 1 upwards.

    >>> parse_version("v3"), parse_version("12")
    (3, 12)
    """
    found = _NUMBER.fullmatch(text.removeprefix("v"))
    if found is None or int(found.group()) > MAX_VERSION:
        raise InputError(
            f"{text!r} is not a version", hint="Write it as v3, from v1 upwards.", code="name"
        )
    return int(found.group())


def parse_head_at(text: str) -> tuple[HeadName, int | None]:
    """Head and version of `model/head@v3`; no `@` leaves the version open (None)."""
    name, at, version = text.partition("@")
    return HeadName.parse(name), parse_version(version) if at else None


def run_path(version: int) -> str:
    """Where a run as a whole is recorded."""
    return f"runs/{version}.json"


def model_run_path(model: str, version: int) -> str:
    """Where the part of a run that concerns one model is recorded."""
    return f"{model}/v{version}/run.json"


def move_path(number: int) -> str:
    """Where a move of a reference by hand is recorded."""
    return f"moves/{number}.json"


def keys_path(number: int) -> str:
    """Where the keys that sign a registry's index are listed, from a number on."""
    return f"keys/{number}.json"


def keys_signature_path(number: int) -> str:
    """Where the signatures of a list of keys are."""
    return keys_path(number) + SIGNATURE_ENDING


def model_index_path(model: str) -> str:
    """Where the references of one model are listed, on the branch that production reads."""
    return f"{model}/{INDEX_PATH}"


def packed_path(model: str) -> str:
    """Where a static site keeps all references of one model in one file."""
    return f"{model}/references.json"


Kind = Literal[
    "registry", "pins", "run", "model-run", "version", "reference", "move",
    "withdrawn", "retention", "keys", "keys-signature",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """What a path of a registry's tree is for."""

    kind: Kind
    head: HeadName | None = None
    model: str | None = None
    number: int | None = None


_MODEL_RUN_FILE = re.compile(r"(.+)/v([1-9][0-9]{0,9})/run\.json")
_VERSION_FILE = re.compile(r"(.+)/v([1-9][0-9]{0,9})/([^/]+)-calibration-v\2\.json")
_REFERENCE_FILE = re.compile(r"(.+)/([^/]+)-calibration\.json")


def classify(path: str) -> Place | None:
    """What a file of a registry is by its path; None for a file that is none of ours."""
    if kind := _BY_NAME.get(path):
        return Place(kind)
    for pattern, kind in _NUMBERED.items():
        if found := pattern.fullmatch(path):
            return Place(kind, number=int(found[1]))
    try:
        return _of_model(path)
    except InputError:
        return None


_BY_NAME: dict[str, Kind] = {
    REGISTRY_FILE: "registry",
    PINS_PATH: "pins",
    WITHDRAWN_PATH: "withdrawn",
    RETENTION_PATH: "retention",
}
_NUMBERED: dict[re.Pattern[str], Kind] = {
    re.compile(r"runs/([1-9][0-9]{0,9})\.json"): "run",
    re.compile(r"moves/([1-9][0-9]{0,9})\.json"): "move",
    re.compile(r"keys/([1-9][0-9]{0,9})\.json"): "keys",
    re.compile(r"keys/([1-9][0-9]{0,9})\.json\.sig"): "keys-signature",
}


def _of_model(path: str) -> Place | None:
    if found := _MODEL_RUN_FILE.fullmatch(path):
        HeadName(found[1], "run")
        return Place("model-run", model=found[1], number=int(found[2]))
    if found := _VERSION_FILE.fullmatch(path):
        head = HeadName(found[1], found[3])
        return Place("version", head=head, model=head.model, number=int(found[2]))
    if found := _REFERENCE_FILE.fullmatch(path):
        head = HeadName(found[1], found[2])
        return Place("reference", head=head, model=head.model)
    return None


def case_collision(names: Iterable[str]) -> tuple[str, str] | None:
    """The first two different names that are equal without regard to case, if any."""
    seen: dict[str, str] = {}
    for name in sorted(names):
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            return other, name
    return None


def nearest(wanted: str, known: Iterable[str]) -> str:
    """A hint that names what was probably meant, or lists the first few there are."""
    pool = sorted(known)
    close = get_close_matches(wanted, pool, n=3, cutoff=0.6)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    if not pool:
        return "There are none yet."
    shown = ", ".join(pool[:5])
    return f"There are: {shown}{f' and {len(pool) - 5} more' if len(pool) > 5 else ''}."
