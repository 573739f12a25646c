"""Small corpora in the layouts in which speech corpora are published, with classes beyond the eight."""

import json
from pathlib import Path

import pandas as pd

from tests.corpora.layout import Layout, write_all


def _emodb(folder: Path) -> None:
    write_all(folder, "wav/03a01Fa.wav", "wav/08b02Wc.wav", "wav/16a07Lb.wav", "wav/99a01Fa.wav")
    (folder / "erklaerung.txt").write_text("x")


def _savee(folder: Path) -> None:
    write_all(folder, "AudioData/DC/a01.wav", "AudioVisualClip/DC/a01.avi", "AudioData/KL/su12.wav")
    write_all(folder, "ALL/JE_sa03.wav", "ALL/XX_n01.wav", first=3)


def _tess(folder: Path) -> None:
    inner = "TESS Toronto emotional speech set data"
    write_all(folder, f"{inner}/OAF_Fear/OAF_back_fear.wav", f"{inner}/OAF_neutral/OA_bite_neutral.wav")
    write_all(
        folder, f"{inner}/YAF_pleasant_surprised/YAF_dog_ps.wav", f"{inner}/YAF_happy/notes.wav", first=2
    )
    write_all(folder, f"{inner}/{inner}/OAF_Fear/OAF_back_fear.wav")


def _mead(folder: Path) -> None:
    write_all(folder, "M003/audio/angry/level_1/001.m4a", "M003/video/left_30/angry/level_1/001.mp4")
    write_all(
        folder, "M003/video/front/angry/level_1/001.mp4", "M003/video/left_30/fear/level_3/002.mp4", first=2
    )
    write_all(
        folder, "W009/audio/neutral/level_1/004.m4a", "W009/video/front/contempt/level_2/001.mp4", first=4
    )
    write_all(folder, "W009/video/behind/sad/level_2/001.mp4", first=6)


def _meld(folder: Path) -> None:
    header = (
        "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"
    )
    times = '"00:20:57,256","00:21:00,049"'
    rows = {
        "train/train": [f'1,"Oh, he\u2019s lost it.",Phoebe,sadness,negative,0,0,4,7,{times}'],
        "dev": [
            f"1,What?,Monica,surprise,negative,0,0,4,7,{times}",
            f"2,Hey!,All,joy,positive,0,1,4,4,{times}",
        ],
        "test": [f"1,Fine.,Dr. Green,anger,negative,0,0,4,7,{times}"],
    }
    for part, lines in rows.items():
        (folder / part).parent.mkdir(exist_ok=True)
        (folder / f"{part}_sent_emo.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    write_all(folder, "train/train_splits/dia0_utt0.mp4", "dev_splits_complete/dia0_utt0.mp4")
    write_all(folder, "dev_splits_complete/dia0_utt1.mp4", "dev_splits_complete/dia7_utt0.mp4", first=2)
    tested = "output_repeated_splits_test"
    write_all(folder, f"{tested}/dia0_utt0.mp4", f"{tested}/final_videos_testdia0_utt0.mp4", first=4)


def _iemocap(folder: Path) -> None:
    dialogue = "Session1/sentences/wav/Ses01F_impro01"
    write_all(folder, *(f"{dialogue}/Ses01F_impro01_{name}.wav" for name in ("F000", "M000", "F001", "F002")))
    write_all(folder, "Session5/sentences/wav/Ses05M_script01_1b/Ses05M_script01_1b_M007.wav", first=4)
    write_all(
        folder, "Session1/dialog/wav/Ses01F_impro01.wav", f"{dialogue}/Ses01F_impro01_M009.wav", first=5
    )
    evaluations = {
        "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt": [
            "F000\tneu",
            "M000\tfru",
            "F001\texc",
            "F002\tang",
        ],
        "Session5/dialog/EmoEvaluation/Ses05M_script01_1b.txt": ["M007\tsur"],
    }
    for path, lines in evaluations.items():
        (folder / path).parent.mkdir(parents=True)
        name = Path(path).stem
        text = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
        for line in lines:
            text += f"[6.2901 - 8.2357]\t{name}_{line}\t[2.5000, 2.5000, 2.5000]\nC-E2:\tNeutral;\t()\n"
        (folder / path).write_text(text)


def _baved(folder: Path) -> None:
    write_all(
        folder, "0/10-f-20-0-1-0.wav", "6/4-m-20-6-1-147.wav", "0/4-m-20-0-0-139.wav", "0/4-m-20-0-2-148.wav"
    )
    (folder / "README.md").write_text("x")


def _audformat(folder: Path, suffix: str) -> None:
    write_all(folder, "wav/03a01Fa.wav", "wav/08a01Wa.wav", "wav/16a01La.wav", "wav/extra.wav")
    (folder / "db.yaml").write_text(
        "name: emodb\nlanguages: [deu]\nschemes:\n  speaker: {dtype: int, labels: speaker}\ntables:\n"
        "  emotion: {type: filewise, columns: {emotion: {scheme_id: emotion}, emotion.confidence: {}}}\n"
        "  files: {type: filewise, columns: {speaker: {scheme_id: speaker}}}\n"
        "  turns: {type: segmented, columns: {emotion: {scheme_id: emotion}}}\n"
        "misc_tables:\n  speaker: {levels: {speaker: int}, columns: {age: {}, gender: {}}}\n"
    )
    files = ["wav/03a01Fa.wav", "wav/08a01Wa.wav", "wav/16a01La.wav"]
    tables = {
        "emotion": {
            "file": files,
            "emotion": ["happiness", "anger", "boredom"],
            "emotion.confidence": [0.9, 1, 1],
        },
        "files": {"file": files, "speaker": [3, 8, 16]},
        "speaker": {"speaker": [3, 8, 16], "age": [31, 34, 31], "gender": ["male", "female", "female"]},
    }
    for name, columns in tables.items():
        if suffix == "csv":
            pd.DataFrame(columns).to_csv(folder / f"db.{name}.csv", index=False)
        else:
            pd.DataFrame(columns).to_parquet(folder / f"db.{name}.parquet", index=False)


def _emobox(folder: Path) -> None:
    names = ("03a01Wa", "03a02Lb", "08a01Na", "08a02Fa")
    emotions = ("anger", "boredem", "Neutral", "happy")
    write_all(folder, *(f"downloads/emodb/wav/{name}.wav" for name in names[:3]), "downloads/emodb/wav/x.wav")
    write_all(folder, "downloads/savee/DC_a01.wav", first=4)
    lines = [
        json.dumps(
            {"key": f"emodb-{name}", "wav": f"downloads/emodb/wav/{name}.wav", "type": "raw", "emo": emotion}
        )
        for name, emotion in zip(names, emotions, strict=True)
    ]
    data = folder / "data" / "emodb"
    (data / "fold_1").mkdir(parents=True)
    (data / "emodb.jsonl").write_text("\n".join(lines) + "\n")
    (data / "fold_1" / "emodb_train_fold_1.jsonl").write_text(lines[0] + "\n")
    (data / "label_map.json").write_text(
        json.dumps({"anger": "Angry", "boredem": "Boredom", "Neutral": "Neutral", "happy": "Happy"})
    )
    stm = [f"emodb-{name} 1 {name[:2]} 0 1.8 <id=emodb-{name},lang=en,spk={name[:2]}> x" for name in names]
    (data / "data.seg.wrd.stm").write_text("\n".join(stm) + "\n")


_AUDFORMAT = ({"happy": 1, "angry": 1}, 2, {"label not used": 1, "not in the manifest": 1})

PUBLISHED: dict[str, Layout] = {
    "emodb": Layout("emodb", _emodb, {"happy": 1, "angry": 1}, 2, {"label not used": 1, "unknown name": 1}),
    "emodb with boredom": Layout(
        "emodb",
        _emodb,
        {"happy": 1, "angry": 1, "calm": 1},
        3,
        {"unknown name": 1},
        {"aliases": {"boredom": "calm"}},
    ),
    "savee": Layout(
        "savee", _savee, {"angry": 1, "surprised": 1, "sad": 1}, 3, {"same take": 1, "unknown name": 1}
    ),
    "tess": Layout(
        "tess", _tess, {"fearful": 1, "neutral": 1, "surprised": 1}, 2, {"duplicate": 1, "unknown name": 1}
    ),
    "mead": Layout(
        "mead",
        _mead,
        {"angry": 1, "fearful": 1, "neutral": 1},
        2,
        {"same take": 2, "label not used": 1, "unknown name": 1},
    ),
    "meld": Layout(
        "meld",
        _meld,
        {"sad": 1, "surprised": 1, "happy": 1, "angry": 1},
        4,
        {"not in the manifest": 1, "unknown name": 1},
    ),
    "iemocap": Layout(
        "iemocap",
        _iemocap,
        {"neutral": 1, "angry": 1, "surprised": 1},
        2,
        {"label not used": 2, "whole dialogue": 1, "not in the manifest": 1},
    ),
    "iemocap with excited": Layout(
        "iemocap",
        _iemocap,
        {"neutral": 1, "angry": 1, "surprised": 1, "happy": 1},
        2,
        {"label not used": 1, "whole dialogue": 1, "not in the manifest": 1},
        {"aliases": {"exc": "happy"}},
    ),
    "baved": Layout("baved", _baved, {"neutral": 2}, 2, {"label not used": 2}),
    "audformat csv": Layout("audformat", lambda folder: _audformat(folder, "csv"), *_AUDFORMAT),
    "audformat parquet": Layout("audformat", lambda folder: _audformat(folder, "parquet"), *_AUDFORMAT),
    "emobox": Layout(
        "emobox",
        _emobox,
        {"angry": 1, "neutral": 1},
        2,
        {"label not used": 1, "not in the manifest": 1, "missing file": 1},
    ),
}
