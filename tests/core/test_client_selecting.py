"""Which references a person means, over one source and several."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calreg.client.selecting import (
    check_withdrawn,
    choose,
    choose_installed,
    is_meant,
    selection_of,
)
from calreg.documents import Entry, Lock, LockEntry, LockSource, Withdrawal, Withdrawn
from calreg.errors import InputError, RegistryError


@dataclass
class Listing:
    """A source that is only a list of references, and remembers which models were looked at."""

    heads: dict[str, int]
    registry: str = "nom-cal"
    withdrawn: Withdrawn = field(default_factory=lambda: Withdrawn({}))
    asked: list[str] = field(default_factory=list)

    @property
    def origin(self) -> LockSource:
        """Only its name counts here."""
        return LockSource("https://example.org", self.registry, "c" * 40)

    def models(self):
        """Every model of a head."""
        return sorted({head.rpartition("/")[0] for head in self.heads})

    def entries(self, model):
        """Its heads, each with a digest of its own."""
        self.asked.append(model)
        return {
            head: Entry(version, f"{version}", 1)
            for head, version in self.heads.items()
            if head.rpartition("/")[0] == model
        }

    def read(self, wanted):
        """Nobody reads while choosing."""
        raise LookupError(wanted)

    def version(self, head, version):
        """Nobody looks a version up while choosing."""
        raise LookupError(head, version)


UPSTREAM = {"e/effnet/happy": 3, "e/effnet/sad": 3, "e/musicnn/happy": 2, "e/musicnn/timbre": 1}


def versions(views, *patterns) -> dict[str, tuple[int, int]]:
    return {
        head: (choice.origin, choice.version) for head, choice in choose(views, patterns).items()
    }


@pytest.mark.parametrize(
    ("patterns", "heads"),
    [
        ((), UPSTREAM),
        (("e/effnet",), ["e/effnet/happy", "e/effnet/sad"]),
        (("e/effnet/",), ["e/effnet/happy", "e/effnet/sad"]),
        (("e",), UPSTREAM),
        (("*/happy",), ["e/effnet/happy", "e/musicnn/happy"]),
        (("e/*net/happy",), ["e/effnet/happy"]),
        (("*/[st]*",), ["e/effnet/sad", "e/musicnn/timbre"]),
        (("e/musicnn/timbre", "e/effnet/sad"), ["e/effnet/sad", "e/musicnn/timbre"]),
    ],
)
def test_names_models_and_patterns(patterns, heads):
    """Heads are meant by full name, by model, by pattern; all if nothing is named."""
    assert list(versions([Listing(UPSTREAM)], *patterns)) == sorted(heads)


def test_only_the_models_that_may_be_meant_are_looked_at():
    """One head of many models costs the look at one model's index."""
    view = Listing({f"maker/model{n}/head": 1 for n in range(100)})

    choose([view], ["maker/model7/head"])
    assert view.asked == ["maker/model7"]

    view.asked.clear()
    choose([view], ["maker/model7*/head"])
    assert len(view.asked) == 11


def test_the_first_source_wins():
    """Of several sources the first that has a head gives it, head by head."""
    ours = Listing({"e/effnet/happy": 9, "our/own/x": 1}, "our-cal")

    assert versions([ours, Listing(UPSTREAM)]) == {
        "e/effnet/happy": (0, 9),
        "e/effnet/sad": (1, 3),
        "e/musicnn/happy": (1, 2),
        "e/musicnn/timbre": (1, 1),
        "our/own/x": (0, 1),
    }


def test_versions():
    """A version is meant by number; that of the reference is the reference."""
    found = choose([Listing(UPSTREAM)], ["e/effnet", "e/effnet/happy@v1", "e/effnet/sad@v3"])

    assert {head: choice.version for head, choice in found.items()} == {
        "e/effnet/happy": 1,
        "e/effnet/sad": 3,
    }
    assert found["e/effnet/happy"].entry is None
    assert found["e/effnet/sad"].entry is not None


def test_two_versions_of_one_head():
    """One head cannot be installed twice."""
    with pytest.raises(InputError, match="is asked for as v1 and as v2"):
        choose([Listing(UPSTREAM)], ["e/effnet/happy@v1", "e/effnet/happy@v2"])


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("e/effnet/hapy", "Did you mean e/effnet/happy?"),
        ("e/effnet/hapy@v1", "Did you mean e/effnet/happy?"),
        ("our/own/y", "Did you mean our/own/x?"),
        ("*/none", ""),
        ("nothing", ""),
    ],
)
def test_unknown_heads_get_the_nearest(pattern, hint):
    """What names no head is refused with the nearest name of any source."""
    views = [Listing({"our/own/x": 1}, "our-cal"), Listing(UPSTREAM)]

    with pytest.raises(InputError) as caught:
        choose(views, ["e/effnet/sad", pattern])
    assert caught.value.code == "unknown-head"
    name = pattern.partition("@")[0]
    assert f"No head {name!r} in our-cal or nom-cal. " in str(caught.value)
    assert hint in str(caught.value)


@pytest.mark.parametrize("version", ["v0", "x", "", "v1.5", "-1"])
def test_what_is_no_version(version):
    """A version that is none is refused, and not left out."""
    with pytest.raises(InputError):
        choose([Listing(UPSTREAM)], [f"e/effnet/happy@{version}"])


SEGMENTS = st.sampled_from(["a", "b", "ab", "c"])
HEADS = st.builds(lambda *steps: "/".join(steps), SEGMENTS, SEGMENTS, SEGMENTS)
PATTERNS = st.one_of(
    HEADS,
    st.builds("{}/{}".format, SEGMENTS, SEGMENTS),
    st.sampled_from(["*", "a/*", "*/b", "a/b*", "?/b/c", "[ab]/*/a", "a*"]),
)


@given(heads=st.sets(HEADS, min_size=1, max_size=12), patterns=st.lists(PATTERNS, max_size=4))
def test_a_choice_is_what_is_meant_and_nothing_else(heads, patterns):
    """Skipping models never changes what is chosen, and the order asked in plays no part."""
    view = Listing(dict.fromkeys(heads, 1))
    named = [p for p in patterns if any(is_meant(head, p) for head in heads)]
    meant = {head for head in heads if not named or any(is_meant(head, p) for p in named)}

    assert set(choose([view], named)) == meant
    assert choose([view], named) == choose([view], list(selection_of(named[::-1])))


# What is installed

LOCK = Lock(
    (LockSource("https://example.org", "nom-cal", "c" * 40),),
    (),
    {head: LockEntry(version, "d" * 64, 1, "x") for head, version in UPSTREAM.items()},
)


def test_of_what_is_installed():
    """Offline, names mean what is installed, and a version must be the installed one."""
    assert choose_installed(LOCK, [], where="models") == tuple(sorted(UPSTREAM))
    assert choose_installed(LOCK, ["e/effnet", "*/timbre@v1"], where="models") == (
        "e/effnet/happy",
        "e/effnet/sad",
        "e/musicnn/timbre",
    )
    with pytest.raises(InputError, match="is installed as v3, not v2"):
        choose_installed(LOCK, ["e/effnet/happy@v2"], where="models")
    with pytest.raises(InputError, match="Did you mean e/effnet/sad or"):
        choose_installed(LOCK, ["e/effnet/sat"], where="models")


def test_withdrawn_says_since_when_and_why():
    """A withdrawn version is refused with all that is known of it; another one is not."""
    listed = Withdrawn({"a/b": {2: Withdrawal("Ada", "wrong labels", "2026-05-01T00:00:00Z")}})

    check_withdrawn("a/b", 1, listed)
    check_withdrawn("a/c", 2, listed)
    with pytest.raises(RegistryError) as caught:
        check_withdrawn("a/b", 2, listed)
    assert (caught.value.code, caught.value.exit_code) == ("withdrawn", 4)
    assert str(caught.value) == (
        "a/b v2 was withdrawn on 2026-05-01T00:00:00Z by Ada: wrong labels"
    )
