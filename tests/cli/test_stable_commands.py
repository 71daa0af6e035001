"""`calreg stable`: publish for production, sign what waits, show what is published."""

from __future__ import annotations

from pathlib import Path

import pytest

T1 = "2026-11-01T12:00:00Z"
T2 = "2026-11-02T12:00:00Z"


@pytest.fixture
def keys(cli, tmp_path) -> list[Path]:
    """Three private keys, outside the registry."""
    folder = tmp_path / "keys"
    folder.mkdir()
    paths = [folder / f"key{number}" for number in (1, 2, 3)]
    for path in paths:
        assert cli("keys", "new", path).code == 0
    return paths


@pytest.fixture
def trusted(cli, keys, published) -> list[Path]:
    """The published registry, whose index one of two keys must sign."""
    assert _trust(cli, keys[:2], threshold=1).code == 0
    return keys


def _trust(cli, keys, *, threshold):
    signing = [word for key in keys for word in ("--sign", key)]
    public = [f"{key}.pub" for key in keys]
    return cli("keys", "trust", *public, "--threshold", threshold, *signing)


@pytest.fixture
def remote(published, git, tmp_path) -> Path:
    """A bare remote of the published registry."""
    folder = tmp_path / "remote.git"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(folder))
    git(published, "remote", "add", "origin", folder.as_uri())
    git(published, "push", "--quiet", "--set-upstream", "origin", "main")
    return folder


# --- publish ------------------------------------------------------------------------------


def test_publish(cli, published, git):
    """What moved, where it is, who signed and until when: four lines."""
    main = git(published, "rev-parse", "--short=7", "HEAD")

    said = cli("stable", "publish", "--timestamp", T1)

    tip = git(published, "rev-parse", "--short=7", "stable")
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines() == [
        f"reg  publication 1 on stable · 1 of 1 reference moved · from {main}",
        "  m/mood  – → v1",
        f"committed {tip} · not signed · expires 2027-01-30 12:00 UTC",
    ]


def test_publish_json(cli, published, git):
    """One document with everything a workflow needs."""
    said = cli("stable", "publish", "--timestamp", T1, "--expires-days", 30, "--json")

    found = said.json
    assert found.pop("index") == git(published, "log", "-1", "--format=%(trailers)", "stable")[-64:]
    assert found == {
        "status": "published",
        "branch": "stable",
        "commit": git(published, "rev-parse", "stable"),
        "registry": "reg",
        "seq": 1,
        "issued": "2026-11-01T12:00:00.000Z",
        "expires": "2026-12-01T12:00:00.000Z",
        "main": git(published, "rev-parse", "main"),
        "keys": None,
        "models": {"m": 1},
        "heads": 1,
        "moved": [{"head": "m/mood", "before": None, "after": 1}],
        "signed_by": [],
        "missing": 0,
        "pushed": False,
        "remote": None,
        "tries": 1,
    }


def test_nothing_new(cli, published):
    """The second call says that there is nothing to do, and exits with 0."""
    cli("stable", "publish", "--timestamp", T1)

    said = cli("stable", "publish", "--timestamp", T2)

    assert said.code == 0
    assert said.out == (
        "reg  publication 1 on stable says all that there is to publish · nothing to do · "
        "expires 2027-01-30 12:00 UTC\n"
    )
    assert cli("stable", "publish", "--timestamp", T2, "--json").json["status"] == "current"


def test_a_late_call(cli, published, drifted, git):
    """A call for a commit before the published one says so."""
    early = git(published, "rev-parse", "HEAD")
    cli("run", drifted, "--head", "m/mood")
    cli("stable", "publish")

    said = cli("stable", "publish", "--commit", early)

    assert said.code == 0
    assert "was made from a later commit" in said.out


def test_dry_run(cli, published, git):
    """A dry run says what would move and makes nothing."""
    said = cli("stable", "publish", "--dry-run")

    assert said.code == 0
    assert "  m/mood  – → v1\nNothing was written: --dry-run\n" in said.out
    assert git(published, "branch", "--list", "stable") == ""
    assert cli("stable", "publish", "--dry-run", "--json").json["status"] == "dry-run"


def test_renew(cli, published):
    """--renew publishes the same for a later expiry."""
    cli("stable", "publish", "--timestamp", T1)

    said = cli("stable", "publish", "--timestamp", T2, "--renew", "--json")

    assert (said.json["seq"], said.json["moved"]) == (2, [])
    assert said.json["expires"] == "2027-01-31T12:00:00.000Z"


def test_pushed_by_default_where_there_is_a_remote(cli, remote, git):
    """With a remote it is published there; --no-push keeps it here and says how to go on."""
    here = cli("stable", "publish", "--no-push")
    assert here.out.endswith("Next: calreg stable publish --push, or git push origin stable\n")
    assert git(remote, "branch", "--list", "stable") == ""

    said = cli("stable", "publish", "--renew")

    assert said.code == 0
    assert f"pushed to {remote.as_uri()}" in said.out
    assert git(remote, "branch", "--list", "stable").strip() == "stable"


# --- signatures ---------------------------------------------------------------------------


def test_signed(cli, trusted, published, git):
    """A signed publication names who signed it, and is refused without a signature."""
    unsigned = cli("stable", "publish")
    assert unsigned.code == 4
    assert "is signed (keys/1.json), and nothing unsigned is published any more" in unsigned.err
    assert "--sign KEY, with 1 of: SHA256:" in unsigned.err

    said = cli("stable", "publish", "--sign", trusted[0])

    assert said.code == 0
    assert "signed by SHA256:" in said.out
    assert "index.json.sig" in git(published, "ls-tree", "--name-only", "stable")


def test_a_signature_that_nobody_could_check(cli, keys, published):
    """Signing for a registry without keys is refused with the first step."""
    said = cli("stable", "publish", "--sign", keys[0])

    assert said.code == 4
    assert "has no list of keys" in said.err
    assert "calreg keys trust" in said.err


def test_two_custodians(cli, keys, published, git):
    """One of two signatures waits; the other one publishes the very same index."""
    _trust(cli, keys[:2], threshold=2)

    waiting = cli("stable", "publish", "--sign", keys[0])
    assert waiting.code == 0
    assert "Production does not have it yet: 1 more key must sign" in waiting.out
    assert git(published, "branch", "--list", "stable") == ""
    again = cli("stable", "publish", "--sign", keys[0])
    assert "publication 1 on stable-pending waits for 1 more key to sign" in again.out
    done = cli("stable", "sign", "--sign", keys[1], "--json").json

    assert (done["status"], done["missing"], len(done["signed_by"])) == ("published", 0, 2)
    shown = cli("stable", "show").out
    assert "(keys/1.json: 2 of 2 keys must sign)" in shown
    assert "(key1)" in shown


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["--sign", "{key3}"], 4, "is not in keys/1.json: nobody would accept its signature"),
        (["--sign", "{folder}/no-such-key"], 3, "there is no such key file"),
        (["--sign", "{folder}/text"], 3, "{folder}/text"),
        (["--dry-run", "--sign", "{key1}"], 2, "--dry-run signs nothing"),
    ],
    ids=["not-listed", "no-file", "no-key", "dry-run"],
)
def test_a_key_that_does_not_do(cli, trusted, published, git, words, code, line):
    """A wrong key is one line, and nothing is published."""
    folder = trusted[0].parent
    (folder / "text").write_text("hello\n")
    (folder / "text").chmod(0o600)
    names = {"folder": folder, "key1": trusted[0], "key3": trusted[2]}

    said = cli("stable", "publish", *(word.format(**names) for word in words))

    assert said.code == code
    assert line.format(**names) in said.err
    assert "Traceback" not in said.err
    assert git(published, "branch", "--list", "stable*") == ""


def test_sign_needs_a_key(cli, published):
    """`sign` without a key is a usage error."""
    said = cli("stable", "sign")

    assert (said.code, said.err) == (2, "with which key?\nHint: --sign KEY\n")


def test_nothing_waits(cli, trusted, published):
    """`sign` where nothing waits says how to begin."""
    said = cli("stable", "sign", "--sign", trusted[0])

    assert said.code == 4
    assert "nothing waits on stable-pending" in said.err
    assert "calreg stable publish --sign KEY begins it" in said.err


# --- refusals -----------------------------------------------------------------------------


@pytest.mark.parametrize("days", ["0", "4000", "-1", "many"])
def test_days_that_are_none(cli, published, days):
    """Days out of range are a usage error that names the range."""
    said = cli("stable", "publish", "--expires-days", days)

    assert said.code == 2
    assert "--expires-days" in said.err


def test_production_mode(cli, published, monkeypatch, git):
    """A production machine publishes nothing, but may look."""
    monkeypatch.setenv("CALREG_CALIBRATE_HEADS", "false")

    for words in (["publish"], ["sign", "--sign", "key"]):
        said = cli("stable", *words)
        assert said.code == 4
        assert "production mode" in said.err
    assert cli("stable", "show").code == 0
    assert git(published, "branch", "--list", "stable") == ""


def test_no_references(cli, registry):
    """A registry before its first run has nothing to publish."""
    said = cli("stable", "publish")

    assert said.code == 3
    assert said.err == (
        "reg has no references yet, so there is nothing to publish\n"
        "Hint: calreg run SCORES makes the first.\n"
    )


def test_an_error_as_json(cli, published, git):
    """With --json an error is one document, with its code."""
    git(published, "switch", "--quiet", "--detach")

    said = cli("stable", "publish", "--json")

    assert said.code == 3
    assert said.json["error"]["code"] == "detached-head"


# --- show ---------------------------------------------------------------------------------


def test_show_before_the_first(cli, published, git):
    """Before the first publication `show` says what would be published, and how."""
    main = git(published, "rev-parse", "--short=7", "HEAD")

    said = cli("stable", "show")

    assert said.code == 0
    assert said.out.splitlines() == [
        "reg  nothing is published on stable yet",
        f"{main} has what is not published: 1 reference would move",
        "  m/mood  – → v1",
        "Next: calreg stable publish",
    ]


def test_show(cli, published, drifted, git):
    """`show` says number, dates, signatures, models, and what main has beyond them."""
    main = git(published, "rev-parse", "--short=7", "HEAD")
    cli("stable", "publish", "--timestamp", T1)
    cli("run", drifted, "--head", "m/mood")
    now = git(published, "rev-parse", "--short=7", "HEAD")

    said = cli("stable", "show", "--timestamp", T2)

    assert said.out.splitlines() == [
        "reg  publication 1 on stable",
        f"issued   2026-11-01 12:00 UTC, from {main}",
        "expires  2027-01-30 12:00 UTC, in 89 days",
        "signed   by nobody",
        "holds    1 reference of 1 model",
        "  m  1 reference",
        f"{now} has what is not published: 1 reference would move",
        "  m/mood  v1 → v2",
        "Next: calreg stable publish",
    ]


def test_show_what_expired(cli, published):
    """`show` marks what has expired, and says what that means."""
    cli("stable", "publish", "--timestamp", T1)

    said = cli("stable", "show", "--timestamp", "2027-02-02T12:00:00Z")

    assert "expired  2027-01-30 12:00 UTC, 3 days ago ✗ clients install nothing new" in said.out
    assert "says the same, and the next publish renews it" in said.out


def test_show_json(cli, trusted, published, git):
    """The same as a document, with what stands in the way."""
    cli("stable", "publish", "--sign", trusted[0], "--timestamp", T1)
    git(published, "rm", "--quiet", "-r", "keys")
    git(published, "commit", "--quiet", "--message", "no keys any more")

    found = cli("stable", "show", "--timestamp", T1, "--json").json

    assert found["state"] == "problem"
    assert found["problem"]["code"] == "unsigned"
    assert found["published"]["seq"] == 1
    assert found["published"]["keys"] == 1
    assert found["commit"] == git(published, "rev-parse", "stable")


def test_show_at_the_remote(cli, remote, published):
    """`show` asks the remote; --here asks nobody."""
    cli("stable", "publish")

    assert f"publication 1 on stable of {remote.as_uri()}" in cli("stable", "show").out
    remote.rename(remote.with_suffix(".away"))
    assert cli("stable", "show").code == 5
    assert "publication 1 on stable\n" in cli("stable", "show", "--here").out
