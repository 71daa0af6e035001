"""Files over HTTP: whole, bounded, in time, from the one server that was named, or an error."""

import gzip
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from staticsite import (
    StaticSite,
    always_304,
    bomb,
    drip,
    endless,
    header_flood,
    instead,
    promising,
    redirect,
    stalled,
    truncated,
    unavailable,
)

from calreg.client.address import Address, proxy_for, shown_origin
from calreg.client.deadline import Deadline
from calreg.client.http import Answer, Files, HttpStatusError
from calreg.errors import CalregError, InputError, RegistryError, TransportError

DOCUMENT = b'{"schema": "calreg/index/1.0"}\n' * 8
PATH = "index.json"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith(("_proxy", "_ca_bundle"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[StaticSite]:
    (tmp_path / PATH).write_bytes(DOCUMENT)
    (tmp_path / "packed.json").write_bytes(DOCUMENT * 40)
    (tmp_path / "packed.json.gz").write_bytes(gzip.compress(DOCUMENT * 40))
    with StaticSite(tmp_path) as found:
        yield found


def get(
    url: str,
    path: str = PATH,
    *,
    max_bytes: int = 10**6,
    deadline_s: float = 20.0,
    etag: str | None = None,
) -> Answer:
    with Files(Address.parse(url), Deadline(deadline_s)) as files:
        return files.get(path, max_bytes=max_bytes, etag=etag)


@contextmanager
def scripted(*answers: bytes, then: Callable[[socket.socket], None] | None = None) -> Iterator[str]:
    """A server that answers its connections with these bytes, one each, and hangs up."""

    def serve(listening: socket.socket) -> None:
        for answer in answers:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(answer)
                if then is not None:
                    then(connection)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)  # wakes who waits there
            thread.join()


# --- what is right ---------------------------------------------------------------------------


def test_a_file_comes_as_it_is(site: StaticSite) -> None:
    """A file's bytes arrive as they lie there, with its ETag and media type."""
    found = get(site.url)

    assert found.body == DOCUMENT
    assert found.kind == "application/json"
    assert found.etag


def test_a_compressed_file_comes_decoded(site: StaticSite) -> None:
    """What travels compressed is decoded, and costs what travelled."""
    with Files(Address.parse(site.url), Deadline(20)) as files:
        found = files.get("packed.json", max_bytes=len(DOCUMENT) * 40)

        assert found.body == DOCUMENT * 40
        assert files.bytes_read < 1000


def test_what_did_not_change_is_not_sent(tmp_path: Path) -> None:
    """A known ETag is answered by 304 and no bytes, in one request."""
    (tmp_path / PATH).write_bytes(DOCUMENT)
    with StaticSite(tmp_path) as site:
        known = get(site.url)

        assert get(site.url, etag=known.etag).is_unmodified

    # A server knows what it sent once it is closed.
    assert [(one.status, one.sent) for one in site.requests] == [(200, 248), (304, 0)]


def test_a_connection_is_kept(site: StaticSite) -> None:
    """Questions one after the other go over one connection."""
    with Files(Address.parse(site.url), Deadline(20)) as files:
        first = files._connection()
        files._put_back(first, is_kept=True)
        for _ in range(3):
            files.get(PATH, max_bytes=10**6)

        assert files._idle == [first]


def test_many_files_come_at_once(site: StaticSite) -> None:
    """Many files come by their paths; one that is not there is left out."""
    for number in range(40):
        (site.folder / f"{number}.json").write_bytes(b"%d" % number)

    with Files(Address.parse(site.url), Deadline(20)) as files:
        found = files.find_all({f"{number}.json": 10 for number in range(45)})

        assert {path: answer.body for path, answer in found.items()} == {
            f"{number}.json": b"%d" % number for number in range(40)
        }
        assert len(files._idle) <= 8


def test_the_first_failure_ends_many(site: StaticSite) -> None:
    """Of many files, one that cannot be had is an error for all."""
    for number in range(20):
        (site.folder / f"{number}.json").write_bytes(b"%d" % number)
    site.faults["/7.json"] = unavailable(500)

    with (
        Files(Address.parse(site.url), Deadline(20)) as files,
        pytest.raises(HttpStatusError, match="answers 500") as refused,
    ):
        files.find_all({f"{number}.json": 10 for number in range(20)})

    assert refused.value.where == f"{site.url}/7.json"


def test_a_server_that_hung_up_meanwhile_is_asked_again() -> None:
    """A kept connection that the server closed is replaced, once, without an error."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

    with scripted(answer, answer) as url, Files(Address.parse(url), Deadline(20)) as files:
        assert files.get("a", max_bytes=10).body == b"{}"
        assert files.get("b", max_bytes=10).body == b"{}"


def test_chunks_are_put_together() -> None:
    """A body in chunks, with an extension and a trailer, is the bytes between."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"3;x=y\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nX-Late: 1\r\n\r\n"

    with scripted(head + body) as url:
        assert get(url).body == b"abc0123456789abcdef"


def test_remarks_before_the_answer_are_passed_over() -> None:
    """100 and 103 before the answer are no answer."""
    remarks = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"

    with scripted(remarks + b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx") as url:
        assert get(url).body == b"x"


def test_without_a_length_the_end_is_the_end() -> None:
    """An answer of HTTP/1.0 without a length ends where the server hangs up."""
    with scripted(b"HTTP/1.0 200 OK\n\nabc") as url:
        assert get(url).body == b"abc"


# --- time and amount -------------------------------------------------------------------------


def took(act: Callable[[], object], *, code: str) -> float:
    begin = time.monotonic()
    with pytest.raises(CalregError) as refused:
        act()
    assert refused.value.code == code
    return time.monotonic() - begin


def test_a_drip_does_not_outlive_the_deadline(site: StaticSite) -> None:
    """A server that sends forty bytes a second is left when the time is over."""
    site.faults[f"/{PATH}"] = drip(40)

    assert took(lambda: get(site.url, deadline_s=0.6), code="deadline") < 1.6


def test_dripping_headers_do_not_either() -> None:
    """A header that never ends, byte by byte, is left when the time is over."""
    over = threading.Event()

    def drip_on(connection: socket.socket) -> None:
        try:
            while not over.wait(0.05):
                connection.sendall(b"x")
        except OSError:
            return

    with scripted(b"HTTP/1.1 200 OK\r\nX-Slow: ", then=drip_on) as url:
        assert took(lambda: get(url, deadline_s=0.6), code="deadline") < 1.6
        over.set()


def test_silence_does_not_either(site: StaticSite) -> None:
    """A server that stops in the middle is left when the time is over."""
    site.faults[f"/{PATH}"] = stalled(after=10)

    assert took(lambda: get(site.url, deadline_s=0.5), code="deadline") < 1.5


def test_many_slow_files_share_one_deadline(site: StaticSite) -> None:
    """Twenty dripping files end together, when the one deadline does."""
    site.faults["*"] = drip(40)

    with Files(Address.parse(site.url), Deadline(0.6)) as files:
        wanted = dict.fromkeys((PATH, *map(str, range(20))), 10**6)
        assert took(lambda: files.find_all(wanted), code="deadline") < 1.6


@pytest.mark.parametrize("promised", [None, 10**12])
def test_endless_bytes_are_not_read(site: StaticSite, promised: int | None) -> None:
    """Bytes without end are left after those that were expected."""
    site.faults[f"/{PATH}"] = endless(promised=promised)

    with Files(Address.parse(site.url), Deadline(20)) as files:
        with pytest.raises(RegistryError, match="more than the 100,000 bytes") as refused:
            files.get(PATH, max_bytes=100_000)

        assert refused.value.code == "too-large"
        assert files.bytes_read < 2_000_000


def test_a_bomb_is_not_unpacked(site: StaticSite) -> None:
    """A gibibyte of spaces in a mebibyte is refused at the limit of decoded bytes."""
    site.faults[f"/{PATH}"] = bomb(2**30)

    with Files(Address.parse(site.url), Deadline(20)) as files:
        with pytest.raises(RegistryError, match="more than the 1,000,000 bytes"):
            files.get(PATH, max_bytes=10**6)

        assert files.bytes_read < 600_000


@pytest.mark.parametrize("flood", [header_flood(5000), header_flood(5, size=60_000)])
def test_a_flood_of_headers_is_refused(site: StaticSite, flood: object) -> None:
    """Headers without measure are refused before they fill the memory."""
    site.faults[f"/{PATH}"] = flood

    with pytest.raises(TransportError, match=r"has more than|have more than"):
        get(site.url)


# --- what is not whole -----------------------------------------------------------------------


def test_an_answer_cut_anywhere_is_refused() -> None:
    """An answer with a length, cut after any number of its bytes, is never taken for whole."""
    whole = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 31\r\n\r\n"
    whole += DOCUMENT[:31]

    with scripted(*(whole[:end] for end in range(len(whole)))) as url:
        for end in range(len(whole)):
            with pytest.raises(TransportError) as refused:
                get(url)
            assert refused.value.code == "truncated", end


def test_chunks_cut_anywhere_are_refused() -> None:
    """An answer in compressed chunks, cut anywhere, is never taken for whole."""
    packed = gzip.compress(DOCUMENT, mtime=0)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"
    whole = head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(packed), packed)

    with scripted(*(whole[:end] for end in range(len(whole))), whole) as url:
        for _ in range(len(whole)):
            with pytest.raises(TransportError) as refused:
                get(url)
            assert refused.value.code == "truncated"
        assert get(url).body == DOCUMENT


def test_a_compressed_file_cut_without_a_length_is_refused() -> None:
    """Where nothing says how long it is, gzip itself does."""
    packed = gzip.compress(DOCUMENT)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"

    with scripted(head + packed[:-1]) as url, pytest.raises(TransportError, match="end early"):
        get(url)


def test_a_length_that_promises_too_much_is_refused(site: StaticSite) -> None:
    """Fewer bytes than the length says are not a file."""
    site.faults[f"/{PATH}"] = promising(len(DOCUMENT) + 1)

    with pytest.raises(TransportError, match="1 of 249 bytes are missing"):
        get(site.url)


def test_truncated_file_names_its_place(site: StaticSite) -> None:
    """The message says what is missing, and the place is the file's address."""
    site.faults[f"/{PATH}"] = truncated(at=48)

    with pytest.raises(TransportError, match="200 of 248 bytes are missing") as refused:
        get(site.url)

    assert refused.value.where == f"{site.url}/{PATH}"


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "not HTTP"),
        (b"\r\n\r\n", "empty line"),
        (b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n", "header is malformed"),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n", "header is malformed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "its length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "its length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "transfer coding"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
            "length and chunks",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "how long it is"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
            "longer than it says",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 200,
            "trailers",
        ),
        (b"HTTP/1.1 103 Hints\r\n\r\n" * 20, "more remarks"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx",
            "encoded as 'br'",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
            "not the gzip",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"x", mtime=0) * 2,
            "something follows",
        ),
    ],
)
def test_an_answer_of_another_form_is_refused(answer: bytes, problem: str) -> None:
    """What leaves open where a message ends, or is no HTTP, is garbled, and said to be."""
    with scripted(answer) as url, pytest.raises(TransportError, match=problem) as refused:
        get(url)

    assert refused.value.code == "garbled"


# --- what is somewhere else ------------------------------------------------------------------


def test_a_redirect_on_the_same_server_is_followed(site: StaticSite) -> None:
    """A file that moved on its server is read where it is."""
    site.faults["/old.json"] = redirect(f"/{PATH}")

    assert get(site.url, "old.json").body == DOCUMENT


@pytest.mark.parametrize(
    ("to", "shown"),
    [
        ("https://example.org/x?token=secret", "https://example.org"),
        ("http://me:secret@localhost/x", "http://localhost"),
        ("//example.org/x", "no usable address|://example.org"),
        ("file:///etc/passwd", "no usable address"),
        ("http://127.0.0.1:1/index.json", "http://127.0.0.1"),
        ("http://[::1/", "no usable address"),
        ("", "no usable address"),
    ],
)
def test_a_redirect_to_elsewhere_is_refused(tmp_path: Path, to: str, shown: str) -> None:
    """Another host, port or scheme is not followed, and named without its secrets."""
    with (
        StaticSite(tmp_path, faults={f"/{PATH}": redirect(to)}) as site,
        pytest.raises(TransportError, match=shown) as refused,
    ):
        get(site.url)

    assert refused.value.code == "redirect"
    assert "secret" not in f"{refused.value}{refused.value.hint}"
    assert len(site.requests) == 1


def test_a_circle_of_redirects_ends(tmp_path: Path) -> None:
    """A file that sends to itself is left after a few times."""
    with (
        StaticSite(tmp_path, faults={f"/{PATH}": redirect(f"/{PATH}")}) as site,
        pytest.raises(TransportError, match="more than 5 times"),
    ):
        get(site.url)

    assert len(site.requests) == 6


# --- what a server says ----------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 502, 503])
def test_a_refusal_is_an_error_with_its_status(site: StaticSite, status: int) -> None:
    """An answer that is no file is an error of the network, with its number."""
    site.faults[f"/{PATH}"] = unavailable(status)

    with pytest.raises(HttpStatusError, match=f"answers {status}") as refused:
        get(site.url)

    assert (refused.value.status, refused.value.code) == (status, "http-status")
    assert refused.value.exit_code == 5


def test_a_server_may_ask_for_patience(site: StaticSite) -> None:
    """How long a server wants to be left alone stands in the hint."""
    site.faults[f"/{PATH}"] = unavailable(429, retry_after="30")

    with pytest.raises(HttpStatusError) as refused:
        get(site.url)

    assert refused.value.hint == "The server asks to be left alone for 30 s."


def test_not_modified_for_nobody_is_an_error() -> None:
    """A 304 to somebody who has nothing is an error, not an empty file."""
    with (
        scripted(b"HTTP/1.1 304 Not Modified\r\n\r\n") as url,
        pytest.raises(HttpStatusError, match=r"304 .* to somebody who has nothing"),
    ):
        get(url)


def test_a_stale_304_is_only_that(site: StaticSite) -> None:
    """A cache that says 304 to everybody is believed as far as that goes."""
    site.faults[f"/{PATH}"] = always_304()

    assert get(site.url, etag='"old"').is_unmodified


def test_a_tag_that_could_not_be_sent_back_is_dropped() -> None:
    """An ETag with characters that no header may hold is not kept."""
    with scripted(b'HTTP/1.1 200 OK\r\nETag: "a\xe9"\r\nContent-Length: 0\r\n\r\n') as url:
        assert get(url).etag is None


def test_an_empty_file_is_a_file(site: StaticSite) -> None:
    """No bytes are an answer; what they mean is for others to say."""
    site.faults[f"/{PATH}"] = instead(b"")

    assert get(site.url).body == b""


def test_a_refused_connection_says_where(site: StaticSite) -> None:
    """A port where nobody listens is an error that names the host and nothing else."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(
        TransportError, match=r"cannot reach 127\.0\.0\.1: connection refused"
    ) as no:
        get(f"http://me:secret@127.0.0.1:{port}/?token=secret")

    assert no.value.code == "unreachable"
    assert "secret" not in f"{no.value}{no.value.hint}{no.value.where}"


def test_plain_text_where_tls_should_be_is_refused(site: StaticSite) -> None:
    """A server that speaks no TLS is not reached by https."""
    with pytest.raises(TransportError) as refused:
        get(site.url.replace("http://", "https://"))

    assert refused.value.code in {"unreachable", "certificate"}


# --- secrets ---------------------------------------------------------------------------------


def test_user_and_password_are_sent_to_their_host(tmp_path: Path) -> None:
    """Who is in the address is let in; who is not gets a hint."""
    (tmp_path / PATH).write_bytes(DOCUMENT)
    with StaticSite(tmp_path, token="s3cr%t") as site:
        assert get(site.url.replace("://", "://ci:s3cr%25t@")).body == DOCUMENT
        with pytest.raises(HttpStatusError, match="wants user and password") as refused:
            get(site.url)

    assert refused.value.hint is not None
    assert "user:password@" in refused.value.hint


def test_a_query_goes_with_every_request_and_into_no_message() -> None:
    """A store's own token in the query is sent, and not shown."""
    address = Address.parse("https://store.example.org/cal/?sig=se%2Fcret&v=1")

    assert address.target("a/index.json") == "/cal/a/index.json?sig=se%2Fcret&v=1"
    assert address.shown("a/index.json") == "https://store.example.org/cal/a/index.json"


# --- addresses -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://example.org", "/index.json"),
        ("https://example.org/cal", "/cal/index.json"),
        ("https://example.org/cal/", "/cal/index.json"),
        ("https://example.org/cal/index.json", "/cal/index.json"),
        ("https://example.org/index.html", "/index.json"),
        ("https://example.org/mod%C3%A8les/é", "/mod%C3%A8les/%C3%A9/index.json"),
    ],
)
def test_an_address_is_a_folder(url: str, target: str) -> None:
    """The folder, its index and its page are one address."""
    assert Address.parse(url).target(PATH) == target


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/cal",
        "ftp://example.org",
        "https://",
        "https://-oProxyCommand=x/",
        "https://example.org/a b",
        "https://example.org/\r\nHost: x",
        "https://example.org:port/",
        "https://[::1",
    ],
)
def test_what_is_no_safe_address_is_refused(url: str) -> None:
    """Plain http to elsewhere, no host, and what could end a line are refused unread."""
    with pytest.raises(InputError, match="the site's address"):
        Address.parse(url)


def test_hosts_are_written_as_they_travel() -> None:
    """IPv6 has brackets, an international name its ASCII form, a usual port no number."""
    assert Address.parse("http://[::1]:8000/").netloc == "[::1]:8000"
    assert Address.parse("https://bücher.example/").netloc == "xn--bcher-kva.example"
    assert Address.parse("https://example.org:443/").netloc == "example.org"


def test_where_a_redirect_leads_is_shown_without_secrets() -> None:
    """Only scheme and host of an address are shown, and those only if they are clean."""
    assert shown_origin("https://a:b@example.org:1/x?y") == "https://example.org"
    assert shown_origin("https://exa\x1bmple/") == "no usable address"


# --- TLS -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost, its own authority, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "localhost.pem"
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file.write_bytes(signed.public_bytes(pem) + key.private_bytes(pem, *plain))
    return file


@pytest.fixture
def secure_site(site: StaticSite, certificate: Path, tmp_path: Path) -> Iterator[StaticSite]:
    """The same files over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    found = StaticSite(tmp_path)
    found._server.socket = context.wrap_socket(found._server.socket, server_side=True)
    with found:
        yield found


def test_a_trusted_certificate_is_accepted(
    secure_site: StaticSite, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over TLS, by an authority that the environment names, a file comes as it is."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))

    assert get(f"https://localhost:{secure_site.port}", "packed.json").body == DOCUMENT * 40


def test_an_unknown_certificate_is_refused(secure_site: StaticSite) -> None:
    """A certificate of an authority that nobody trusts is an error with advice."""
    with pytest.raises(TransportError, match="no certificate that we trust") as refused:
        get(f"https://localhost:{secure_site.port}")

    assert refused.value.code == "certificate"


def test_a_certificate_of_another_host_is_refused(
    secure_site: StaticSite, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trusted certificate is good for its own host only."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))

    with pytest.raises(TransportError, match="IP address mismatch"):
        get(f"https://127.0.0.1:{secure_site.port}")


def test_authorities_that_cannot_be_read_are_named(
    secure_site: StaticSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of authorities that is not there is said, not passed over."""
    monkeypatch.setenv("CURL_CA_BUNDLE", "/nowhere.pem")

    with pytest.raises(TransportError, match=r"certificate authorities in /nowhere\.pem"):
        get(f"https://localhost:{secure_site.port}")


def test_a_tunnel_hides_everything_from_the_proxy(
    secure_site: StaticSite, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over a proxy, https goes through a tunnel that the proxy only passes on."""
    heard: list[bytes] = []

    def pass_on(connection: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", secure_site.port)) as there:
            open_ends = {connection: there, there: connection}
            while open_ends:
                for end in select.select(list(open_ends), [], [])[0]:
                    block = end.recv(65536)
                    heard.append(block)
                    if not block:
                        return
                    open_ends[end].sendall(block)

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with scripted(b"HTTP/1.1 200 Connection established\r\n\r\n", then=pass_on) as url:
        monkeypatch.setenv("https_proxy", url)
        found = get(f"https://localhost:{secure_site.port}")

    assert found.body == DOCUMENT
    assert len(heard) > 2
    assert not any(b"GET" in block or DOCUMENT[:20] in block for block in heard)


# --- proxies ---------------------------------------------------------------------------------


def test_the_environment_names_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scheme first, then all_proxy; no_proxy spares hosts and their subdomains."""
    monkeypatch.setenv("https_proxy", "http://me:pw@proxy.example:3128")
    monkeypatch.setenv("no_proxy", "example.net")

    found = proxy_for(Address.parse("https://example.org/"))

    assert found is not None
    assert (found.host, found.port) == ("proxy.example", 3128)
    assert found.headers == {"Proxy-Authorization": "Basic bWU6cHc="}
    assert proxy_for(Address.parse("https://cal.example.net/")) is None
    assert proxy_for(Address.parse("http://127.0.0.1/")) is None


@pytest.mark.parametrize(
    "url", ["socks5://proxy:1080", "https://proxy", "http://[bad", "http://:1"]
)
def test_a_proxy_that_is_not_supported_is_said_to_be(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """A proxy of another kind is an error before anything is sent."""
    monkeypatch.setenv("all_proxy", url)

    with pytest.raises(TransportError, match="the proxy for https is none"):
        proxy_for(Address.parse("https://example.org/"))


def test_a_proxy_is_told_the_whole_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a proxy, plain http asks for the whole address."""
    (tmp_path / PATH).write_bytes(DOCUMENT)
    with StaticSite(tmp_path) as site:
        monkeypatch.setenv("http_proxy", site.url)

        assert get("http://localhost:1/").body == DOCUMENT

    assert [one.headers["Host"] for one in site.requests] == ["localhost:1"]


def test_a_proxy_that_opens_no_tunnel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that refuses a tunnel is an error with its status, and its password is not shown."""
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    with scripted(refusal) as url:
        monkeypatch.setenv("https_proxy", url.replace("://", "://me:secret@"))

        with pytest.raises(HttpStatusError, match="the proxy answers 407") as refused:
            get("https://example.org/")

    assert "secret" not in f"{refused.value}{refused.value.hint}"
