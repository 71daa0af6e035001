"""A key for each row of the history, as document databases want one.

`<model>_<head>_<version>`: a model's `/` becomes `:` and its `_` becomes `=`, neither of
which a name may hold, so the first `_` ends the model, the last begins the version, and no
two rows share a key. ArangoDB, CouchDB, MongoDB and others take it as it is; what is longer
than ArangoDB allows ends in its digest instead.
"""

from __future__ import annotations

from hashlib import sha256

__all__ = ["MAX_KEY_LENGTH", "history_key"]

MAX_KEY_LENGTH = 254  # of ArangoDB, in bytes; names are ASCII

_KEPT = MAX_KEY_LENGTH - 65
_MODEL = str.maketrans({"/": ":", "_": "="})


def history_key(model: str, head: str, version: int) -> str:
    """The key of one head's row of one run.

    >>> history_key("essentia/effnet", "mood_happy", 3)
    'essentia:effnet_mood_happy_3'
    >>> history_key("my_net", "mood", 12)
    'my=net_mood_12'
    """
    key = f"{model.translate(_MODEL)}_{head}_{version}"
    if len(key) <= MAX_KEY_LENGTH:
        return key
    return f"{key[:_KEPT]}@{sha256(key.encode()).hexdigest()}"
