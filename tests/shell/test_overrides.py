from __future__ import annotations

import copy
import json
import logging
import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType

import pytest

from calreg.errors import CalregError, InputError, UsageError
from calreg.overrides import BOUNDS, MAX_BYTES, VARIABLE, Explained, explain, load

KEY = "CONDITION_PRICE_FACTOR"
DEFAULTS = {
    KEY: {"new": 1.0, "like_new": 0.95, "used": 0.8, "for_parts": 0.4},
    "TIMEOUT_S": 5,
    "SECRET": "s3",
    "NESTED": {"list": [1, 2]},
}


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Write a file and name it in the environment."""

    def write(content) -> Path:
        path = tmp_path / "overrides.json"
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        path.write_bytes(raw)
        monkeypatch.setenv(VARIABLE, str(path))
        return path

    return write


def document(**changes):
    return {
        "schema": "calreg/overrides/1.0",
        "name": KEY,
        "factors": {"new": 0.9, "for_parts": 0.4},
        "bounds": {"min_factor": 0.5, "max_factor": 1.2, "max_step": 0.15},
        "history": [],
        **changes,
    }


def warnings_of(caplog) -> list[str]:
    assert {record.levelno for record in caplog.records} <= {logging.WARNING}
    return [record.getMessage() for record in caplog.records]


def with_factors(**factors):
    return {**DEFAULTS, KEY: {**DEFAULTS[KEY], **factors}}


def refused(path: str | Path, caplog) -> str:
    """The reason of the one warning about a file that changed nothing; strict says it, too."""
    caplog.clear()
    assert load(DEFAULTS) == DEFAULTS
    [message] = warnings_of(caplog)
    start = f"overrides not used, the defaults hold: {path}: "
    assert message.startswith(start)
    with pytest.raises(InputError) as caught:
        load(DEFAULTS, strict=True)
    assert len(caplog.records) == 1
    assert str(caught.value) == message.removeprefix("overrides not used, the defaults hold: ")
    assert (caught.value.where, caught.value.code) == (str(path), "overrides")
    assert caught.value.hint == (
        f"Put the file right, or unset {VARIABLE} to go on with the defaults."
    )
    return message.removeprefix(start)


# Who asks for overrides


def test_no_variable_no_change(caplog):
    """Without the variable, or with an empty one, the defaults come back and nothing is said."""
    assert load(DEFAULTS) == DEFAULTS
    assert load(DEFAULTS, strict=True) == DEFAULTS
    assert explain() == Explained("off", VARIABLE, None, {}, (), None)
    assert caplog.records == []


def test_an_empty_variable_is_none(monkeypatch, caplog):
    """A variable set to nothing asks for nothing."""
    monkeypatch.setenv(VARIABLE, "")

    assert load(DEFAULTS, strict=True) == DEFAULTS
    assert caplog.records == []


def test_the_variable_names_the_file(asked, caplog):
    """What the file says is laid over the defaults; the rest stays."""
    asked({KEY: {"new": 0.9, "used": 1}})

    assert load(DEFAULTS) == with_factors(new=0.9, used=1.0)
    assert caplog.records == []


def test_another_variable(asked, monkeypatch):
    """An application may have a variable of its own."""
    path = asked({KEY: {"new": 0.9}})
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("MY_SHOP_2", str(path))

    assert load(DEFAULTS) == DEFAULTS
    assert load(DEFAULTS, "MY_SHOP_2") == with_factors(new=0.9)


def test_a_path_is_no_variable(tmp_path, monkeypatch, caplog):
    """A path is read whatever the environment says, as text with a dot or as a Path."""
    monkeypatch.chdir(tmp_path)
    Path("FACTORS").write_text(json.dumps({KEY: {"new": 0.9}}))
    Path("f.json").write_text(json.dumps({KEY: {"new": 0.8}}))
    monkeypatch.setenv("FACTORS", "elsewhere.json")

    assert load(DEFAULTS, Path("FACTORS")) == with_factors(new=0.9)
    assert load(DEFAULTS, "f.json") == with_factors(new=0.8)
    assert caplog.records == []
    assert load(DEFAULTS, "lower_case") == DEFAULTS
    assert "lower_case: is not there" in warnings_of(caplog)[0]


def test_a_path_that_is_wrong_has_its_own_hint(tmp_path):
    """Where no variable was asked, none is to be unset."""
    with pytest.raises(CalregError, match="is not there") as caught:
        load(DEFAULTS, tmp_path / "none.json", strict=True)

    assert caught.value.hint == "Put the file right."


@pytest.mark.parametrize("path", ["", "a\0b", "a\nb", "\udcff.json", "x" * 5000])
def test_paths_that_are_none(path, caplog):
    """A text that can be no path is a warning of one line, not a crash."""
    assert load(DEFAULTS, path) == DEFAULTS

    [message] = warnings_of(caplog)
    assert message.isprintable()


# What a file may hold


def test_the_document_of_the_loop_is_read(asked, caplog):
    """An overrides document is read like the plain file, its history left alone."""
    asked(document())

    assert load(DEFAULTS, strict=True) == with_factors(new=0.9)
    assert caplog.records == []


def test_a_newer_minor_version_is_read(asked):
    """A document with keys that this program does not know yet is read."""
    asked(document(schema="calreg/overrides/1.7", more={"a": 1}))

    assert load(DEFAULTS, strict=True) == with_factors(new=0.9)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"schema": "calreg/overrides/2.0"}, "is of schema 'calreg/overrides/2.0'; this program"),
        ({"schema": "calreg/overrides/1.x"}, "is of schema 'calreg/overrides/1.x'"),
        ({"schema": "calreg/calibration/1.0"}, "at /schema: expected an overrides document, got"),
        ({"schema": 3}, "at /schema: expected an overrides document, got 3"),
        ({"name": None}, "at /name: expected text, got null"),
        ({"factors": [0.9]}, f"at /{KEY}: expected an object, got a list"),
        ({"factors": None}, f"at /{KEY}: expected an object, got null"),
    ],
)
def test_documents_of_another_kind(asked, caplog, change, reason):
    """A document of another kind, major version or shape is not used."""
    path = asked(document(**change))

    assert refused(path, caplog).startswith(reason)


def test_a_document_for_something_else_is_not_used(asked, caplog):
    """A document whose name nobody allowed changes nothing, loudly."""
    path = asked(document(name="SECRET"))

    assert refused(path, caplog) == "not white-listed: 'SECRET'"


def test_empty_groups_are_no_problem(asked, caplog):
    """A file without a factor is in force, and changes nothing."""
    asked({KEY: {}})

    assert load(DEFAULTS, strict=True) == DEFAULTS
    assert explain(defaults=DEFAULTS).status == "in force"
    assert caplog.records == []


def test_only_white_listed_keys_are_taken(asked, caplog):
    """Other keys and unknown groups are left out, the rest is used, and one warning says so."""
    path = asked({KEY: {"new": 0.9, "nwe": 0.7}, "SECRET": "x", "TIMEOUT_S": 9, "new": 3})

    assert load(DEFAULTS) == with_factors(new=0.9)
    [message] = warnings_of(caplog)
    assert message == (
        f"overrides used in part only: {path}: "
        f"not white-listed: '{KEY}/nwe', 'SECRET', 'TIMEOUT_S', 'new'"
    )
    with pytest.raises(InputError, match="not white-listed"):
        load(DEFAULTS, strict=True)


def test_a_file_of_strangers_is_not_used(asked, caplog):
    """A file with nothing that is white-listed is refused; only the first names are shown."""
    path = asked({f"K{n}": n for n in range(9)})

    reason = refused(path, caplog)

    assert reason == "not white-listed: 'K0', 'K1', 'K2', 'K3', 'K4' and 4 more"


def test_the_white_list_is_the_applications(asked, caplog):
    """An application allows keys of its own, and further groups of each."""
    asked({"FEE_FACTOR": {"shop": 1.1}, KEY: {"refurbished": 0.7, "new": 0.9}})
    defaults = {"FEE_FACTOR": {"shop": 1.0}, KEY: {"new": 1.0}}

    more = load(defaults, allowed={KEY: ["refurbished"], "FEE_FACTOR": ()}, strict=True)
    fee = load(defaults, allowed=["FEE_FACTOR"])
    none = load(defaults, allowed=())

    assert more == {"FEE_FACTOR": {"shop": 1.1}, KEY: {"new": 0.9, "refurbished": 0.7}}
    assert fee == {"FEE_FACTOR": {"shop": 1.1}, KEY: {"new": 1.0}}
    assert none == defaults
    assert len(warnings_of(caplog)) == 2


def test_a_key_without_defaults_needs_its_groups_allowed(asked):
    """An application without factors of its own says which groups it takes."""
    asked({KEY: {"new": 0.9}})

    assert load({}, allowed={KEY: {"new"}}, strict=True) == {KEY: {"new": 0.9}}
    with pytest.raises(InputError, match=f"not white-listed: '{KEY}/new'"):
        load({}, strict=True)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1.2000001, "1.2000001"),
        (0.4999, "0.4999"),
        (0, "0"),
        (-0.9, "-0.9"),
        (10**400, "1" + "0" * 26 + "…"),
    ],
)
def test_out_of_bounds_nothing_is_used(asked, caplog, value, shown):
    """One factor out of bounds, and none of the file's is used."""
    path = asked({KEY: {"new": 0.9, "used": value}})

    assert refused(path, caplog) == (
        f"at /{KEY}/used: {shown} is out of bounds, expected 0.5 to 1.2, or its default 0.8"
    )


def test_bounds_are_closed_and_the_callers(asked):
    """Both ends are allowed, and an application may set its own."""
    asked({KEY: {"new": 1.2, "used": 0.5}})

    assert load(DEFAULTS, strict=True) == with_factors(new=1.2, used=0.5)
    with pytest.raises(InputError, match=r"1\.2 is out of bounds, expected 0\.5 to 1\.1"):
        load(DEFAULTS, bounds=(0.5, 1.1), strict=True)


def test_a_default_out_of_bounds_may_stand_in_the_file(asked, caplog):
    """A factor below the floor that was held overrides nothing, and refuses nothing."""
    path = asked({KEY: {"for_parts": 0.4, "new": 0.9}})

    assert load(DEFAULTS, strict=True) == with_factors(new=0.9)
    path.write_text(json.dumps({KEY: {"for_parts": 0.41, "new": 0.9}}))
    assert "0.41 is out of bounds" in refused(path, caplog)


def test_an_unknown_group_out_of_bounds_refuses_too(asked, caplog):
    """A factor that would be left out anyway still says that the file is not right."""
    path = asked({KEY: {"new": 0.9, "unheard": 7}})

    assert refused(path, caplog).endswith(
        "/unheard: 7 is out of bounds, expected 0.5 to 1.2, or its default"
    )


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "is not JSON: Expecting value at line 1, column 1"),
        (b"{", "is not JSON"),
        (b'{"a": 1} x', "is not JSON: Extra data"),
        (b"<html></html>", "is not JSON"),
        (b"\xef\xbb\xbf{}", "is not JSON"),
        (b"\xff\xfe{\x00}\x00", "is not UTF-8 text at byte 0"),
        (b"[]", "expected a JSON object, got a list"),
        (b"null", "expected a JSON object, got null"),
        (b"0.9", "expected a JSON object, got 0.9"),
        (b"{}", f'expected {{"{KEY}": {{group: factor}}}}, got an empty object'),
        (b"[" * 500_000, "is nested too deep"),
        (b'{"a":' * 100_000, "is nested too deep"),
        (b'{"%s": {"new": %s}}' % (KEY.encode(), b"9" * 5000), "is not read: Exceeds the limit"),
        (b'{"%s": {"new": NaN}}' % KEY.encode(), "holds NaN, which is not a JSON number"),
        (b'{"%s": {"new": -Infinity}}' % KEY.encode(), "holds -Infinity"),
        (b'{"%s": {"new": 1e999}}' % KEY.encode(), f"at /{KEY}/new: inf is out of bounds"),
        (b'{"%s": {"new": 1, "new": 0.9}}' % KEY.encode(), "has the key 'new' twice in one"),
        (b'{"%s": {}, "%s": {}}' % (KEY.encode(), KEY.encode()), f"has the key '{KEY}' twice"),
        (b'{"%s": {"new": true}}' % KEY.encode(), f"at /{KEY}/new: expected a number, got true"),
        (b'{"%s": {"new": null}}' % KEY.encode(), f"at /{KEY}/new: expected a number, got null"),
        (b'{"%s": {"new": "0.9"}}' % KEY.encode(), f"at /{KEY}/new: expected a number, got '0.9'"),
        (b'{"%s": {"a/b~": {}}}' % KEY.encode(), f"at /{KEY}/a~1b~0: expected a number, got an"),
        (b'{"%s": 0.9}' % KEY.encode(), f"at /{KEY}: expected an object, got 0.9"),
        (b'{"%s": [0.9]}' % KEY.encode(), f"at /{KEY}: expected an object, got a list"),
        (b'{"%s": {"\\ud800\\n": []}}' % KEY.encode(), f"at /{KEY}/'\\ud800\\n': expected a"),
        (b'{"x": "' + b"y" * MAX_BYTES, "is too large: more than 16,777,216 bytes"),
    ],
    ids=lambda value: repr(value[:30]),
)
def test_contents_that_are_not_right(asked, caplog, raw, reason):
    """Whatever a file holds, the defaults stand, and one warning gives path and reason."""
    path = asked(raw)

    assert refused(path, caplog).startswith(reason)


def test_a_file_just_within_the_cap_is_read(asked):
    """A file of exactly the largest size is read."""
    raw = json.dumps({KEY: {"new": 0.9}}).encode()
    asked(raw + b" " * (MAX_BYTES - len(raw)))

    assert load(DEFAULTS, strict=True) == with_factors(new=0.9)


# Files that are none


def test_a_file_that_is_missing(tmp_path, monkeypatch, caplog):
    """A file that is not there is a warning, on every load."""
    path = tmp_path / "none.json"
    monkeypatch.setenv(VARIABLE, str(path))

    assert refused(path, caplog) == "is not there: no such file"
    assert refused(path, caplog) == "is not there: no such file"


def test_a_directory(tmp_path, monkeypatch, caplog):
    """A directory is not used."""
    monkeypatch.setenv(VARIABLE, str(tmp_path))

    assert refused(tmp_path, caplog) == "is a directory, expected a file"


def test_a_fifo_is_not_waited_for(tmp_path, monkeypatch, caplog):
    """A FIFO without a writer does not hold the application up."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    monkeypatch.setenv(VARIABLE, str(path))

    assert refused(path, caplog) == "is a FIFO, a socket or a device, expected a file"


def test_a_file_that_becomes_a_fifo(tmp_path):
    """A file that is swapped for a FIFO between two looks holds nobody up either."""
    path, beside = tmp_path / "overrides.json", tmp_path / "beside"
    path.write_text(json.dumps({KEY: {"new": 0.9}}))
    os.mkfifo(tmp_path / "fifo")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for target in (tmp_path / "fifo", tmp_path / "file"):
                if target.name == "file":
                    target.write_text(json.dumps({KEY: {"new": 0.9}}))
                    target.replace(path)
                else:
                    os.link(target, beside)
                    beside.replace(path)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(swap)
        try:
            reasons = {explain(path).reason for _ in range(3000)}
        finally:
            stop.set()

    assert reasons <= {None, "is a FIFO, a socket or a device, expected a file"}


def test_sockets_and_devices(tmp_path, monkeypatch, caplog):
    """A socket or an endless device is not read."""
    monkeypatch.chdir(tmp_path)  # a socket's path may not be long
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        for path in ("socket", os.devnull, "/dev/zero"):
            monkeypatch.setenv(VARIABLE, path)
            assert refused(path, caplog).startswith("is a FIFO, a socket or a device")


def test_a_loop_of_links(tmp_path, monkeypatch, caplog):
    """A link to itself cannot be read, and says so."""
    path = tmp_path / "loop"
    path.symlink_to(path)
    monkeypatch.setenv(VARIABLE, str(path))

    assert refused(path, caplog).startswith("cannot be read: ")


def test_a_link_to_a_file_is_followed(asked, tmp_path, monkeypatch):
    """A link is read as what it points to, which is how mounted settings look."""
    path = asked({KEY: {"new": 0.9}})
    (tmp_path / "link").symlink_to(path)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "link"))

    assert load(DEFAULTS, strict=True) == with_factors(new=0.9)


def test_a_file_that_may_not_be_read(asked, caplog):
    """A file of somebody else's is a warning, not a crash."""
    path = asked({KEY: {"new": 0.9}})
    load(DEFAULTS)  # what is imported late is imported now, as who we are
    path.chmod(0)
    is_root = os.geteuid() == 0

    if is_root:
        os.seteuid(65534)
    try:
        reason = refused(path, caplog)
    finally:
        if is_root:
            os.seteuid(0)

    assert reason == "cannot be read: Permission denied"


# What the application gets back


@pytest.mark.parametrize("content", [{KEY: {"new": 0.9}}, {KEY: {"new": 9}}, {"X": 1}, []])
def test_defaults_are_never_changed(asked, content):
    """Whatever the file says, the defaults stay, and the copy shares nothing with them."""
    asked(content)
    before = copy.deepcopy(DEFAULTS)

    found = load(DEFAULTS)
    found[KEY]["new"] = 77.0
    found["NESTED"]["list"].append(3)

    assert before == DEFAULTS


def test_no_overrides_is_a_copy_too():
    """Without a variable the application gets a copy of its own as well."""
    found = load(DEFAULTS)
    found[KEY].clear()

    assert DEFAULTS[KEY]["new"] == 1.0


def test_read_only_defaults(asked):
    """Defaults that nobody can change are copied into plain dicts."""
    asked({KEY: {"new": 0.9}})

    found = load(MappingProxyType({KEY: MappingProxyType({"new": 1.0})}), strict=True)

    assert found == {KEY: {"new": 0.9}}
    assert type(found[KEY]) is dict


def test_defaults_that_are_no_groups(asked, caplog):
    """A default that has no groups is not replaced by some."""
    path = asked({KEY: {"new": 0.9}})

    assert load({KEY: 1.0}) == {KEY: 1.0}
    [message] = warnings_of(caplog)
    assert message == (
        f"overrides not used, the defaults hold: {path}: "
        f"at /{KEY}: the default is no mapping of groups but float"
    )


def test_the_logger_is_the_callers(asked, caplog):
    """The one warning goes to the logger handed in, else to calreg.overrides."""
    asked([])

    load(DEFAULTS)
    load(DEFAULTS, logger=logging.getLogger("shop.prices"))

    assert [record.name for record in caplog.records] == ["calreg.overrides", "shop.prices"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"bounds": (1.2, 0.5)},
        {"bounds": (0.0, 1.2)},
        {"bounds": (float("nan"), 1.2)},
        {"bounds": (0.5, float("inf"))},
        {"bounds": (0.5, True)},
        {"bounds": (0.5, 1.2, 2.0)},
        {"allowed": KEY},
        {"allowed": {KEY: "new"}},
    ],
)
def test_a_call_that_makes_no_sense_is_refused(arguments):
    """Wrong arguments are the programmer's and raise at once, variable or not."""
    with pytest.raises(UsageError):
        load(DEFAULTS, **arguments)


def test_many_threads_get_the_same(asked, caplog):
    """Loads at the same time do not disturb each other, even while the file is replaced."""
    path = asked({KEY: {"new": 0.9}})
    stop = threading.Event()

    def replace() -> None:
        beside = path.with_name("next.json")
        while not stop.is_set():
            for factor in (0.8, 0.9):
                beside.write_text(json.dumps({KEY: {"new": factor}}))
                beside.replace(path)

    def read() -> set[float]:
        return {load(DEFAULTS)[KEY]["new"] for _ in range(100)}

    with ThreadPoolExecutor(5) as pool:
        pool.submit(replace)
        try:
            loads = [pool.submit(read) for _ in range(4)]
            found = set().union(*(each.result() for each in loads))
        finally:
            stop.set()

    assert found <= {0.8, 0.9}
    assert caplog.records == []


def test_start_up_is_light():
    """An application that loads overrides pays for no table, document or git library."""
    code = "import sys; import calreg.overrides; print(*sorted(sys.modules))"

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    loaded = set(ran.stdout.split())
    ours = {name for name in loaded if name.startswith("calreg")}
    assert ours == {"calreg", "calreg.errors", "calreg.overrides"}
    assert not loaded & {"numpy", "click", "jsonschema", "yaml", "requests", "json", "dataclasses"}


# What is in force, and why not


def test_explained_in_force(asked):
    """What is in force is explained with path and factors."""
    path = asked(document(factors={"new": 0.9}))

    found = explain(defaults=DEFAULTS)

    assert found.to_json() == {
        "status": "in force",
        "variable": VARIABLE,
        "path": str(path),
        "factors": {KEY: {"new": 0.9}},
        "ignored": [],
        "reason": None,
    }
    json.dumps(found.to_json())


def test_explained_in_part(asked):
    """What is left out is explained by name."""
    asked({KEY: {"new": 0.9, "nwe": 0.7}, "X": 1})

    found = explain(defaults=DEFAULTS)

    assert (found.status, found.ignored) == ("in part", (f"{KEY}/nwe", "X"))
    assert found.factors == {KEY: {"new": 0.9}}
    assert explain(defaults=DEFAULTS, allowed=()).status == "refused"


def test_explained_without_defaults(asked):
    """A doctor that does not know the defaults takes any group, but no factor out of bounds."""
    path = asked({KEY: {"anything": 0.9}})

    assert explain().factors == {KEY: {"anything": 0.9}}
    path.write_text(json.dumps({KEY: {"for_parts": 0.4}}))
    assert explain().reason == (
        f"at /{KEY}/for_parts: 0.4 is out of bounds, expected 0.5 to 1.2, or its default"
    )
    assert explain(defaults=DEFAULTS).status == "in force"


def test_a_held_factor_is_explained_without_defaults(asked):
    """A doctor takes a factor below the floor for what it was before anything was applied."""
    entry = {"before": {"new": 1.0, "for_parts": 0.4}, "after": {"new": 0.9, "for_parts": 0.4}}
    path = asked(document(history=[entry]))

    assert explain().status == "in force"
    assert explain().factors == {KEY: {"new": 0.9, "for_parts": 0.4}}
    assert explain(defaults={KEY: {"new": 1.0, "for_parts": 0.45}}).status == "refused"
    for broken in (0.41, 10**400):
        path.write_text(json.dumps(document(factors={"for_parts": broken}, history=[entry, entry])))
        assert explain().status == "refused"


@pytest.mark.parametrize("value", [10**400, "0.4", True, None, [], -1])
@pytest.mark.parametrize("history", [{}, [], [3], [{"before": 3}], None])
def test_what_a_broken_history_says_is_no_default(asked, value, history):
    """No factor out of bounds is in force because a history claims nonsense."""
    entry = [{"before": {"for_parts": value}}] if history is None else history
    asked(document(factors={"for_parts": value}, history=entry))

    assert explain().status == "refused"


def test_explaining_logs_nothing(tmp_path, caplog):
    """To ask why is not to be warned."""
    found = explain(tmp_path / "none.json")

    assert (found.status, found.variable) == ("refused", None)
    assert found.reason == "is not there: no such file"
    assert caplog.records == []


def test_bounds_are_those_of_pricing():
    """Without a word from the application a factor lies from 0.5 to 1.2."""
    assert BOUNDS == (0.5, 1.2)


def test_settings_that_cannot_be_copied_stay_what_they_are(asked):
    """A lock or an open file among the defaults is no reason to stop an application."""
    lock = threading.Lock()
    asked({KEY: {"new": 0.9}})

    found = load({**DEFAULTS, "lock": lock, "nested": {"lock": lock}})

    assert found["lock"] is found["nested"]["lock"] is lock
    assert found[KEY]["new"] == 0.9


def test_a_path_of_bytes_is_a_path(tmp_path, caplog):
    """Whatever a path object is made of, the defaults stand and the warning names it."""

    class Bytes:
        def __fspath__(self):
            return os.fsencode(tmp_path) + b"/\xff"

    assert load(DEFAULTS, Bytes()) == DEFAULTS
    assert "is not there" in caplog.text


def test_a_history_of_many_years_is_read(asked):
    """A thousand groups and 25 years do not outgrow what an application reads."""
    factors = {f"group-{number:04}": 0.9 for number in range(1000)}
    entry = {"before": factors, "after": factors}
    asked(document(factors={"new": 0.9}, history=[entry] * 300))

    assert load(DEFAULTS, strict=True) == with_factors(new=0.9)
