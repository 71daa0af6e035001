"""calreg: a git-backed registry for the calibrations of machine-learning scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calreg.client import Client

__all__ = ["Client", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # `calreg --version` must not pay for the client.
    if name == "Client":
        from calreg.client import Client

        return Client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
