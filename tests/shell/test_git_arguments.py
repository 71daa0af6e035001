from __future__ import annotations

import pytest

from calreg.errors import InputError
from calreg.git import check_branch, check_path, check_url, redact

GOOD_URLS = [
    "https://example.org/registry.git",
    "https://user:token@example.org:8443/registry.git",
    "ssh://git@example.org/registry.git",
    "git@example.org:team/registry.git",
    "example.org:registry.git",
    "file:///srv/registry.git",
    "/srv/registry.git",
    "./registry",
    "../a:b",
    "http://127.0.0.1:8080/registry.git",
    "http://localhost/registry.git",
    "http://[::1]:80/registry.git",
]

BAD_URLS = [
    "",
    " ",
    "--upload-pack=touch canary",
    "-oProxyCommand=touch canary",
    "-",
    "ext::sh -c touch% canary",
    "fd::17",
    "transport::https://example.org",
    "http://example.org/registry.git",
    "http://127.0.0.1.example.org/registry.git",
    "git://example.org/registry.git",
    "ftp://example.org/registry.git",
    "git+ssh://example.org/registry.git",
    "javascript://example.org",
    "file://example.org/registry.git",
    "ssh://-oProxyCommand=touch/registry.git",
    "ssh://-oProxyCommand=touch@/registry.git",
    "https://",
    "https://[::1/registry.git",
    "-oProxyCommand=touch:registry.git",
    "me@-oProxyCommand=touch:registry.git",
    "host:",
    "host:--upload-pack=touch",
    "https://example.org/a\nb",
    "/srv/a\0b",
    "/srv/a\x1bb",
]


@pytest.mark.parametrize("url", GOOD_URLS)
def test_usual_addresses_are_accepted(url):
    """https, ssh, file, local folders, and http to this machine are addresses."""
    assert check_url(url) == url


@pytest.mark.parametrize("url", BAD_URLS)
def test_dangerous_addresses_are_refused(url):
    """Options, transport helpers, other schemes and control characters are no addresses."""
    with pytest.raises(InputError) as caught:
        check_url(url)

    assert "\n" not in str(caught.value)
    assert caught.value.hint


BAD_BRANCHES = [
    *("", "-x", "--upload-pack=x", "a b", "a..b", "a~1", "a^", "a:b", "a?", "a*", "a[", "a\\b"),
    *("/a", "a/", "a//b", ".a", "a/.b", "a.lock", "a.", "@{", "a@{b", "HEAD", "a\n", "a/-b"),
]

BAD_PATHS = [
    *("", "/etc/passwd", "a//b", "a/", "./a", "../a", "a/../b", ".git/config", "a/.GIT/x"),
    *(".git./x", "a\\b", "a\nb", "a\0b"),
]


@pytest.mark.parametrize("name", BAD_BRANCHES)
def test_bad_branch_names_are_refused(name):
    """What `git check-ref-format --branch` refuses, and options, name no branch."""
    with pytest.raises(InputError):
        check_branch(name)


@pytest.mark.parametrize("name", ["main", "release/1.0", "a-b_c", "ünï"])
def test_good_branch_names_are_accepted(name):
    """Names that git takes are branches."""
    assert check_branch(name) == name


@pytest.mark.parametrize("path", BAD_PATHS)
def test_paths_that_leave_the_tree_are_refused(path):
    """No path leads out of a tree, into .git, or through a control character."""
    with pytest.raises(InputError):
        check_path(path)


@pytest.mark.parametrize(
    "text",
    [
        "https://canary@host/x",
        "https://me:canary@host/x",
        "fatal: unable to access 'https://me:can@canary@host/x/': refused",
        "https://host/x?token=canary and more",
        "ssh://canary@host:22/x",
    ],
)
def test_secrets_in_addresses_are_not_shown(text):
    """Nothing of user, password or query is left of an address in a message."""
    assert "canary" not in redact(text)
    assert "host" in redact(text)


@pytest.mark.parametrize("text", ["a" * 300_000, "a://b" * 60_000, "a.b/" * 70_000 + "?x"])
def test_secrets_are_looked_for_once(text):
    """A stranger's text as long as a request takes no time worth measuring (it took minutes)."""
    assert len(redact(text)) <= len(text)
