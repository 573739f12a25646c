"""Which errors a person reads as a line: those of the library, and that Prefect's server is gone."""

import httpx
import pytest

from tasks.fault_lines import fault_line

GONE = "http://127.0.0.1:9/api"  # nobody answers there


@pytest.mark.parametrize("address", [GONE, "http://127.0.0.1:7/hub"])
def test_prefects_server_that_is_gone_is_a_line_and_another_server_is_none(address, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", GONE)
    with pytest.raises(RuntimeError) as caught:
        try:
            httpx.get(f"{address}/health")
        except httpx.ConnectError as error:
            raise RuntimeError("Failed to reach API") from error
    line = fault_line(caught.value)
    if address == GONE:
        assert line.startswith(f"Prefect's server at {GONE} did not answer any more (")
        assert "refused" in line and line.endswith("run this again")
    else:
        assert line is None


def test_a_server_that_is_too_busy_is_a_line_and_a_refusal_a_bug(monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", GONE)
    request = httpx.Request("POST", f"{GONE}/flow_runs/")
    busy, refused = (
        httpx.HTTPStatusError(f"{status}", request=request, response=httpx.Response(status))
        for status in (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.UNPROCESSABLE_ENTITY)
    )
    assert "did not answer any more (503)" in fault_line(busy)
    assert fault_line(refused) is None
