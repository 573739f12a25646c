"""``settings.json`` of a model's folder."""

from pathlib import Path

from pydantic import BaseModel, ValidationError

from mfer_core.base.errors import MferError
from mfer_core.base.files import read_json, write_json
from mfer_core.base.settings import Extract

SETTINGS = "settings.json"
LIMITS = {"max_duration_s", "clip_time_limit_s", "rejects_limit"}  # These settings shape no figure.


class ModelSettings(BaseModel):
    """``settings.json`` of a model's folder."""

    extract: Extract
    synthetic: bool  # trained on demonstration corpora

    def allowing(self, max_minutes: float) -> "ModelSettings":
        """The settings with another limit of length and a time limit to match. Raises MferError for a limit
        not above 0.
        """
        if not max_minutes > 0:
            raise MferError(f"max minutes {max_minutes:g}: it must be above 0")
        longest_s = 60 * max_minutes
        limit_s = self.extract.clip_time_limit_s * max(1.0, longest_s / self.extract.max_duration_s)
        limits = {"max_duration_s": longest_s, "clip_time_limit_s": limit_s}
        return self.model_copy(update={"extract": self.extract.model_copy(update=limits)})

    def shaping(self) -> dict:
        """What of the settings shapes figures."""
        return self.model_dump(exclude={"extract": LIMITS})

    def write(self, folder: Path) -> None:
        write_json(folder / SETTINGS, self.model_dump())

    @classmethod
    def read(cls, folder: Path) -> "ModelSettings":
        """Read ``settings.json``. Raises MferError when the file is missing or not this version's."""
        try:
            return cls.model_validate(read_json(folder / SETTINGS))
        except ValidationError as error:
            fault = error.errors()[0]
            setting = ".".join(map(str, fault["loc"]))
            raise MferError(
                f"{folder / SETTINGS}: {setting}: {fault['msg']}: made by another version? Run stage "
                "register again"
            ) from error
