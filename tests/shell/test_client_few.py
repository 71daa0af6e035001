"""Pulling one head of many: piece by piece where the server can, as a whole where it cannot."""

import pytest
from githttp import GitServer
from published import Published, calibration
from stabletree import NOW, Stable, new_key
from warmth import at_home

from calreg.client import Installed, verify
from calreg.client.pulling import Limits, pull_into
from calreg.errors import RegistryError
from calreg.names import HeadName

HEADS = [f"maker/model{n // 25}/head_{n % 25}" for n in range(500)]
ONE, OTHER = HEADS[3], HEADS[-1]
ONE_PATH = HeadName.parse(ONE).reference_path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What `branch` is, to be copied."""
    folder = tmp_path_factory.mktemp("made")
    with at_home(folder / "home"):
        registry = Published(folder / "registry")
        registry.publish(1, *HEADS)
        registry.git("config", "uploadpack.allowFilter", "true")
        stable = Stable(registry)
        stable.trust([new_key(folder)])
        stable.publish()
    return stable


@pytest.fixture
def branch(made, tmp_path):
    """Five hundred heads of twenty models, published and signed."""
    return made.copied(tmp_path / "registry")


@pytest.fixture
def dest(tmp_path):
    return tmp_path / "models"


def pull(server: GitServer, dest, *heads: str, **options):
    server.sent = 0
    source = f"{server.url}/registry/.git"
    return pull_into(dest, source, heads, limits=Limits(tries=1), now=NOW, **options)


def test_one_head_of_many(tmp_path, branch, dest):
    """One head of many moves a small part of what they all would, and a second one less."""
    with GitServer(tmp_path) as server:
        assert len(pull(server, tmp_path / "all").updated) == len(HEADS)
        everything = server.sent

        assert pull(server, dest, ONE).updated == (ONE,)
        assert server.sent < everything / 5
        assert pull(server, dest, ONE, OTHER).updated == (OTHER,)
        assert server.sent < everything / 5
        assert pull(server, dest, ONE, OTHER).unchanged == (ONE, OTHER)
        assert server.sent < 1000
    assert verify(dest) == []


def test_news_piece_by_piece(tmp_path, branch, dest):
    """What comes later is checked to come after what was read, and then read."""
    with GitServer(tmp_path) as server:
        pull(server, dest, ONE)
        branch.registry.publish(2, ONE, p5=0.2)
        branch.publish()
        assert pull(server, dest, ONE).moves == {ONE: (1, 2)}

        branch.publish(parent=None)
        with pytest.raises(RegistryError, match="does not come after"):
            pull(server, dest, ONE)


@pytest.mark.parametrize("can_filter", ["true", "false"])
@pytest.mark.parametrize("is_old", [True, False])
def test_servers_that_cannot(tmp_path, branch, dest, can_filter, is_old):
    """A server that leaves nothing out, or lets nobody ask by id, sends more, and that is all."""
    branch.registry.git("config", "uploadpack.allowFilter", can_filter)
    with GitServer(tmp_path, is_old=is_old) as server:
        assert pull(server, dest, ONE).updated == (ONE,)
        branch.registry.publish(2, ONE, OTHER, p5=0.2)
        branch.publish()

        assert pull(server, dest, ONE, OTHER).updated == (ONE, OTHER)
        assert pull(server, dest, f"{ONE}@v1").moves == {ONE: (2, 1)}
    assert Installed.open(dest).versions() == {ONE: 1}
    assert verify(dest) == []


def test_a_model_and_then_everything(tmp_path, branch, dest):
    """After pieces, a whole model or everything is read as if there had been none."""
    with GitServer(tmp_path) as server:
        pull(server, dest, ONE)

        assert len(pull(server, dest, "maker/model0").updated) == 24
        assert len(pull(server, dest).updated) == len(HEADS) - 25
    assert verify(dest) == []


def test_a_version_moves_little(tmp_path, branch, dest):
    """An older version is read without the bytes of all the others, where the server can."""
    branch.registry.publish(2, *HEADS, p5=0.2)
    branch.publish()
    with GitServer(tmp_path) as server:
        pull(server, dest, f"{ONE}@v1")
        pieces = server.sent
        branch.registry.git("config", "uploadpack.allowFilter", "false")
        pull(server, tmp_path / "whole", f"{ONE}@v1")

        assert pieces < server.sent / 2
    assert Installed.open(dest).reference(ONE).digest == calibration(ONE, 1).digest


@pytest.mark.parametrize(
    ("path", "mode"), [(ONE_PATH, "120000"), ("maker/model0/x", "160000"), ("x", "100755")]
)
def test_only_plain_files(tmp_path, branch, dest, path, mode):
    """A folder that is looked into holds plain files only, or the commit is refused."""
    branch.publish(
        altered=lambda files: {"x": b"x", "maker/model0/x": b"x", **files}, modes={path: mode}
    )

    with GitServer(tmp_path) as server, pytest.raises(RegistryError) as caught:
        pull(server, dest, ONE)
    assert caught.value.code == "not-a-plain-file"


def test_a_swapped_file(tmp_path, branch, dest):
    """A reference with another one's bytes is found, however it was brought."""
    other = branch.references()[HeadName.parse(HEADS[4]).reference_path]
    branch.publish(altered=lambda files: {**files, ONE_PATH: other})

    with GitServer(tmp_path) as server, pytest.raises(RegistryError) as caught:
        pull(server, dest, ONE)
    assert caught.value.code == "digest-mismatch"
