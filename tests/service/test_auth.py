"""Who may: keys, sessions, failures, and the order in which they are looked at."""

from time import monotonic

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from running_service import KEY, TOKEN, served, settings_with

from calreg.service.auth import SESSION_S, Failures, Keys, Sessions, needs_key, new_key

GUARDED = [
    ("POST", "/scores"),
    ("POST", "/admin/calibration/run"),
    ("GET", "/admin/calibration/history"),
    ("GET", "/admin/calibration/runs"),
    ("POST", "/admin/calibration/retag-all"),
    ("POST", "/admin/calibration/retag"),
    ("GET", "/retag/next"),
    ("POST", "/retag/done"),
]
OPEN = ["/health", "/metrics", "/calibrations/essentia/effnet/mood_happy", "/docs", "/openapi.json"]


class Clock:
    """Time that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        """Now, in seconds."""
        return self.now


@pytest.mark.parametrize(("method", "path"), GUARDED)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer calreg_wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {KEY.sha256}"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Cookie": "calreg_session=0.9999999999.tagger"},
    ],
    ids=["none", "wrong", "scheme", "empty", "digest", "longer", "cookie"],
)
def test_without_a_key_there_is_nothing(keyless, method, path, headers):
    """No key, or a wrong one, gets 401 without a detail, whatever is asked for."""
    answer = keyless.ask(method, path, headers=headers)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["error"]["message"] == "a key is needed"


@pytest.fixture
def keyless(reading):
    """A service to which nobody has been wrong yet."""
    reading.admission.failures = Failures(monotonic)
    return reading


@pytest.mark.parametrize("path", OPEN)
def test_what_is_open_needs_no_key(reading, path):
    """References, health, figures and the description are for everybody."""
    assert reading.get(path, headers={}).status_code == 200


def test_a_private_service_is_closed(registry):
    """With `private: true` all of it needs a key, but whether it lives may be asked."""
    with served(registry, private=True) as service:
        assert {service.get(path, headers={}).status_code for path in OPEN} == {401}
        assert {service.get(path).status_code for path in OPEN} == {200}
        alive = service.get("/health?live", headers={})

    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})


def test_a_person_is_led_to_the_form(registry):
    """A browser that may not see a page is sent to the form, and comes back to the page."""
    with served(registry, private=True) as service:
        answer = service.get("/runs", headers={"Accept": "text/html,*/*"})
        api = service.get("/admin/calibration/runs", headers={"Accept": "text/html"})

    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/runs")
    assert api.status_code == 401


def test_production_mode_says_so(registry):
    """Without calibrate_heads /admin is 403 for who has a key, 401 for others; the rest works."""
    with served(registry, calibrate_heads=False) as service:
        refused = service.post("/admin/calibration/run")
        history = service.get("/admin/calibration/history")
        stranger = service.post("/admin/calibration/run", headers={})
        reference = service.get(OPEN[2])
        lease = service.get("/retag/next")

    assert (refused.status_code, history.status_code, stranger.status_code) == (403, 403, 401)
    error = refused.json()["error"]
    assert error["code"] == "production-mode"
    assert "calibrate_heads is false by the test" in error["message"]
    assert "calibrate_heads: true in" in error["hint"]
    assert (reference.status_code, lease.status_code) == (200, 200)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
    ids=["other", "null", "port", "fetch"],
)
def test_pages_of_others_may_do_nothing(reading, headers):
    """A foreign page is refused what changes something, even with the right key."""
    answer = reading.post("/retag/done", {}, headers={**reading.headers, **headers})

    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "foreign-origin"


def test_pages_of_others_lease_nothing(reading):
    """A lease takes items from taggers: no other page gets one, though asking for it is a GET."""
    for headers in ({"Sec-Fetch-Site": "same-site"}, {"Origin": "http://localhost:3000"}):
        answer = reading.get("/retag/next", headers={**reading.headers, **headers})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "foreign-origin")


def test_our_own_pages_may(reading):
    """A page of the service itself is no stranger."""
    headers = {**reading.headers, "Origin": reading.url, "Sec-Fetch-Site": "same-origin"}

    answer = reading.post("/retag/done", {"lease": "x", "items": []}, headers=headers)

    assert answer.status_code == 200


def test_who_is_wrong_too_often_waits(registry):
    """After many wrong keys an address gets 429 with a time; a right key is let in all the same."""
    with served(registry) as service, httpx.Client(trust_env=False, verify=False) as client:
        url, wrong = f"{service.url}/retag/next", {"Authorization": "Bearer calreg_wrong"}
        answers = [client.get(url, headers=wrong) for _ in range(60)]
        right = service.get("/retag/next")

    statuses = [answer.status_code for answer in answers]
    assert statuses[:20] == [401] * 20
    assert statuses[-1] == 429
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 3
    assert right.status_code == 200


def test_a_browser_signs_in_and_out(registry):
    """A key in the form becomes a cookie that no script reads; it opens what the key opens."""
    with (
        served(registry, private=True) as service,
        httpx.Client(trust_env=False, verify=False) as client,
    ):
        form = client.get(f"{service.url}/sign-in?next=/docs")
        answer = client.post(f"{service.url}/sign-in", data={"key": TOKEN, "next": "/docs"})
        cookie = answer.headers["set-cookie"]
        inside = client.get(f"{service.url}/docs")
        left = client.post(f"{service.url}/sign-out")
        outside = client.get(f"{service.url}/docs")

    assert form.status_code == 200
    assert 'value="/docs"' in form.text
    assert (answer.status_code, answer.headers["location"]) == (303, "/docs")
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert TOKEN not in cookie
    assert (inside.status_code, left.status_code, outside.status_code) == (200, 303, 401)


def test_a_wrong_key_in_the_form_is_told(registry):
    """The form comes again with a sentence, as 401; nothing is said about which keys there are."""
    with served(registry) as service:
        answer = service.ask("POST", "/sign-in", headers={}, data={"key": "no", "next": "//x.org"})

    assert answer.status_code == 401
    assert "This is not a key of this service." in answer.text
    assert "x.org" not in answer.text


# Without a service


def test_a_new_key_is_its_own_digest():
    """Whoever keeps the token is known by the digest; no two keys are alike."""
    (token, key), (other, _) = new_key("a"), new_key("a")

    assert Keys([key]).owner(token) == "a"
    assert Keys([key]).owner(other) is None
    assert len(token) >= 7 + 43


@given(st.text(max_size=600))
def test_no_text_is_a_key(text):
    """Whatever is shown as a key, it is none, and nothing fails."""
    assert Keys([KEY]).owner(text) is None


def test_each_of_several_keys_opens():
    """Every key of the configuration has its own name."""
    pairs = [new_key(name) for name in ("a", "b", "c")]

    keys = Keys([key for _, key in pairs])
    assert [keys.owner(token) for token, _ in pairs] == ["a", "b", "c"]


def test_a_session_ends():
    """A cookie is good for twelve hours, and for the process that gave it."""
    clock = Clock()
    sessions = Sessions(clock)
    cookie = sessions.begin("ada")

    assert sessions.owner(cookie) == "ada"
    assert Sessions(clock).owner(cookie) is None
    clock.now += SESSION_S + 1
    assert sessions.owner(cookie) is None


@given(st.text(max_size=200))
def test_no_text_is_a_cookie(text):
    """Whatever comes as a cookie, it is nobody's, and nothing fails."""
    assert Sessions(Clock()).owner(text) is None


def test_failures_are_forgiven_with_time():
    """One try comes back every few seconds, and never more than there were."""
    clock = Clock()
    failures = Failures(clock, tries=2, refill_s=10)

    waits = [failures.wait_s("1.2.3.4") for _ in range(3)]
    assert waits == [0, 0, 10]
    clock.now += 10
    assert [failures.wait_s("1.2.3.4"), failures.wait_s("1.2.3.4") > 0] == [0, True]
    clock.now += 1e9
    assert [failures.wait_s("1.2.3.4") for _ in range(3)] == [0, 0, 10]


def test_failures_take_little_memory():
    """Of all the addresses in the world only the last ones are remembered."""
    failures = Failures(Clock(), addresses=100)
    for number in range(10_000):
        failures.wait_s(f"10.0.{number // 256}.{number % 256}")

    assert len(failures) == 100


@pytest.mark.parametrize(
    ("one", "other", "are_one"),
    [
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:1.2.3.4", "1.2.3.4", True),
        ("1.2.3.4", "1.2.3.5", False),
    ],
)
def test_a_network_is_one_address(one, other, are_one):
    """Whoever has one IPv6 address has a whole /64; IPv4 is counted one by one."""
    failures = Failures(Clock(), tries=1)
    failures.wait_s(one)

    assert (failures.wait_s(other) > 0) is are_one


@given(st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "X"]), st.text())
def test_what_is_not_known_to_be_open_needs_a_key(method, path):
    """Only reading is open, and nothing below /admin and /retag, however it is written."""
    if not needs_key(method, path, is_private=False):
        is_sign = path in {"/sign-in", "/sign-out"}
        assert is_sign or method in {"GET", "HEAD", "OPTIONS"}
        assert is_sign or not path.startswith(("/admin/", "/retag/"))


def test_the_settings_hide_nothing_secret(tmp_path):
    """What is printed of the settings has no password."""
    settings = settings_with(tmp_path, store="postgresql://me:s3cret@host/db")

    assert "s3cret" not in repr(settings)
