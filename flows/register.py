"""Stage register: the chosen model, whole, in a folder and in the MLflow registry."""

from pathlib import Path

from prefect import flow

from mfer_core.base.settings import load_settings
from tasks.registry import assemble_model, nothing_to_register, register_model, why_nothing_to_register

DATA = Path("data")


@flow(name="register", flow_run_name="register")
def register() -> None:
    """Assemble the model that predicts from a media file, write its card and register it."""
    settings = load_settings()
    if reason := why_nothing_to_register(settings):
        nothing_to_register(DATA, reason)
        return
    folder = assemble_model(DATA, settings)
    register_model(folder, settings)
