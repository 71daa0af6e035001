"""The HTTP service of one registry: runs, references, history, scores, the re-tag queue, pages.

`serve` is the way in, with `settings_of` a configuration. `state` holds what the parts share,
`app` puts them together, `guard` is what every request passes. The only package that imports
FastAPI and uvicorn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from calreg.late import names_of

if TYPE_CHECKING:
    from calreg.service.app import create_app
    from calreg.service.auth import new_key
    from calreg.service.server import bound
    from calreg.service.serving import serve
    from calreg.service.settings import Settings, settings_of
    from calreg.service.state import State

__all__ = ["Settings", "State", "bound", "create_app", "new_key", "serve", "settings_of"]

# Making a key needs no framework, and the worker's process none of them either.
__getattr__ = names_of(
    __name__,
    {
        "app": "create_app",
        "auth": "new_key",
        "server": "bound",
        "serving": "serve",
        "settings": "Settings settings_of",
        "state": "State",
    },
)
