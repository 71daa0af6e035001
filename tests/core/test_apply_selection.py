"""Which heads a person means."""

import pytest

from calreg.client.offers import select
from calreg.errors import InputError

HEADS = ("essentia/effnet/mood_happy", "essentia/effnet/timbre", "essentia/musicnn/timbre")


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ((), HEADS),
        (("essentia/effnet/timbre",), HEADS[1:2]),
        (("essentia/effnet",), HEADS[:2]),
        (("essentia/effnet/",), HEADS[:2]),
        (("essentia",), HEADS),
        (("*/timbre",), HEADS[1:]),
        (("essentia/*/mood_*", "essentia/musicnn"), (HEADS[0], HEADS[2])),
    ],
)
def test_select(asked, meant):
    """A full name, a model or a pattern names heads; nothing names all."""
    assert select(HEADS, asked, registry="nom-cal") == meant


@pytest.mark.parametrize("asked", ["essentia/eff", "mood_happy", "*/moood", "", "/"])
def test_what_names_no_head_is_refused(asked):
    """Half a name is not a name, and one that fails fails all."""
    with pytest.raises(InputError, match="in nom-cal"):
        select(HEADS, [HEADS[0], asked], registry="nom-cal")


def test_the_nearest_is_suggested():
    """A slip of the pen is answered with what was probably meant."""
    with pytest.raises(InputError) as caught:
        select(HEADS, ["essentia/effnet/mood_hapy"], registry="nom-cal")

    assert str(caught.value) == (
        "No head 'essentia/effnet/mood_hapy' in nom-cal. Did you mean essentia/effnet/mood_happy?"
    )
