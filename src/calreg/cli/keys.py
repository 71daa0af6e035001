"""`keys`: make keys, say which of them sign a registry, and see whom somebody trusts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from calreg.cli.group import Session, pass_session
from calreg.cli.opening import open_for_writing, open_registry
from calreg.cli.options import json_option, push_option, timestamp_option, when
from calreg.cli.terminal import note, print_json, say, signs, width
from calreg.errors import InputError, UsageError
from calreg.names import REGISTRY_FILE, keys_path

if TYPE_CHECKING:
    from calreg.documents import Keys, LockSource
    from calreg.plan import Plan, RegistryState
    from calreg.plan.keys import KeysPlan, SignedKeys
    from calreg.registry import Published, Registry
    from calreg.signatures import PublicKey

__all__ = ["keys_command"]

_LOCK = "calreg.lock"
_DEADLINE_S = 60.0
_MAX_BYTES = 256 * 2**20
_path = click.Path(path_type=Path)


@click.group("keys")
def keys_command() -> None:
    """Keys that sign a registry's index: make them, trust them, list them.

    A private key stays where it was made; ssh-keygen alone reads it. The registry lists the public
    ones, and clients follow from one list to the next.
    """


@keys_command.command("new", short_help="Make a key to sign with.")
@click.argument("path", metavar="PATH", type=_path)
@click.option("--comment", metavar="TEXT", help="What people call the key; else the file's name.")
@json_option
def new_command(*, path: Path, comment: str | None, as_json: bool) -> None:
    """Make a key: PATH, for its owner alone, and PATH.pub, for everyone.

    It has no passphrase, as CI needs it; ssh-keygen -p -f PATH gives it one.
    """
    from calreg.report.keys import made_json
    from calreg.signing import new_key

    _refuse_in_registry(path)
    key = new_key(path, path.name if comment is None else comment)
    public = f"{path}.pub"
    if as_json:
        print_json({"path": str(path), "public": public, **made_json(key)})
        return
    say(
        [
            f"{key}",
            f"made {path} (private: keep it secret) and {public}",
            f"Next: calreg keys trust {public} --sign {path}",
        ]
    )


def _refuse_in_registry(path: Path) -> None:
    """Refuse to put a private key where the next commit of a registry would take it along.

    Raises:
        InputError: A folder above holds a registry.
    """
    for folder in path.resolve().parents:
        if (folder / REGISTRY_FILE).is_file():
            raise InputError(
                f"a private key must not lie in a registry, and {str(folder)!r} is one",
                where=str(path),
                hint="Name a place outside, such as ~/.ssh/calreg.",
                code="key-in-registry",
            )


@keys_command.command("trust", short_help="Say which keys sign this registry from now on.")
@click.argument("public", nargs=-1, required=True, metavar="KEY.pub...", type=_path)
@click.option("--threshold", type=int, metavar="K", help="How many must sign; else as before.")
@click.option(
    "--sign",
    "signing",
    multiple=True,
    type=_path,
    metavar="KEY",
    help="A private key to sign the list with (or a .pub that ssh-agent has). Repeatable.",
)
@click.option(
    "--signature",
    "signatures",
    multiple=True,
    type=_path,
    metavar="FILE",
    help="A signature of the list made elsewhere, on what --unsigned wrote. Repeatable.",
)
@click.option(
    "--unsigned", type=_path, metavar="FILE", help="Write the list there to be signed, and stop."
)
@push_option
@timestamp_option
@json_option
@pass_session
def trust_command(session: Session, /, *, public: tuple[Path, ...], **options: Any) -> None:
    """Make KEY.pub... the keys that sign this registry: a new list, in place of the one before.

    A first list is signed by enough of its own keys. A later one needs enough of the list before
    as well, so that clients can follow. Keys that are not named no longer count.
    """
    registry = open_for_writing(session, command="keys trust")
    before, keys, raw = _next_list(registry, public, options["threshold"])
    if options["unsigned"] is not None:
        _write_unsigned(options["unsigned"], raw, keys, as_json=options["as_json"])
        return
    signature = _signature(before, keys, raw, options["signing"], options["signatures"])
    _publish(registry, before, raw, signature, options)


def _next_list(
    registry: Registry, public: Sequence[Path], threshold: int | None
) -> tuple[SignedKeys | None, Keys, bytes]:
    """The newest list, the one that would follow it, and the bytes to sign."""
    from calreg.documents import checked_bytes
    from calreg.plan.keys import next_keys
    from calreg.registry.keys import signed_lists

    lists = signed_lists(registry.now)
    before = lists[-1] if lists else None
    keys = next_keys(registry.name, before, [_public_key(file) for file in public], threshold)
    return before, keys, checked_bytes("keys", keys, where=keys_path(keys.number))


def _public_key(file: Path) -> PublicKey:
    from calreg.files import read_file
    from calreg.signatures import PublicKey

    return PublicKey.parse(read_file(file).decode("utf-8", "replace"), str(file))


def _write_unsigned(file: Path, raw: bytes, keys: Keys, *, as_json: bool) -> None:
    from calreg.files import replace_file
    from calreg.signatures import KEYS_NAMESPACE

    replace_file(file, raw)
    if as_json:
        print_json({"unsigned": str(file), "number": keys.number, "namespace": KEYS_NAMESPACE})
        return
    say(
        [
            f"wrote {file}, to become {keys_path(keys.number)}",
            f"Next: ssh-keygen -Y sign -n {KEYS_NAMESPACE} -f KEY {file}",
            f"Then: this command again, with --signature {file}.sig instead of --unsigned",
        ]
    )


def _signature(
    before: SignedKeys | None,
    keys: Keys,
    raw: bytes,
    signing: Sequence[Path],
    signatures: Sequence[Path],
) -> bytes:
    """All signatures of a list, those made here and those made elsewhere.

    Raises:
        UsageError: There is none.
        CalregError: They would not do; nothing is signed then.
    """
    from calreg.files import read_file
    from calreg.plan.keys import check_signers
    from calreg.signatures import KEYS_NAMESPACE, PublicKey, signers
    from calreg.signing import public_key_of, sign

    if not (signing or signatures):
        raise UsageError(
            "nobody signs the list", hint="--sign KEY, for every key that must; see --help."
        )
    made = b"".join(read_file(file) for file in signatures)
    members = [PublicKey.parse(line) for line in keys.keys.values()]
    members += [key for key in (before.public if before else ()) if key not in members]
    where, there = keys_path(keys.number), frozenset[str]()
    if made:
        there = signers(raw, made, members, namespace=KEYS_NAMESPACE, where=where)
    own = {public_key_of(file): file for file in signing}
    check_signers(before, keys, {*own, *(key for key in members if key.fingerprint in there)})
    return made + b"".join(sign(raw, file, namespace=KEYS_NAMESPACE) for file in own.values())


def _publish(
    registry: Registry,
    before: SignedKeys | None,
    raw: bytes,
    signature: bytes,
    options: dict[str, Any],
) -> None:
    from calreg.computing import warnings_of
    from calreg.documents import timestamp_text
    from calreg.plan.keys import check_newest, plan_keys
    from calreg.registry import Published
    from calreg.report.keys import changed_json

    timestamp = timestamp_text(when(options["timestamp"]))
    plan = plan_keys(before, raw, signature, timestamp=timestamp)

    def planner(state: RegistryState) -> Plan:
        check_newest(state, plan)
        return plan

    done = registry.publish(planner, push=options["push"])
    if not isinstance(done, Published):
        raise TypeError(f"expected a published list of keys, got {type(done).__name__}")
    note(f"Note: {text}" for text in warnings_of(done))
    if options["as_json"]:
        place = {"commit": done.commit, "branch": done.branch, "pushed": done.pushed}
        print_json({**changed_json(plan), **place})
    else:
        _tell(registry, done, plan)


def _tell(registry: Registry, done: Published, plan: KeysPlan) -> None:
    from calreg.report.keys import changed_lines

    pushed = f", pushed to {done.remote}" if done.pushed else ""
    remote = registry.repository.remote(done.branch)
    steps = ["calreg push"] if remote and not done.pushed else []
    say(
        [
            *changed_lines(plan, signs=signs()),
            f"committed {done.commit[:7]} on {done.branch}{pushed}",
            f"Next: {', '.join([*steps, 'calreg stable publish --sign KEY'])}",
        ]
    )


@keys_command.command("list", short_help="Which keys sign a registry, or are trusted here.")
@click.argument("place", required=False, metavar="[SOURCE|DEST]")
@json_option
@pass_session
def list_command(session: Session, /, *, place: str | None, as_json: bool) -> None:
    """List the keys that sign this registry, or SOURCE, or whom the installation in DEST trusts.

    Every list is checked: enough signatures by the one before, and by its own. What SOURCE says
    for itself proves nothing to who has never seen it: compare the fingerprints.
    """
    if place is None:
        _list_own(open_registry(session), as_json=as_json)
    elif (Path(place) / _LOCK).is_file():
        _list_trusted(_of_installation(Path(place)), as_json=as_json)
    elif Path(place).is_dir():
        _list_own(open_registry(Session(folder=Path(place))), as_json=as_json)
    else:
        _list_trusted([_of_source(place)], as_json=as_json)


def _list_own(registry: Registry, *, as_json: bool) -> None:
    from calreg.registry.keys import signed_lists
    from calreg.report.keys import lists_json, lists_lines

    lists = signed_lists(registry.now)
    if as_json:
        print_json(lists_json(registry.name, lists))
    else:
        say(lists_lines(registry.name, lists, width=width(), signs=signs()))


def _of_installation(dest: Path) -> list[LockSource]:
    from calreg.documents import load_lock
    from calreg.files import read_file

    file = dest / _LOCK
    return list(load_lock(read_file(file), where=str(file)).sources)


def _of_source(text: str) -> LockSource:
    """What a source says now, verified as for a first pull."""
    from calreg.client.deadline import Deadline
    from calreg.client.sources import Source
    from calreg.client.views import Asking
    from calreg.client.views.opening import open_view

    source = Source.parse(text)
    with TemporaryDirectory(prefix="calreg-") as folder:
        asking = Asking(
            deadline=Deadline(_DEADLINE_S),
            max_bytes=_MAX_BYTES,
            cache=Path(folder) / "cache.git",
            now=datetime.now(UTC),
            always=True,
        )
        view = open_view(source, asking)
    if view is None:
        raise TypeError(f"expected a view of {source.shown}, which is known to nobody")
    note(["Note: this is what the source says for itself; compare the fingerprints elsewhere."])
    return view.origin


def _list_trusted(sources: Sequence[LockSource], *, as_json: bool) -> None:
    from calreg.report.keys import trusted_json, trusted_lines

    if as_json:
        print_json(trusted_json(sources))
    else:
        say(trusted_lines(sources, width=width(), signs=signs()))
