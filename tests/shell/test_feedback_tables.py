from __future__ import annotations

import gzip
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calreg.errors import InputError, UsageError
from calreg.feedback.values import Joined
from calreg.scores.feedback import read_feedback
from calreg.scores.feedback_columns import FeedbackTable

SALES = "sku,sold_price,sold,days_held\n"
THREE = "".join(f'{{"sku": "{key}", "predicted_price": {n}}}\n' for n, key in enumerate("abc", 1))


@pytest.fixture
def read(tmp_path):
    """Write both sides and read them; garbled lines are allowed unless said otherwise."""

    def act(
        predictions: str | bytes = THREE,
        outcomes: str | bytes = SALES + "a,,,\nb,,,\nc,,,\n",
        *,
        names: tuple[str, str] = ("p.jsonl", "o.csv"),
        columns: Sequence[dict[str, str]] = ({}, {}),
        **options: Any,
    ) -> Joined:
        paths = [tmp_path / name for name in names]
        for path, content in zip(paths, (predictions, outcomes), strict=True):
            data = content.encode() if isinstance(content, str) else content
            path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
        return read_feedback(
            FeedbackTable("predictions", (str(paths[0]),), columns[0]),
            FeedbackTable("outcomes", (str(paths[1]),), columns[1]),
            **{"max_reject_rate": 1.0, **options},
        )

    return act


def refused(read, *content: Any, **options: Any) -> tuple[str, str]:
    """The message and the hint with which it is refused."""
    with pytest.raises(InputError) as caught:
        read(*content, **options)
    return str(caught.value), caught.value.hint or ""


def told(found: Joined) -> list[str]:
    return [str(reject) for reject in found.rejects]


def write_parquet(path: Path, query: str) -> bytes:
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    return path.read_bytes()


# What a cell of a price holds, and what becomes of it.
PRICES = {
    "27.50": 27.5,
    " 27.50 ": 27.5,
    "+1e2": 100.0,
    ".5": 0.5,
    "-3": -3.0,
    "0": 0.0,
    "": None,
    "   ": None,
}
BAD_PRICES = {
    "$27.50": "not_a_number",
    "27.50 USD": "not_a_number",
    '"1,5"': "not_a_number",
    '"1,234.50"': "not_a_number",
    "1_000": "not_a_number",
    "0x10": "not_a_number",
    "true": "not_a_number",
    "n/a": "not_a_number",
    "--": "not_a_number",
    "NaN": "nan",
    "-nan": "nan",
    "inf": "infinite",
    "-Infinity": "infinite",
    "1e999": "infinite",
    "1.1e15": "out_of_range",
    "-1e308": "out_of_range",
}


@pytest.mark.parametrize(("cell", "price"), PRICES.items())
def test_a_price_is_a_number_or_missing(read, cell, price):
    """Numbers are read as they are, and an empty cell is missing, not bad."""
    found = read(THREE, f"{SALES}a,{cell},yes,3\n")

    assert found.outcome.tolist() == [price] if price is not None else np.isnan(found.outcome)
    assert (found.rejects, found.reject_counts) == ((), {})


@pytest.mark.parametrize(("cell", "reason"), BAD_PRICES.items())
def test_a_bad_price_is_missing_and_named(read, cell, reason):
    """What is no number counts as missing, its row stays, and the reject names its line."""
    found = read(THREE, f"{SALES}b,1,no,\na,{cell},yes,3\n")

    assert found.keys.tolist() == ["a", "b"]
    assert math.isnan(found.outcome[0])
    assert (found.sold[0], found.days[0]) == (1, 3.0)
    assert found.reject_counts == {reason: 1}
    assert [(one.source, one.line, one.column, one.reason) for one in found.rejects] == [
        ("o.csv", 3, "sold_price", reason)
    ]


@pytest.mark.parametrize(
    ("cell", "currency", "price"),
    [
        ("$27.50", "$", 27.5),
        ("$ 27.50", "$", 27.5),
        ("-$5", "$", -5.0),
        ("27.50 €", "€", 27.5),
        ("27.50EUR", "EUR", 27.5),
        ("27.50", "$", 27.5),
        ("€27.50", "$", None),
        ("$$1", "$", None),
        ("$", "$", None),
        ("$nan", "$", None),
    ],
)
def test_a_currency_that_is_named_may_stand_by_a_price(read, cell, currency, price):
    """With its name given it is taken off before or after the number; another one is not."""
    found = read(THREE, f"{SALES}a,{cell},,\n", currency=currency)

    assert found.outcome.tolist() == [price] if price is not None else len(found.rejects) == 1


@pytest.mark.parametrize("currency", ["", " ", "1", "-", ".", "a b", "_", "N" * 9, "\udcff"])
def test_a_currency_that_could_be_part_of_a_number_is_refused(read, currency):
    """Digits, signs and blanks are no currency."""
    with pytest.raises(UsageError, match="expected a currency"):
        read(currency=currency)


def test_a_currency_is_for_prices_only(read):
    """Days with a dollar sign are bad whatever the currency."""
    found = read(THREE, f"{SALES}a,$1,yes,$3\n", currency="$")

    assert told(found) == ["o.csv line 2: days_held not a number ('$3')"]


FLAGS = {"true": 1, "True": 1, "TRUE": 1, "1": 1, "yes": 1, "Yes": 1, " yes ": 1}
FLAGS |= {"false": 0, "False": 0, "0": 0, "no": 0, "NO": 0, "": -1, "  ": -1}


@pytest.mark.parametrize(("cell", "sold"), FLAGS.items())
def test_a_sale_is_yes_no_or_missing(read, cell, sold):
    """An empty cell is missing, never a sale, and never an unsold item."""
    found = read(THREE, f"{SALES}a,,{cell},\n")

    assert found.sold.tolist() == [sold]
    assert found.rejects == ()


@pytest.mark.parametrize("cell", ["1.0", "0.0", "y", "t", "2", "-1", "sold", "on", "None", "nan"])
def test_what_is_neither_is_no_sale(read, cell):
    """Other words for it are rejected, by line, and count as missing."""
    found = read(THREE, f"{SALES}a,,{cell},\n")

    assert found.sold.tolist() == [-1]
    assert found.reject_counts == {"not_a_boolean": 1}
    assert (found.rejects[0].line, found.rejects[0].column) == (2, "sold")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sell_p60", 1.01),
        ("sell_p60", -0.01),
        ("sell_hazard_daily", -1),
        ("horizon_days", 0),
        ("factor", 0),
        ("factor", -0.5),
        ("factor", 1e-320),
        ("factor", 1e7),
    ],
)
def test_a_number_outside_its_range_is_missing(read, name, value):
    """A probability above 1 or a factor of 0 is rejected, by line, and its row stays."""
    line = json.dumps({"sku": "a", "predicted_price": 1.5, name: value})

    found = read(f"{line}\n")

    assert found.predicted.tolist() == [1.5]
    assert [(one.line, one.column, one.reason) for one in found.rejects] == [
        (1, name, "out_of_range")
    ]


def test_values_of_json_are_read_to_the_letter(read):
    """Numbers between quotes count, null and empty text are missing, other things are bad."""
    lines = [
        '{"sku": "a", "sold_price": "1.5", "sold": true}',
        '{"sku": "b", "sold_price": null, "sold": 0}',
        '{"sku": "c", "sold_price": "", "sold": ""}',
        '{"sku": "d", "sold_price": true, "sold": null}',
        '{"sku": "e", "sold_price": [1], "sold": "maybe"}',
        '{"sku": 5, "sold_price": "NaN"}',
    ]
    keys = "".join(f'{{"sku": "{key}", "predicted_price": 1}}\n' for key in "abcde5")

    found = read(keys, "\n".join(lines), names=("p.jsonl", "o.jsonl"))

    assert found.keys.tolist() == ["5", "a", "b", "c", "d", "e"]
    assert np.nan_to_num(found.outcome).tolist() == [0, 1.5, 0, 0, 0, 0]
    assert found.sold.tolist() == [-1, 1, 0, -1, -1, -1]
    assert [(one.line, one.column, one.reason) for one in found.rejects] == [
        (4, "sold_price", "not_a_number"),
        (5, "sold", "not_a_boolean"),
        (5, "sold_price", "not_a_number"),
        (6, "sold_price", "nan"),
    ]


GARBLED_JSON = {
    "unfinished": b'{"sku": "a", "predicted_price": 1',
    "log line": b"INFO optimizer started",
    "comma": b'{"sku": "a", "predicted_price": 12,5}',
    "bytes": b"\xff\xfe\x00\x00",
    "list": b"[1, 2, 3]",
    "number": b"42",
    "null": b"null",
    "text": b'"a"',
    "NaN": b'{"sku": "a", "predicted_price": NaN}',
    "Infinity": b'{"sku": "a", "predicted_price": -Infinity}',
    "two objects": b'{"sku": "a"}{"sku": "b"}',
    "not UTF-8": b'{"sku": "\xff", "predicted_price": 1}',
}


@pytest.mark.parametrize("line", GARBLED_JSON.values(), ids=GARBLED_JSON)
def test_a_garbled_line_of_json_is_named(read, line):
    """What is no JSON object is passed over; blank lines count as lines, and nothing else goes."""
    found = read(b"\n" + THREE.encode() + b"  \n\n" + line + b"\n" + b'{"sku": "d"}\n', THREE_SOLD)

    assert found.keys.tolist() == ["a", "b", "c"]
    assert [(one.source, one.line, one.column, one.reason) for one in found.rejects] == [
        ("p.jsonl", 7, None, "garbled")
    ]
    assert found.rows == (5, 3)


THREE_SOLD = SALES + "a,1,yes,1\nb,2,yes,2\nc,3,no,\n"

GARBLED_CSV = {
    "too few": (b"d,1", 1),
    "too many": (b"d,1,yes,3,4,5", 1),
    "blanks": (b"   ", 1),
    "not UTF-8": (b"\xff,1,yes,3", 1),
    "quote in the middle": (b'"d"d,1,yes,3', 1),
    "open quote": (b'd,"1,yes,3', 1),
    "open quote before a comma": (b'd,",yes,3', 1),
    "open quote in the key": (b'"d,1,yes,3', 1),
}


@pytest.mark.parametrize(("line", "count"), GARBLED_CSV.values(), ids=GARBLED_CSV)
def test_a_garbled_line_of_csv_is_named(read, line, count):
    """It is passed over with its number, and no other row goes with it."""
    rest = b'"e\te",1,yes,3\nf,"2",no,\n'
    found = read(THREE, THREE_SOLD.encode() + b"\n" + line + b"\n" + rest)

    assert found.keys.tolist() == ["a", "b", "c"]
    assert (found.counts.outcome_only, found.rows) == (2, (3, 5 + count))
    assert [(one.line, one.column, one.reason) for one in found.rejects] == [(6, None, "garbled")]


def test_quotes_that_are_not_closed_swallow_no_rows(read):
    """Of several open quotes each costs its own line, even where two look like one value."""
    rows = [f"k{n:05d},{n},yes,1" for n in range(5000)]
    broken = [17, 18, 900, 2000, 4999]
    for number in broken:
        rows[number] = rows[number].replace(",", ',"', 1)
    rows[2000] = 'k02000,",yes,1'
    predictions = "".join(f'{{"sku": "k{n:05d}", "predicted_price": 1}}\n' for n in range(5000))

    found = read(predictions, SALES + "\n".join(rows))

    assert [one.line for one in found.rejects] == [number + 2 for number in broken]
    assert found.counts.matched == 5000 - len(broken)
    assert found.rejects[3].value == "'k02000,\",yes,1'"


def test_a_table_of_open_quotes_is_refused(read):
    """More of them than anybody makes by accident are a fault of what writes the table."""
    rows = "".join(f'k{n},"{n},yes,1\n' for n in range(60))

    message, hint = refused(read, THREE, SALES + rows)

    assert message == "o.csv: more than 50 quoted values do not end"
    assert hint == 'A quote inside a quoted value is written twice: "".'


def test_rejects_stand_in_the_order_of_the_lines(read):
    """Garbled lines, rows without a key and bad values are told as they come in the file."""
    found = read(f"{THREE}oops\n", f"{SALES}a,$1,,\n,1,,\nx\nb,2,?,-1\n")

    assert [(one.source, one.line, one.reason) for one in found.rejects] == [
        ("p.jsonl", 4, "garbled"),
        ("o.csv", 2, "not_a_number"),
        ("o.csv", 3, "no_key"),
        ("o.csv", 4, "garbled"),
        ("o.csv", 5, "out_of_range"),
        ("o.csv", 5, "not_a_boolean"),
    ]


def test_a_word_that_json_does_not_have_is_shown(read):
    """Of a line that is garbled for a NaN, the reject shows the NaN."""
    found = read(f'{THREE}{{"sku": "a long enough name", "sell_p60": NaN}}\n', THREE_SOLD)

    assert told(found) == ["p.jsonl line 4: garbled ('NaN')"]


def test_a_quote_inside_a_value_that_is_not_quoted_is_a_quote(read):
    """`5" screen` is text like any other, and lines after it keep their numbers."""
    table = 'sku,title,sold_price\na,5" screen,1\nb,"two\nlines",2\nc,,zero\n'

    found = read(THREE, table)

    assert found.outcome[:2].tolist() == [1.0, 2.0]
    assert told(found) == ["o.csv line 5: sold_price not a number ('zero')"]


@pytest.mark.parametrize(
    ("row", "line"), [(",1,yes,1", 5), ('"",1,yes,1', 5), ("   ,1,yes,1", 5), ('" ",1,,', 5)]
)
def test_a_row_without_a_key_is_named(read, row, line):
    """An empty or blank key is no key: the row is rejected with its line."""
    found = read(THREE, f"{THREE_SOLD}{row}\n")

    assert found.counts.matched == 3
    assert [(one.line, one.reason) for one in found.rejects] == [(line, "no_key")]


@pytest.mark.parametrize("line", ['{"predicted_price": 1}', '{"sku": null}', '{"sku": " "}', "{}"])
def test_an_object_without_a_key_is_named(read, line):
    """It is told from a garbled line."""
    found = read(f"{THREE}{line}\n", THREE_SOLD)

    assert told(found) == ["p.jsonl line 4: without a key (empty)"]


def test_keys_are_text(read):
    """`00123` stays, and is another key than `123`; so is one in other letters."""
    predictions = '{"sku": "00123"}\n{"sku": 123}\n{"sku": "A"}\n{"sku": "ä"}\n'
    with_price = predictions.replace("}", ', "predicted_price": 1}')

    found = read(with_price, f"{SALES}00123,1,,\na,3,,\nä,4,,\n")

    assert found.keys.tolist() == ["00123", "ä"]
    assert found.outcome.tolist() == [1.0, 4.0]
    assert found.counts.to_json() == {
        "matched": 2,
        "predicted_only": 2,
        "outcome_only": 1,
        "predicted_more_than_once": 0,
        "outcome_more_than_once": 0,
    }


MARK = b"\xef\xbb\xbf"


@pytest.mark.parametrize("names", [("p.jsonl", "o.csv"), ("p.jsonl.gz", "o.csv.gz")])
@pytest.mark.parametrize("mark", [b"", MARK])
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_marks_packing_and_line_ends_make_no_difference(read, names, mark, ends):
    """UTF-8 with a mark, gzip and carriage returns give the same rows and line numbers."""
    sides = [THREE + "garbled\n", THREE_SOLD + "d,x,yes,1\n"]
    plain = read(*sides)

    found = read(*(mark + one.encode().replace(b"\n", ends) for one in sides), names=names)

    assert found.digest == plain.digest
    assert [one.line for one in found.rejects] == [one.line for one in plain.rejects] == [4, 5]


@pytest.mark.parametrize("data", [b"\r", b"\r\n|\n"])
def test_odd_line_ends_are_read(read, data):
    """Carriage returns alone, or two kinds of ends in one file, are line ends."""
    first, _, other = data.partition(b"|")
    lines = (THREE_SOLD + "d,x,yes,1\n").encode().splitlines()
    joined = b"".join(line + (other if other and n % 2 else first) for n, line in enumerate(lines))

    found = read(THREE, joined)

    assert found.digest == read(THREE, THREE_SOLD).digest
    assert [one.line for one in found.rejects] == [5]


def test_headers_are_read_in_any_case(read):
    """`SKU` and ` Sold_Price ` are what they look like; semicolons and blank lines are fine."""
    found = read(
        '{"SKU": "a", "Est_Price_Mu": 3, "CONDITION": " used "}\n',
        "\n\nSKU; Sold_Price ;SOLD\na;1.5;no\n",
    )

    assert (found.predicted[0], found.outcome[0], found.sold[0]) == (3.0, 1.5, 0)
    assert found.group.tolist() == ["used"]
    assert found.columns[1] == {"key": "SKU", "outcome": "Sold_Price", "sold": "SOLD"}


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "ndjson.gz", "parquet"])
def test_either_side_may_have_any_format(read, tmp_path, ending):
    """The same rows in another format are the same evidence, on both sides."""
    plain = read(THREE, THREE_SOLD)
    sides = [
        [{"sku": key, "predicted_price": n} for n, key in enumerate("abc", 1)],
        [
            {"sku": "a", "sold_price": 1, "sold": True, "days_held": 1},
            {"sku": "b", "sold_price": 2, "sold": True, "days_held": 2},
            {"sku": "c", "sold_price": 3, "sold": False, "days_held": None},
        ],
    ]
    contents = []
    for rows in sides:
        lines = "\n".join(map(json.dumps, rows)).encode()
        if ending == "parquet":
            (tmp_path / "rows.jsonl").write_bytes(lines)
            lines = write_parquet(tmp_path / "r.parquet", f"FROM '{tmp_path}/rows.jsonl'")
        elif ending in {"csv", "tsv"}:
            mark = {"csv": ",", "tsv": "\t"}[ending]
            table = [
                list(rows[0]),
                *(["" if v is None else v for v in row.values()] for row in rows),
            ]
            lines = "\n".join(mark.join(map(str, row)) for row in table).encode()
        contents.append(lines)

    found = read(*contents, names=(f"p.{ending}", f"o.{ending}"))

    assert found.digest == plain.digest
    assert found.files == (f"p.{ending}", f"o.{ending}")


def test_parquet_is_as_strict_as_text(read, tmp_path):
    """Bad values, rows without a key and ranges are told by row; types are what they are."""
    query = (
        "SELECT * FROM (VALUES ('a', 'nan'::DOUBLE, 1, 3::TINYINT), ('b', 2.5, 2, -1), "
        "(NULL, 1.0, 0, 1), ('c', NULL, NULL, NULL)) t(sku, sold_price, sold, days_held)"
    )
    data = write_parquet(tmp_path / "t.parquet", query)

    found = read(THREE, data, names=("p.jsonl", "o.parquet"))

    assert found.sold.tolist() == [1, -1, -1]
    assert found.counts.matched == 3
    assert (
        told(found)
        == [
            "o.parquet row 1: sold_price NaN ('nan')",
            "o.parquet row 2: sold not true, false, 1, 0, yes or no ('2')",
            "o.parquet row 2: days_held out of range ('-1')",
            "o.parquet row 3: without a key (empty)",
        ]
        or len(found.rejects) == 4
    )


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("1.5 AS sku, 1 AS sold_price", "column 'sku' holds DECIMAL(2,1), expected keys as text"),
        ("'a' AS sku, [1] AS sold_price", "column 'sold_price' holds INTEGER[], expected numbers"),
        (
            "'a' AS sku, DATE '2025-01-01' AS sold",
            "column 'sold' holds DATE, expected true or false",
        ),
    ],
)
def test_a_column_of_another_type_is_refused(read, tmp_path, column, words):
    """Keys that are no text and prices that are lists are not cast to something."""
    data = write_parquet(tmp_path / "t.parquet", f"SELECT {column}")

    message, _ = refused(read, THREE, data, names=("p.jsonl", "o.parquet"))

    assert message == f"o.parquet: {words}"


def test_earlier_names_win(read):
    """Of two columns with names of one role, the one that is listed first is read."""
    found = read('{"sku": "a", "predicted_price": 9, "est_price_mu": 1, "item": "z"}\n')

    assert found.predicted.tolist() == [1.0]
    assert found.columns[0] == {"key": "sku", "predicted": "est_price_mu"}


def test_columns_can_be_named(read):
    """A mapping wins over the known names; a name that is not there is refused."""
    sides = ('{"sku": "z", "id": "a", "p": 4, "predicted_price": 1}\n', "nr,sold_price\na,2\n")
    mapped = ({"key": "id", "predicted": "P"}, {"key": "nr"})

    found = read(*sides, columns=mapped)

    assert (found.keys.tolist(), found.predicted.tolist()) == (["a"], [4.0])
    message, hint = refused(read, *sides, columns=({}, {"key": "number"}))
    assert message == "o.csv: no column 'number'; it has nr, sold_price"
    assert hint.startswith("Say which one it is: --column key=NAME.")
    with pytest.raises(UsageError, match="'price' is not a role of a column of outcomes"):
        read(*sides, columns=({}, {"price": "sold_price"}))


def test_a_column_may_begin_late_in_json(read):
    """A key that the first lines do not have is found all the same."""
    first = '{"sku": "x", "condition": "new"}\n' * 10_001

    found = read(first + '{"sku": "a", "predicted_price": 2, "factor": 0.5}\n')

    assert (found.predicted.tolist(), found.factor.tolist()) == ([2.0], [0.5])
    assert found.columns[0]["factor"] == "factor"


def test_a_factor_that_is_not_there_is_not_claimed(read):
    """Columns that no row has are not among those that were read."""
    assert read().columns[0] == {"key": "sku", "predicted": "predicted_price"}


TWICE = SALES + "a,1,,\nb,9,,\na,2,,\na,3,,\n"


@pytest.mark.parametrize(("policy", "price"), [("last", 3.0), ("first", 1.0)])
def test_one_row_of_a_key_counts(read, policy, price):
    """The last or the first in the file, by policy; keys that stand more than once are counted."""
    found = read(THREE, TWICE, duplicates=policy)

    assert found.outcome.tolist() == [price, 9.0]
    assert (found.counts.outcome_more_than_once, found.counts.predicted_more_than_once) == (1, 0)


def test_keys_that_stand_twice_can_be_refused(read):
    """The error names the key, its lines, and how many more there are."""
    message, hint = refused(read, THREE, TWICE + "b,8,,\n", duplicates="error")

    assert message == (
        "outcomes: key 'a' stands 3 times "
        "(o.csv line 2, o.csv line 4, o.csv line 5), and 1 more keys"
    )
    assert hint == "--duplicates last or first says which row of a key counts."


def test_no_key_twice_is_no_error(read):
    """The strictest policy lets keys pass that stand once."""
    assert read(THREE, THREE_SOLD, duplicates="error").counts.matched == 3


TIMES = {
    "ISO": ("2025-03-01", "2025-03-03T10:00:00", "2025-03-02 23:59:59"),
    "offsets": ("2025-03-01T00:00:00Z", "2025-03-01T00:30:00-01:00", "2025-03-01T02:00:00+01:30"),
    "epoch": ("1700000000", "1700000900.5", "1.7000001e9"),
    "one missing": ("2025-03-01", "2025-03-03", ""),
}


@pytest.mark.parametrize("times", TIMES.values(), ids=TIMES)
@pytest.mark.parametrize(("policy", "price"), [("last", 2.0), ("first", 1.0)])
def test_time_orders_the_rows_of_a_key(read, times, policy, price):
    """With a time column the latest or earliest row counts, whatever its line."""
    rows = [f"a,{n},{time}" for n, time in enumerate(times, 1)]
    table = "sku,sold_price,Seen\n" + "\n".join([rows[1], rows[0], rows[2]])

    assert read(THREE, table, duplicates=policy, time_column="seen").outcome.tolist() == [price]


def test_a_time_that_is_none_is_named(read):
    """Its row is passed over for one with a time, and it is rejected by line."""
    found = read(THREE, "sku,sold_price,t\na,1,2025-01-01\na,2,soon\n", time_column="t")

    assert found.outcome.tolist() == [1.0]
    assert told(found) == ["o.csv line 3: t not a time ('soon')"]


def test_times_of_two_kinds_are_refused(read):
    """Dates and plain numbers cannot be put in one order."""
    message, _ = refused(
        read, THREE, "sku,sold_price,t\na,1,2025-01-01\na,2,170000\n", time_column="t"
    )

    assert message == "outcomes: the time column holds 1 times and 1 plain numbers"


def test_a_time_column_that_is_not_there_is_refused(read):
    """A name that neither side has is a mistake, not a wish."""
    message, hint = refused(read, time_column="when")

    assert message.startswith("p.jsonl: no column 'when'")
    assert "--time-column NAME" in hint


def test_too_many_garbled_lines_stop_the_reading(read):
    """Above the rate the sides are refused, with counts, places and the rate that would do."""
    lines = "".join(f'{{"sku": "{n}", "predicted_price": 1}}\n' for n in range(98))
    broken = f"{lines}oops\n{{}}\n"

    message, hint = refused(read, broken, f"{SALES}1,1,,\n", max_reject_rate=0.01)

    assert message == (
        "p.jsonl: 2 of 100 rows are rejected (1 garbled, 1 without a key), at most 0.01 of them "
        "may be: p.jsonl line 99: garbled ('oops'); p.jsonl line 100: without a key (empty)"
    )
    assert hint.startswith("Correct them, or allow more: --max-reject-rate 0.02")
    assert read(broken, f"{SALES}1,1,,\n", max_reject_rate=0.02).counts.matched == 1


def test_bad_values_do_not_stop_the_reading(read):
    """A bad value counts as missing, not as a rejected row; where all are bad, a note says so."""
    found = read(THREE, f"{SALES}a,$1,,\nb,$2,,\nc,$3,,\n", max_reject_rate=0.0)

    assert found.counts.matched == 3
    assert found.notes == ("every value of 'sold_price' is rejected, such as '$1'",)


REFUSED = {
    "nothing matched": (
        THREE,
        SALES + "x,1,,\n",
        "o.csv: no key is in both: predictions have 'a' in 'sku', outcomes have 'x' in 'sku'",
    ),
    "no key column": (
        THREE,
        "nr,sold\na,1\n",
        (
            "o.csv: no column that names the item (sku_local, sku, item_sku, local_sku, item); "
            "it has nr, sold"
        ),
    ),
    "nothing to compare": (
        THREE,
        "sku,price\na,1\n",
        (
            "o.csv: no column of outcome or sold (realized_price, actual_price, sale_price, "
            "sold_price, sold_within_horizon, sold, sold_in_horizon); it has sku, price"
        ),
    ),
    "header only": (THREE, SALES, "o.csv: has no rows"),
    "empty": (THREE, "", "o.csv: is empty"),
    "blank": ("\n\n", THREE_SOLD, "p.jsonl: is empty"),
    "no JSON": (
        "sku,predicted_price\na,1\n",
        SALES,
        "p.jsonl: holds no JSON object on its first lines",
    ),
    "UTF-16": (THREE, SALES.encode("utf-16"), "o.csv: is not UTF-8 text"),
    "a column twice": (
        THREE,
        "sku,sold,Sold\na,1,1\n",
        "o.csv: has the column 'Sold' twice (as 'sold')",
    ),
    "all without a key": (
        THREE,
        "sku,sold\n,1\n",
        "o.csv: all 1 rows are rejected (1 without a key): o.csv line 2: without a key (empty)",
    ),
}


@pytest.mark.parametrize(("predictions", "outcomes", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_joined_is_refused(read, predictions, outcomes, words):
    """One line says what, expected and got, with the file before it."""
    assert refused(read, predictions, outcomes)[0] == words


def test_more_groups_than_anybody_has_are_refused(read):
    """A group that differs in every row is a wrong column."""
    predictions = "".join(
        f'{{"sku": "{n}", "predicted_price": 1, "group": {n}}}\n' for n in range(1001)
    )
    outcomes = SALES + "".join(f"{n},1,,\n" for n in range(1001))

    message, _ = refused(read, predictions, outcomes)

    assert message == "predictions: has more than 1,000 groups, such as '0' and '1'"


def test_several_files_are_one_side(tmp_path):
    """Files of different formats are read in the order of their names; the last row counts."""
    (tmp_path / "1.csv").write_text("sku,predicted_price,condition\na,1,new\nb,2,new\n")
    (tmp_path / "2.jsonl").write_text('{"item": "b", "est_price_mu": 5}\noops\n{"item": "c"}\n')
    (tmp_path / "sales.csv").write_text(SALES + "a,1,,\nb,2,,\nc,3,,\n")

    found = read_feedback(
        FeedbackTable("predictions", (str(tmp_path / "[12].*"),)),
        FeedbackTable("outcomes", (str(tmp_path / "sales.csv"),)),
        max_reject_rate=0.5,
    )

    assert np.nan_to_num(found.predicted).tolist() == [1.0, 5.0, 0.0]
    assert found.group.tolist() == ["new", "", ""]
    assert told(found) == ["2.jsonl line 2: garbled ('oops')"]
    assert found.files == ("1.csv", "2.jsonl", "sales.csv")


def test_rejects_are_listed_up_to_a_limit_and_all_counted(read):
    """Thousands of bad values do not fill a report: the first thousand are listed."""
    rows = "".join(f"k{n},x,yes,1\n" for n in range(1500))
    predictions = "".join(f'{{"sku": "k{n}", "predicted_price": 1}}\n' for n in range(1500))

    found = read(predictions, SALES + rows)

    assert found.reject_counts == {"not_a_number": 1500}
    assert [one.line for one in found.rejects] == list(range(2, 1002))
    assert any(
        "1,500 rejects of outcomes, of which 1,000 are listed" in note for note in found.notes
    )


def test_progress_is_told_to_the_end(read):
    """Steps are told in order, from none to all."""
    steps: list[tuple[int, int]] = []

    read(progress=lambda done, total: steps.append((done, total)))

    assert steps[0] == (0, 4)
    assert steps[-1] == (4, 4)
    assert steps == sorted(steps)


cells = st.sampled_from(["1", "2.5", "", "x", "$1", "nan"])
tables = st.lists(
    st.tuples(st.sampled_from("abcde"), cells, st.sampled_from(["yes", "no", "", "?"])),
    min_size=1,
    max_size=12,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables, st.randoms())
def test_the_order_of_keys_in_a_file_makes_no_difference(read, table, random):
    """Rows of different keys in another order are the same evidence, with the same counts."""
    by_key = {key: [row for row in table if row[0] == key] for key in "abcde"}
    order = list("abcde")
    random.shuffle(order)
    predictions = "".join(f'{{"sku": "{key}", "predicted_price": 1}}\n' for key in "abcde")
    sides = [
        "sku,sold_price,sold\n" + "".join(",".join(row) + "\n" for row in rows)
        for rows in (table, [row for key in order for row in by_key[key]])
    ]

    first, second = (read(predictions, side) for side in sides)

    assert first.digest == second.digest
    assert (first.counts, first.reject_counts) == (second.counts, second.reject_counts)
    last = {key: rows[-1] for key, rows in by_key.items() if rows}
    assert first.keys.tolist() == sorted(last)
    assert first.sold.tolist() == [
        {"yes": 1, "no": 0}.get(last[key][2], -1) for key in sorted(last)
    ]


def test_a_file_of_a_name_that_is_no_text_is_refused(tmp_path):
    """A record holds the names of files; one that no document could hold is said at once."""
    file = tmp_path / "p\udcff.jsonl"
    file.write_text(THREE)
    (tmp_path / "o.csv").write_text(SALES + "a,,,\n")

    with pytest.raises(InputError, match="is no name in UTF-8"):
        read_feedback(
            FeedbackTable("predictions", (str(file),)),
            FeedbackTable("outcomes", (str(tmp_path / "o.csv"),)),
        )
