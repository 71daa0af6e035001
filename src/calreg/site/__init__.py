"""A static site of what is published: for any web server, for programs and for people.

It is the tree of the branch that production reads, byte for byte, with three things beside
it: one packed file of all references of a model, compressed variants for servers that hand
them out as they are, and pages to read. The modules, from the bottom: `writing` (a folder
that is changed all at once), `compressed` (gzip, the same bytes on every machine), `source`
(what the branch holds, checked), `building` (all of it, with the pages of `calreg.pages`).
Nothing here computes, signs or publishes.
"""

from __future__ import annotations

from calreg.site.building import Built, build

__all__ = ["Built", "build"]
