"""Who may push to `stable` or `main` and has no key, or has one no more, gets nothing signed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import stabletree
from published import HAPPY, Published, calibration
from stables import git, index_on, made_keys, published_by, seqs, signer, trust

from calreg.documents import (
    Entry,
    Index,
    ModelEntry,
    ModelIndex,
    Withdrawal,
    Withdrawn,
    digest_of,
    load_index,
    load_model_index,
)
from calreg.errors import CalregError
from calreg.names import INDEX_PATH, INDEX_SIGNATURE_PATH, WITHDRAWN_PATH, HeadName
from calreg.names import model_index_path as index_of

NAME = HeadName.parse(HAPPY)
Files = dict[str, bytes]


@pytest.fixture
def registry(tmp_path):
    """A registry with version 1 of three heads on `main`."""
    published = Published(tmp_path / "registry")
    published.publish(1)
    return published


@pytest.fixture
def keys(tmp_path):
    return made_keys(tmp_path / "keys", 2)


@pytest.fixture
def signed(registry, keys):
    """It was published three times, signed by the first key."""
    trust(registry, keys[:1])
    for version in (1, 2, 3):
        registry.publish(version, p5=version / 100)
        published_by(registry.root, signers=[signer(keys[0])])
    return registry


def tree_of(registry: Published, commit: str) -> Files:
    """The files of a commit."""
    paths = git(registry.root, "ls-tree", "-r", "--name-only", commit).splitlines()
    return {
        path: subprocess.run(
            ["git", "show", f"{commit}:{path}"], cwd=registry.root, check=True, capture_output=True
        ).stdout
        for path in paths
    }


def put(registry: Published, files: Files) -> None:
    """Push files to `stable` by hand, on top of what is there."""
    stabletree.Stable(registry).commit(files)


def with_index(files: Files, change: Callable[[Index], Index], key: Path | None = None) -> Files:
    """The files with another index; unsigned, or signed by a key."""
    raw = change(load_index(files[INDEX_PATH], where=INDEX_PATH)).to_bytes()
    rest = {path: found for path, found in files.items() if path != INDEX_SIGNATURE_PATH}
    return {**rest, INDEX_PATH: raw} | ({INDEX_SIGNATURE_PATH: signer(key)(raw)} if key else {})


def refused(registry: Published, key: Path, code: str) -> CalregError:
    """The error of a publication, which moves nothing."""
    before = git(registry.root, "rev-parse", "stable")
    registry.publish(9, p5=0.3)
    with pytest.raises(CalregError) as caught:
        published_by(registry.root, signers=[signer(key)])
    assert caught.value.code == code, caught.value
    assert git(registry.root, "rev-parse", "stable") == before
    return caught.value


def test_an_older_publication_is_not_built_on(signed, keys):
    """Publications that were signed once, pushed on top again, give no number away twice."""
    first, second = tree_of(signed, "stable~2"), tree_of(signed, "stable~1")
    put(signed, first)
    put(signed, second)
    error = refused(signed, keys[0], "rewound")
    assert "publication 3" in str(error)
    assert "publication 2" in str(error)


def test_a_merge_hides_nothing(signed, keys):
    """An older publication is not built on where a merge makes the newer one a second parent."""
    tree = git(signed.root, "rev-parse", "stable~1^{tree}")
    merge = git(signed.root, "commit-tree", tree, "-p", "stable~1", "-p", "stable", "-m", "merge")
    git(signed.root, "update-ref", "refs/heads/stable", merge)
    refused(signed, keys[0], "rewound")


def test_an_unsigned_index_is_not_built_on(signed, keys):
    """An index that says it needs no keys is not built on where one was signed before."""
    files = tree_of(signed, "stable")
    put(signed, with_index(files, lambda index: replace(index, keys=None, seq=2**52)))
    refused(signed, keys[0], "rewound")


def test_a_key_that_was_rotated_out_signs_nothing(signed, keys):
    """An index signed by an older list of keys is not built on once a newer list has signed."""
    trust(signed, keys[1:], signing=keys[:1])
    published_by(signed.root, signers=[signer(keys[1])])
    files = tree_of(signed, "stable")
    put(signed, with_index(files, lambda index: replace(index, keys=1, seq=2**52), keys[0]))
    refused(signed, keys[1], "rewound")


def test_what_the_hint_says_helps(signed, keys):
    """The newest publication on top again, as a commit, and publishing goes on with its number."""
    newest = git(signed.root, "rev-parse", "stable")
    put(signed, tree_of(signed, "stable~1"))
    error = refused(signed, keys[0], "rewound")
    top = git(signed.root, "rev-parse", "stable")
    assert f"commit-tree {newest[:12]}^{{tree}} -p {top[:12]}" in (error.hint or "")
    undone = git(signed.root, "commit-tree", f"{newest}^{{tree}}", "-p", top, "-m", "Restore")
    git(signed.root, "update-ref", "refs/heads/stable", undone)
    published_by(signed.root, signers=[signer(keys[0])])
    assert seqs(signed.root)[-2:] == [3, 4]


def test_nonsense_below_harms_nobody(signed, keys):
    """Unsigned nonsense that was undone, even a folder in the index's place, does not count."""
    good = tree_of(signed, "stable")
    put(signed, with_index(good, lambda index: replace(index, keys=None, seq=2**52)))
    put(signed, {f"{INDEX_PATH}/x": b"{}"})
    put(signed, {INDEX_PATH: b'{"seq": 999, "keys": 7}'})
    put(signed, good)
    signed.publish(4, p5=0.04)
    published_by(signed.root, signers=[signer(keys[0])])
    assert index_on(signed.root)["seq"] == 4


def test_what_nobody_vouched_for_is_validated(registry, keys):
    """A document that an unsigned `stable` lists already is validated before it is signed."""
    published_by(registry.root)
    bad = calibration(HAPPY, 9).to_bytes().replace(b"0.9", b"0.0")
    files = tree_of(registry, "stable")
    listed = load_model_index(files[index_of(NAME.model)], where="model")
    entry = Entry(9, digest_of(bad), len(bad))
    model = ModelIndex(NAME.model, {**listed.heads, NAME.head: entry}).to_bytes()
    files |= {index_of(NAME.model): model, NAME.reference_path: bad}
    models = {NAME.model: ModelEntry(digest_of(model), len(model), len(listed.heads))}
    put(registry, with_index(files, lambda i: replace(i, models={**i.models, **models})))
    for path in (NAME.version_path(9), NAME.reference_path):
        registry.write(path, bad)
    registry.commit()
    trust(registry, keys[:1])
    with pytest.raises(CalregError, match="p5"):
        published_by(registry.root, signers=[signer(keys[0])])


def test_a_withdrawal_is_for_good(signed, keys):
    """A list of withdrawn versions from which one vanished on `main` is not published."""
    why = Withdrawal("Ada", "wrong labels", "2026-05-30T00:00:00Z")
    signed.write(WITHDRAWN_PATH, Withdrawn({HAPPY: {1: why}}).to_bytes())
    signed.commit()
    published_by(signed.root, signers=[signer(keys[0])])
    signed.write(WITHDRAWN_PATH, Withdrawn({}).to_bytes())
    error = refused(signed, keys[0], "withdrawn")
    assert f"{HAPPY} v1" in str(error)


def test_nobody_signs_a_claim_of_a_stranger(registry, keys):
    """A claim to a later expiry that no key has signed yet is not what a second key signs."""
    trust(registry, keys, threshold=2)
    published_by(registry.root, signers=[signer(keys[0])])
    files = tree_of(registry, "stable-pending")
    claimed = with_index(files, lambda i: replace(i, expires=f"2036-10-29{i.expires[10:]}"))
    hand = stabletree.Stable(registry)
    hand.commit(claimed, parent=git(registry.root, "rev-parse", "stable-pending"))
    git(registry.root, "update-ref", "refs/heads/stable-pending", "stable")
    git(registry.root, "update-ref", "-d", "refs/heads/stable")
    with pytest.raises(CalregError) as caught:
        published_by(registry.root, signers=[signer(keys[1])], only_pending=True)
    assert caught.value.code == "nothing-pending"
