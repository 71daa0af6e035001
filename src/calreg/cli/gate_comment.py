"""A report that was written before: shown, or posted to a pull request as its one comment.

For a workflow that may write and must not run what was proposed: the report comes from one
that may not write, so it is read as something that anybody may have made.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path
from urllib.parse import quote

from calreg.cli.terminal import note, print_json, say, signs, width
from calreg.errors import InputError, UsageError
from calreg.files import read_file
from calreg.hosting import Api, Head, Project, api_of, comment_on

__all__ = ["show"]

_REPORT = "gate-report.json"
# Whoever proposes may have written the report; the check is the host's own word.
_FOOTNOTE = "<sub>This repeats the report of the check `gate`. What counts is the check.</sub>"


def show(file: Path, *, comment: str | None, as_json: bool) -> int:
    """Show a report, or post it; 0 if it blocks nothing, 1 if it does, posted: 0.

    Raises:
        InputError: It is no report, or the pull request cannot be told.
    """
    from calreg.report.gate import gate_lines
    from calreg.report.gate_document import document_of, read_document

    judged, compared = read_document(_raw(file), where=str(file))
    if comment is not None:
        from calreg.report.markdown import MAX_COMMENT_BYTES, gate_markdown

        text = gate_markdown(judged, compared, max_bytes=MAX_COMMENT_BYTES)
        note([_post(_head(comment), f"{_marker()}\n{text}\n{_FOOTNOTE}\n")])
        return 0
    if as_json:
        print_json(document_of(judged, compared))
    else:
        say(gate_lines(judged, compared, width=width(), signs=signs()))
    return 0 if judged.ok else 1


def _raw(file: Path) -> bytes:
    """The bytes of a report, or of that in an archive, as a host hands on what a build left.

    Raises:
        InputError: It is a link, or larger than a report, packed or unpacked.
    """
    from calreg.report.gate_document import MAX_REPORT_BYTES

    if file.is_symlink():
        raise InputError("is a symbolic link", where=str(file), code="report")
    # Looked at before it is read: anybody may have made it.
    if file.is_file() and file.stat().st_size > MAX_REPORT_BYTES:
        raise _too_large(file, MAX_REPORT_BYTES)
    if not file.is_file() or not zipfile.is_zipfile(file):
        return read_file(file)
    try:
        with zipfile.ZipFile(file) as archive, archive.open(_REPORT) as packed:
            raw = packed.read(MAX_REPORT_BYTES + 1)
    except (
        zipfile.BadZipFile,
        KeyError,
        RuntimeError,
        ValueError,
        OSError,
        EOFError,
        zlib.error,
    ) as error:
        raise InputError(
            f"is no archive with a {_REPORT}", where=str(file), code="report"
        ) from error
    if len(raw) > MAX_REPORT_BYTES:
        raise _too_large(file, MAX_REPORT_BYTES)
    return raw


def _too_large(file: Path, most: int) -> InputError:
    return InputError(f"has more than {most:,} bytes: no report", where=str(file), code="report")


def _head(words: str) -> Head:
    owner, first, rest = words.partition(":")
    branch, last, commit = rest.rpartition(":")
    if not (owner and first and branch and last and commit):
        raise UsageError(f"--comment: expected OWNER:BRANCH:COMMIT, got {words!r}")
    return Head(owner, branch, commit)


def _marker() -> str:
    """What tells the comment from others, and from that of another registry of the repository.

    The workflow says whose it is, and not the report.
    """
    folder = os.environ.get("CALREG_REGISTRY", "")
    return f"<!-- calreg gate of {quote(folder)} -->" if folder else "<!-- calreg gate -->"


def _post(head: Head, text: str) -> str:
    project, api = _place()
    url = comment_on(api, project, head, text, marker=_marker())
    if url is None:
        return "No open pull request has this commit at its tip: nothing was posted."
    return f"Posted: {url}"


def _place() -> tuple[Project, Api]:
    server = os.environ.get("GITHUB_SERVER_URL") or "https://github.com"
    path = os.environ.get("GITHUB_REPOSITORY") or ""
    project = Project(server.partition("://")[2], path)
    if path.count("/") != 1:
        raise InputError(f"GITHUB_REPOSITORY: expected owner/name, got {path!r}", code="project")
    api = api_of(project, os.environ)
    if api is None:
        raise InputError(
            "no token to post a comment with",
            hint="Set CALREG_GITHUB_TOKEN or GITHUB_TOKEN.",
            code="token",
        )
    return project, api
