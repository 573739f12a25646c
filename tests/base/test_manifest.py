"""A manifest on the disk."""

import pyarrow.parquet as pq
import pytest

from mfer_core.base.errors import MferError
from mfer_core.base.files import write_table
from mfer_core.base.manifest import Clip, read_manifest, write_manifest


def test_a_manifest_of_another_version_and_a_damaged_one_are_a_line_with_the_file_and_the_remedy(tmp_path):
    path = tmp_path / "manifest.parquet"
    facts = {"corpus": "shemo", "path": "a.wav", "sha256": "0", "label": "sad", "speaker": "shemo-1"}
    written = write_manifest(path, [Clip(clip_id="shemo/a", has_audio=True, **facts)], "shemo")
    assert read_manifest(path).equals(written)
    write_table(path, pq.read_table(path).drop_columns(["race", "ethnicity"]))
    with pytest.raises(MferError) as error:
        read_manifest(path)
    remedy = "another version wrote it: run stage ingest again"
    assert str(error.value) == f"{path} has no ethnicity, race: {remedy}"
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(MferError, match=f"cannot read {path}") as error:
        read_manifest(path)
    assert "\n" not in str(error.value)
    path.unlink()
    with pytest.raises(MferError, match=f"{path} is missing: run stage ingest first"):
        read_manifest(path)
