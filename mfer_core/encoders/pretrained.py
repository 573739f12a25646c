"""Models of transformers read from a folder that is not trusted, with every weight from its files.

``from_pretrained`` alone fills what it does not find with random numbers: a Whisper encoder in the layout of
a classifier loads "right", and every weight is random.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any, TypeVar

import torch
from transformers import AutoConfig, PreTrainedModel
from transformers.utils import logging

from mfer_core.base.errors import MferError, one_line
from mfer_core.base.files import read_object

Model = TypeVar("Model", bound=PreTrainedModel)
UNUSED = {"masked_spec_embed", "mask_token"}  # Only pretraining uses these.


def read_config(folder: Path, wanted: str, families: Collection[str]) -> Any:
    """The configuration of ``folder``. Raises MferError where config.json names none of ``families`` or
    cannot be read; ``wanted`` says in words what was looked for.
    """
    kind = read_object(folder / "config.json").get("model_type")
    if not isinstance(kind, str) or kind not in families:
        raise MferError(f"{folder} holds a {kind!r} model: {wanted} is one of {', '.join(families)}")
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    # Each family checks its values in its own way; each error means that the file is of no use.
    except Exception as error:
        raise MferError(f"cannot read {folder / 'config.json'}: {one_line(error)}") from error


def load_pretrained(model_class: type[Model], folder: Path, config: Any, **options: Any) -> Model:
    """The model of ``folder`` in evaluation mode and fp32; ``options`` are those of ``from_pretrained``.

    Raises MferError where the weights cannot be read, lack one, or hold one of a part of the model that its
    config.json does not describe. Weights of parts that the model does not have (a decoder, a quantiser) are
    left out.
    """
    logging.disable_progress_bar()  # The bars last milliseconds, and a terminal would keep a line for each.
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # The report of what was loaded is read below, not printed.
    try:
        # transformers' types leave out that a pair comes back where the loading info is asked for.
        loaded: tuple[Model, dict] = model_class.from_pretrained(  # type: ignore[assignment]
            folder,
            config=config,
            local_files_only=True,
            output_loading_info=True,
            dtype=torch.float32,
            **options,
        )
    # A damaged file raises whatever its reader raises; each error means that the weights are of no use.
    except Exception as error:
        raise MferError(
            f"cannot load the {config.model_type} model in {folder}: {one_line(error)}"
        ) from error
    finally:
        logging.set_verbosity(verbosity)
    model, report = loaded
    if missing := sorted(set(report["missing_keys"]) - UNUSED):
        raise MferError(
            f"the weights in {folder} lack {', '.join(missing[:3])} ({len(missing)} in all): this is not a "
            f"complete {type(model).__name__}"
        )
    # A model with a head calls its base by a prefix, which transformers leaves on what it does not know.
    names = (name.removeprefix(f"{model.base_model_prefix}.") for name in report["unexpected_keys"])
    if surplus := sorted(name for name in names if _is_part(model, name)):
        raise MferError(
            f"the weights in {folder} hold {', '.join(surplus[:3])} ({len(surplus)} in all), which its "
            "config.json does not describe: take both from the same publication"
        )
    return model.eval()


def _is_part(model: torch.nn.Module, name: str) -> bool:
    """Whether a weight belongs to a module of the model, or to one more block of a stack that it has."""
    modules = dict(model.named_modules())
    parents = [name.rsplit(".", cut)[0] for cut in range(1, name.count(".") + 1)]
    used = bool(parents) and name.rsplit(".", 1)[-1] not in UNUSED
    return used and (
        parents[0] in modules
        or any(isinstance(modules.get(parent), torch.nn.ModuleList) for parent in parents)
    )
