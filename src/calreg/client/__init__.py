"""Production's side: pull references, verify them, apply them to scores.

`Client` is the small public face. Below it, each module has one part:

- `sources` reads what a person typed, `views` open and verify what is there (`trust` judges),
  `selecting` says which heads are meant, `gathering` reads them, `pulling` ties it together;
- `destination` installs all or nothing, into a `folder` that no link leads out of, with plain
  `copies` where and how they are wanted;
- `installed` hands references out of one set, `references` apply them, `serving` holds the newest
  set in memory, `following` looks for another now and then, `replaying` brings back a stamp's;
- `checking` compares without changing. The arithmetic is in `calreg.methods`.

Importing this costs neither numpy nor git nor jsonschema: they come in where they are used.
Nothing here computes a calibration, and nothing here writes to a registry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from calreg.late import names_of

if TYPE_CHECKING:
    from calreg.client.checking import Finding, Status, status, verify
    from calreg.client.face import Client
    from calreg.client.installed import Installed, InstalledReference, Stamp
    from calreg.client.pulling import Pulled

__all__ = [
    "Client",
    "Finding",
    "Installed",
    "InstalledReference",
    "Pulled",
    "Stamp",
    "Status",
    "status",
    "verify",
]

# A service that only applies what is installed does not pay for pulling.
__getattr__ = names_of(
    __name__,
    {
        "checking": "Finding Status status verify",
        "face": "Client",
        "installed": "Installed InstalledReference Stamp",
        "pulling": "Pulled",
    },
)
