"""What a person or a machine decided outside the registry: `calreg.yaml` and the environment.

Two things are decided here and nowhere else: whether this is a place that may write to a
registry (`calibrate_heads`), and which of a registry's rules are overridden locally. The
nearest `calreg.yaml` counts, looked for from the registry's folder upwards and then from
the current folder upwards; `CALREG_CALIBRATE_HEADS` overrides what it says.

A new key is one line in `_KEYS` and its meaning in `_config_of`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from calreg.errors import InputError, RegistryError

__all__ = ["CONFIG_FILE", "SWITCH", "Config", "load_config", "require_development"]

CONFIG_FILE = "calreg.yaml"
SWITCH = "CALREG_CALIBRATE_HEADS"

_DRIFT_KEYS: Mapping[str, tuple[str, ...]] = {
    "calibration_drift_apd": ("apd_p5", "apd_p95"),
    "calibration_drift_srd": ("srd",),
    "calibration_drift_jsd": ("jsd",),
    "calibration_drift_median": ("median_drift",),
    "calibration_drift_iqr": ("iqr_drift",),
}
_KEYS = ("calibrate_heads", "calibration_repo", "heads", "service", *_DRIFT_KEYS)
_HEAD_KEYS = ("min_samples", *_DRIFT_KEYS)
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Config:
    """The configuration in force, and where it came from.

    `overrides` has the form of a `registry.yaml`: blocks to lay over the registry's own
    rules. `file` is the `calreg.yaml` that was read, `switch_from` what decided
    `calibrate_heads`. `service` is as it stands there: the service knows what it means.
    """

    calibrate_heads: bool = False
    switch_from: str = "the default"
    calibration_repo: str | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    service: Mapping[str, Any] = field(default_factory=dict)
    file: Path | None = None


def load_config(folder: Path | None, *, cwd: Path, environment: Mapping[str, str]) -> Config:
    """The configuration for a registry in `folder` (None: none is known) and a user in `cwd`.

    Raises:
        InputError: A `calreg.yaml` that is not valid, or an unknown key (names the nearest).
    """
    file = _nearest_file(folder, cwd)
    found = Config() if file is None else _config_of(_read(file), file)
    return _with_environment(found, environment)


def require_development(config: Config, *, command: str) -> None:
    """Nothing, if this is a place that may write to a registry.

    Raises:
        RegistryError: Production mode; the hint says how to switch it off.
    """
    if config.calibrate_heads:
        return
    where = config.file or Path(CONFIG_FILE)
    raise RegistryError(
        f"production mode (calibrate_heads is false by {config.switch_from}): "
        f"'calreg {command}' writes to a registry and is refused",
        hint=f"Set calibrate_heads: true in {where}, or {SWITCH}=1 for one command.",
        code="production-mode",
    )


def _nearest_file(folder: Path | None, cwd: Path) -> Path | None:
    starts = [cwd] if folder is None else [folder, cwd]
    candidates = (place / CONFIG_FILE for start in starts for place in _upwards(start))
    return next((file for file in candidates if file.is_file()), None)


def _upwards(folder: Path) -> Iterator[Path]:
    resolved = folder.absolute()
    yield resolved
    yield from resolved.parents


def _read(file: Path) -> Mapping[str, Any]:
    from calreg.documents import load_yaml

    try:
        raw = file.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(file)) from error
    # A file of comments alone is a mapping with nothing in it.
    lines = (line.strip() for line in raw.splitlines())
    if not any(line and not line.startswith(b"#") for line in lines):
        return {}
    return load_yaml(raw, where=str(file))


def _config_of(data: Mapping[str, Any], file: Path) -> Config:
    where = str(file)
    _refuse_unknown(data, _KEYS, where, "")
    switch = data.get("calibrate_heads", False)
    if not isinstance(switch, bool):
        raise _refused(where, "/calibrate_heads", f"expected true or false, got {switch!r}")
    repo = data.get("calibration_repo")
    if repo is not None and not (isinstance(repo, str) and repo):
        raise _refused(where, "/calibration_repo", f"expected a folder, got {repo!r}")
    service = data.get("service", {})
    if not isinstance(service, dict):
        raise _refused(where, "/service", f"expected a mapping of settings, got {service!r}")
    return Config(
        calibrate_heads=switch,
        switch_from=where if "calibrate_heads" in data else "the default",
        calibration_repo=repo,
        overrides=_overrides(data, where),
        service=service,
        file=file,
    )


def _overrides(data: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    if thresholds := _thresholds(data, where, ""):
        found["thresholds"] = thresholds
    heads = data.get("heads", {})
    if not isinstance(heads, dict):
        raise _refused(where, "/heads", "expected a mapping of head patterns to settings")
    blocks = {pattern: _head_block(block, where, pattern) for pattern, block in heads.items()}
    if blocks:
        found["heads"] = blocks
    return found


def _head_block(block: Any, where: str, pattern: str) -> Mapping[str, Any]:
    pointer = f"/heads/{pattern.replace('~', '~0').replace('/', '~1')}"
    if not isinstance(block, dict):
        raise _refused(where, pointer, "expected a mapping of settings")
    _refuse_unknown(block, _HEAD_KEYS, where, pointer)
    found: dict[str, Any] = {}
    if thresholds := _thresholds(block, where, pointer):
        found["thresholds"] = thresholds
    if "min_samples" in block:
        least = block["min_samples"]
        if isinstance(least, bool) or not isinstance(least, int) or not least >= 2:
            raise _refused(where, f"{pointer}/min_samples", f"expected 2 or more, got {least!r}")
        found["min_samples"] = least
    return found


def _thresholds(block: Mapping[str, Any], where: str, pointer: str) -> dict[str, float]:
    found = {}
    for key, metrics in _DRIFT_KEYS.items():
        if key not in block:
            continue
        value = block[key]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (is_number and value > 0):
            raise _refused(where, f"{pointer}/{key}", f"expected a number above 0, got {value!r}")
        found.update(dict.fromkeys(metrics, float(value)))
    return found


def _refuse_unknown(
    block: Mapping[str, Any], known: tuple[str, ...], where: str, pointer: str
) -> None:
    from calreg.names import nearest

    unknown = next((key for key in block if key not in known), None)
    if unknown is not None:
        raise InputError(
            f"at {pointer or '/'}: unknown key {unknown!r}",
            where=where,
            hint=nearest(unknown, known),
            code="config",
        )


def _refused(where: str, pointer: str, problem: str) -> InputError:
    return InputError(f"at {pointer}: {problem}", where=where, code="config")


def _with_environment(config: Config, environment: Mapping[str, str]) -> Config:
    word = environment.get(SWITCH, "").strip().lower()
    if not word:
        return config
    if word not in _TRUE | _FALSE:
        raise InputError(f"{SWITCH}: expected true or false, got {word!r}", code="config")
    return replace(config, calibrate_heads=word in _TRUE, switch_from=SWITCH)
