"""mfer service: what predict says over HTTP, as its OpenAPI description declares it."""

import pytest
from starlette.testclient import TestClient

from flows.service import Recording, service
from mfer_core.prediction.batch import result_of
from mfer_core.prediction.notice import NOTICE
from mfer_core.prediction.tables import clip_facts
from tests.prediction.conftest import _one_thread, model, predictor, recordings  # noqa: F401

MOST_BYTES = 2_000_000


@pytest.fixture(scope="module")
def client(predictor):
    return TestClient(service(predictor, "the model", MOST_BYTES), base_url="http://127.0.0.1:8000")


def test_a_recording_is_answered_as_predict_writes_it(client, predictor, recordings):
    content = (recordings / "long.mp4").read_bytes()
    asked = {"name": "mine.mp4", "window_s": 2, "step_s": 1}
    answer = client.post("/predict", content=content, params=asked)
    assert answer.status_code == 200, answer.text
    prediction = predictor.examine(recordings / "long.mp4", 2.0, 1.0)
    expected = clip_facts(result_of("mine.mp4", prediction, predictor), predictor.classes)
    assert answer.json() == Recording.model_validate(expected).model_dump()
    assert set(answer.json()["arms"]) == {"visual", "audio", "fused"} and len(answer.json()["timeline"]) > 1


def test_what_cannot_be_judged_says_why(client, recordings):
    broken = client.post("/predict", content=(recordings / "broken.mp4").read_bytes())
    assert broken.status_code == 422 and broken.json()["detail"].startswith("unreadable")
    large = client.post("/predict", content=b"0" * (MOST_BYTES + 1))
    assert large.status_code == 413 and large.json()["detail"] == "larger than 1 MB"
    assert client.post("/predict", params={"window_s": 0}, content=b"0").status_code == 422
    assert client.get("/health").json() == {"status": "ok"}


def test_the_description_declares_what_goes_in_and_what_comes_out(client, predictor):
    described = client.get("/openapi.json").json()
    predict = described["paths"]["/predict"]["post"]
    assert list(predict["requestBody"]["content"]) == ["application/octet-stream"]
    assert {each["name"] for each in predict["parameters"]} == {"name", "window_s", "step_s"}
    schema = predict["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/Recording"}
    assert set(described["components"]["schemas"]["Recording"]["properties"]) == set(Recording.model_fields)
    assert described["info"]["description"] == NOTICE
    facts = client.get("/model").json()
    assert facts["classes"] == list(predictor.classes) and facts["warning"] == predictor.warning


def test_a_page_of_another_site_gets_nothing_and_no_page_loads_scripts(client):
    for name in ("Origin", "Host"):
        refused = client.get("/model", headers={name: "http://evil.example/<script>"})
        assert refused.status_code == {"Origin": 403, "Host": 400}[name]
        assert "evil" not in refused.text and refused.json()["detail"].startswith("asked by a")
        assert refused.headers["x-content-type-options"] == "nosniff"
    assert client.get("/docs").status_code == client.get("/redoc").status_code == 404


def test_in_a_container_other_names_are_answered(predictor):
    outside = TestClient(
        service(predictor, "the model", MOST_BYTES, "0.0.0.0"), base_url="http://mfer.example"
    )
    assert outside.get("/health").status_code == 200
    page = outside.get("/health", headers={"Origin": "http://evil.example"})
    assert (page.status_code, page.json()) == (403, {"detail": "asked by a page of another site"})
