"""Public keys: one line, as OpenSSH writes it."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signing_by_hand import GOLDEN, golden_key, public, string

from calreg.errors import InputError
from calreg.signatures import PublicKey

RAW = public(1).raw


def line(raw: bytes = RAW, kind: bytes = b"ssh-ed25519", after: bytes = b"") -> str:
    return f"ssh-ed25519 {b64encode(string(kind) + string(raw) + after).decode()}"


def refusal(text: str) -> InputError:
    with pytest.raises(InputError) as refused:
        PublicKey.parse(text, "ci.pub")
    assert refused.value.where == "ci.pub"
    assert refused.value.hint
    assert refused.value.message.isprintable()
    return refused.value


@pytest.mark.parametrize("name", ["ci", "release", "stranger"])
def test_a_fingerprint_is_the_one_that_ssh_keygen_shows(name):
    """A key that ssh-keygen made has its fingerprint, its comment and its line."""
    rows = [row.split() for row in (GOLDEN / "fingerprints.txt").read_text().splitlines()]
    shown = {row[2]: row[1] for row in rows}
    text = (GOLDEN / f"{name}.pub").read_text()

    key = PublicKey.parse(text)
    assert key.fingerprint == shown[f"{name}@nom-cal"]
    assert key.comment == f"{name}@nom-cal"
    assert key.line + "\n" == text


def test_a_key_needs_no_comment():
    """A key without a comment is written without one, and goes by its fingerprint."""
    key = PublicKey.parse(line())

    assert key.raw == RAW
    assert key.line == line()
    assert str(key) == key.fingerprint


def test_a_comment_may_have_spaces():
    """All that follows the key is its comment."""
    key = PublicKey.parse(f"  {line()}   Ada Lovelace, release key \r\n")

    assert key.line == f"{line()} Ada Lovelace, release key"
    assert str(key) == f"{key.fingerprint} (Ada Lovelace, release key)"


def test_a_comment_says_nothing_about_the_key():
    """Two keys are one if their bytes are."""
    assert PublicKey.parse(f"{line()} a") == PublicKey.parse(f"{line()} b")
    assert golden_key("ci") != golden_key("release")


@pytest.mark.parametrize(
    "kind",
    [
        "ssh-rsa",
        "ssh-dss",
        "ecdsa-sha2-nistp256",
        "sk-ssh-ed25519@openssh.com",
        "ssh-ed25519-cert-v01@openssh.com",
    ],
)
def test_another_type_is_refused_by_its_name(kind):
    """A key of another type is refused, and its type named."""
    error = refusal(f"{kind} AAAA ci@nom-cal")

    assert error.message == f"a key of type {kind}; only ssh-ed25519 is accepted"
    assert refusal(line(kind=kind.encode())).message == error.message


def test_an_rsa_key_of_ssh_keygen_is_refused():
    """A key that ssh-keygen made of another type is refused, and its type named."""
    assert "type ssh-rsa" in refusal((GOLDEN / "rsa.pub").read_text()).message


def test_a_private_key_is_refused_without_repeating_it():
    """Who hands over a private key is told so, and none of it appears."""
    error = refusal("-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n")

    assert "private key" in error.message
    assert "c2VjcmV0" not in f"{error.message} {error.hint}"


def test_what_is_no_key_is_not_repeated():
    """A text that is no key could be a secret."""
    error = refusal("hunter2 hunter2")

    assert error.message == "no public key: expected 'ssh-ed25519 AAAA… comment'"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no public key"),
        ("ssh-ed25519", "cut short"),
        (f"{line()}\n{line()}\n", "one line"),
        (f'command="x" {line()}', "no public key"),
        (f"{line()} {'x' * 1000}", "at most 1,024 characters"),
        ("ssh-ed25519 !!!!", "not base64"),
        (line(RAW[:31]), "has 32 bytes, this one 31"),
        (line(RAW + b"\0"), "has 32 bytes, this one 33"),
        (line(after=b"\0"), "1 bytes too many"),
        (line()[:-4], "cut short"),
        (line(bytes(32)), "small order"),
        (line((2).to_bytes(32, "little")), "not a point"),
        (line(b"\xff" * 32), "not the canonical encoding"),
        (f"{line()} \x1b[2Jcleared", "printable"),
        (f"{line()} name\u202egnp.exe", "printable"),
        (f"{line()} tab\tinside", "printable"),
    ],
)
def test_what_is_no_key_is_refused(text, problem):
    """Every other text is refused, in one line."""
    assert problem in refusal(text).message


def test_base64_of_a_key_has_one_form():
    """Bits that base64 leaves over must be zero."""
    blob = string(b"ssh-ed25519") + string(RAW)
    assert len(blob) % 3 == 0
    unpadded = b64encode(blob + b"\0").decode()
    altered = unpadded.replace("A==", "B==")

    assert "canonical base64" in refusal(f"ssh-ed25519 {altered}").message


@pytest.mark.parametrize("length", range(len(line())))
def test_a_line_cut_short_is_refused(length):
    """No beginning of a key's line is a key."""
    assert refusal(line()[:length]).code == "key"


def test_a_key_of_bytes_is_checked_too():
    """A key cannot be made past the checks."""
    with pytest.raises(InputError, match="small order"):
        PublicKey(bytes(32))
    with pytest.raises(InputError, match="printable"):
        PublicKey(RAW, "two\nlines")
    with pytest.raises(InputError, match="printable"):
        PublicKey(RAW, " spaces around ")
    with pytest.raises(InputError, match="at most 200"):
        PublicKey(RAW, "x" * 201)


@given(st.integers(1, 50), st.text(max_size=40))
def test_a_key_is_read_as_it_was_written(number, comment):
    """Every key that can be made has a line that gives it back."""
    try:
        key = PublicKey(public(number).raw, comment)
    except InputError:
        return

    again = PublicKey.parse(key.line)
    assert (again.raw, again.comment, again.line) == (key.raw, key.comment, key.line)


@given(st.text(max_size=200), st.integers(0, len(line())))
def test_any_text_is_a_key_or_refused_in_one_line(noise, place):
    """Whatever a line holds, it is a key or an error of ours that does not span lines."""
    for text in (noise, f"ssh-ed25519 {noise}", line()[:place] + noise + line()[place:]):
        try:
            said = PublicKey.parse(text).line
        except InputError as error:
            said = error.message
        assert said.isprintable()
