"""A stage loads no library that its work does without: seconds depend on the machine, imports do not."""

import subprocess
import sys

import pytest

from mfer_core.cache.code import ROOT

HEAVY = {"torch", "transformers", "mlflow", "matplotlib", "sklearn", "scipy.stats", "dvc", "dask", "funasr"}
NEEDED = {"show": set(), "demo": set(), "ingest": set(), "extract": set(), "pool": set()}
NEEDED |= {"folds": {"sklearn", "scipy.stats"}}
# What `mfer predict` loads, and what its decoding process is forked from.
PREDICT = {"flows.predict": {"torch", "transformers", "matplotlib"}, "mfer_core.media.parts": set()}
# Forks of one process: Prefect, which all of them need, is imported once.
IMPORT = f"""
import importlib, os, sys
import flows.show
print("show", *({HEAVY} & set(sys.modules)), flush=True)
import flows.stages
for name in {list(NEEDED)[1:]}:
    if not os.fork():
        importlib.import_module("tasks." + name)
        print(name, *({HEAVY} & set(sys.modules)), flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.fixture(scope="module")
def loaded():
    command = [sys.executable, "-c", IMPORT]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {name: set(modules) for name, *modules in map(str.split, result.stdout.splitlines())}


def test_stages_without_a_network_load_no_framework_and_no_statistics_that_they_do_not_use(loaded):
    assert loaded == NEEDED


@pytest.mark.parametrize("module", PREDICT)
def test_predict_and_its_decoding_process_hold_no_library_that_they_do_not_use(module):
    program = f"import sys, {module}; print(*({HEAVY} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert set(result.stdout.split()) == PREDICT[module]
