"""One way to write each document."""

from gate_builder import HAPPY, Registry

from calreg.documents import load_json
from gate_cases import Asked, Cases, ask

cases = Cases("canonical-bytes")
ONE = Registry.new().run({HAPPY: 0.5})
TWO = ONE.run({HAPPY: 0.7}, day=2)


@cases.allowed
def as_written() -> Asked:
    """Documents as calreg writes them pass."""
    return ask(ONE, TWO)


@cases.blocked("is not in canonical form from line 1 on")
def another_indent() -> Asked:
    """The same document without white space is blocked."""
    raw = TWO.tree["runs/2.json"]
    return ask(ONE, TWO.but({"runs/2.json": raw.replace(b"\n", b"").replace(b"  ", b"") + b"\n"}))


@cases.blocked("is not in canonical form")
def whole_numbers_for_fractions() -> Asked:
    """1 for 1.0 is another digest of the same number, and blocked."""
    path = "essentia/effnet/v2/run.json"
    assert load_json(TWO.tree[path], where=path)["heads"]["mood_happy"]["thresholds"]["jsd"] == 0.1
    return ask(ONE, TWO.but({path: TWO.tree[path].replace(b'"jsd": 0.1,', b'"jsd": 0.10,')}))


@cases.blocked("is not in canonical form")
def line_ends_of_windows() -> Asked:
    """Bytes that a checkout changed are blocked."""
    path = HAPPY.version_path(2)
    return ask(ONE, TWO.but({path: TWO.tree[path].replace(b"\n", b"\r\n")}))
