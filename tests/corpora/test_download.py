import hashlib
import logging
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mfer_core.base import progress
from mfer_core.base.errors import MferError
from mfer_core.corpora.download import PIECE, Remote, TransientError, download, read_json_url
from tests.corpora.http_server import serve

CONTENT = np.random.default_rng(0).bytes(3_000_000)


@pytest.fixture(scope="module")
def server():
    with serve() as site:
        site.files["/a.zip"] = CONTENT
        yield site


@pytest.fixture
def site(server):
    server.faults.clear()
    server.requests.clear()
    return server


def remote(site, **changes) -> Remote:
    facts = {"size": len(CONTENT), "checksum": f"md5:{hashlib.md5(CONTENT).hexdigest()}"}
    return Remote(url=f"{site.url}/a.zip", name="a.zip", **(facts | changes))


def test_a_file_is_fetched_once(site, tmp_path):
    path = download(remote(site), tmp_path)
    assert path.read_bytes() == CONTENT and download(remote(site), tmp_path) == path
    assert len(site.requests) == 1 and [file.name for file in tmp_path.iterdir()] == ["a.zip"]


def test_progress_is_shown_in_mebibytes_of_how_many(site, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(progress, "LOG_EVERY_S", 0)
    with caplog.at_level(logging.INFO, "mfer"):
        download(remote(site), tmp_path)
    assert [record.getMessage() for record in caplog.records if record.name == "mfer"] == [
        f"fetch a.zip (MiB): {done} of {len(CONTENT) // 2**20 + 1}"
        for done in range(1, len(CONTENT) // 2**20 + 1)
    ]


def test_after_dropped_connections_it_goes_on_where_it_stopped(site, tmp_path):
    site.faults["/a.zip"] = ["drop 1000000", "drop 500000"]
    for arrived in (1_000_000, 1_500_000):
        with pytest.raises(TransientError, match="connection broke"):
            download(remote(site), tmp_path)
        assert (
            arrived - 2 * PIECE < (tmp_path / "a.zip.part").stat().st_size <= arrived
            and not (tmp_path / "a.zip").exists()
        )
    assert download(remote(site), tmp_path).read_bytes() == CONTENT
    assert [status for _, _, status in site.requests] == [200, 206, 206]


def test_a_server_without_ranges_sends_all_of_it_again(site, tmp_path):
    site.faults["/a.zip"] = ["drop 1000000", "no range"]
    with pytest.raises(TransientError):
        download(remote(site), tmp_path)
    assert download(remote(site), tmp_path).read_bytes() == CONTENT


def test_a_download_that_was_killed_when_all_had_arrived_is_only_checked(site, tmp_path):
    (tmp_path / "a.zip.part").write_bytes(CONTENT)
    assert download(remote(site), tmp_path).read_bytes() == CONTENT and not site.requests


@pytest.mark.parametrize(
    ("fault", "message"), [("long 10", "connection broke"), ("short 10", "of 3000000 bytes arrived")]
)
def test_a_server_that_lies_about_the_length_is_found_out(site, tmp_path, fault, message):
    site.faults["/a.zip"] = [fault]
    try:
        download(remote(site), tmp_path)
    except TransientError as error:
        assert message in str(error)
        assert not (tmp_path / "a.zip").exists()
    assert download(remote(site), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("changes", "fault", "message"),
    [
        ({"checksum": "md5:0"}, "", "published is md5:0; dropped"),
        ({"size": 10}, "", "more than the 10 bytes published; dropped"),
        ({}, "endless", "more than the 3000000 bytes published; dropped"),
        ({"size": 20}, "html", "published is md5"),
    ],
)
def test_content_that_is_not_what_was_promised_is_dropped(site, tmp_path, changes, fault, message):
    site.faults["/a.zip"] = [fault]
    with pytest.raises(TransientError, match=message):
        download(remote(site, **changes), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_bytes_kept_of_an_older_and_longer_file_are_dropped(site, tmp_path):
    (tmp_path / "a.zip.part").write_bytes(CONTENT + b"more")
    with pytest.raises(TransientError, match="starts again"):
        download(remote(site), tmp_path)
    assert download(remote(site), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("status", "passes"), [(503, True), (429, True), (500, True), (404, False), (403, False)]
)
def test_busy_servers_are_worth_another_try_and_refusals_are_not(site, tmp_path, status, passes):
    site.faults["/a.zip"] = [f"status {status}"]
    with pytest.raises(MferError, match=str(status)) as caught:
        download(remote(site), tmp_path)
    assert isinstance(caught.value, TransientError) == passes


def test_no_server_at_all_is_worth_another_try(tmp_path):
    with pytest.raises(TransientError, match="connection broke after 0 of"):
        download(Remote(url="http://127.0.0.1:9/a.zip", name="a.zip"), tmp_path)


def test_a_name_that_nobody_knows_is_worth_another_try_and_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(TransientError, match=r"after 0 of \? bytes: .*resolve 'nowhere\.invalid'") as caught:
        download(Remote(url="https://nowhere.invalid/a.zip", name="a.zip"), tmp_path)
    assert "\n" not in str(caught.value)


def test_a_certificate_that_is_not_trusted_is_no_fault_that_passes_and_trusted_it_is_fetched(
    tmp_path, monkeypatch
):
    certificate = self_signed(tmp_path)
    with serve(certificate) as site:
        site.files["/a.zip"] = CONTENT
        with pytest.raises(MferError, match=r"self-signed certificate\): REQUESTS_CA_BUNDLE") as caught:
            download(remote(site), tmp_path / "raw")
        assert not isinstance(caught.value, TransientError) and not list((tmp_path / "raw").iterdir())
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert download(remote(site), tmp_path / "raw").read_bytes() == CONTENT


def self_signed(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody vouches for, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now, host = datetime.now(UTC), x509.IPAddress(ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([host]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    path = folder / "server.pem"
    path.write_bytes(certificate.public_bytes(pem) + key.private_bytes(pem, *plain))
    return path


def test_without_a_published_size_the_answer_itself_is_believed(site, tmp_path):
    assert download(remote(site, size=None, checksum=None, about=5), tmp_path).read_bytes() == CONTENT


def test_json_that_is_none_is_worth_another_try(site):
    site.files["/record"] = b"<html>"
    with pytest.raises(TransientError, match="JSON"):
        read_json_url(f"{site.url}/record")
    with pytest.raises(MferError, match="404"):
        read_json_url(f"{site.url}/none")
