"""Every input that ever brought down what reads it is an answer or one line; fresh ones are too.

In full: python -m benchmarks.hostile.
"""

import json

import numpy as np
import pytest

from benchmarks.hostile.entrances import entrances
from benchmarks.hostile.inputs import Entrance, mutated, outcomes
from benchmarks.hostile.service import ask, attack, request, serving, verdict
from flows.servers import HOST
from mfer_core.cache.code import ROOT

KEPT = sorted((ROOT / "tests" / "hostile").iterdir())
ANSWERS = {"read", "refused"}


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    return entrances(tmp_path_factory.mktemp("good"))


def test_inputs_that_failed_once_fail_no_more(known):
    assert len(KEPT) > 5
    by_file = {name.replace(" ", "_"): entrance for name, entrance in known.items()}
    for path in KEPT:
        entrance = by_file[path.name.split("-")[0]]
        assert set(outcomes(entrance, [path.read_bytes()])) <= ANSWERS, path.name


def test_good_inputs_are_read_and_changed_ones_are_an_answer(known):
    rng = np.random.default_rng(0)
    for name, entrance in known.items():
        first, *others = outcomes(entrance, [entrance.good, *(mutated(entrance, rng) for _ in range(10))])
        assert (first, {*others} <= ANSWERS) == ("read", True), (name, first, others)


def test_what_is_no_answer_is_seen(tmp_path):
    def hang(path):
        import time

        time.sleep(60)

    def leave(path):
        (path.parents[1] / "outside").write_text("x")

    def bug(path):
        raise TypeError("a bug")

    seen = [*outcomes(Entrance(b"x", "x", bug), [b"x"]), *outcomes(Entrance(b"x", "x", leave), [b"x"])]
    assert seen == ["FAULT: TypeError: a bug", "FAULT: written outside: ['outside']"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmarks.hostile.inputs.LIMIT_S", 1)
        assert list(outcomes(Entrance(b"x", "x", hang), [b"x"])) == [
            "FAULT: the process ended with status -14"
        ]


@pytest.mark.parametrize(
    ("said", "judged"),
    [
        (b"", "FAULT: no answer"),
        (b"HTTP/1.1 500 Internal Server Error\r\n\r\n{}", "FAULT: b'HTTP/1.1 500 Internal Server Error'"),
        (b"HTTP/1.1 422 Unprocessable\r\n\r\nno", "FAULT: 422 without JSON: b'no'"),
        (b"HTTP/1.1 200 OK\r\n\r\n[]", "200"),
    ],
)
def test_what_a_service_says_is_judged(said, judged):
    assert verdict(said) == judged


def test_hostile_requests_are_answered_and_leave_the_service_as_it_was(tmp_path):
    with serving(tmp_path) as (server, port):
        counts = attack(server, port, 100, seed=3, keep=None)
        strangers = [
            ask(port, request("GET", "/health", b"", headers)).partition(b"\r\n\r\n")
            for headers in ({"Host": f"{HOST}.evil.example:{port}"}, {"Origin": "http://evil.example"})
        ]
        nameless = ask(port, b"GET /health HTTP/1.0\r\nOrigin: http://evil.example\r\n\r\n")
    for (head, _, body), status in zip(strangers, (b"400", b"403"), strict=True):
        assert head.split()[1] == status and json.loads(body).keys() == {"detail"}
        assert b"evil" not in head + body
    assert verdict(nameless) == "400"
    assert {"200", "413", "422"} <= counts.keys()
    assert not [answer for answer in counts if answer.startswith("FAULT")]
