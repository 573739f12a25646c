"""The corpora's real layouts in small: what is written, and what a person counts in it."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from tests.corpora.layout import Layout, write_all
from tests.corpora.media_files import write_media, write_wav
from tests.corpora.published_layouts import PUBLISHED


def face(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (48, 48), dtype=np.uint8)


def write_face(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(face(number)).save(path.with_suffix(".png"))
    path.with_suffix(".png").rename(path)


def csv_row(code: int, number: int, part: str) -> str:
    return f"{code},{' '.join(map(str, face(number).ravel()))},{part}"


def _ravdess(folder: Path) -> None:
    write_all(
        folder,
        "Actor_01/01-01-03-01-01-01-01.mp4",
        "Actor_01/03-01-03-01-01-01-01.wav",
        "ACTOR02/03-01-08-02-02-02-02.WAV",
    )
    write_all(
        folder,
        "Video_Speech_Actor_03/Actor_03/02-01-01-01-01-02-03.mp4",
        "Actor_03/03-02-04-01-01-01-03.wav",
        first=3,
    )
    (folder / ".DS_Store").write_bytes(b"x")


def _crema_d(folder: Path) -> None:
    write_all(
        folder,
        "AudioWAV/1001_DFA_ANG_XX.wav",
        "AudioMP3/1001_DFA_ANG_XX.mp3",
        "AudioMP3/1002_IEO_HAP_HI.mp3",
        "VideoFlash/1002_IEO_HAP_HI.flv",
    )
    write_all(folder, "AudioWAV/1040_ITH_SAD_X.wav", "AudioWAV/1003_TIE_NEU_XX.wav", first=4)
    (folder / "AudioWAV/1004_TIE_NEU_XX.wav").write_bytes(
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    )
    (folder / "VideoDemographics.csv").write_text(
        "ActorID,Age,Sex,Race,Ethnicity\n"
        "1001,51,Male,Caucasian,Not Hispanic\n"
        "1002,21,Female,Asian,Not Hispanic\n"
    )


def _shemo(folder: Path) -> None:
    write_all(
        folder,
        "female/F01A01.wav",
        "female/F01W02.wav",
        "male/M01N01.wav",
        "male/M02F01.wav",
        "male/voice.wav",
    )
    entries = {
        "F01A01": {"emotion": "anger", "transcript": "سلام"},
        "F01W02": {"emotion": "happiness"},
        "M01N01": {"emotion": "neutral"},
    }
    (folder / "shemo.json").write_text(json.dumps(entries), encoding="utf-8")


def _shemo_without_json(folder: Path) -> None:
    _shemo(folder)
    (folder / "shemo.json").unlink()


def _urdu(folder: Path) -> None:
    write_all(
        folder,
        "Angry/SM1_F10_A010.wav",
        "Happy/SF1_F2_H02.wav",
        "Neutral/SM5_F72_N0100.wav",
        "Sad/SF1_F1_S01.wav",
        "Sad/SM1_F9_A09.wav",
    )


def _sdc(folder: Path) -> None:
    write_all(
        folder,
        "8Njah_Mn_Almot/1seg_ang.wav",
        "khalatt_20/wavs/1seg_nat.wav",
        "khalatt_20/wavs/1seg_hap.wav",
        "News/1seg_ang.wav",
    )
    for code in ("sad", "hap"):
        write_wav(folder / f"MANDOOB (Night Courier)/{code}/1.wav", len(code) + ord(code[0])).rename(
            folder / f"MANDOOB (Night Courier)/{code}/1.WAV"
        )


def _fer_csv(folder: Path) -> None:
    parts = ["Training"] * 7 + ["PublicTest", "PrivateTest"]
    rows = [csv_row(code % 7, code, part) for code, part in enumerate(parts)] + [
        csv_row(2, 2, "PrivateTest"),
        csv_row(3, 4, "Training"),
    ]
    rows += [f"0,{' '.join(['7'] * 2304)},Training", "0,1 2 3,Training"]
    (folder / "fer2013.csv").write_text("emotion,pixels,Usage\n" + "\n".join(rows) + "\n")


def _fer_folders(folder: Path) -> None:
    names = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    for number, name in enumerate(names):
        write_face(folder / f"train/{name}/Training_{number}.jpg", number)
        write_face(
            folder / f"test/{name}/{'PublicTest' if number % 2 else 'PrivateTest'}_{number}.jpg", 50 + number
        )
    write_face(folder / "test/sad/PublicTest_99.jpg", 0)


def _fer_zip(folder: Path) -> None:
    _fer_folders(folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with zipfile.ZipFile(folder / "archive.zip", "w") as archive:
        for path in files:
            archive.write(path, path.relative_to(folder))
            path.unlink()


def _fer_csv_in_zip(folder: Path) -> None:
    _fer_csv(folder)
    with zipfile.ZipFile(folder / "fer2013.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / "fer2013.csv", "fer2013/fer2013.csv")
    (folder / "fer2013.csv").unlink()


def _custom_folders(folder: Path) -> None:
    write_all(
        folder,
        "angry/my clip 1.mp4",
        "غضب/مقطع ١.mov",
        "Fear/1.avi",
        "natural/1.mkv",
        "disgusted/1.webm",
        "sad/1.flac",
        "joy/1.mp3",
        "calm/1.m4a",
    )
    write_all(folder, "Sleepy/1.wav", "calm/1.wav", first=8)
    (folder / "notes.txt").write_text("x")


def _custom_names(folder: Path) -> None:
    for number, name in enumerate(("v_P1_natural_1", "v_P1_fear_1", "v_P2_disgusted_1", "v_P2_calm_1")):
        write_media(folder / f"{name}.mov", number).rename(folder / f"{name}.MOV")


def _custom_manifest(folder: Path) -> None:
    write_all(folder, "a b.wav", "clips/c.mp4", "clips/extra.wav")
    table = pd.DataFrame(
        {
            "path": ["a b.wav", "clips\\c.mp4", "gone.wav"],
            "label": ["غضب", "meh", "sad"],
            "speaker": ["Ann", "", "Bob"],
            "sex": ["F", "", "m"],
        }
    )
    table.to_csv(folder / "list.csv", index=False)
    table.to_parquet(folder / "list.parquet")


_SEVEN = {"angry": 2, "disgust": 2, "fearful": 2, "happy": 2, "neutral": 2, "sad": 2, "surprised": 2}
# Rows 2 and 9 are one face under one label, rows 4 and 10 one face under two.
_CSV = {"angry": 2, "disgust": 2, "fearful": 1, "happy": 1, "surprised": 1, "neutral": 1}
_CSV_REJECTS = {"duplicate": 1, "conflicting duplicate": 2, "blank": 1, "not 48x48": 1}
_FACES = (_SEVEN | {"angry": 1}, 1, {"conflicting duplicate": 2})
_SHEMO = ({"angry": 1, "surprised": 1, "neutral": 1, "fearful": 1}, 3, {"unknown name": 1})
_LISTED = ({"angry": 1, "happy": 1}, 2, {"not in the manifest": 1, "missing file": 1})

LAYOUTS: dict[str, Layout] = {
    "ravdess": Layout(
        "ravdess", _ravdess, {"happy": 1, "surprised": 1, "neutral": 1}, 3, {"same take": 1, "song": 1}
    ),
    "crema_d": Layout(
        "crema_d",
        _crema_d,
        {"angry": 1, "happy": 1, "sad": 1, "neutral": 1},
        4,
        {"same take": 2, "git-lfs pointer": 1},
    ),
    "shemo": Layout("shemo", _shemo, *_SHEMO),
    "shemo without json": Layout("shemo", _shemo_without_json, *_SHEMO),
    "urdu": Layout(
        "urdu", _urdu, {"angry": 1, "happy": 1, "neutral": 1, "sad": 1}, 3, {"folder and name disagree": 1}
    ),
    "sdc": Layout("sdc", _sdc, {"angry": 2, "neutral": 1, "happy": 2, "sad": 1}, 4),
    "fer2013 csv": Layout("fer2013", _fer_csv, _CSV, 1, _CSV_REJECTS),
    "fer2013 csv in zip": Layout("fer2013", _fer_csv_in_zip, _CSV, 1, _CSV_REJECTS),
    "fer2013 folders": Layout("fer2013", _fer_folders, *_FACES),
    "fer2013 zip": Layout("fer2013", _fer_zip, *_FACES),
    "custom folders": Layout(
        "custom",
        _custom_folders,
        {"angry": 2, "fearful": 1, "neutral": 1, "disgust": 1, "sad": 1, "happy": 1, "calm": 2},
        1,
        {"no label": 1},
    ),
    "custom names": Layout(
        "custom",
        _custom_names,
        {"neutral": 1, "fearful": 1, "disgust": 1, "calm": 1},
        2,
        corpus={"speaker_pattern": r"^[^_]+_(?P<speaker>[^_]+)_"},
    ),
    "custom csv": Layout(
        "custom", _custom_manifest, *_LISTED, corpus={"manifest": "list.csv", "aliases": {"meh": "happy"}}
    ),
    "custom parquet": Layout(
        "custom", _custom_manifest, *_LISTED, corpus={"manifest": "list.parquet", "aliases": {"meh": "happy"}}
    ),
    **PUBLISHED,
}
