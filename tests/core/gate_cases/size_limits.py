"""Not too many files, heads or bytes."""

from gate_builder import DANCE, HAPPY, Registry

from gate_cases import Asked, Cases, ask

cases = Cases("size-limits")


def limited(rules: bytes) -> Registry:
    return Registry.new(b"gate: {" + rules + b"}\n")


@cases.allowed
def of_usual_size() -> Asked:
    """A run of some heads passes."""
    base = limited(b"max_heads: 2, max_files: 8")
    return ask(base, base.run({HAPPY: 0.5, DANCE: 0.4}))


@cases.blocked("touches 2 heads, at most 1 are judged in one change")
def too_many_heads() -> Asked:
    """More heads than the policy allows are blocked, unread."""
    base = limited(b"max_heads: 1")
    return ask(base, base.run({HAPPY: 0.5, DANCE: 0.4}))


@cases.blocked("touches 4 files, at most 3 are judged in one change")
def too_many_files() -> Asked:
    """So are more files."""
    base = limited(b"max_files: 3")
    return ask(base, base.run({HAPPY: 0.5}))


@cases.blocked("touches 2 moves by hand, at most 1 are judged in one change")
def too_many_moves() -> Asked:
    """And more decisions."""
    base = limited(b"max_moves: 1").run({HAPPY: 0.5})
    return ask(base, base.pin(1).unpin())


@cases.blocked("bytes, at most 1,000 are judged in one change")
def too_many_bytes() -> Asked:
    """And more bytes in all."""
    base = limited(b"max_change_bytes: 1000")
    return ask(base, base.run({HAPPY: 0.5}))


@cases.blocked("bytes, at most 2,000 are allowed")
def too_large_a_file() -> Asked:
    """A file that is too large is not read."""
    base = limited(b"max_document_bytes: 2000")
    return ask(base, base.run({HAPPY: 0.5}))


@cases.blocked("has 5,000 bytes, at most 4,500 are allowed")
def too_large_a_file_of_another_kind() -> Asked:
    """Nor may any other file be larger than a document."""
    base = limited(b"max_document_bytes: 4500")
    return ask(base, base.but({"docs/data.bin": b"x" * 5000}))


@cases.blocked("brings 5,000 bytes, at most 1,000 are judged in one change")
def too_many_bytes_of_other_files() -> Asked:
    """Other files count among the bytes of a change."""
    base = limited(b"max_change_bytes: 1000")
    return ask(base, base.but({f"docs/{n}.bin": b"x" * 500 for n in range(10)}))
