"""Pull requests at a host: what it may answer, and that no answer hurts."""

from __future__ import annotations

import pytest
from githost import ApiServer, Silence

from calreg.errors import CalregError, RegistryError, TransportError
from calreg.hosting import Api, Project, Proposal, api_of, project_of, propose, url_to_open

PROJECT = Project("host", "ada/reg")
PROPOSAL = Proposal("mine", "main", "Run 2", "text")
PULLS = "/repos/ada/reg/pulls"


@pytest.fixture
def server():
    """The API of a host."""
    with ApiServer("ada/reg") as found:
        yield found


def refusal(server, status: int, body: bytes = b"{}", *, method: str = "GET", **headers: str):
    """What comes of one answer to a request."""
    server.answers = {f"{method} {PULLS}": (status, body)}
    server.headers = {name.replace("_", "-"): value for name, value in headers.items()}
    with pytest.raises(CalregError) as caught:
        propose(Api(server.url, server.token), PROJECT, PROPOSAL)
    return caught.value


@pytest.mark.parametrize(
    ("status", "message", "kind", "said", "hint"),
    [
        (401, "Bad credentials", RegistryError, "does not know the token", "expired"),
        (403, "Resource not accessible", RegistryError, "refused the pull request", "write access"),
        (404, "Not Found", RegistryError, "no such repository for this token", "git remote -v"),
        (410, "Gone", RegistryError, "refused", "switched off"),
        (422, "Validation Failed", RegistryError, "refused", "both branches"),
        (500, "oops", TransportError, "answered with code 500", "later"),
        (503, "oops", TransportError, "answered with code 503", "later"),
        (429, "slow down", TransportError, "no more requests", "later"),
    ],
)
def test_each_refusal_has_its_own_advice(server, status, message, kind, said, hint):
    """What a host refuses is one line in its words, with the advice that is for it."""
    error = refusal(server, status, b'{"message": "%s"}' % message.encode())

    assert isinstance(error, kind)
    assert said in error.message
    assert hint in error.hint
    assert "\n" not in error.message


def test_a_limit_of_requests_says_when_again(server):
    """A host that wants fewer requests is no refusal: it says after how long to come again."""
    told = refusal(server, 403, Retry_After="42")
    spent = refusal(server, 403, X_RateLimit_Remaining="0", X_RateLimit_Reset="1700000000")

    assert isinstance(told, TransportError)
    assert told.hint == "Try again in 42 s."
    assert isinstance(spent, TransportError)
    assert spent.hint == "Try again after 22:13 UTC."


def test_a_renamed_repository_is_said(server):
    """A redirect is not followed: the advice is to set the new address."""
    error = refusal(server, 301, b"/repositories/1/pulls")

    assert isinstance(error, TransportError)
    assert "git remote set-url" in error.hint
    assert len(server.requests) == 1


def test_why_a_request_was_not_valid(server):
    """Of a request that is not valid, the reason is told, not only that it is not."""
    body = b'{"message": "Validation Failed", "errors": [{"message": "No commits between a, b"}]}'

    error = refusal(server, 422, body, method="POST")

    assert "Validation Failed: No commits between a, b" in error.message


def test_a_pull_request_that_came_meanwhile_is_updated(server):
    """Who loses the race to open one brings the winner's up to date."""
    exists = b'{"message": "Validation Failed", "errors": [{"message": "A pull request already exists for ada:mine."}]}'  # noqa: E501
    server.answers = {f"POST {PULLS}": (422, exists)}
    real = server.answer

    def late(request):
        found = real(request)
        if request.method == "GET" and not server.pulls:
            server.pull(head={"ref": "mine"}, base="main")
        return found

    server.answer = late

    opened = propose(Api(server.url, server.token), PROJECT, PROPOSAL)

    assert (opened.number, opened.is_new) == (1, False)
    assert server.pulls[0]["title"] == "Run 2"


def test_one_that_cannot_be_found_stays_refused(server):
    """If the host says that there is one and lists none, its words are the error."""
    body = b'{"message": "A pull request already exists for ada:mine."}'

    error = refusal(server, 422, body, method="POST")

    assert isinstance(error, RegistryError)
    assert "already exists" in error.message


def test_words_of_a_host_are_harmless(server):
    """Control characters of a host do not reach a terminal, nor does a token it sends back."""
    error = refusal(server, 403, b'{"message": "t0ken \\u001b[2J\\r\\n::error::x"}')

    assert error.message.endswith("… ?[2J ::error::x")


def test_a_host_that_hangs_is_given_up():
    """A host that never answers, or drips, costs no more than the deadline."""
    with Silence() as silence, pytest.raises(TransportError) as caught:
        propose(Api(silence.url, "t0ken", deadline_s=0.2), PROJECT, PROPOSAL)

    assert "did not answer within 0.2 s" in caught.value.message


def test_a_host_that_is_not_there():
    """Where nobody listens, the error names the host and nothing else of the address."""
    with Silence() as silence:
        url = silence.url

    with pytest.raises(TransportError) as caught:
        propose(Api(url, "t0ken"), PROJECT, PROPOSAL)

    assert "cannot reach 127.0.0.1" in caught.value.message
    assert "t0ken" not in str(caught.value)


@pytest.mark.parametrize("body", [b"\xff", b"<html>", b"[]", b'{"errors": [[]]}', b"", b"{" * 9999])
def test_a_refusal_in_other_words(server, body):
    """A refusal that is no JSON, or another kind of it, is told by its code."""
    assert "code 422" in refusal(server, 422, body).message


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("ssh://git@ssh.github.com:443/ada/reg.git", "github.com"),
        ("git@GitHub.com:ada/reg.git", "github.com"),
        ("https://GitHub.com/ada/reg", "github.com"),
        ("https://git.ours:8443/ada/reg", "git.ours:8443"),
    ],
)
def test_one_host_by_several_names(address, host):
    """A host is the same however its name is spelt, and by whichever port."""
    assert project_of(address) == Project(host, "ada/reg")


def test_a_port_that_is_none_is_nobodys_project():
    """An address that cannot be read is no project, and no traceback."""
    assert project_of("https://host:99999/ada/reg") is None


def test_a_token_is_for_one_host():
    """A token for the usual host is not sent there for a project of another."""
    token = {"GITHUB_TOKEN": "x"}

    assert api_of(Project("github.com", "ada/reg"), token).url == "https://api.github.com"
    assert api_of(Project("gitlab.com", "ada/reg"), token) is None
    spelt = {**token, "GITHUB_API_URL": "https://api.github.com/"}
    assert api_of(Project("gitlab.com", "ada/reg"), spelt) is None
    spelt = {**token, "GITHUB_SERVER_URL": "https://GitHub.com"}
    assert api_of(Project("github.com", "ada/reg"), spelt).url == "https://api.github.com"
    ours = {
        **token,
        "GITHUB_API_URL": "https://git.ours/api/v3",
        "GITHUB_SERVER_URL": "https://git.ours",
    }
    assert api_of(Project("git.ours", "ada/reg"), ours).url == "https://git.ours/api/v3"
    assert api_of(Project("github.com", "ada/reg"), ours) is None
    assert "x" not in repr(api_of(Project("github.com", "ada/reg"), token)).split("url")[-1][30:]


@pytest.mark.parametrize(
    ("address", "project"),
    [
        ("https://github.com/ada/reg.git", ("github.com", "ada/reg")),
        ("https://me:s3cret@github.com/ada/reg", ("github.com", "ada/reg")),
        ("git@github.com:ada/reg.git", ("github.com", "ada/reg")),
        ("ssh://git@host:2222/ada/reg.git", ("host", "ada/reg")),
        ("https://gitlab.com/a/b/c.git", ("gitlab.com", "a/b/c")),
        ("/srv/reg.git", None),
        ("file:///srv/ada/reg.git", None),
        ("https://github.com/reg", None),
        ("https://github.com/ada/r?x=1#y/..", None),
        ("https://github.com/ada/<b>", None),
    ],
)
def test_whose_project_an_address_is(address, project):
    """Host and path are told from every form of address; a folder is nobody's project."""
    found = project_of(address)

    assert (None if found is None else (found.host, found.path)) == project


def test_where_a_person_opens_it():
    """The page of the host that opens one, with the branch quoted."""
    assert url_to_open(Project("github.com", "a/b"), "x&y", "main").endswith(
        "/a/b/compare/main...x%26y?expand=1"
    )
    assert "merge_requests/new" in url_to_open(Project("gitlab.com", "a/b"), "x", "main")
