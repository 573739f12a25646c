"""The command plan names all that a profile needs, and changes nothing."""

import shutil

from flows import plan as planning
from flows.__main__ import main
from mfer_core.cache.code import ROOT
from mfer_core.planning.rates import Rate
from tests.planning.test_estimate import PARTS


def test_a_profile_without_its_corpora_and_checkpoints_could_not_start(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    shutil.copytree(ROOT / "profiles", "profiles")
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    asked = []

    def measure(settings):
        asked.append(settings.profile)
        return dict.fromkeys(PARTS, Rate(seconds=0.1, memory_gb=1.0))

    monkeypatch.setattr(planning, "measure_rates", measure)
    assert main(["plan", "--profile", "report"]) == 1
    assert main(["plan", "--profile", "report"]) == 1
    said = capsys.readouterr().out
    for missing in ("ravdess", "crema_d", "shemo", "sdc", "urdu", "custom", "pretrain_vit.checkpoint"):
        assert f"missing: {missing}: " in said
    assert "embed@ravdess" in said and "embed.views: 0 in place of 4 saves" in said
    assert asked == ["report"]  # The second plan uses the rates that were kept.
    assert (tmp_path / "params.yaml").read_bytes() == (ROOT / "params.yaml").read_bytes()
