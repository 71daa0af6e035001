"""Disks that are full at any moment, and power that fails at every step."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from campaigns import Bench, damage, git, old_or_new
from finalhistory import history_findings
from published import Published
from smalldisk import LoopDisk, SmallDisk, needs_loop, needs_mount

from calreg import failpoints
from calreg.client import verify


@needs_mount()
def test_every_amount_left_for_a_pull(tmp_path, warm, tell):
    """However much is left of a full disk, a pull installs all of the new set or nothing."""
    registry, codes = Published(tmp_path / "registry"), []
    registry.publish(1)
    with SmallDisk(tmp_path / "disk", kilobytes=8192) as disk:
        dest = disk.folder / "models"
        words = ("pull", registry.root.as_uri(), dest, "--json")
        assert warm.run(*words, cwd=tmp_path).code == 0
        for number, left in enumerate(range(0, 240, 4), start=2):
            registry.publish(number, p5=number / 1000)
            ballast = disk.fill(leaving=left * 1024)
            ended = warm.run(*words, cwd=tmp_path)
            codes.append(ended.code)
            ballast.unlink()
            allowed = {number} if ended.code == 0 else {number - 1}
            assert list(old_or_new(dest, allowed, may_be_nothing=False)) == [], left
            assert warm.run(*words, cwd=tmp_path).code == 0
            assert verify(dest) == []
    tell(f"exit codes by 4 kB more: {codes}")

    assert (codes[0] != 0, codes[-1]) == (True, 0)


@needs_mount()
@pytest.mark.parametrize("whose", ["clone", "remote"])
def test_every_amount_left_for_a_publisher(first_bench, tmp_path, tell, whose):
    """A run is published wholly or not at all, whoever's disk is full, and later once."""
    bench, codes = Bench.copy_of(first_bench, tmp_path / "bench"), []
    with SmallDisk(tmp_path / "disk", kilobytes=8192) as disk:
        place = bench.folder / "seed" if whose == "clone" else bench.remote
        shutil.move(place, disk.folder / place.name)
        place.symlink_to(disk.folder / place.name)
        for number, left in enumerate(range(0, 240, 4), start=1):
            ballast = disk.fill(leaving=left * 1024)
            codes.append(bench.publish("seed", number).code)
            ballast.unlink()
            assert bench.publish("seed", number).code == 0
        tell(f"exit codes by 4 kB more: {codes}")

        assert (codes[0] != 0, codes[-1]) == (True, 0)
        assert len(bench.published()) == 1 + len(codes)
        assert history_findings(bench.remote) == []
        assert git("status", "--porcelain", cwd=bench.folder / "seed") == ""


def test_200_damages_to_a_cache(tmp_path, warm):
    """Whatever happens to a file of the cache, the next pull makes good what it needs."""
    registry, dest = Published(tmp_path / "registry"), tmp_path / "models"
    registry.publish(1)
    words = ("pull", registry.root.as_uri(), dest)
    assert warm.run(*words, cwd=tmp_path).code == 0
    for number in range(2, 202):
        what = damage(dest / ".calreg/cache.git", seed=number)
        registry.publish(number, p5=number / 1000)

        ended = warm.run(*words, cwd=tmp_path)

        assert ended.code == 0, (what, ended.err)
        assert list(old_or_new(dest, {number}, may_be_nothing=False)) == [], what


STEPS = ("objects-written", "journal-written", "ref-moved", "file-written", "settled", None)


@needs_loop()
@pytest.mark.parametrize("step", STEPS)
def test_power_cut_while_pulling(tmp_path, warm, step):
    """What is on the disk when the power fails at a step is the old set or the new one."""
    registry = Published(tmp_path / "registry")
    registry.publish(1)
    with LoopDisk(tmp_path / "disk") as disk:
        words = ("pull", registry.root.as_uri(), disk.folder / "models")
        assert warm.run(*words, cwd=tmp_path).code == 0
        os.sync()
        registry.publish(2, p5=0.2)

        warm.run(*words, cwd=tmp_path, env=at(step))
        after = disk.after_power_cut(tmp_path / "after")

    with after:
        dest = after.folder / "models"
        # Done and acknowledged is on the disk; before, either is right.
        allowed = {2} if step is None else {1, 2}
        assert list(old_or_new(dest, allowed, may_be_nothing=False, may_be_mixed=False)) == []
        again = warm.run(words[0], words[1], dest, cwd=tmp_path)
        assert again.code == 0, again.err
        assert verify(dest) == []


@needs_loop()
@pytest.mark.parametrize("step", [*failpoints.STEPS, None])
def test_power_cut_while_publishing(first_bench, tmp_path, step):
    """An acknowledged run is on the disk when the power fails; any other one can be made again."""
    with LoopDisk(tmp_path / "disk", megabytes=64) as disk:
        bench = Bench.copy_of(first_bench, disk.folder / "bench")
        # Without this a server forgets what it acknowledged: git forces no loose object to disk.
        git("config", "core.fsync", "committed,loose-object,reference", cwd=bench.remote)
        words = bench.words(1)
        os.sync()
        bench.warm.run(*words, cwd=bench.folder / "seed", env=at(step))
        after = disk.after_power_cut(tmp_path / "after")

    with after:
        late = Bench.of(after.folder / "bench", first_bench.warm)
        git("remote", "set-url", "origin", late.remote.as_uri(), cwd=late.folder / "seed")
        if step is None:
            assert len(late.published()) == 2
        again = late.publish("seed", 1)
        assert again.code == 0, again.out
        assert len(late.published()) == 2
        assert history_findings(late.remote) == []


def at(step: str | None) -> dict[str, str]:
    """The environment in which a command dies at a step."""
    return {} if step is None else {failpoints.VARIABLE: f"{step}:kill"}


INJECTED = ("fsync", "rename,renameat,renameat2", "write", "openat", "unlinkat,unlink", "mkdir")
MOST = 40


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("call", INJECTED)
@pytest.mark.parametrize(
    "fault", ["error=EIO", "error=ENOSPC", "error=EROFS", "error=EMFILE", "signal=KILL"]
)
def test_every_system_call_of_an_install(tmp_path, warm, tell, call, fault):
    """Whichever call of an install fails or is the last, the old set or the new one is there."""
    registry, dest = Published(tmp_path / "registry"), tmp_path / "models"
    registry.publish(1)
    words = ("pull", registry.root.as_uri(), str(dest))
    assert warm.run(*words, cwd=tmp_path).code == 0
    codes = []
    for place in range(1, MOST):
        version = place + 1
        registry.publish(version, p5=version / 1000)
        code = injected(words, tmp_path, dest, f"{call}:{fault}:when={place}")
        if code is None:
            break
        codes.append(code)
        allowed = {version} if code == 0 else {version - 1, version}
        assert list(old_or_new(dest, allowed, may_be_nothing=False)) == [], (place, code)
        ended = warm.run(*words, cwd=tmp_path)
        assert ended.code == 0, (place, code, ended.err)
        assert verify(dest) == []
    tell(f"{len(codes)} calls, exit codes {sorted(set(codes))}")

    assert codes


def injected(words: tuple[str, ...], cwd: Path, dest: Path, what: str) -> int | None:
    """The exit code of a pull in which a call of each process goes wrong; None: none had it."""
    log = cwd / "strace.log"
    call = what.partition(":")[0]
    # Python opens hundreds of files before it begins.
    places = ("-P", str(dest), "-P", str(dest / ".calreg")) if call == "openat" else ()
    done = subprocess.run(
        ["strace", "-f", "-o", str(log), *places, "-e", f"trace={call}", "-e", f"inject={what}",
         "calreg", *words],
        cwd=cwd, check=False, capture_output=True,
    )  # fmt: skip
    text = log.read_text()
    return done.returncode if "INJECTED" in text or "killed by SIGKILL" in text else None
