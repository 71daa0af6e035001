"""Pulling from the branch `stable`: what is believed, and every way in which it is not."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from githttp import GitServer
from published import HAPPY, RELAXED, TIMBRE, Published, calibration
from stabletree import NOW, Stable, new_key, withdrawal

from calreg.client import Installed, status, verify
from calreg.client.pulling import Limits, pull_into
from calreg.documents import Withdrawn, digest_of, timestamp_text
from calreg.errors import CalregError, DigestMismatchError, InputError, RegistryError
from calreg.names import INDEX_PATH, INDEX_SIGNATURE_PATH, WITHDRAWN_PATH, HeadName

ALL = (HAPPY, RELAXED, TIMBRE)
HAPPY_PATH = HeadName.parse(HAPPY).reference_path
TIMBRE_PATH = HeadName.parse(TIMBRE).reference_path


@pytest.fixture
def registry(tmp_path):
    """A registry with version 1 of three heads on its working branch."""
    published = Published(tmp_path / "registry")
    published.publish(1)
    return published


@pytest.fixture
def stable(registry):
    """Its branch `stable`, published once, unsigned."""
    branch = Stable(registry)
    branch.publish()
    return branch


@pytest.fixture
def key(tmp_path):
    return new_key(tmp_path)


@pytest.fixture
def signed(registry, key):
    """Its branch `stable`, published once and signed by one key."""
    branch = Stable(registry)
    branch.trust([key])
    branch.publish()
    return branch


@pytest.fixture
def dest(tmp_path):
    return tmp_path / "models"


def pull(branch: Stable, dest: Path, *heads: str, now=NOW, **options):
    limits = Limits(tries=1)
    return pull_into(dest, branch.registry.root.as_uri(), heads, limits=limits, now=now, **options)


def lock_of(dest: Path):
    return Installed.open(dest).lock


def refused(branch: Stable, dest: Path, code: str, kind=RegistryError, **options) -> CalregError:
    """The error of a pull that fails on top of a good one, which must survive whole."""
    before = (dest / "calreg.lock").read_bytes()
    with pytest.raises(kind) as caught:
        pull(branch, dest, **options)
    assert caught.value.code == code, caught.value
    assert (dest / "calreg.lock").read_bytes() == before
    assert verify(dest) == []
    assert "keeps what was installed" in (caught.value.hint or "")
    return caught.value


# What is right


def test_stable_is_read_where_there_is_one(stable, dest):
    """A registry with a branch `stable` is read from it, and the pull says it was gated."""
    pulled = pull(stable, dest)

    assert pulled.updated == ALL
    assert (pulled.ungated, pulled.seq) == (False, 1)
    assert pulled.commit == stable.registry.git("rev-parse", "HEAD")
    assert pulled.to_json()["sources"][0]["read"] == "stable"
    assert (lock_of(dest).first.tip, lock_of(dest).first.index) == (
        stable.tip(),
        stable.indexes[-1].digest,
    )
    assert verify(dest) == []


def test_what_is_only_on_main_is_not_installed(stable, dest):
    """What the gate has not passed yet reaches nobody."""
    stable.registry.publish(2, HAPPY, p5=0.2)

    pull(stable, dest)

    assert Installed.open(dest).versions() == dict.fromkeys(ALL, 1)


def test_news_are_installed(stable, dest):
    """A new publication moves what it moves, and reads that only."""
    pull(stable, dest)
    stable.registry.publish(2, HAPPY, p5=0.2)
    stable.publish()

    pulled = pull(stable, dest)

    assert (pulled.moves, pulled.unchanged) == ({HAPPY: (1, 2)}, (RELAXED, TIMBRE))
    assert pulled.bytes == len(calibration(HAPPY, 2, p5=0.2).to_bytes())
    assert (pulled.previous_seq, pulled.seq) == (1, 2)


def test_nothing_new_asks_once(tmp_path, stable, dest):
    """With nothing new the server is asked one question, for its refs."""
    with GitServer(tmp_path) as server:
        source = f"{server.url}/registry/.git"
        pull_into(dest, source, limits=Limits(), now=NOW)
        server.requests.clear()

        pulled = pull_into(dest, source, limits=Limits(), now=NOW)

        assert (pulled.unchanged, pulled.bytes) == (ALL, 0)
        assert len([path for _, path, _ in server.requests if "info/refs" in path]) == 1
        assert len(server.requests) <= 2  # capabilities, then the refs


def test_main_then_stable(registry, dest):
    """A folder that was filled from a working branch goes on from `stable` once there is one."""
    branch = Stable(registry)
    assert pull(branch, dest).ungated
    branch.publish()

    pulled = pull(branch, dest)

    assert (pulled.ungated, pulled.unchanged) == (False, ALL)


def test_signed(signed, dest, key):
    """The keys that a registry names when it is first seen are pinned."""
    pulled = pull(signed, dest)

    trust = lock_of(dest).first.trust
    assert (trust.number, trust.threshold, trust.keys) == (1, 1, (key.line,))
    assert pulled.to_json()["sources"][0]["signed"]


def test_given_keys_are_pinned(signed, dest, key):
    """A key that a person gives must have signed, and is pinned."""
    pull(signed, dest, keys=[key.public])

    trust = lock_of(dest).first.trust
    assert (trust.number, trust.keys) == (None, (key.line,))


def test_rotation_is_followed(tmp_path, signed, dest):
    """New keys that the old ones signed take over, however many lists later."""
    pull(signed, dest)
    keys = [signed.signers[0], new_key(tmp_path, "two"), new_key(tmp_path, "three")]
    signed.trust([keys[1]], by=[keys[0]])
    signed.trust([keys[2]], by=[keys[1]])
    signed.publish(seq=5_000_000)  # a rotation forgives a jump

    pull(signed, dest)

    trust = lock_of(dest).first.trust
    assert (trust.number, trust.keys) == (3, (keys[2].line,))


def test_several_sources(tmp_path, signed, dest):
    """A head comes from the first source that has it, each source with its own trust."""
    ours = Published(tmp_path / "ours", name="our-cal")
    ours.publish(7, HAPPY, p5=0.3)
    overrides = Stable(ours)
    overrides.registry_name = "our-cal"
    overrides.publish()
    sources = [ours.root.as_uri(), signed.registry.root.as_uri()]

    pulled = pull_into(dest, sources, limits=Limits(), now=NOW)

    assert Installed.open(dest).versions() == {HAPPY: 7, RELAXED: 1, TIMBRE: 1}
    assert [source.registry for source in pulled.sources] == ["our-cal", "nom-cal"]
    assert [source.trust is not None for source in lock_of(dest).sources] == [False, True]
    assert lock_of(dest).source_of(RELAXED).registry == "nom-cal"
    again = pull_into(dest, sources, limits=Limits(), now=NOW)
    assert (again.unchanged, again.bytes) == (ALL, 0)


def test_unknown_head_in_several_sources(tmp_path, stable, dest):
    """A misspelt head gets the nearest name of any source."""
    ours = Published(tmp_path / "ours", name="our-cal")
    ours.publish(1, HAPPY)
    sources = [ours.root.as_uri(), stable.registry.root.as_uri()]

    with pytest.raises(InputError) as caught:
        pull_into(dest, sources, ["essentia/musicnn/timbr"], limits=Limits(), now=NOW)
    assert str(caught.value) == (
        f"No head 'essentia/musicnn/timbr' in our-cal or nom-cal. Did you mean {TIMBRE}?"
    )


# Who signs


def test_wrong_key(tmp_path, signed, dest):
    """An index that another key signed is refused."""
    pull(signed, dest)
    signed.signers = [new_key(tmp_path, "stranger")]
    signed.publish()

    refused(signed, dest, "signature")


def test_given_key_that_did_not_sign(tmp_path, signed, dest):
    """A given key that did not sign is refused, and nothing is installed."""
    with pytest.raises(RegistryError) as caught:
        pull(signed, dest, keys=[new_key(tmp_path, "other").public])

    assert caught.value.code == "signature"
    assert not dest.exists()


def test_given_keys_want_signatures(registry, stable, key, dest):
    """With a given key neither an unsigned index nor a working branch is believed."""
    with pytest.raises(RegistryError) as caught:
        pull(stable, dest, keys=[key.public])
    assert caught.value.code == "unsigned"

    registry.git("update-ref", "-d", "refs/heads/stable")
    with pytest.raises(RegistryError) as caught:
        pull(stable, dest, keys=[key.public])
    assert caught.value.code == "unsigned"
    assert not dest.exists()


def test_once_signed_always_signed(signed, dest):
    """A registry that was seen signed is refused without a signature."""
    pull(signed, dest)
    signed.publish(
        altered=lambda files: {p: r for p, r in files.items() if p != INDEX_SIGNATURE_PATH}
    )

    refused(signed, dest, "unsigned")


def test_signed_once_never_main_again(signed, dest):
    """A registry that was seen signed is not read from its working branch when `stable` is gone."""
    pull(signed, dest)
    signed.registry.git("update-ref", "-d", "refs/heads/stable")

    refused(signed, dest, "unsigned")


def test_stable_once_never_main_again(stable, dest):
    """A registry that was read from `stable` is never read ungated again."""
    pull(stable, dest)
    stable.registry.git("update-ref", "-d", "refs/heads/stable")

    refused(stable, dest, "rewound")


def test_keys_never_fall(tmp_path, signed, dest):
    """An older list of keys is refused once a newer one is in force."""
    old = signed.signers[0]
    signed.trust([new_key(tmp_path, "two"), old], by=[old])
    signed.publish()
    pull(signed, dest)
    signed.signers = [old, *signed.signers]
    signed.publish(keys=1)

    refused(signed, dest, "rewound")


@pytest.mark.parametrize("threshold", [2, 3])
def test_too_few_sign(tmp_path, registry, dest, threshold):
    """One signature less than the threshold is refused."""
    branch = Stable(registry)
    branch.trust([new_key(tmp_path, str(n)) for n in range(3)], threshold=threshold)
    branch.publish()
    pull(branch, dest)
    branch.signers = branch.signers[1:]
    branch.publish()

    refused(branch, dest, "signature")


def test_a_list_of_keys_by_nobody_known(tmp_path, signed, dest):
    """A list of keys that the one before did not sign is not followed."""
    pull(signed, dest)
    signed.trust([new_key(tmp_path, "stranger")])
    signed.publish()

    refused(signed, dest, "signature")


# What it follows


def test_rewound(signed, dest):
    """A branch set back is refused, and the message has both numbers."""
    first = signed.tip()
    signed.publish()
    pull(signed, dest)
    signed.move(first)

    said = refused(signed, dest, "rewound")
    assert "index 2 was seen here, the source has 1" in said.message


def test_rewound_without_any_state(signed, dest):
    """The lock alone remembers the newest index: a deleted cache helps no attacker."""
    import shutil

    first = signed.tip()
    signed.publish()
    pull(signed, dest)
    shutil.rmtree(dest / ".calreg")
    signed.move(first)

    with pytest.raises(RegistryError) as caught:
        pull(signed, dest)
    assert caught.value.code == "rewound"


def test_equivocation(signed, dest):
    """Another index of the same number is refused."""
    pull(signed, dest)
    signed.indexes.clear()
    signed.publish(expires=timestamp_text(NOW + timedelta(days=50)))

    refused(signed, dest, "equivocation")


def test_rewritten_history(signed, dest):
    """A branch whose new tip does not come after the old one is refused."""
    pull(signed, dest)
    signed.publish(parent=None)

    refused(signed, dest, "history-rewritten")


def test_a_lost_cache_is_no_rewritten_history(signed, dest):
    """Without its cache a pull cannot judge ancestry, and goes by number and digest."""
    import shutil

    pull(signed, dest)
    shutil.rmtree(dest / ".calreg")
    signed.publish()

    assert pull(signed, dest).seq == 2


def test_previous_must_fit(signed, dest):
    """The next index must name the digest of the one that is known."""
    pull(signed, dest)
    signed.publish(previous="0" * 64)

    refused(signed, dest, "history-rewritten")


def test_seq_jump(signed, dest):
    """A number far above the known one is refused, signed or not."""
    pull(signed, dest)
    signed.publish(seq=1 + 10**6 + 1)

    refused(signed, dest, "seq-jump")


def test_another_registry(signed, dest):
    """Another registry by the same keys is refused."""
    pull(signed, dest)
    signed.publish(registry="other-cal")

    refused(signed, dest, "another-registry")


def test_changed_version(stable, dest):
    """Other bytes under an installed version's number are refused."""
    pull(stable, dest)
    raw = calibration(HAPPY, 1, p5=0.4).to_bytes()
    stable.publish({**stable.references(), HAPPY_PATH: raw})

    refused(stable, dest, "history-rewritten")


# How old it is


def test_expired_installs_nothing_new(signed, dest):
    """Past its time an index installs nothing new, and the message says its age."""
    pull(signed, dest)
    signed.registry.publish(2, HAPPY, p5=0.2)
    signed.publish()

    said = refused(signed, dest, "expired", now=NOW + timedelta(days=100))
    assert "101 days old" in said.message


def test_expired_goes_on_serving(signed, dest):
    """What is installed goes on serving past its time, with a warning."""
    pull(signed, dest)

    pulled = pull(signed, dest, now=NOW + timedelta(days=100))

    assert pulled.unchanged == ALL
    assert "expired on" in pulled.warnings[0]
    refused(signed, dest, "expired", now=NOW + timedelta(days=100), require_fresh=True)


def test_a_first_pull_of_an_expired_index(signed, dest):
    """Nothing is installed from an index that was past its time when it was first seen."""
    with pytest.raises(RegistryError) as caught:
        pull(signed, dest, now=NOW + timedelta(days=100))
    assert caught.value.code == "expired"
    assert not dest.exists()


@pytest.mark.parametrize(("late", "is_allowed"), [(4, True), (6, False)])
def test_clocks_may_be_five_minutes_off(signed, dest, late, is_allowed):
    """A clock that is a few minutes fast does not make an index expire."""
    now = NOW + timedelta(days=89, minutes=late)
    if is_allowed:
        assert pull(signed, dest, now=now).updated == ALL
    else:
        with pytest.raises(RegistryError, match="expired"):
            pull(signed, dest, now=now)


def test_an_index_from_the_future_is_a_warning(signed, dest):
    """A clock far behind is said, and stops nothing."""
    pulled = pull(signed, dest, now=NOW - timedelta(days=400))

    assert "in the future" in pulled.warnings[0]


# What is withdrawn


def test_withdrawn_reference_is_refused_and_remembered(signed, dest):
    """A withdrawn version is refused with since when and why, and the lock learns of it."""
    pull(signed, dest)
    signed.withdrawn = Withdrawn({HAPPY: {1: withdrawal()}})
    signed.publish()

    with pytest.raises(RegistryError) as caught:
        pull(signed, dest)

    assert caught.value.code == "withdrawn"
    assert "was withdrawn on 2026-05-30T00:00:00Z by Ada: trained on" in caught.value.message
    lock = lock_of(dest)
    assert lock.first.withdrawn.of(HAPPY, 1) == withdrawal()
    assert (lock.first.seq, sorted(lock.heads)) == (2, sorted(ALL))
    with pytest.raises(RegistryError, match="withdrawn"):
        pull(signed, dest)
    with pytest.raises(RegistryError, match="withdrawn"):
        pull(signed, dest, locked=True)


def test_a_withdrawal_is_never_forgotten(signed, dest):
    """A newer index without the list does not make a withdrawn version fit again."""
    signed.withdrawn = Withdrawn({TIMBRE: {9: withdrawal()}})
    signed.publish()
    pull(signed, dest)
    signed.withdrawn = Withdrawn({})
    signed.publish()

    pull(signed, dest)

    assert lock_of(dest).first.withdrawn.of(TIMBRE, 9) is not None


# Versions, dates, commits


def test_a_version(signed, dest):
    """`head@v1` installs that version, wherever the reference is."""
    signed.registry.publish(2, p5=0.2)
    signed.publish()

    pulled = pull(signed, dest, f"{HAPPY}@v1", RELAXED)

    assert Installed.open(dest).versions() == {HAPPY: 1, RELAXED: 2}
    assert lock_of(dest).selection == (f"{HAPPY}@v1", RELAXED)
    assert pulled.updated == (HAPPY, RELAXED)
    assert pull(signed, dest, f"{HAPPY}@v1", RELAXED).bytes == 0


def test_an_installed_version_is_not_read_again(signed, dest):
    """A version that is installed is kept through news, without a look at the working branch."""
    import shutil

    signed.registry.publish(2, p5=0.2)
    signed.publish()
    pull(signed, dest, f"{HAPPY}@v1", RELAXED)
    history = dest / ".calreg/cache-history.git"
    shutil.rmtree(history)
    signed.registry.publish(3, p5=0.3)
    signed.publish()

    assert pull(signed, dest, f"{HAPPY}@v1", RELAXED).moves == {RELAXED: (2, 3)}
    assert not history.exists()


def test_withdrawn_on_a_working_branch(registry, dest):
    """Where nothing was published yet, the working branch's own list is heeded."""
    registry.write(WITHDRAWN_PATH, Withdrawn({HAPPY: {1: withdrawal()}}).to_bytes())
    registry.commit()
    branch = Stable(registry)

    with pytest.raises(RegistryError, match="v1 was withdrawn on"):
        pull(branch, dest)
    assert pull(branch, dest, RELAXED).updated == (RELAXED,)


def test_unknown_version(signed, dest):
    """A version that there is not is refused with the newest there is."""
    with pytest.raises(InputError, match="nom-cal has no essentia/effnet/mood_happy v9") as caught:
        pull(signed, dest, f"{HAPPY}@v9")
    assert "The newest is v1." in (caught.value.hint or "")


def test_withdrawn_version(signed, dest):
    """A withdrawn version cannot be asked for by number."""
    signed.registry.publish(2, p5=0.2)
    signed.withdrawn = Withdrawn({HAPPY: {1: withdrawal()}})
    signed.publish()

    with pytest.raises(RegistryError, match="v1 was withdrawn on"):
        pull(signed, dest, f"{HAPPY}@v1")


def days(number: int) -> str:
    return timestamp_text(NOW - timedelta(days=number))


@pytest.fixture
def three_days(registry, key):
    """Publications thirty, twenty and ten days ago, of versions 1, 2 and 3."""
    branch = Stable(registry)
    branch.trust([key])
    branch.publish(issued=days(30))
    for version, ago in ((2, 20), (3, 10)):
        registry.publish(version, p5=version / 10)
        branch.publish(issued=days(ago))
    return branch


@pytest.mark.parametrize(
    ("asked", "version"),
    [(days(1), 3), (days(15), 2), (days(20), 2), (days(29), 1), (days(20)[:10], 2)],
)
def test_as_of_a_date(three_days, dest, asked, version):
    """As of a date is the newest publication at or before it; a day means its end."""
    pull(three_days, dest, as_of=asked)

    assert Installed.open(dest).versions() == dict.fromkeys(ALL, version)
    assert lock_of(dest).first.seq == 3
    assert lock_of(dest).as_of == asked


def test_as_of_before_anything(three_days, dest):
    """Before the first publication there is nothing to install."""
    with pytest.raises(InputError, match="nom-cal had published nothing"):
        pull(three_days, dest, as_of=days(31))


def test_as_of_a_commit(three_days, dest):
    """As of a commit of the working branch is the newest publication made of it or before."""
    commits = three_days.registry.git("log", "--format=%H", "--reverse").split()
    three_days.registry.write("README.md", b"words\n")
    after = three_days.registry.commit()
    three_days.registry.publish(4, p5=0.4)
    three_days.publish()

    for asked, version in [(commits[0], 1), (commits[1][:10], 2), (after, 3)]:
        pull(three_days, dest, as_of=asked)
        assert Installed.open(dest).versions() == dict.fromkeys(ALL, version)


def test_as_of_nonsense(three_days, dest):
    """What is neither a date nor a commit of the registry is refused."""
    for asked in ("yesterday", "0123456789abcdef"):
        with pytest.raises(InputError, match="as of"):
            pull(three_days, dest, as_of=asked)


def test_as_of_is_judged_by_what_is_known_now(three_days, dest):
    """A version that was withdrawn later is refused as of a time when it was not."""
    three_days.withdrawn = Withdrawn({HAPPY: {2: withdrawal()}})
    three_days.publish()

    with pytest.raises(RegistryError, match="v2 was withdrawn"):
        pull(three_days, dest, as_of=days(15))


def test_as_of_a_broken_history(registry, key, dest):
    """A history of publications that does not fit the newest index is refused."""
    branch = Stable(registry)
    branch.trust([key])
    branch.publish(issued=days(30))
    branch.publish(issued=days(20), previous="1" * 64)
    branch.publish(issued=days(10))

    with pytest.raises(RegistryError, match="history of publications is broken"):
        pull(branch, dest, as_of=days(25))


def test_as_of_with_a_younger_source(tmp_path, three_days, dest):
    """A source that had published nothing by then gives nothing, and the others the rest."""
    ours = Published(tmp_path / "ours", name="our-cal")
    ours.publish(7, HAPPY, p5=0.3)
    overrides = Stable(ours)
    overrides.registry_name = "our-cal"
    overrides.publish(issued=days(5))
    sources = [ours.root.as_uri(), three_days.registry.root.as_uri()]

    pull_into(dest, sources, limits=Limits(), now=NOW, as_of=days(15))
    assert Installed.open(dest).versions() == dict.fromkeys(ALL, 2)

    pull_into(dest, sources, limits=Limits(), now=NOW, as_of=days(4))
    assert Installed.open(dest).versions() == {HAPPY: 7, RELAXED: 3, TIMBRE: 3}


def test_as_of_needs_publications(registry, dest):
    """A registry that published nothing has no history of publications."""
    with pytest.raises(InputError, match="nothing was published yet"):
        pull(Stable(registry), dest, as_of=days(1))


# A lock


def test_locked(signed, dest, tmp_path):
    """A lock brings back its versions from the published commit, wherever references are."""
    pull(signed, dest)
    lock = (dest / "calreg.lock").read_bytes()
    signed.registry.publish(2, p5=0.2)
    signed.publish()
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    (fresh / "calreg.lock").write_bytes(lock)

    pull(signed, fresh, locked=True)

    assert Installed.open(fresh).versions() == dict.fromkeys(ALL, 1)
    assert (fresh / "calreg.lock").read_bytes() == lock


# Looking without changing


def test_status(signed, dest):
    """Status names what moved, what is withdrawn and what has expired, and changes nothing."""
    pull(signed, dest)
    before = (dest / "calreg.lock").read_bytes()
    assert status(dest, now=NOW).is_current
    signed.registry.publish(2, HAPPY, "essentia/effnet/new", p5=0.2)
    signed.withdrawn = Withdrawn({TIMBRE: {1: withdrawal()}})
    signed.publish()

    found = status(dest, now=NOW)

    assert not found.is_current
    assert (found.behind, found.new) == ((HAPPY,), ("essentia/effnet/new",))
    assert (found.withdrawn, found.gone, found.expired) == ((TIMBRE,), (), ())
    assert (found.seq, found.current_seq, found.age_s) == (1, 2, 86400.0)
    assert "expired on" in status(dest, now=NOW + timedelta(days=100)).expired[0]
    assert (dest / "calreg.lock").read_bytes() == before


def test_status_of_versions(signed, dest):
    """An installed version that was asked for by number is not behind its reference."""
    signed.registry.publish(2, p5=0.2)
    signed.publish()
    pull(signed, dest, f"{HAPPY}@v1", RELAXED)
    signed.publish()

    assert status(dest, now=NOW).is_current


def test_status_of_another_date(three_days, dest):
    """What was installed as of a date is compared with what that date gives now."""
    pull(three_days, dest, as_of=days(15))
    three_days.registry.publish(4, p5=0.4)
    three_days.publish()

    assert status(dest, now=NOW).is_current


def test_status_is_told_what_a_pull_would_refuse(signed, dest):
    """A rewound registry is an error of status, too: it could not tell."""
    first = signed.tip()
    signed.publish()
    pull(signed, dest)
    signed.move(first)

    with pytest.raises(RegistryError) as caught:
        status(dest, now=NOW)
    assert caught.value.code == "rewound"


def test_offline(signed, dest, tmp_path):
    """Offline serves what is installed, past its time with a warning, and fresh only if asked."""
    pull(signed, dest)
    signed.registry.root.rename(tmp_path / "gone")
    late = NOW + timedelta(days=100)

    assert "expired on" in pull(signed, dest, offline=True, now=late).warnings[0]
    with pytest.raises(RegistryError, match="expired on"):
        pull(signed, dest, offline=True, now=late, require_fresh=True)


def test_an_unreachable_source_says_what_is_in_use(signed, dest, tmp_path):
    """Where nobody answers, the message says what is in use and how old it is."""
    pull(signed, dest)
    signed.registry.root.rename(tmp_path / "gone")

    with pytest.raises(CalregError) as caught:
        pull(signed, dest)
    assert caught.value.exit_code == 5
    assert "3 heads, index 1 of 24 hours ago." in (caught.value.hint or "")


# What the tree may hold


@pytest.mark.parametrize(
    ("mode", "words"),
    [("120000", "a symbolic link"), ("160000", "a submodule"), ("100755", "a program")],
)
@pytest.mark.parametrize("path", [HAPPY_PATH, INDEX_PATH, "essentia/effnet/more.txt"])
def test_only_plain_files(stable, dest, mode, words, path):
    """A link, a submodule or a program anywhere in the tree refuses the commit."""
    pull(stable, dest)
    stable.publish(
        altered=lambda files: {"essentia/effnet/more.txt": b"x", **files}, modes={path: mode}
    )

    assert words in refused(stable, dest, "not-a-plain-file").message


def test_case_collision(stable, dest):
    """Two names that some disks cannot keep apart refuse the commit."""
    pull(stable, dest)
    stable.publish(altered=lambda files: {**files, HAPPY_PATH.upper(): b"x"})

    refused(stable, dest, "case-collision")


def test_other_files_are_ignored(stable, dest):
    """A plain file that no index lists is never read."""
    stable.publish(altered=lambda files: {**files, "essentia/effnet/evil-calibration.json": b"x"})

    assert pull(stable, dest).updated == ALL


def test_a_missing_file(stable, dest):
    """A reference that the index lists and the tree lacks is refused by its path."""
    pull(stable, dest)
    stable.registry.publish(2, p5=0.2)
    stable.publish(altered=lambda files: {p: r for p, r in files.items() if p != TIMBRE_PATH})

    assert refused(stable, dest, "missing-file").where == TIMBRE_PATH


def test_mix_and_match(stable, dest):
    """A reference of one publication under the index of another is refused, valid as it is."""
    pull(stable, dest)
    before = stable.references()
    stable.registry.publish(2, p5=0.2)
    stable.publish(altered=lambda files: {**files, HAPPY_PATH: before[HAPPY_PATH]})

    refused(stable, dest, "digest-mismatch", DigestMismatchError)


@pytest.mark.parametrize("path", ["essentia/effnet/index.json", WITHDRAWN_PATH])
def test_a_tampered_list(stable, dest, path):
    """A model's index or a list of withdrawn versions with other bytes is refused."""
    pull(stable, dest)
    stable.withdrawn = Withdrawn({HAPPY: {9: withdrawal()}})
    stable.registry.publish(2, p5=0.2)
    stable.publish(altered=lambda files: {**files, path: files[path].replace(b"9", b"8", 1)})

    refused(stable, dest, "digest-mismatch", DigestMismatchError)


def test_not_a_registry(registry, dest):
    """A branch `stable` without an index is refused, and not passed over for the working branch."""
    branch = Stable(registry)
    branch.commit({"README.md": b"hello\n"})

    with pytest.raises(InputError, match=r"no index\.json on the branch 'stable'") as caught:
        pull(branch, dest)
    assert caught.value.code == "not-a-registry"


@pytest.mark.parametrize("place", [0, -1, 30])
def test_a_flipped_byte_is_found(signed, dest, place):
    """A flipped byte of an index, a signature or a reference is found."""
    pull(signed, dest)
    signed.registry.publish(2, p5=0.2)
    for path in (INDEX_PATH, INDEX_SIGNATURE_PATH, HAPPY_PATH):
        before = list(signed.indexes), signed.tip()
        signed.publish(
            altered=lambda files, path=path: {**files, path: flipped(files[path], place)}
        )
        with pytest.raises((RegistryError, InputError)):
            pull(signed, dest)
        signed.indexes = before[0]
        signed.move(before[1])
    assert Installed.open(dest).versions() == dict.fromkeys(ALL, 1)


def flipped(raw: bytes, place: int) -> bytes:
    altered = bytearray(raw)
    altered[place] ^= 1
    return bytes(altered)


def test_index_digest_is_of_the_raw_bytes(signed, dest):
    """The digest that a lock keeps is that of the bytes that were signed."""
    pull(signed, dest)

    raw = signed.registry.git("show", f"stable:{INDEX_PATH}").encode() + b"\n"
    assert lock_of(dest).first.index == digest_of(raw)
    assert replace(lock_of(dest).first, trust=None).withdrawn == Withdrawn({})
