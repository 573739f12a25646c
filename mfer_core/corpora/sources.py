"""Where each corpus comes from, as data."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Source:
    page: str
    licence: str
    how: str  # what a person does to get it
    layout: str  # what then lies in the corpus's folder


SOURCES: dict[str, Source] = {
    "ravdess": Source(
        page="https://zenodo.org/records/1188976",
        licence="CC BY-NC-SA 4.0",
        how="set source: fetch, or download Video_Speech_Actor_*.zip and Audio_Speech_Actors_01-24.zip and unpack them",
        layout="any folders with files named like 01-01-05-02-01-02-11.mp4",
    ),
    "crema_d": Source(
        page="https://github.com/CheyneyComputerScience/CREMA-D",
        licence="Open Database License",
        how="clone it with git-lfs installed (an archive download holds pointers in place of sound)",
        layout="AudioWAV/, AudioMP3/ or VideoFlash/ and VideoDemographics.csv",
    ),
    "shemo": Source(
        page="https://github.com/mansourehk/ShEMO",
        licence="research use",
        how="download female.zip and male.zip from the page and unpack them",
        layout="female/ and male/ with files named like F02A05.wav, and shemo.json if there is one",
    ),
    "urdu": Source(
        page="https://github.com/siddiquelatif/URDU-Dataset",
        licence="research use",
        how="set source: fetch, or download the repository and unpack it",
        layout="Angry/, Happy/, Neutral/ and Sad/ with files named like SM1_F10_A010.wav",
    ),
    "sdc": Source(
        page="https://doi.org/10.1109/ACCESS.2021.3110992",
        licence="none stated",
        how="there is no public download: ask the authors, or set source: absent",
        layout="a folder per source with files ending in seg_ang.wav, seg_hap.wav, seg_nat.wav or seg_sad.wav",
    ),
    "fer2013": Source(
        page="https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge/data",
        licence="research use",
        how="download it with a Kaggle account",
        layout="fer2013.csv, the folders train/ and test/, or a zip of either",
    ),
    "custom": Source(
        page="your own recordings",
        licence="yours",
        how="copy or link them there",
        layout="a folder per class, names with the emotion as third field between _, or any names and a manifest",
    ),
}


def where_to_get(adapter: str, folder: Path) -> str:
    """One sentence: where a corpus is had and what to put into ``folder``."""
    source = SOURCES[adapter]
    return f"get it from {source.page} ({source.licence}): {source.how}; put into {folder}: {source.layout}"
