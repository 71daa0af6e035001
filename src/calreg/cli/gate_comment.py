"""A report that was written before: shown, or posted to a pull request as its one comment.

For a workflow that may write and must not run what was proposed: the report comes from one
that may not write, so it is read as something that anybody may have made.
"""

from __future__ import annotations

import os
from pathlib import Path

from calreg.cli.terminal import note, print_json, say, signs, width
from calreg.errors import InputError, UsageError
from calreg.files import read_file
from calreg.hosting import Api, Head, Project, api_of, comment_on

__all__ = ["show"]

_MARKER = "<!-- calreg gate -->"
# Whoever proposes may have written the report; the check is the host's own word.
_FOOTNOTE = "<sub>This repeats the report of the check `gate`. What counts is the check.</sub>"


def show(file: Path, *, comment: str | None, as_json: bool) -> int:
    """Show a report, or post it; 0 if it blocks nothing, 1 if it does, posted: 0.

    Raises:
        InputError: It is no report, or the pull request cannot be told.
    """
    from calreg.report.gate import gate_lines
    from calreg.report.gate_document import document_of, read_document

    if file.is_symlink():
        raise InputError("is a symbolic link", where=str(file), code="report")
    judged, compared = read_document(read_file(file), where=str(file))
    if comment is not None:
        from calreg.report.markdown import MAX_COMMENT_BYTES, gate_markdown

        text = gate_markdown(judged, compared, max_bytes=MAX_COMMENT_BYTES)
        note([_post(_head(comment), f"{_MARKER}\n{text}\n{_FOOTNOTE}\n")])
        return 0
    if as_json:
        print_json(document_of(judged, compared))
    else:
        say(gate_lines(judged, compared, width=width(), signs=signs()))
    return 0 if judged.ok else 1


def _head(words: str) -> Head:
    owner, first, rest = words.partition(":")
    branch, last, commit = rest.rpartition(":")
    if not (owner and first and branch and last and commit):
        raise UsageError(f"--comment: expected OWNER:BRANCH:COMMIT, got {words!r}")
    return Head(owner, branch, commit)


def _post(head: Head, text: str) -> str:
    project, api = _place()
    url = comment_on(api, project, head, text, marker=_MARKER)
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
