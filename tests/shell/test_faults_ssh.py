"""Pulls and pushes by ssh: an sshd on loopback, and lines to it that break."""

from __future__ import annotations

import json

import pytest
from campaigns import ALL, old_or_new
from finalhistory import history_findings
from published import Published
from sshserver import SshServer, find_sshd
from tcpcut import TcpCut

from calreg.client import verify

needs_sshd = pytest.mark.skipif(find_sshd() is None, reason="OpenSSH's server is not installed")


@pytest.fixture
def registry(tmp_path):
    """A registry with version 1 of three heads."""
    registry = Published(tmp_path / "registry")
    registry.publish(1)
    return registry


@pytest.fixture
def ssh(tmp_path, monkeypatch):
    """An sshd on loopback, and a client that gets in."""
    with SshServer(tmp_path / "ssh") as server:
        monkeypatch.setenv("GIT_SSH_COMMAND", server.command)
        yield server


def pulled(warm, source, dest, *options):
    return warm.run("pull", source, dest, "--json", *options, cwd=dest.parent)


@needs_sshd
def test_ssh(tmp_path, warm, registry, ssh):
    """A pull by ssh installs what one from a folder does; nothing new is one connection."""
    dest = tmp_path / "models"
    source = ssh.url(registry.root / ".git")

    first = pulled(warm, source, dest)
    connections = ssh.connections
    again = pulled(warm, source, dest)

    assert (first.code, again.code) == (0, 0), first.out
    assert (sorted(first.json["updated"]), again.json["updated"]) == (sorted(ALL), [])
    assert ssh.connections == connections + 1
    assert verify(dest) == []


@needs_sshd
def test_publishing_by_ssh(bench, ssh):
    """A run is pushed by ssh as by any other way."""
    bench.clone("far", ssh.url(bench.remote))

    ended = bench.publish("far", 1)

    assert (ended.code, ended.json["pushed"]) == (0, True), ended.out
    assert history_findings(bench.remote) == []


@needs_sshd
@pytest.mark.parametrize(
    ("key", "known_hosts"), [("stranger", "known_hosts"), ("user", "other_hosts")]
)
def test_ssh_that_is_refused(tmp_path, warm, registry, ssh, monkeypatch, key, known_hosts):
    """A key that is not let in, and a host that is another one, are code 5 and change nothing."""
    dest, source = tmp_path / "models", ssh.url(registry.root / ".git")
    assert pulled(warm, source, dest).code == 0
    registry.publish(2, p5=0.2)
    monkeypatch.setenv("GIT_SSH_COMMAND", ssh.command_with(key=key, known_hosts=known_hosts))

    ended = pulled(warm, source, dest)

    error = ended.json["error"]
    assert (ended.code, error["code"]) == (5, "auth"), error
    assert "credentials" in error["hint"]
    assert list(old_or_new(dest, {1}, may_be_nothing=False)) == []


@needs_sshd
def test_ssh_that_breaks(tmp_path, warm, registry, ssh, monkeypatch):
    """An ssh connection that breaks, or falls silent, leaves the last good set."""
    dest = tmp_path / "models"
    assert pulled(warm, ssh.url(registry.root / ".git"), dest).code == 0
    registry.publish(2, p5=0.2)
    with TcpCut(ssh.port) as line:
        known = (ssh.folder / "known_hosts").read_text().replace(str(ssh.port), str(line.port))
        (ssh.folder / "known_line").write_text(known)
        monkeypatch.setenv("GIT_SSH_COMMAND", ssh.command_with(known_hosts="known_line"))
        source = ssh.url(registry.root / ".git", port=line.port)
        for then in ("reset", "stall"):
            line.then = then
            for place in (0, 1000, 3500):
                line.mend(cut_after=place)
                ended = pulled(warm, source, dest, "--deadline", "1.5")
                assert ended.code == 5, ended.out
                assert ended.seconds < 2.5
                assert list(old_or_new(dest, {1}, may_be_nothing=False)) == []
        line.mend()
        assert pulled(warm, source, dest).code == 0
    assert json.loads((dest / "calreg.lock").read_bytes())["heads"][ALL[0]]["version"] == 2
