"""What is known of the packages that the lock installs: advisories from a folder, and hashes."""

import json
import os
import subprocess
import sys
import zipfile

import httpx
import pytest

from benchmarks.advisories import affecting, read_advisories, served
from mfer_core.cache.code import ROOT


def advisory(name, number, *events, **more):
    ranges = [{"type": "ECOSYSTEM", "events": list(events)}] if events else []
    package = {"ecosystem": "PyPI", "name": name}
    return {"id": number, "affected": [{"package": package, "ranges": ranges, **more}]}


@pytest.fixture
def advisories(tmp_path):
    spans = advisory("Some_Package", "PYSEC-1", {"introduced": "0"}, {"fixed": "2.1"}, {"introduced": "3.0"})
    last = advisory("other", "PYSEC-2", {"introduced": "1.0"}, {"last_affected": "1.4"})
    named = advisory("other", "PYSEC-3", versions=["5.0rc1"])
    withdrawn = advisory("other", "PYSEC-4", {"introduced": "0"}) | {"withdrawn": "2026-01-01T00:00:00Z"}
    (tmp_path / "one.json").write_text(json.dumps(spans))
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for entry in (last, named, withdrawn):
            archive.writestr(f"{entry['id']}.json", json.dumps(entry))
    return read_advisories(tmp_path)


@pytest.mark.parametrize(
    ("package", "version", "numbers"),
    [
        *[
            ("some-package", "2.0", ["PYSEC-1"]),
            ("some.package", "2.1", []),
            ("some-package", "3.2", ["PYSEC-1"]),
        ],
        *[
            ("other", "0.9", []),
            ("other", "1.4", ["PYSEC-2"]),
            ("other", "1.5", []),
            ("other", "5.0rc1", ["PYSEC-3"]),
        ],
        ("unknown", "1.0", []),
    ],
)
def test_the_folder_answers_as_osv_does(advisories, package, version, numbers):
    with served(advisories) as address:
        query = {"package": {"name": package, "ecosystem": "PyPI"}, "version": version}
        answer = httpx.post(address, content=json.dumps(query)).json()
    assert [entry["id"] for entry in answer.get("vulns", [])] == numbers
    assert [entry["id"] for entry in affecting(advisories, package, version)] == numbers


def test_the_auditor_is_asked_with_the_folders_address_and_its_status_is_passed_on(tmp_path):
    (tmp_path / "one.json").write_text(json.dumps(advisory("some-package", "PYSEC-1", {"introduced": "0"})))
    auditor = "import sys; print(sys.argv[1:]); sys.exit(3)"
    command = ["-m", "benchmarks.advisories", str(tmp_path), sys.executable, "-c", auditor, "--strict"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True)
    assert ended.returncode == 3
    assert "'--strict', '--vulnerability-service', 'osv', '--osv-url', 'http://127.0.0.1:" in ended.stdout


def test_a_folder_without_advisories_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="no advisory"):
        read_advisories(tmp_path)


def test_every_package_of_the_lock_is_held_by_its_hash():
    entries = (ROOT / "requirements.lock").read_text().replace("\\\n", " ").splitlines()
    assert len(entries) > 300
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
