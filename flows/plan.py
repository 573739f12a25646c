"""The command plan: everything that a run of the settings, or of a profile, will do, need and take."""

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.table import Column, Table

from flows.check import check_project
from flows.profiles import write_profile
from mfer_core.base.errors import Faults, MferError
from mfer_core.base.files import digest, read_json, write_json
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Settings, load_settings
from mfer_core.cache.code import code_digest
from mfer_core.planning.estimate import Estimate, estimate
from mfer_core.planning.rates import Rate, Rates, measure_rates
from tasks.processes import HOME

RATES = HOME / "rates.json"
PARAMS = Path("params.yaml")


def plan(profile: str | None) -> int:
    """Print what runs, what is missing and what it takes. Returns 0 when it could start, else 1."""
    with tempfile.TemporaryDirectory(prefix="mfer-") as folder:
        params = PARAMS
        if profile:
            params = Path(folder) / "params.yaml"
            write_profile(profile, params)
        settings, missing = load_settings(params), list(_missing(params))
    console = Console()
    listed = estimate(settings, _rates(settings, console), DataPaths())
    console.print(_table(listed, settings))
    for line in _advice(listed, settings):
        console.print(line, highlight=False, soft_wrap=True)
    for line in missing:
        console.print(f"missing: {line}", highlight=False, markup=False, soft_wrap=True)
    if not missing:
        console.print("nothing is missing: `dvc repro` can start", highlight=False)
    return 1 if missing else 0


def _missing(params: Path) -> Iterator[str]:
    try:
        check_project(params=params)
    except Faults as faults:
        yield from faults.lines


def _rates(settings: Settings, console: Console) -> Rates:
    """This machine's rates for the settings' encoders and arms; kept, so that they are measured once."""
    sections = ("extract", "embed", "pretrain_vit", "pretrain_emotion2vec", "train_visual", "pretrain_audio")
    shapes = [settings.model_dump(mode="json")[section] for section in sections]
    key = digest(shapes, platform.node(), os.cpu_count(), code_digest("mfer_core.planning.rates"))
    try:
        kept = read_json(RATES)
        if kept["key"] == key:
            return TypeAdapter(dict[str, Rate]).validate_python(kept["rates"])
    except (MferError, KeyError, TypeError, ValidationError):
        pass  # There are no rates yet, or those of another version.
    console.print("measuring this machine, about a minute ...")
    rates = measure_rates(settings)
    write_json(RATES, {"key": key, "rates": {name: rate.model_dump() for name, rate in rates.items()}})
    return rates


def _table(listed: list[Estimate], settings: Settings) -> Table:
    table = Table(
        Column("stage", no_wrap=True),
        "work",
        "time",
        "memory, GB",
        "disk, GB",
        title=f"profile {settings.profile} on this machine, roughly",
        title_justify="left",
    )
    for row in listed:
        name = f"{row.stage}@{row.corpus}" if row.corpus else row.stage
        table.add_row(name, row.work, _duration(row.seconds), f"{row.memory_gb:.1f}", f"{row.disk_gb:.2f}")
    table.add_section()
    disk = sum(row.disk_gb for row in listed)
    memory = max((row.memory_gb for row in listed), default=0.0)
    table.add_row("all", "", _duration(sum(row.seconds for row in listed)), f"{memory:.1f}", f"{disk:.2f}")
    return table


def _advice(listed: list[Estimate], settings: Settings) -> Iterator[str]:
    """The disk that there is, and what can be left out at which price."""
    # DVC's cache holds every output a second time where the file system cannot share blocks.
    needed, free = 2 * sum(row.disk_gb for row in listed), shutil.disk_usage(".").free / 1e9
    yield f"disk: {needed:.1f} GB with DVC's cache, {free:.0f} GB are free" + (
        "" if needed < free else ": TOO LITTLE"
    )
    embed = sum(row.seconds for row in listed if row.stage == "embed")
    if views := settings.embed.views:
        saved = _duration(embed * views / (1 + views))
        yield f"embed.views: 0 in place of {views} saves {saved} and costs the augmented copies of every clip"
    names = settings.folds.protocols
    training = sum(row.seconds for row in listed if row.stage.startswith("train_"))
    for setting, values in (("folds.protocols", names), ("seeds", settings.seeds)):
        if len(values) > 1:
            listed_values, share = ", ".join(map(str, values)), _duration(training / len(values))
            yield f"each of {setting} ({listed_values}) costs about {share}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
