"""Pull requests at the host of a repository: opened, or brought up to date, through its API.

Only where a token was given, and only at the host that it is for: an address of anybody's
making must not get it. Redirects are not followed, and what an answer says is never run and
hardly believed. Without a token there is only the address at which a person opens one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from calreg.documents import load_json
from calreg.errors import CalregError, InputError, RegistryError, TransportError

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

__all__ = [
    "Api",
    "Head",
    "Opened",
    "Project",
    "Proposal",
    "api_of",
    "comment_on",
    "project_of",
    "propose",
    "url_to_open",
]

_DEFAULT_API = "https://api.github.com"
_DEFAULT_HOST = "github.com"
_TOKENS = ("CALREG_GITHUB_TOKEN", "GITHUB_TOKEN")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_SCP_LIKE = re.compile(r"(?:[^@/:]+@)?([^/:]+):(?!//)(.+)")
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_TOKEN = re.compile(r"[\x21-\x7e]{1,1000}")
_TIMEOUT_S = (10.0, 30.0)
_MAX_ANSWER_BYTES = 4 * 2**20
_MAX_TITLE = 200
_MAX_PAGES = 10


@dataclass(frozen=True, slots=True)
class Project:
    """A repository at a host: `host`, and its path there without `.git`."""

    host: str
    path: str

    @property
    def owner(self) -> str:
        """The person or organisation it belongs to."""
        return self.path.rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is proposed: a branch to be merged into another, and what is said about it."""

    branch: str
    base: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Head:
    """The tip of a branch that somebody proposes: whose, which, and at which commit."""

    owner: str
    branch: str
    commit: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A pull request: where it is, and whether it was there before."""

    url: str
    number: int
    is_new: bool


@dataclass(frozen=True, slots=True)
class Api:
    """Where pull requests are opened, and the token for it, which is never shown."""

    url: str
    token: str

    def __repr__(self) -> str:
        return f"Api({self.url!r})"


def project_of(address: str) -> Project | None:
    """The project that a git address is of; None for a folder or another form of address."""
    if "://" in address:
        parts = urlsplit(address)
        host, path = parts.hostname or "", parts.path
        if parts.scheme not in {"https", "ssh", "http"} or parts.query or parts.fragment:
            return None
        host = f"{host}:{parts.port}" if parts.port and parts.scheme != "ssh" else host
    elif found := _SCP_LIKE.fullmatch(address):
        host, path = found[1], found[2]
    else:
        return None
    steps = path.strip("/").removesuffix(".git").split("/")
    if not host or len(steps) < 2 or not all(_NAME.fullmatch(step) for step in steps):
        return None
    return Project(host, "/".join(steps))


def api_of(project: Project, environment: Mapping[str, str]) -> Api | None:
    """The API that pull requests of a project are opened by; None without a token for it.

    `GITHUB_API_URL` says where it is, for servers of one's own; then `GITHUB_SERVER_URL`, if
    it is set, says whose projects it is for.

    Raises:
        InputError: The address is not encrypted, or the token is no token.
    """
    token = next((environment[name] for name in _TOKENS if environment.get(name)), None)
    if token is None:
        return None
    if not _TOKEN.fullmatch(token):
        raise InputError("the token for the host holds blanks or control characters", code="token")
    url = environment.get("GITHUB_API_URL") or _DEFAULT_API
    server = environment.get("GITHUB_SERVER_URL")
    if not server and url == _DEFAULT_API:
        server = f"https://{_DEFAULT_HOST}"
    if server and urlsplit(server).netloc != project.host:
        return None
    return Api(_checked(url), token)


def _checked(url: str) -> str:
    parts = urlsplit(url)
    is_safe = parts.scheme == "https" or (
        parts.scheme == "http" and (parts.hostname or "") in _LOOPBACK
    )
    if not is_safe or not parts.hostname or parts.username or not url.isprintable():
        raise InputError(
            f"GITHUB_API_URL: expected an https address, got {parts.scheme}://{parts.hostname}",
            code="api-address",
        )
    return url.rstrip("/")


def url_to_open(project: Project, branch: str, base: str) -> str:
    """Where a person opens the pull request, by the host's own page."""
    where = f"https://{project.host}/{quote(project.path)}"
    if "gitlab" in project.host:
        return f"{where}/-/merge_requests/new?merge_request%5Bsource_branch%5D={quote(branch, '')}"
    return f"{where}/compare/{quote(base)}...{quote(branch)}?expand=1"


def propose(api: Api, project: Project, proposal: Proposal) -> Opened:
    """Open a pull request for a branch, or bring the one that is open up to date.

    Raises:
        RegistryError: The host refuses.
        TransportError: It cannot be reached, or gives no sensible answer.
    """
    pulls = f"{api.url}/repos/{quote(project.path)}/pulls"
    words = {"title": _title(proposal.title), "body": proposal.text}
    found = _open_one(api, pulls, project, proposal)
    if found is None:
        sides = {"head": proposal.branch, "base": proposal.base}
        answer = _ask(api, "POST", pulls, json={**words, **sides})
        return _opened(answer, is_new=True)
    return _opened(_ask(api, "PATCH", f"{pulls}/{found}", json=words), is_new=False)


def _title(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_TITLE else f"{line[: _MAX_TITLE - 1]}…"


def _open_one(api: Api, pulls: str, project: Project, proposal: Proposal) -> int | None:
    """The number of the pull request that is open for the branch, if there is one."""
    which = {
        "state": "open",
        "head": f"{project.owner}:{proposal.branch}",
        "base": proposal.base,
        "per_page": "10",
    }
    for row in _rows(api, _ask(api, "GET", pulls, params=which)):
        # A host that does not know the filter lists them all.
        if _inside(row, "head", "ref") == proposal.branch:
            return _number(api, row)
    return None


def comment_on(api: Api, project: Project, head: Head, text: str, *, marker: str) -> str | None:
    """Post the one comment of this program on a pull request, or bring it up to date.

    Args:
        api: Where.
        project: The project that the pull request is to.
        head: What is proposed; of a branch that moved on meanwhile nothing is said.
        text: The comment; begins with the marker.
        marker: Tells the comment from others; one by a person is left alone.

    Returns:
        Where the comment is; None if no open pull request is of that commit.

    Raises:
        RegistryError: The host refuses.
        TransportError: It cannot be reached, or gives no sensible answer.
    """
    repository = f"{api.url}/repos/{quote(project.path)}"
    which = {"state": "open", "head": f"{head.owner}:{head.branch}", "per_page": "10"}
    rows = _rows(api, _ask(api, "GET", f"{repository}/pulls", params=which))
    numbers = [_number(api, row) for row in rows if _inside(row, "head", "sha") == head.commit]
    if not numbers:
        return None
    body = {"body": text}
    comments = f"{repository}/issues/{numbers[0]}/comments"
    found = _ours(api, comments, marker)
    if found is None:
        answer = _ask(api, "POST", comments, json=body)
    else:
        answer = _ask(api, "PATCH", f"{repository}/issues/comments/{found}", json=body)
    url = _inside(answer, "html_url")
    return url[:500] if isinstance(url, str) and url.isprintable() else comments


def _ours(api: Api, comments: str, marker: str) -> int | None:
    """The id of the comment that a program like this one made before."""
    for page in range(1, _MAX_PAGES + 1):
        pages = {"per_page": "100", "page": str(page)}
        rows = _rows(api, _ask(api, "GET", comments, params=pages))
        for row in rows:
            text, kind, number = (
                _inside(row, *keys) for keys in (("body",), ("user", "type"), ("id",))
            )
            # Anybody may write the marker; only a program's comment can be the program's.
            if kind == "Bot" and isinstance(text, str) and text.startswith(marker):
                return number if isinstance(number, int) else None
        if len(rows) < 100:
            return None
    return None


def _rows(api: Api, answer: Any) -> list[Mapping[str, Any]]:
    if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
        raise _strange(api)
    return answer


def _inside(row: Any, *keys: str) -> Any:
    for key in keys:
        row = row.get(key) if isinstance(row, dict) else None
    return row


def _number(api: Api, row: Mapping[str, Any]) -> int:
    number = row.get("number")
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise _strange(api)
    return number


def _opened(answer: Any, *, is_new: bool) -> Opened:
    row = answer if isinstance(answer, dict) else {}
    url, number = row.get("html_url"), row.get("number")
    if not isinstance(url, str) or not url.isprintable() or not isinstance(number, int):
        raise TransportError("the host took the pull request but did not say where it is")
    return Opened(url[:500], number, is_new)


def _ask(api: Api, method: str, url: str, **what: Any) -> Any:
    import requests

    def authorised(request: PreparedRequest) -> PreparedRequest:
        # Not `headers`: a .netrc would take their place.
        request.headers["Authorization"] = f"Bearer {api.token}"
        return request

    headers = {
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
        "User-Agent": "calreg",
    }
    try:
        with requests.request(
            method, url, auth=authorised, headers=headers, timeout=_TIMEOUT_S,
            allow_redirects=False, stream=True, **what,
        ) as answer:  # fmt: skip
            raw = answer.raw.read(_MAX_ANSWER_BYTES + 1, decode_content=True)
            if not 200 <= answer.status_code < 300:
                raise _refused(api, answer, raw)
            return load_json(b'{"answer": ' + raw + b"}", where=_host(api))["answer"]
    except InputError as error:
        raise _strange(api) from error
    except (requests.RequestException, OSError) as error:
        # Their words may hold the address with all that is in it.
        raise TransportError(
            f"cannot reach {_host(api)}: {type(error).__name__}",
            hint="Check the network; the branch is pushed, calreg propose again opens the rest.",
            code="unreachable",
        ) from error


def _host(api: Api) -> str:
    return urlsplit(api.url).netloc


def _strange(api: Api) -> TransportError:
    return TransportError(f"the answer of {_host(api)} is not what its API says", code="garbled")


def _refused(api: Api, answer: Response, raw: bytes) -> CalregError:
    status = answer.status_code
    if status >= 500 or 300 <= status < 400:
        return TransportError(f"{_host(api)} answered with code {status}", code="host")
    said = re.search(rb'"message"\s*:\s*"([^"\\]{1,200})"', raw)
    words = said[1].decode("utf-8", "replace") if said else f"code {status}"
    return RegistryError(
        f"{_host(api)} refused the pull request: {words}",
        hint="The token needs write access to pull requests, and read access to contents.",
        code="host-refused",
    )
