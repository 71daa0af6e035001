"""Signing with the real ssh-keygen, and with keys that it refuses."""

import os
import stat
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from calreg.errors import InputError, TransportError
from calreg.signatures import INDEX_NAMESPACE, KEYS_NAMESPACE, check_signed
from calreg.signing import new_key, public_key_of, sign

MESSAGE = b'{\n  "seq": 41\n}\n'


def made(folder: Path, name: str = "ci", *words: str, passphrase: str = "") -> Path:
    """A key as a person makes it, with ssh-keygen itself."""
    kind = words or ("-t", "ed25519")
    path = folder / name
    subprocess.run(
        ["ssh-keygen", "-q", *kind, "-N", passphrase, "-C", f"{name}@nom-cal", "-f", path],
        check=True,
    )
    return path


@pytest.fixture
def key(tmp_path) -> Path:
    return made(tmp_path)


def refusal(act, *arguments, **options) -> InputError:
    with pytest.raises(InputError) as refused:
        act(*arguments, **options)
    assert refused.value.message.isprintable()
    return refused.value


def test_what_is_signed_here_is_verified_here(key):
    """A signature by ssh-keygen is one that a client accepts, for this namespace alone."""
    public = public_key_of(key)
    signature = sign(MESSAGE, key, namespace=INDEX_NAMESPACE)

    found = check_signed(
        MESSAGE, signature, [public], threshold=1, namespace=INDEX_NAMESPACE, where="index.json"
    )
    assert found == {public.fingerprint}


@pytest.mark.parametrize("message", [b"", b"\0\xff\n", b"x" * 2_000_000])
def test_any_bytes_can_be_signed(key, message):
    """Nothing, binary and two megabytes are signed as they are; ssh-keygen agrees."""
    signature = sign(message, key, namespace=KEYS_NAMESPACE)
    allowed = key.with_name("allowed")
    allowed.write_text(f"ci {public_key_of(key).line}\n")
    armoured = key.with_name("message.sig")
    armoured.write_bytes(signature)

    words = ["-Y", "verify", "-f", allowed, "-I", "ci", "-n", KEYS_NAMESPACE, "-s", armoured]
    done = subprocess.run(["ssh-keygen", *words], input=message, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_signing_leaves_nothing_behind(key):
    """No file is written: neither the message nor the signature."""
    before = sorted(key.parent.iterdir())
    sign(MESSAGE, key, namespace=INDEX_NAMESPACE)

    assert sorted(key.parent.iterdir()) == before


def test_a_new_key_is_private_and_has_no_passphrase(tmp_path):
    """A new key is readable by its owner alone, and signs at once."""
    public = new_key(tmp_path / "ci", "ci of nom-cal")

    assert stat.S_IMODE((tmp_path / "ci").stat().st_mode) == 0o600
    assert public.comment == "ci of nom-cal"
    assert (tmp_path / "ci.pub").read_text() == public.line + "\n"
    assert sign(MESSAGE, tmp_path / "ci", namespace=INDEX_NAMESPACE)


@pytest.mark.parametrize("name", ["ci", "ci.pub"])
def test_a_key_is_never_overwritten(tmp_path, name):
    """Where either half of a key is, even as a dangling link, none is made."""
    (tmp_path / name).symlink_to(tmp_path / "nowhere")

    error = refusal(new_key, tmp_path / "ci", "ci")
    assert error.message == "is there already; a key is never overwritten"
    assert error.where == str(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_new_key_needs_a_folder(tmp_path):
    """A folder that is not there is not made."""
    error = refusal(new_key, tmp_path / "keys" / "ci", "ci")

    assert error.message == f"there is no folder {str(tmp_path / 'keys')!r}"


@pytest.mark.parametrize("comment", ["two\nlines", "\x1b[2J", "x" * 201, " "])
def test_a_new_key_needs_a_comment_that_can_be_written(tmp_path, comment):
    """A comment that would not be one line of a public key is refused, and no key is made."""
    refusal(new_key, tmp_path / "ci", comment)

    assert list(tmp_path.iterdir()) == []


def test_names_that_look_like_options_are_names(tmp_path, monkeypatch):
    """A path or a comment that begins with a hyphen is a path and a comment."""
    monkeypatch.chdir(tmp_path)

    assert new_key(Path("-f"), "-N secret").comment == "-N secret"
    assert sign(MESSAGE, Path("-f"), namespace=INDEX_NAMESPACE)
    Path("-f.pub").unlink()
    assert public_key_of(Path("-f")).comment == "-N secret"


def test_the_public_half_is_read_from_either_file(key):
    """The public key is the one beside the private one, or the one inside it."""
    beside = public_key_of(key)
    assert public_key_of(key.with_name("ci.pub")) == beside
    key.with_name("ci.pub").unlink()

    assert public_key_of(key) == beside
    assert public_key_of(key).comment == "ci@nom-cal"


@pytest.mark.parametrize("act", [lambda key: sign(b"", key, namespace="n"), public_key_of])
def test_a_key_that_is_not_there_is_said(tmp_path, act):
    """A missing key file is refused, with the command that makes one."""
    error = refusal(act, tmp_path / "ci")

    assert (error.message, error.code) == ("there is no such key file", "no-such-key")
    assert error.hint == f"calreg keys new {tmp_path / 'ci'} makes one."


@pytest.mark.parametrize(
    ("words", "kind"),
    [(("-t", "rsa", "-b", "2048"), "ssh-rsa"), (("-t", "ecdsa"), "ecdsa-sha2-nistp256")],
)
@pytest.mark.parametrize("is_beside", [True, False])
def test_a_key_of_another_type_is_refused_by_its_name(tmp_path, words, kind, is_beside):
    """RSA and ECDSA keys do not sign, whether or not their public half is beside them."""
    key = made(tmp_path, "old", *words)
    if not is_beside:
        key.with_name("old.pub").unlink()

    for error in (
        refusal(sign, MESSAGE, key, namespace=INDEX_NAMESPACE),
        refusal(public_key_of, key),
    ):
        assert f"a key of type {kind}; only ssh-ed25519 is accepted" in error.message


def test_a_key_that_others_can_read_is_refused(key):
    """A private key of mode 644 is refused, with what to do."""
    key.chmod(0o644)

    error = refusal(sign, MESSAGE, key, namespace=INDEX_NAMESPACE)
    assert error.message == (
        "others can read this private key (mode 0644), so ssh-keygen refuses it"
    )
    assert error.hint == f"chmod 600 {key}; if others could read it, make a new one."


def test_a_file_that_is_no_key_is_refused_without_repeating_it(tmp_path):
    """What is no private key is said to be none, and nothing of it appears."""
    junk = tmp_path / "token"
    junk.write_text("hunter2\n")
    junk.chmod(0o600)

    for error in (
        refusal(sign, MESSAGE, junk, namespace=INDEX_NAMESPACE),
        refusal(public_key_of, junk),
    ):
        assert error.message == "this is no private key that ssh-keygen can read"
        assert "hunter2" not in f"{error} {error.hint}"


def test_a_public_half_of_another_key_is_noticed(tmp_path):
    """A key beside which another one's public half lies does not sign."""
    key, other = made(tmp_path, "ci"), made(tmp_path, "other")
    other.with_name("other.pub").replace(tmp_path / "ci.pub")

    error = refusal(sign, MESSAGE, key, namespace=INDEX_NAMESPACE)
    assert error.message == "ci.pub is not its public half"


def test_a_passphrase_that_nobody_can_be_asked_for_is_said(tmp_path):
    """Without a terminal a protected key ends at once with what to do; nothing hangs."""
    key = made(tmp_path, passphrase="correct horse")

    error = refusal(sign, MESSAGE, key, namespace=INDEX_NAMESPACE)
    assert error.code == "passphrase"
    assert error.message == (
        "the key is protected by a passphrase, and nobody is there to be asked for it"
    )
    assert error.hint == f"Load it into ssh-agent first: ssh-add {key}"


@contextmanager
def agent(tmp_path: Path):
    """An ssh-agent of this test's own; hands out the environment to reach it."""
    socket = tmp_path / "agent"
    running = subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.PIPE, text=True
    )
    try:
        running.stdout.readline()
        yield {"SSH_AUTH_SOCK": str(socket)}
    finally:
        running.terminate()
        running.wait()
        running.stdout.close()


@pytest.mark.parametrize("name", ["ci", "ci.pub"])
def test_an_agent_signs_for_a_protected_key(tmp_path, monkeypatch, name):
    """A key that ssh-agent holds signs without its passphrase, and without its private file."""
    key = made(tmp_path, passphrase="correct horse")
    answer = tmp_path / "answer"
    answer.write_text("#!/bin/sh\necho correct horse\n")
    answer.chmod(0o700)

    with agent(tmp_path) as variables:
        monkeypatch.setenv("SSH_AUTH_SOCK", variables["SSH_AUTH_SOCK"])
        asking = {"SSH_ASKPASS": str(answer), "SSH_ASKPASS_REQUIRE": "force"}
        subprocess.run(
            ["ssh-add", "-q", key], env={**os.environ, **asking}, check=True, capture_output=True
        )
        if name == "ci.pub":
            key.unlink()
        signature = sign(MESSAGE, tmp_path / name, namespace=INDEX_NAMESPACE)

    public = public_key_of(tmp_path / "ci.pub")
    assert check_signed(
        MESSAGE, signature, [public], threshold=1, namespace=INDEX_NAMESPACE, where="index.json"
    )


AT_A_TERMINAL = """
import os, sys
os.open(os.ttyname(0), os.O_RDWR)  # a session's first terminal is the one it is asked on
from pathlib import Path
from calreg.errors import InputError
from calreg.signing import sign
try:
    sign(b"message", Path(sys.argv[1]), namespace="n")
    print("signed")
except InputError as error:
    print(error.message)
"""


@pytest.mark.parametrize(
    ("typed", "said"), [(b"correct horse\n", "signed\n"), (b"wrong\n", "wrong passphrase\n")]
)
def test_a_person_at_a_terminal_is_asked_for_the_passphrase(tmp_path, typed, said):
    """At a terminal ssh-keygen asks, and what it is told decides."""
    key = made(tmp_path, passphrase="correct horse")
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", AT_A_TERMINAL, key],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
    ) as running:
        os.close(theirs)
        shown = b""
        while b"passphrase" not in shown:
            shown += os.read(ours, 1000)
        os.write(ours, typed)
        out, _ = running.communicate(timeout=60)
    os.close(ours)

    assert out.decode() == said


def test_no_ssh_keygen_is_said(key, monkeypatch, tmp_path):
    """Without OpenSSH there is one line that says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))

    with pytest.raises(TransportError) as refused:
        sign(MESSAGE, key, namespace=INDEX_NAMESPACE)
    assert refused.value.message == "ssh-keygen cannot be started"
    assert "Install openssh-client" in refused.value.hint


def test_nothing_of_a_private_key_is_handed_over(key, monkeypatch, tmp_path):
    """No argument, variable or input of ssh-keygen holds any line of a private key."""
    secret = key.read_text().splitlines()[1:-1]
    seen = tmp_path / "seen"
    real = subprocess.run(
        ["which", "ssh-keygen"], capture_output=True, text=True, check=True
    ).stdout.strip()
    folder = tmp_path / "bin"
    folder.mkdir()
    spy = folder / "ssh-keygen"
    spy.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {seen}\nenv >> {seen}\nexec {real} "$@"\n')
    spy.chmod(0o700)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    sign(MESSAGE, key, namespace=INDEX_NAMESPACE)
    key.with_name("ci.pub").unlink()
    public_key_of(key)
    record = seen.read_text()
    assert str(key) in record
    assert not any(line in record for line in secret)
