"""The dataset report: a corpus's counts and confounds of emotion, as tables for people and figures for
tracking.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from mfer_core.base.labels import EMOTIONS, count_labels

UNKNOWN = "unknown"
ABSENT = "absent"
TRACES = (
    "speaker",
    "sex",
    "language",
    "statement",
    "sample_rate",
    "frame_size",
    "rate",
    "tracks",
    "duration",
)
SUSPICIOUS = 0.3  # An association (from 0 to 1) above this is reported.


def dataset_report(manifest: pd.DataFrame, rejects: pd.DataFrame, notes: Iterable[str] = ()) -> str:
    """Markdown over a corpus's manifest and rejects (as in mfer_core.base.manifest); ``notes`` as of
    ingest.corpus_notes.
    """
    if not len(manifest):
        return "Absent: no clips.\n"
    sections = [
        f"# {manifest.corpus.iloc[0]}",
        _headline(manifest, rejects),
        *(f"> {note}" for note in notes),
    ]
    for title, table in report_tables(manifest, rejects).items():
        sections += [f"## {title}", _markdown(table)] if len(table) else []
    return "\n\n".join(sections) + "\n"


def report_tables(manifest: pd.DataFrame, rejects: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The report's tables by title. A class without clips is "absent", an unknown fact "unknown"; neither is
    0.
    """
    facts = _facts(manifest)
    return {
        "Labels": _labels(facts),
        "Speakers": _speakers(facts),
        "Durations (s)": _durations(facts),
        "Tracks and formats": _formats(facts),
        "Official split": pd.crosstab(facts.split, facts.label).reset_index()
        if facts.split.notna().any()
        else pd.DataFrame(),
        "What could be mistaken for emotion": confounds(manifest),
        "Rejected files": rejects.groupby(["stage", "reason"]).size().rename("files").reset_index(),
    }


def report_figures(manifest: pd.DataFrame, rejects: pd.DataFrame) -> dict[str, float]:
    """Numbers of a corpus by name, for tracking: counts, hours, and how strongly each trace goes with the
    label.
    """
    figures: dict[str, float] = {
        "clips": len(manifest),
        "rejects": len(rejects),
        "speakers": len(_one_emotion(manifest)),
    }
    figures |= {"hours": float(manifest.duration_s.sum()) / 3600, "classes": manifest.label.nunique()}
    figures |= {
        "clips_with_video": int(manifest.has_video.sum()),
        "clips_with_audio": int(manifest.has_audio.sum()),
    }
    figures |= {
        f"label_{label}": count for label, count in _count(manifest.label).items() if count is not None
    }
    if len(manifest):
        figures["speakers_with_one_emotion"] = int(_one_emotion(manifest).sum())
        figures |= {f"label_with_{row.trace}": row.association for row in confounds(manifest).itertuples()}
    return {name: float(value) for name, value in figures.items()}


def _count(labels: pd.Series) -> dict[str, int | None]:
    """The clips of each of EMOTIONS, None for one that does not occur, and of each further label."""
    return count_labels(labels, (*EMOTIONS, *sorted(set(labels) - set(EMOTIONS))))


def confounds(manifest: pd.DataFrame) -> pd.DataFrame:
    """How strongly each other fact goes with the label. Columns: trace, values, association, warning.

    The association is Cramer's V with bias correction (Bergsma 2013, doi:10.1016/j.jkss.2012.10.002): 0 where
    the fact says nothing about the label, even if it has many values, close to 1 where it settles it.
    """
    facts = _facts(manifest)
    rows = []
    for trace in TRACES:
        values = facts[trace].astype("object").where(facts[trace].notna(), UNKNOWN)
        if values.nunique() > 1:
            association = _association(pd.crosstab(values, facts.label).to_numpy())
            warning = "goes with the label" if association >= SUSPICIOUS else ""
            rows.append(
                {"trace": trace, "values": values.nunique(), "association": association, "warning": warning}
            )
    return pd.DataFrame(rows, columns=["trace", "values", "association", "warning"])


def _association(counts: np.ndarray) -> float:
    if min(counts.shape) < 2:
        return 0.0
    from scipy.stats import chi2_contingency

    total, (rows, columns) = counts.sum(), counts.shape
    squared = chi2_contingency(counts, correction=False).statistic / total - (rows - 1) * (columns - 1) / (
        total - 1
    )
    smaller = min(size - (size - 1) ** 2 / (total - 1) for size in counts.shape) - 1
    return float(min(1.0, np.sqrt(max(0.0, squared) / smaller))) if smaller > 0 else 0.0


def _facts(manifest: pd.DataFrame) -> pd.DataFrame:
    """The manifest with the derived facts that the tables count."""
    sizes = (
        manifest.width.astype("Int64").astype("string")
        + "x"
        + manifest.height.astype("Int64").astype("string")
    )
    tracks = manifest.has_video.map({True: "video", False: ""}) + manifest.has_audio.map(
        {True: "+audio", False: ""}
    )
    # Equal durations share a rank, so they are never told apart.
    fifths = np.ceil(5 * manifest.duration_s.rank(pct=True))
    return manifest.assign(
        frame_size=sizes,
        tracks=tracks.str.strip("+"),
        duration=fifths,
        rate=manifest.rate.round(3),
        speaker=_known_speakers(manifest),
    )


def _known_speakers(manifest: pd.DataFrame) -> pd.Series:
    return manifest.speaker.where(~manifest.speaker.str.endswith(f"-{UNKNOWN}"))


def _one_emotion(manifest: pd.DataFrame) -> pd.Series:
    """For each speaker that is known, whether all clips of that speaker carry one label."""
    return manifest.groupby(_known_speakers(manifest)).label.nunique() == 1


def _headline(manifest: pd.DataFrame, rejects: pd.DataFrame) -> str:
    single, hours = _one_emotion(manifest), manifest.duration_s.sum() / 3600
    lacking = [name for name, count in _count(manifest.label).items() if count is None]
    text = (
        f"{len(manifest)} clips of {len(single) or UNKNOWN} speakers, {hours:.2f} hours; {len(rejects)} "
        "files rejected."
    )
    if single.any():
        text += f" {single.sum()} of {len(single)} speakers occur in one emotion only."
    return text + (f" Absent classes: {', '.join(lacking)}." if lacking else "")


def _labels(facts: pd.DataFrame) -> pd.DataFrame:
    by_sex = pd.crosstab(facts.label, facts.sex.fillna(f"sex {UNKNOWN}"))
    speakers, seconds = facts.groupby("label").speaker.nunique(), facts.groupby("label").duration_s.mean()
    rows: list[dict[str, object]] = []
    for label, count in _count(facts.label).items():
        if count is None:
            rows.append({"label": label, "clips": ABSENT})
        else:
            rows.append(
                {
                    "label": label,
                    "clips": count,
                    **by_sex.loc[label],
                    "speakers": speakers[label] or UNKNOWN,
                    "mean s": seconds[label],
                }
            )
    return pd.DataFrame(rows)


def _speakers(facts: pd.DataFrame) -> pd.DataFrame:
    groups = (
        facts.assign(sex=facts.sex.fillna(UNKNOWN))
        .groupby("speaker")
        .agg(clips=("label", "size"), labels=("label", "nunique"), sex=("sex", "first"))
    )
    table = groups.groupby("sex").agg(
        speakers=("clips", "size"),
        clips=("clips", "sum"),
        fewest=("clips", "min"),
        median=("clips", "median"),
        most=("clips", "max"),
        one_emotion_only=("labels", lambda labels: int((labels == 1).sum())),
    )
    return table.reset_index()


def _durations(facts: pd.DataFrame) -> pd.DataFrame:
    known = facts.duration_s.dropna()
    if known.empty:
        return pd.DataFrame()
    return pd.DataFrame(
        [
            {
                "clips": len(known),
                "shortest": known.min(),
                "median": known.median(),
                "mean": known.mean(),
                "longest": known.max(),
                "total": known.sum(),
            }
        ]
    )


def _formats(facts: pd.DataFrame) -> pd.DataFrame:
    columns = ["tracks", "frame_size", "rate", "sample_rate"]
    table = facts[columns].astype("object").where(facts[columns].notna(), "")
    return (
        table.groupby(columns)
        .size()
        .rename("clips")
        .reset_index()
        .sort_values("clips", ascending=False, ignore_index=True)
    )


def _markdown(table: pd.DataFrame) -> str:
    rows = [[_cell(value) for value in row] for row in table.itertuples(index=False)]
    lines = [list(map(str, table.columns)), ["---"] * len(table.columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    if pd.isna(value):
        return ""
    return (
        f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value).replace("|", "\\|")
    )
