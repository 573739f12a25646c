"""Many recordings: no name, no file and no kill costs more than itself."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pandas as pd
import pytest

from mfer_core.base.files import read_json
from mfer_core.cache.code import ROOT
from mfer_core.prediction import page
from mfer_core.prediction.batch import Batch
from mfer_core.prediction.media_files import find_media
from mfer_core.prediction.predictor import Predictor
from tests.corpora.media_files import write_wav

ODD_NAMES = [
    "Ba$$in.wav",
    "=1+1.wav",
    "-x.wav",
    "a:b.wav",
    "#1?.wav",
    "50%20.wav",
    "أحمد غضب ٣.wav",
    "愤怒.wav",
]
ODD_NAMES += ["x" * 251 + ".wav", "ä" * 110 + "1.wav", "ä" * 110 + "2.wav", os.fsdecode(b"z\xeb\n.wav")]


def run(predictor, paths, out, window_s=4.0):
    return Batch(predictor, "the model", window_s, 1.0, out).run(find_media(paths, out))


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def stopping_after(count):
    """An ``examine`` that is interrupted by Ctrl-C when it is called once more than ``count`` times."""
    calls, examine = [], Predictor.examine

    def interrupted(*arguments):
        if len(calls) == count:
            raise KeyboardInterrupt
        calls.append(1)
        return examine(*arguments)

    return interrupted


def test_no_name_ends_a_batch_or_is_shown_wrongly(predictor, tmp_path, monkeypatch, capfd, recwarn):
    """Mathematics in a title, formulas, protocols, links, other scripts, names as long as names can be, and
    no UTF-8.
    """
    folder, out = tmp_path / "in", tmp_path / "out"
    for number, name in enumerate(ODD_NAMES):
        write_wav(folder / "a", number).rename(folder / name)
    monkeypatch.chdir(folder)
    done = run(predictor, [*map(Path, ODD_NAMES), folder / ODD_NAMES[0]], out)
    assert done.done == [Path(name) for name in ODD_NAMES] and not done.rejected
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]
    assert "Warning" not in capfd.readouterr().err
    shown = [clip["path"] for clip in read_json(out / "predictions.json")["clips"]]
    assert shown == [*ODD_NAMES[:-1], r"z\xeb\x0a.wav"]
    assert len(list((out / "plots").iterdir())) == len(shown)
    assert max(len(os.fsencode(path.name)) for path in out.rglob("*")) < 143
    assert list(pd.read_csv(out / "predictions.csv").path.unique()[1:3]) == ["'=1+1.wav", "'-x.wav"]
    text = "".join(path.read_text() for path in (out / "recordings").iterdir())
    assert all(
        f"<bdi>{name}</bdi>" in text for name in ("Ba$$in.wav", "أحمد غضب ٣.wav", "愤怒.wav", "a:b.wav")
    )


def test_the_report_of_many_recordings_only_links_to_their_pages(predictor, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "SHOWN_IN_REPORT", 1)
    for name in ("50% #1?.wav", "=1+1.wav"):
        write_wav(tmp_path / "in" / name, len(name))
    run(predictor, [tmp_path / "in"], tmp_path / "out")
    text = (tmp_path / "out" / "report.html").read_text()
    links = [urlsplit(part.split('"')[0]) for part in text.split('href="')[1:]]
    assert "<img" not in text and "50% #1?.wav" in text
    assert [unquote(link.path) for link in links] == [
        path.relative_to(tmp_path / "out").as_posix()
        for path in sorted((tmp_path / "out" / "recordings").iterdir())
    ]
    assert not any(link.query or link.fragment or link.scheme for link in links)


def test_what_is_no_file_is_a_row_and_content_tells_what_names_do_not(predictor, as_nobody):
    folder = as_nobody / "in"
    for name in ("sound.opus", "sound", "sound.dat", "closed.wav", "shut/1.wav"):
        write_wav(folder / name, len(name))
    (folder / "closed.wav").chmod(0)
    (folder / "shut").chmod(0)
    os.mkfifo(folder / "pipe.mp4")
    (folder / "gone.mp4").symlink_to("nowhere.mp4")
    (folder / "junk.dat").write_bytes(b"no sound")
    (folder / "face.jpg").write_bytes(b"no sound")
    done = run(predictor, [folder, folder / "pipe.mp4", folder / "gone.mp4"], as_nobody / "out")
    (folder / "shut").chmod(0o755)
    assert [path.name for path in done.done] == ["sound", "sound.dat", "sound.opus"]
    assert {Path(path).name for path in done.others} == {"junk.dat", "face.jpg"}
    assert {Path(one.path).name: one.reason.split(":")[0] for one in done.rejected} == {
        "closed.wav": "no permission",
        "shut": "folder not readable",
        "pipe.mp4": "not a file",
        "gone.mp4": "broken link",
    }


@pytest.fixture(scope="module")
def three(predictor, tmp_path_factory):
    """Three recordings, and the results of an undisturbed run over them."""
    folder = tmp_path_factory.mktemp("three")
    for number in range(3):
        write_wav(folder / "in" / f"{number}.wav", number)
    run(predictor, [folder / "in"], folder / "out")
    return folder / "in", contents(folder / "out")


def test_ctrl_c_leaves_tables_of_what_is_done_and_a_rerun_does_the_rest(
    predictor, three, tmp_path, monkeypatch
):
    folder, whole = three
    with monkeypatch.context() as patched:
        patched.setattr(Predictor, "examine", stopping_after(2))
        assert run(predictor, [folder], tmp_path).left == 1
    predictions = read_json(tmp_path / "predictions.json")
    assert [Path(clip["path"]).name for clip in predictions["clips"]] == ["0.wav", "1.wav"]
    assert "The same command goes on there" in (tmp_path / "report.html").read_text()
    monkeypatch.setattr(Predictor, "examine", stopping_after(1))
    assert run(predictor, [folder], tmp_path).left == 0
    assert contents(tmp_path) == whole


def test_a_kill_loses_nothing_that_is_done(predictor, model, three, tmp_path, monkeypatch):
    """SIGKILL in the middle of the third recording; the rerun looks at that one only, and the bytes are the
    same.
    """
    folder, whole = three
    program = """if True:
        import os, signal, sys
        from pathlib import Path
        from mfer_core.encoders.device import one_thread
        from mfer_core.prediction.predictor import Predictor
        from tests.prediction.test_batch import run
        examine, calls = Predictor.examine, []
        def killed(self, *arguments):
            if len(calls) == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            calls.append(1)
            return examine(self, *arguments)
        Predictor.examine = killed
        with one_thread():
            run(Predictor.load(sys.argv[1]), [Path(sys.argv[2])], Path(sys.argv[3]))
    """
    command = [sys.executable, "-c", program, model, folder, tmp_path]
    assert subprocess.run(command, cwd=ROOT, timeout=300).returncode == -9
    assert len(list((tmp_path / "done").iterdir())) == 2
    monkeypatch.setattr(Predictor, "examine", stopping_after(1))
    assert run(predictor, [folder], tmp_path).left == 0
    assert contents(tmp_path) == whole


def test_what_shapes_a_result_makes_it_anew_and_an_earlier_run_leaves_nothing(predictor, three, tmp_path):
    folder, whole = three
    foreign = tmp_path / "out" / "plots" / "mine.png"
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"of the person, not of this program")
    write_wav(tmp_path / "other.wav", 7)
    run(predictor, [folder, tmp_path / "other.wav"], tmp_path / "out", window_s=2.0)
    run(predictor, [folder], tmp_path / "out")
    assert contents(tmp_path / "out") == whole | {foreign.relative_to(tmp_path / "out"): foreign.read_bytes()}


def test_a_recording_for_which_memory_does_not_suffice_is_a_row(predictor, three, tmp_path, monkeypatch):
    def examine(self, path, *windows):
        raise MemoryError

    monkeypatch.setattr(Predictor, "examine", examine)
    assert {one.reason for one in run(predictor, [three[0]], tmp_path).rejected} == {
        "too large: there is not enough memory for it"
    }


def test_a_recording_that_hangs_the_decoder_is_a_row_and_the_others_go_on(predictor, tmp_path, monkeypatch):
    """A playlist that names a pipe into which nobody writes: FFmpeg opens it and never comes back."""
    write_wav(tmp_path / "b.wav")
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "a.mp4").write_text("ffconcat version 1.0\nfile pipe.mp4\n")
    limited = predictor.settings.extract.model_copy(update={"clip_time_limit_s": 5.0})
    settings = predictor.settings.model_copy(update={"extract": limited})
    monkeypatch.setattr("mfer_core.prediction.predictor.GRACE_S", 1.0)
    done = run(replace(predictor, settings=settings, in_worker=True), [tmp_path], None)
    assert [path.name for path in done.done] == ["b.wav"]
    assert [one.reason.split(":")[0] for one in done.rejected] == ["not a file", "time limit"]
