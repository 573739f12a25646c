"""Where each corpus comes from, as data."""

from dataclasses import dataclass, field
from pathlib import Path

from mfer_core.corpora.download import Remote

GITHUB_LFS = "https://media.githubusercontent.com/media"
CREMA_D_MIRROR = "https://gitlab.com/api/v4/projects/cs-cooper-lab%2Fcrema-d-mirror/repository"


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A zip to fetch and unpack."""

    remote: Remote
    strip: int = 0  # folders to take off the front of its members' paths
    keep: tuple[str, ...] = ("*",)  # patterns of members, after stripping
    plain: bool = False  # not a zip: only to be put there


@dataclass(frozen=True, kw_only=True)
class Source:
    page: str
    licence: str
    how: str  # what a person does to get it
    layout: str  # what then lies in the corpus's folder
    archives: tuple[Archive, ...] = ()
    record: str | None = None  # Zenodo's JSON of a record, in place of ``archives``
    record_files: tuple[str, ...] = ()  # patterns of the record's files
    known: dict[str, str] = field(default_factory=dict)  # checksums of the record's files that are known beforehand


SOURCES: dict[str, Source] = {
    "ravdess": Source(
        page="https://zenodo.org/records/1188976",
        licence="CC BY-NC-SA 4.0",
        how="set source: fetch, or download Video_Speech_Actor_*.zip and Audio_Speech_Actors_01-24.zip and unpack them",
        layout="any folders with files named like 01-01-05-02-01-02-11.mp4",
        record="https://zenodo.org/api/records/1188976",
        record_files=("Video_Speech_Actor_*.zip", "Audio_Speech_Actors_01-24.zip"),
        known={"Audio_Speech_Actors_01-24.zip": "md5:bc696df654c87fed845eb13823edef8a"},
    ),
    "crema_d": Source(
        page="https://github.com/CheyneyComputerScience/CREMA-D",
        licence="Open Database License",
        how="set source: fetch (sound only), or clone it or its mirror at gitlab.com/cs-cooper-lab/crema-d-mirror with git-lfs installed "
        "(an archive from GitHub holds pointers in place of sound)",
        layout="AudioWAV/, AudioMP3/ or VideoFlash/ and VideoDemographics.csv",
        archives=(
            Archive(remote=Remote(url=f"{CREMA_D_MIRROR}/archive.zip?path=AudioWAV", name="AudioWAV.zip", about=600_000_000), strip=1),
            Archive(
                remote=Remote(
                    url="https://raw.githubusercontent.com/CheyneyComputerScience/CREMA-D/master/VideoDemographics.csv",
                    name="VideoDemographics.csv",
                    about=5_000,
                ),
                plain=True,
            ),
        ),
    ),
    "shemo": Source(
        page="https://github.com/mansourehk/ShEMO",
        licence="research use",
        how="set source: fetch, or download female.zip and male.zip from the page and unpack them",
        layout="female/ and male/ with files named like F02A05.wav, and shemo.json if there is one",
        archives=(
            Archive(
                remote=Remote(
                    url=f"{GITHUB_LFS}/mansourehk/ShEMO/master/female.zip",
                    name="female.zip",
                    size=374_368_830,
                    checksum="sha256:663d8d7dceb44adbbf87d84be3a080fb691d169fbd972f6941e6302bc39f71e6",
                )
            ),
            Archive(
                remote=Remote(
                    url=f"{GITHUB_LFS}/mansourehk/ShEMO/master/male.zip",
                    name="male.zip",
                    size=496_606_401,
                    checksum="sha256:747670d0d918e59d5e5020cf66610242890b093d42968c467c4f02eb5e6a6b1a",
                )
            ),
        ),
    ),
    "urdu": Source(
        page="https://github.com/siddiquelatif/URDU-Dataset",
        licence="research use",
        how="set source: fetch, or download the repository and unpack it",
        layout="Angry/, Happy/, Neutral/ and Sad/ with files named like SM1_F10_A010.wav",
        archives=(
            Archive(
                remote=Remote(
                    url="https://codeload.github.com/siddiquelatif/URDU-Dataset/zip/refs/heads/master",
                    name="URDU-Dataset.zip",
                    about=90_000_000,
                ),
                strip=1,
            ),
        ),
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
