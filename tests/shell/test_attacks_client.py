"""What a hostile or broken source can do to a folder that production reads: nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from published import HAPPY, RELAXED, Published
from stabletree import NOW, Stable, new_key, withdrawal
from staticsite import StaticSite, endless

from calreg.client import Client, Installed, status, verify
from calreg.client.deadline import Deadline
from calreg.client.pulling import Limits, pull_into
from calreg.client.trust import verified
from calreg.client.views import Asking
from calreg.documents import Withdrawn
from calreg.errors import CalregError, RegistryError, TransportError
from calreg.names import (
    INDEX_PATH,
    INDEX_SIGNATURE_PATH,
    WITHDRAWN_PATH,
    HeadName,
    keys_path,
    keys_signature_path,
)

UPSTREAM = "mail/fasttext/spam"
HAPPY_PATH = HeadName.parse(HAPPY).reference_path

Files = dict[str, bytes]


@pytest.fixture
def signed(tmp_path):
    """A registry with three heads, published once and signed by one key."""
    registry = Published(tmp_path / "registry")
    registry.publish(1)
    branch = Stable(registry)
    branch.trust([new_key(tmp_path)])
    branch.publish()
    return branch


@pytest.fixture
def upstream(tmp_path):
    """Another registry, unsigned."""
    registry = Published(tmp_path / "upstream", name="upstream")
    registry.publish(1, UPSTREAM)
    branch = Stable(registry)
    branch.registry_name = "upstream"
    branch.publish()
    return branch


@pytest.fixture
def dest(tmp_path):
    return tmp_path / "models"


def address(branch: Stable) -> str:
    return branch.registry.root.as_uri()


def client_of(dest: Path, *branches: Stable, heads: tuple[str, ...] = ()) -> Client:
    """A client that has pulled and handed a reference out."""
    client = Client([*map(address, branches)], dest, heads=heads, now=lambda: NOW)
    client.pull()
    assert client.reference(HAPPY).version == 1
    return client


def withdraw(branch: Stable) -> Files:
    """Let version 1 be withdrawn, version 2 be the reference; what is to be published."""
    branch.withdrawn = Withdrawn({HAPPY: {1: withdrawal()}})
    branch.registry.publish(2, HAPPY)
    return branch.references()


def refused(client: Client, code: str) -> CalregError:
    """The error of a look, after which the withdrawn version is handed out no more."""
    with pytest.raises(CalregError) as caught:
        client.refresh()
    assert caught.value.code == code, caught.value
    with pytest.raises(RegistryError, match="was withdrawn") as withdrawn:
        client.reference(HAPPY)
    assert withdrawn.value.code == "withdrawn"
    assert f"{HAPPY} v1 was withdrawn" in (caught.value.hint or "")
    return caught.value


# What was withdrawn is not handed out, whatever else goes wrong


def test_withdrawn_and_gone(signed, dest):
    """A withdrawn version is refused, though its head is gone and the pull that names it fails."""
    client = client_of(dest, signed, heads=(HAPPY, RELAXED))
    rest = {path: raw for path, raw in withdraw(signed).items() if path != HAPPY_PATH}
    signed.publish(rest)
    refused(client, "unknown-head")
    assert client.reference(RELAXED).version == 1


def test_withdrawn_and_not_to_be_had(signed, dest):
    """A withdrawn version is refused, though its successor's file is missing."""
    client = client_of(dest, signed)
    withdraw(signed)
    signed.publish(altered=lambda files: {p: raw for p, raw in files.items() if p != HAPPY_PATH})
    refused(client, "missing-file")


def test_withdrawn_and_expired(signed, dest):
    """A withdrawn version is refused, though the index that says so has expired."""
    client = client_of(dest, signed)
    signed.publish(withdraw(signed), expires="2026-05-31T13:00:00Z")
    refused(client, "expired")


@pytest.mark.parametrize("is_first", [False, True])
def test_withdrawn_while_another_source_is_gone(signed, upstream, dest, is_first):
    """A withdrawn version is refused, though another source, before or after, is not reached."""
    client = client_of(dest, *((upstream, signed) if is_first else (signed, upstream)))
    signed.publish(withdraw(signed))
    shutil.rmtree(upstream.registry.root)
    refused(client, "not-a-repository")
    assert verify(dest) == []


def test_another_failure_records_nothing(signed, dest):
    """A pull that fails without a word of what was withdrawn leaves the lock as it was."""
    client = client_of(dest, signed)
    before = (dest / "calreg.lock").read_bytes()
    signed.registry.publish(2)
    signed.publish(altered=lambda files: {p: raw for p, raw in files.items() if p != HAPPY_PATH})
    with pytest.raises(RegistryError) as caught:
        client.pull()
    assert caught.value.code == "missing-file"
    assert (dest / "calreg.lock").read_bytes() == before


# Who somebody says to be


def test_a_name_is_no_identity(signed, tmp_path, dest):
    """A source that gives itself another's name does not get its keys into the other's place."""
    other = Published(tmp_path / "other")
    other.publish(1, UPSTREAM)
    impostor = Stable(other)
    impostor.trust([new_key(tmp_path, "impostor")])
    impostor.publish()
    client = client_of(dest, signed, impostor)
    signed.registry.publish(2, HAPPY)
    signed.publish()
    client.pull()
    before = Installed.open(dest).lock
    after = client.rollback_local()
    known = [(source.source, source.trust, source.seq) for source in after.sources]
    assert known == [(source.source, source.trust, source.seq) for source in before.sources]


def test_a_name_hides_no_withdrawal(signed, tmp_path, dest):
    """What one source withdrew is seen by `status`, whatever another of its name says."""
    other = Published(tmp_path / "other")
    other.publish(1, UPSTREAM)
    namesake = Stable(other)
    namesake.publish()
    client_of(dest, signed, namesake)
    signed.publish(withdraw(signed))
    assert status(dest, now=NOW).withdrawn == (HAPPY,)


def test_a_stamp_is_replayed_from_the_branch_that_was_pulled(upstream, dest):
    """A stamp of a registry that is published on another branch is looked up on that branch."""
    upstream.registry.git("branch", "--move", "stable", "live")
    client = Client(f"{address(upstream)}#@live", dest, now=lambda: NOW)
    stamp = client.reference(UPSTREAM).stamp
    shutil.rmtree(dest / ".calreg")
    assert client.at(stamp).version == 1


# What is malformed


def as_served(files: Files, change: Callable[[dict[str, Any]], object]) -> Files:
    """The files with another index, made of the right one as plain JSON."""
    index = json.loads(files[INDEX_PATH])
    change(index)
    return {**files, INDEX_PATH: json.dumps(index).encode()}


@pytest.mark.parametrize(
    "times",
    [
        {"issued": "2026-02-30T00:00:00Z"},
        {"issued": "0000-01-01T00:00:00Z"},
        {"issued": "0001-01-01T00:00:00Z"},
        {"expires": "9999-12-31T23:59:59.999999Z"},
        {"expires": "2027-01-01T00:00:60Z"},
    ],
)
def test_times_that_are_none(upstream, dest, times: Mapping[str, str]):
    """An index with times that no calendar has is refused before anything is installed."""
    upstream.commit(as_served(upstream.files(), lambda index: index.update(times)))
    with pytest.raises(CalregError, match=f"at /{next(iter(times))}: .* is no time") as caught:
        pull_into(dest, address(upstream), limits=Limits(tries=1), now=NOW)
    assert caught.value.code == "document"
    assert not dest.exists()


@pytest.mark.parametrize("path", [WITHDRAWN_PATH, "mail/fasttext/index.json"])
def test_sizes_that_an_index_claims_are_bounded(upstream, tmp_path, dest, path):
    """An index that allows a list of any size makes nobody read more than a list may have."""

    def change(index):
        index["withdrawn"] = {"digest": "0" * 64, "size": 2**52}
        index["models"]["mail/fasttext"]["size"] = 2**52
        if path != WITHDRAWN_PATH:
            index["withdrawn"] = None

    files = as_served(upstream.files(), change)
    for name, raw in {**files, path: b"{}"}.items():
        (tmp_path / "site" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "site" / name).write_bytes(raw)
    with StaticSite(tmp_path / "site") as site:
        site.faults[f"/{path}"] = endless()
        with pytest.raises(RegistryError) as caught:
            pull_into(dest, site.url, limits=Limits(tries=1), now=NOW)
    assert caught.value.code == "too-large"
    assert path in str(caught.value)


def test_lists_of_keys_are_not_verified_past_the_deadline(signed, tmp_path):
    """No list of keys, of however many, is verified when the time is over."""
    files = signed.files()
    asking = Asking(Deadline(0), 2**20, tmp_path / "cache.git", NOW)
    with pytest.raises(TransportError) as caught:
        verified(
            files[INDEX_PATH],
            files[INDEX_SIGNATURE_PATH],
            lambda number: (files[keys_path(number)], files[keys_signature_path(number)]),
            asking,
            source="here",
            read="stable",
            tip=None,
        )
    assert caught.value.code == "deadline"


def test_a_link_is_named_by_its_whole_path(signed, dest, git_server):
    """A symbolic link on the branch is refused by its path, where few heads are pulled, too."""
    signed.publish(modes={HAPPY_PATH: "120000"})
    for setting in ("uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"):
        signed.registry.git("config", setting, "true")
    source = f"{git_server.url}/registry/.git"
    for heads in ((), (HAPPY,)):
        with pytest.raises(RegistryError) as caught:
            pull_into(dest, source, heads, limits=Limits(tries=1), now=NOW)
        assert (caught.value.code, caught.value.where) == ("not-a-plain-file", HAPPY_PATH)


# What is in the folder


@pytest.mark.parametrize("path", [".calreg/lock", ".calreg/snapshots/*/documents"])
def test_a_pipe_in_the_folder_is_not_waited_for(signed, dest, path):
    """A named pipe where calreg keeps a file of its own makes nobody wait for ever."""
    client_of(dest, signed)
    (found,) = dest.glob(path)
    found.unlink()
    os.mkfifo(found)
    assert Installed.open(dest).reference(HAPPY).version == 1
    pull_into(dest, address(signed), limits=Limits(tries=1), now=NOW)
    assert Installed.open(dest).reference(HAPPY).version == 1
