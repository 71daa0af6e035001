"""Pull requests at the host of a repository: opened, or brought up to date, through its API.

Only where a token was given, and only at the host that it is for: an address of anybody's
making must not get it. Redirects are not followed, no answer is waited for without end, and
what it says is never run and hardly believed. Without a token there is only the address at
which a person opens one.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from calreg.documents import load_json
from calreg.errors import CalregError, InputError, RegistryError, TransportError

if TYPE_CHECKING:
    from requests import PreparedRequest

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
    "unused_token",
    "url_to_open",
]

_DEFAULT_API = "https://api.github.com"
_DEFAULT_HOST = "github.com"
_TOKENS = ("CALREG_GITHUB_TOKEN", "GITHUB_TOKEN")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_SCP_LIKE = re.compile(r"(?:[^@/:]+@)?([^/:]+):(?!//)(.+)")
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_TOKEN = re.compile(r"[\x21-\x7e]{1,1000}")
_TIMEOUT_S = (10.0, 30.0)  # to connect, and for each byte
_DEADLINE_S = 60.0  # for a whole answer: one that drips outlives any time-out for a byte
_MAX_ANSWER_BYTES = 4 * 2**20
_MAX_TITLE = 200
_MAX_PAGES = 10
_THERE = "pull-request-exists"


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
    deadline_s: float = _DEADLINE_S

    def __repr__(self) -> str:
        return f"Api({self.url!r})"


def project_of(address: str) -> Project | None:
    """The project that a git address is of; None for a folder or another form of address."""
    if "://" in address:
        parts = urlsplit(address)
        try:
            host, path = parts.hostname or "", parts.path
            port = parts.port
        except ValueError:  # a port that is none
            return None
        if parts.scheme not in {"https", "ssh", "http"} or parts.query or parts.fragment:
            return None
        host = f"{host}:{port}" if port and parts.scheme != "ssh" else host
    elif found := _SCP_LIKE.fullmatch(address):
        host, path = found[1].lower(), found[2]
    else:
        return None
    steps = path.strip("/").removesuffix(".git").split("/")
    if not host or len(steps) < 2 or not all(_NAME.fullmatch(step) for step in steps):
        return None
    # Where ssh must go through port 443, that host goes by another name.
    return Project(_DEFAULT_HOST if host == f"ssh.{_DEFAULT_HOST}" else host, "/".join(steps))


def api_of(project: Project, environment: Mapping[str, str]) -> Api | None:
    """The API that pull requests of a project are opened by; None without a token for it.

    `GITHUB_API_URL` says where it is, for servers of one's own; then `GITHUB_SERVER_URL`, if
    it is set, says whose projects it is for.

    Raises:
        InputError: The address is not encrypted, or the token is no token.
    """
    name = _token_name(environment)
    if name is None:
        return None
    token = environment[name]
    if not _TOKEN.fullmatch(token):
        raise InputError(
            f"{name}: expected a token, got text with blanks or control characters",
            hint="Copy it again, without a line break at its end.",
            code="token",
        )
    url = (environment.get("GITHUB_API_URL") or _DEFAULT_API).rstrip("/")
    server = environment.get("GITHUB_SERVER_URL")
    if not server and url == _DEFAULT_API:
        server = f"https://{_DEFAULT_HOST}"
    if server and urlsplit(server).netloc.lower() != project.host:
        return None
    return Api(_checked(url), token)


def unused_token(
    project: Project | None, api: Api | None, environment: Mapping[str, str]
) -> Iterator[str]:
    """Why a token that was given is not sent, for who wonders; nothing where there is no such."""
    name = _token_name(environment)
    if name is not None and api is None and project is not None:
        server = environment.get("GITHUB_SERVER_URL") or f"https://{_DEFAULT_HOST}"
        yield (
            f"Note: {name} is for {urlsplit(server).netloc}, so {project.host} does not get it. "
            f"For a server of your own: GITHUB_API_URL=https://{project.host}/api/v3 "
            f"GITHUB_SERVER_URL=https://{project.host}"
        )


def _token_name(environment: Mapping[str, str]) -> str | None:
    return next((name for name in _TOKENS if environment.get(name)), None)


def _checked(url: str) -> str:
    parts = urlsplit(url)
    is_safe = parts.scheme == "https" or (
        parts.scheme == "http" and (parts.hostname or "") in _LOOPBACK
    )
    if not is_safe or not parts.hostname or parts.username or not url.isprintable():
        raise InputError(
            f"GITHUB_API_URL: expected an https address, got {parts.scheme}://{parts.hostname}",
            hint="For a server of your own it is https://HOST/api/v3.",
            code="api-address",
        )
    return url


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
        try:
            return _opened(_ask(api, "POST", pulls, json={**words, **sides}), is_new=True)
        except RegistryError as error:
            # Opened meanwhile, by another like this one.
            found = _open_one(api, pulls, project, proposal) if error.code == _THERE else None
            if found is None:
                raise
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
    from urllib3.exceptions import HTTPError

    def authorised(request: PreparedRequest) -> PreparedRequest:
        # Not `headers`: a .netrc would take their place.
        request.headers["Authorization"] = f"Bearer {api.token}"
        return request

    headers = {
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
        "User-Agent": "calreg",
    }

    def answered() -> tuple[int, Mapping[str, str], bytes]:
        with requests.request(
            method, url, auth=authorised, headers=headers, timeout=_TIMEOUT_S,
            allow_redirects=False, stream=True, **what,
        ) as answer:  # fmt: skip
            raw = answer.raw.read(_MAX_ANSWER_BYTES + 1, decode_content=True)
            return answer.status_code, answer.headers, raw

    try:
        status, about, raw = _in_time(api, answered)
    except (requests.RequestException, HTTPError, OSError) as error:
        # Their words may hold the address with all that is in it.
        raise TransportError(
            f"cannot reach {_host(api)}: {type(error).__name__}",
            hint="Check the network, and GITHUB_API_URL if it is set.",
            code="unreachable",
        ) from error
    if not 200 <= status < 300:
        raise _refused(api, status, about, raw)
    try:
        return load_json(b'{"answer": ' + raw + b"}", where=_host(api))["answer"]
    except InputError as error:
        raise _strange(api) from error


def _in_time(
    api: Api, answered: Callable[[], tuple[int, Mapping[str, str], bytes]]
) -> tuple[int, Mapping[str, str], bytes]:
    """What a request comes to, or an error when its time is over; then nobody waits for it."""
    import requests
    from urllib3.exceptions import HTTPError

    found: list[tuple[int, Mapping[str, str], bytes]] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            found.append(answered())
        except (requests.RequestException, HTTPError, OSError) as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(api.deadline_s)
    if failed:
        raise failed[0]
    if not found:
        raise TransportError(
            f"{_host(api)} did not answer within {api.deadline_s:g} s",
            hint="Try again later.",
            code="timeout",
        )
    return found[0]


def _host(api: Api) -> str:
    return urlsplit(api.url).netloc


def _strange(api: Api) -> TransportError:
    return TransportError(
        f"the answer of {_host(api)} is not what its API says",
        hint="Check GITHUB_API_URL, and what stands between here and there.",
        code="garbled",
    )


def _refused(api: Api, status: int, about: Mapping[str, str], raw: bytes) -> CalregError:
    host = _host(api)
    if wait := _wait_asked_for(status, about):
        return TransportError(f"{host} takes no more requests for now", hint=wait, code="rate")
    if status >= 500:
        return TransportError(
            f"{host} answered with code {status}", hint="Try again later.", code="host"
        )
    if 300 <= status < 400:
        return TransportError(
            f"{host} sends us elsewhere (code {status}), and the token does not go there",
            hint="If the repository was renamed: git remote set-url origin ITS-NEW-ADDRESS.",
            code="host",
        )
    words = _words(api, raw) or f"code {status}"
    if "already exists" in words:
        return RegistryError(f"{host} has that pull request already: {words}", code=_THERE)
    what, hint = _REFUSALS.get(status, ("refused the pull request", None))
    return RegistryError(f"{host} {what}: {words}", hint=hint, code="host-refused")


_REFUSALS = {
    401: (
        "does not know the token",
        "It is wrong or has expired: set CALREG_GITHUB_TOKEN (or GITHUB_TOKEN) to a new one.",
    ),
    403: (
        "refused the pull request",
        "The token needs write access to pull requests, and read access to contents.",
    ),
    404: (
        "has no such repository for this token",
        "Check the address (git remote -v), and that the token is for this repository.",
    ),
    410: ("refused the pull request", "Pull requests are switched off there."),
    422: ("refused the pull request", "Check that both branches are there: --base, --branch."),
}


def _wait_asked_for(status: int, about: Mapping[str, str]) -> str | None:
    """What to do where a host wants fewer requests; None where it wants something else."""
    after, reset = about.get("Retry-After", ""), about.get("X-RateLimit-Reset", "")
    is_spent = about.get("X-RateLimit-Remaining") == "0"
    if status != 429 and not (status == 403 and (after or is_spent)):
        return None
    if after.isdecimal():
        return f"Try again in {int(after[:6])} s."
    if reset.isdecimal() and len(reset) <= 10:
        return f"Try again after {datetime.fromtimestamp(int(reset), UTC):%H:%M} UTC."
    return "Try again later."


def _words(api: Api, raw: bytes) -> str:
    """What a host says about its refusal, on one short line, and never the token."""
    try:
        said = load_json(raw, where=_host(api))
    except InputError:
        return ""
    rows = _inside(said, "errors")
    first = rows[0] if isinstance(rows, list) and rows else None
    why = first if isinstance(first, str) else _inside(first, "message")
    found = (_inside(said, "message"), why)
    text = ": ".join(" ".join(one.split()) for one in found if isinstance(one, str) and one)
    shown = "".join(char if char.isprintable() else "?" for char in text)
    return shown.replace(api.token, "…")[:200]
