"""Processes that are forked while a thread runs git, as a server forks its workers."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

from calreg.git.health import broken_objects
from calreg.git.process import Git


def _forked(until: int, others: int) -> int:
    """A process that lives until the pipe `until` ends, and has no other end of it."""
    child = os.fork()
    if child == 0:
        os.close(others)
        os.read(until, 1)
        os._exit(0)
    return child


def test_a_forked_process_keeps_no_git_waiting(tmp_path):
    """A thread that runs git goes on while processes that were forked meanwhile live."""
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path)], check=True)
    until, others = os.pipe()
    answers = []

    def asking():
        for _ in range(60):
            answers.append(Git(tmp_path, is_light=True).run("version").text)
            looked = Git(tmp_path).run("cat-file", "--batch-check", stdin=b"HEAD\n")
            answers.append(looked.text)

    thread = threading.Thread(target=asking)
    thread.start()
    children = []
    while thread.is_alive() and len(children) < 40:
        children.append(_forked(until, others))
        thread.join(0.005)
    thread.join(60)
    is_waiting = thread.is_alive()
    os.close(others)
    os.close(until)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    thread.join()

    assert not is_waiting
    assert children
    assert codes == [0] * len(children)
    assert len(answers) == 120


def test_a_healthy_repository_is_healthy_by_a_relative_path(tmp_path, monkeypatch):
    """Whether a cache is broken does not depend on how its folder was typed."""
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "x.git")], check=True)
    monkeypatch.chdir(tmp_path)

    assert broken_objects(Path("x.git"), is_whole=False) == []
    (tmp_path / "x.git" / "HEAD").unlink()
    assert broken_objects(Path("x.git"), is_whole=False) != []
