"""What a person types as a source, and what answers there."""

import subprocess

import pytest
from githttp import GitServer
from published import HAPPY, RELAXED, TIMBRE, Published
from stabletree import NOW, Stable
from staticsite import StaticSite

from calreg.client import Installed, status
from calreg.client.deadline import Deadline
from calreg.client.pulling import Limits, pull_into, with_retries
from calreg.client.sources import Source
from calreg.errors import InputError, RegistryError, TransportError, UsageError

ALL = (HAPPY, RELAXED, TIMBRE)


@pytest.mark.parametrize(
    ("typed", "url", "kind", "shown"),
    [
        ("https://h/r.git", "https://h/r.git", "git", "https://h/r.git"),
        ("https://h/r.git/", "https://h/r.git/", "git", "https://h/r.git/"),
        ("https://h/r", "https://h/r", "web", "https://h/r"),
        ("http://127.0.0.1:1/r", "http://127.0.0.1:1/r", "web", "http://127.0.0.1:1/r"),
        ("https://h/r#sub/reg", "https://h/r", "git", "https://h/r#sub/reg"),
        ("git+https://u:p@h/r", "https://u:p@h/r", "git", "git+https://h/r"),
        ("site+https://u:p@h/r", "https://u:p@h/r", "site", "site+https://h/r"),
        ("ssh://me@h/r", "ssh://me@h/r", "git", "ssh://me@h/r"),
        ("me@h:r", "me@h:r", "git", "me@h:r"),
        ("https://h/r.git#@two", "https://h/r.git", "git", "https://h/r.git#@two"),
        ("https://h/r.git#sub@a/b", "https://h/r.git", "git", "https://h/r.git#sub@a/b"),
        ("https://h/r.git#sub@stable", "https://h/r.git", "git", "https://h/r.git#sub"),
    ],
)
def test_kinds(typed, url, kind, shown):
    """An address says what it is by its form, and what is recorded can be typed again."""
    source = Source.parse(typed)

    assert (source.url, source.kind, source.shown) == (url, kind, shown)
    again = Source.parse(shown)
    assert (again.kind, again.folder, again.branch) == (kind, source.folder, source.branch)


@pytest.mark.parametrize(
    "typed",
    [
        "site+ssh://h/r", "site+https://h/r#sub", "http://example.org/r", "git+ext::sh", "ftp://h/r",
        "https://h/r.git#../x", "https://h/r.git#@-x", "https://h/r.git#@a..b", "https://h/r.git#x@",
    ],
)  # fmt: skip
def test_addresses_that_are_refused(typed):
    """What cannot be a source is refused before anything is asked."""
    with pytest.raises(InputError):
        Source.parse(typed)


@pytest.fixture
def registry(tmp_path):
    published = Published(tmp_path / "registry")
    published.publish(1)
    return published


def pull(dest, *sources, **options):
    return pull_into(dest, sources, limits=Limits(tries=1), now=NOW, **options)


@pytest.fixture
def site_files(registry, tmp_path):
    """A folder with the files of a static site: those of the branch."""
    for path, raw in Stable(registry).files().items():
        file = tmp_path / "site" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(raw)
    return tmp_path / "site"


def test_an_address_that_is_a_site(site_files, tmp_path):
    """An address with an index is read as a site, and the lock remembers that."""
    with StaticSite(site_files) as site:
        pulled = pull(tmp_path / "models", site.url)
        again = pull(tmp_path / "models", site.url)

    assert pulled.updated == ALL
    assert pulled.to_json()["sources"][0]["read"] == "site"
    assert again.unchanged == ALL


def test_an_address_that_is_a_repository(registry, tmp_path):
    """An address without an index is read as a git repository, and the lock remembers that."""
    Stable(registry).publish()
    registry.git("clone", "--quiet", "--bare", str(registry.root), str(tmp_path / "bare"))
    with GitServer(tmp_path) as server:
        source = f"{server.url}/bare"
        pulled = pull(tmp_path / "models", source)
        server.requests.clear()
        again = pull(tmp_path / "models", source)

        assert pulled.to_json()["sources"][0]["read"] == "stable"
        assert again.unchanged == ALL
        assert not [path for _, path, _ in server.requests if "index.json" in path]


def test_an_address_that_is_nothing(tmp_path):
    """An address that is neither says in one line what was found there."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site/index.json").write_bytes(b"<!doctype html><title>Log in</title>")
    with StaticSite(tmp_path / "site") as site, pytest.raises(InputError) as caught:
        pull(tmp_path / "models", site.url)

    assert caught.value.code == "not-a-registry"
    assert "is not a registry: " in caught.value.message
    assert "no git repository is there" in caught.value.message
    assert not (tmp_path / "models").exists()


def test_another_branch(registry, tmp_path):
    """A registry that is published on another branch is read from that one."""
    branch = Stable(registry)
    branch.publish()
    registry.git("branch", "--move", "stable", "two")

    pulled = pull(tmp_path / "models", f"{registry.root}#@two")

    assert not pulled.ungated
    assert pulled.source == f"{registry.root}#@two"
    assert status(tmp_path / "models", now=NOW).is_current
    with pytest.raises(RegistryError, match="has no branch 'three'"):
        pull(tmp_path / "other", f"{registry.root}#@three")


def test_the_branch_of_another_registry(tmp_path):
    """Of two registries in one repository, the other one's branch is not taken for this one's."""
    registry = Published(tmp_path / "repository", folder="one")
    registry.write("../two/registry.yaml", b"schema: calreg/registry/1.0\nname: two-cal\n")
    registry.publish(1)
    Stable(registry).publish()

    assert pull(tmp_path / "models", f"{registry.root}#one").updated == ALL
    with pytest.raises(RegistryError, match="not the registry in the folder 'two'"):
        pull(tmp_path / "other", f"{registry.root}#two")


def test_keys_of_a_stranger(registry, tmp_path):
    """Keys for a source that was not named are a mistake, not ignored."""
    with pytest.raises(UsageError, match="none of the sources"):
        pull(tmp_path / "models", str(registry.root), keys={"elsewhere": ()})


def test_no_source(tmp_path):
    """To pull from nowhere is a mistake."""
    with pytest.raises(UsageError, match="no source"):
        pull(tmp_path / "models")


# Trying again


def failing(times: int, code: str | None = None):
    """An act that fails so many times, and how often it was tried."""
    tries: list[int] = []

    def act() -> str:
        tries.append(1)
        if len(tries) <= times:
            raise TransportError("broken off", code=code)
        return "done"

    return act, tries


def test_the_network_is_tried_again():
    """A fault of the network is tried again, three times at most."""
    act, tries = failing(2)
    assert with_retries(act, tries=3, deadline=Deadline(60.0)) == "done"
    assert len(tries) == 3

    act, tries = failing(3)
    with pytest.raises(TransportError):
        with_retries(act, tries=3, deadline=Deadline(60.0))
    assert len(tries) == 3


@pytest.mark.parametrize("code", ["auth", "not-a-repository", "too-large", "certificate"])
def test_a_refusal_is_not_tried_again(code):
    """A server that says no is asked once."""
    act, tries = failing(1, code)
    with pytest.raises(TransportError):
        with_retries(act, tries=3, deadline=Deadline(60.0))
    assert len(tries) == 1


def test_no_try_after_the_deadline():
    """Where no time is left nothing is tried again."""
    act, tries = failing(1)
    with pytest.raises(TransportError, match="broken off"):
        with_retries(act, tries=3, deadline=Deadline(0.0))
    assert len(tries) == 1


def test_a_poll_starts_no_gitpython(registry, tmp_path):
    """With nothing new neither GitPython nor jsonschema is imported, nor a signature read."""
    import sys

    Stable(registry).publish()
    dest = tmp_path / "models"
    pull(dest, str(registry.root))
    code = (
        "import sys; from pathlib import Path; from datetime import UTC, datetime; "
        "from calreg.client.pulling import Limits, pull_into; "
        f"pulled = pull_into(Path({str(dest)!r}), {registry.root.as_uri()!r}, limits=Limits(), "
        "now=datetime(2026, 6, 1, tzinfo=UTC)); print(*sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    heavy = {"git", "jsonschema", "numpy", "yaml", "requests", "calreg.signatures"}
    assert heavy & set(ran.stdout.split()) == set()
    assert Installed.open(dest).lock.first.source == registry.root.as_uri()
