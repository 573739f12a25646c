import pytest

from mfer_core.training.fit import ClipTraining
from tests.encoders.conftest import emotion2vec_folder, random, vit_folder, vit_settings  # noqa: F401 (fixtures)


@pytest.fixture
def crashing(monkeypatch):
    """A function that interrupts the ``number``-th epoch from now on (None: no epoch), and returns a list
    with an entry per epoch that has begun.
    """

    def crash_at(number: int | None) -> list[int]:
        begun: list[int] = []
        train_epoch = ClipTraining.train_epoch

        def train_or_crash(*arguments, **options):
            begun.append(1)
            if len(begun) == number:
                raise KeyboardInterrupt
            return train_epoch(*arguments, **options)

        monkeypatch.setattr(ClipTraining, "train_epoch", train_or_crash)
        return begun

    return crash_at
