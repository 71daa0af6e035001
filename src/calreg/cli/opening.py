"""From the group's options to an open registry, with the rules in force there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calreg.config import Config, load_config, require_development
from calreg.errors import InputError
from calreg.names import REGISTRY_FILE

if TYPE_CHECKING:
    from calreg.cli.group import Session
    from calreg.registry import Registry

__all__ = ["config_of", "merged_rules", "open_for_writing", "open_registry"]

Rules = Mapping[str, Any]


def config_of(session: Session) -> Config:
    """The configuration in force for the registry of this session, or where it would be."""
    return load_config(session.folder, cwd=Path.cwd(), environment=os.environ)


def open_registry(
    session: Session, config: Config | None = None, *, rules: Rules | None = None
) -> Registry:
    """The registry of --registry, else the nearest upwards, else the configured one.

    Args:
        session: The group's options.
        config: The configuration, if it was read already.
        rules: Rules from the command's own options, over those of the configuration.

    Raises:
        InputError: There is none.
    """
    from calreg.registry import Registry

    found = config_of(session) if config is None else config
    overrides = merged_rules(found.overrides, rules or {})
    return Registry.open(session.folder or _configured(found), overrides=overrides)


def open_for_writing(session: Session, *, command: str, rules: Rules | None = None) -> Registry:
    """The registry, if this is a place that may write to it.

    Raises:
        InputError: There is no registry: said first, since a place without one cannot be
            in production mode.
        RegistryError: Production mode.
    """
    config = config_of(session)
    registry = open_registry(session, config, rules=rules)
    require_development(config, command=command)
    return registry


def merged_rules(base: Rules, over: Rules) -> Rules:
    """Two blocks of rules as one, for `registry.yaml` overrides: `over` wins, pattern by pattern.

    >>> merged_rules({"heads": {"a/*": {"min_samples": 2}}}, {"heads": {"*": {"min_samples": 3}}})
    {'heads': {'a/*': {'min_samples': 2}, '*': {'min_samples': 3}}}
    """
    heads = {**base.get("heads", {})}
    for pattern, block in over.get("heads", {}).items():
        # Taken out first: the later of two patterns wins, and this one is the later.
        heads[pattern] = {**heads.pop(pattern, {}), **block}
    merged = {**base, **over}
    return {**merged, "heads": heads} if heads else merged


def _configured(config: Config) -> Path | None:
    """The folder that calibration_repo names, where no registry is nearer.

    Raises:
        InputError: It names no folder of this machine.
    """
    here = Path.cwd()
    is_inside = any((place / REGISTRY_FILE).is_file() for place in (here, *here.parents))
    if is_inside or config.calibration_repo is None or config.file is None:
        return None
    folder = config.file.parent / Path(config.calibration_repo).expanduser()
    if folder.is_dir():
        return folder
    is_address = "://" in config.calibration_repo
    raise InputError(
        f"at /calibration_repo: there is no folder {config.calibration_repo!r}",
        where=str(config.file),
        hint=f"Clone it and name the clone, or calreg pull {config.calibration_repo} DEST."
        if is_address
        else "It is looked for from the folder of the calreg.yaml.",
        code="config",
    )
