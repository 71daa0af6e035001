"""Overrides of prices, `{"CONDITION_PRICE_FACTOR": {...}}`, as heads of factors and back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from calreg import formats
from calreg.calibrate import describe, minmax
from calreg.documents import Calibration, Distribution, LabelCalibration
from calreg.errors import InputError
from calreg.names import HeadName

KEY = "CONDITION_PRICE_FACTOR"
FACTORS = {"New": 1.0, "Used - Good": 0.85, "for/parts": 0.5}
NAME = HeadName("price_overrides", "condition_price_factor")


def read(data, where: str = "config/price_overrides.json", **options):
    return formats.read(json.dumps(data).encode(), where, **options)


def calibration(factors, name: HeadName = NAME) -> Calibration:
    labels = {
        group: LabelCalibration("factor", {"factor": float(factor)}, Distribution(None))
        for group, factor in factors.items()
    }
    return Calibration(name, 3, labels)


def test_overrides_become_a_head_of_factors():
    """A group per condition; the file's name is the model, the key the head."""
    found = read({KEY: FACTORS})

    (head,) = found.heads
    assert (found.format, head.name) == ("price-factors", NAME)
    assert {group: one.parameters["factor"] for group, one in head.labels.items()} == FACTORS
    assert {one.method for one in head.labels.values()} == {"factor"}
    assert {one.distribution.samples for one in head.labels.values()} == {None}
    assert found.cautions == ()
    assert "how many pairs" in found.notes[0]


def test_the_head_can_be_named():
    """A name that is given is the head's."""
    name = HeadName("shop/price", "condition")

    assert read({KEY: FACTORS}, head=name).heads[0].name == name
    assert read({KEY: FACTORS}, model="shop").heads[0].name.full == "shop/condition_price_factor"


def test_factors_come_back_unchanged():
    """What was imported is exported with every bit of every factor."""
    odd = {"a": 0.1 + 0.2, "b": 1}
    found = read({KEY: odd})
    made = [Calibration(head.name, 1, head.labels) for head in found.heads]

    files = formats.write(made, "price-factors", found.options)

    assert list(files) == ["price_overrides/price_overrides-factors-v1.json"]
    (raw,) = files.values()
    assert json.loads(raw) == {KEY: odd}
    again = formats.read(raw, next(iter(files)))
    assert again.heads[0].labels == found.heads[0].labels
    assert again.heads[0].name == NAME


def test_plain_names_leave_out_the_version():
    """The name that an application looks for has no version."""
    files = formats.write([calibration(FACTORS)], "price-factors", formats.Options(versioned=False))

    assert list(files) == ["price_overrides/condition_price_factor-factors.json"]


def test_a_factor_out_of_bounds_is_cautioned_about():
    """The application would refuse it, so somebody must look; it is imported as it is."""
    found = read({KEY: {"new": 1.0, "parts": 0.4, "gold": 1.5}})

    assert [(one.code, one.label) for one in found.cautions] == [
        ("out-of-bounds", "gold"),
        ("out-of-bounds", "parts"),
    ]
    assert found.heads[0].labels["parts"].parameters["factor"] == 0.4


def test_other_settings_are_named():
    """What else stands in the file is no factor, and is not dropped in silence."""
    found = read({KEY: FACTORS, "SHIPPING": 4.5})

    assert any("SHIPPING" in text for text in found.notes)


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (0.9, "at /CONDITION_PRICE_FACTOR: expected an object"),
        ({}, "at /CONDITION_PRICE_FACTOR: holds no factor"),
        ({"a": "0.9"}, "at /CONDITION_PRICE_FACTOR/a: expected a finite number"),
        ({"a": True}, "at /CONDITION_PRICE_FACTOR/a: expected a finite number"),
        ({"a": None}, "at /CONDITION_PRICE_FACTOR/a: is missing"),
        ({"a/b": 0.0}, "at /CONDITION_PRICE_FACTOR/a~1b: expected a factor above 0"),
        ({"a": -0.5}, "at /CONDITION_PRICE_FACTOR/a: expected a factor above 0"),
        ({"": 0.5}, "at /CONDITION_PRICE_FACTOR"),
    ],
)
def test_what_is_no_factor_is_refused(block, said):
    """A value that means nothing is refused with file and pointer."""
    with pytest.raises(InputError) as refused:
        read({KEY: block})

    assert said in str(refused.value)
    assert refused.value.where == "config/price_overrides.json"


def test_factors_and_other_heads_do_not_mix():
    """Each format says what it cannot hold, by head and label."""
    plain = Calibration(
        HeadName("m", "mood"), 1, {"yes": minmax(describe(np.linspace(0.0, 1.0, 200)))}
    )

    with pytest.raises(InputError, match="m/mood label 'yes' is calibrated by minmax"):
        formats.write([plain], "price-factors")
    with pytest.raises(InputError, match="is calibrated by factor") as refused:
        formats.write([calibration(FACTORS)], "nomarr-sidecar")
    assert "factors as price-factors" in (refused.value.hint or "")
    with pytest.raises(InputError, match="has no threshold"):
        formats.write([calibration(FACTORS)], "fasttext-thresholds")
