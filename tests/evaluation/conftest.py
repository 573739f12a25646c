"""A trained world on synthetic embeddings, shared by the tests of evaluate and transfer."""

import pytest
import torch

from tests.training.synthetic import (
    small_settings,
    train_all,
    write_benchmark,
    write_extracted,
    write_pretraining,
    write_transfer,
)


@pytest.fixture(autouse=True, scope="session")
def one_torch_thread():
    """Small products are fastest alone, above all beside other test processes."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """(data folder, settings): all stages done under an honest and the leaky protocol; some clips lack a
    modality.
    """
    data, settings = (
        tmp_path_factory.mktemp("data"),
        small_settings(
            folds={"protocols": ["groupk:2", "report5-inner", "report5"], "refit": True},
            pretrain_audio={"leaky_folds": 5},
        ),
    )
    write_benchmark(data, settings, speakers=6, strength=0.5, identity=1.0, gap=16)
    write_pretraining(data, settings)
    for corpus in (settings.roles.benchmark, *settings.roles.pretraining):
        write_extracted(data, corpus)
    write_transfer(data, settings)
    train_all(data, settings)
    return data, settings
