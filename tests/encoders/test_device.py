import pytest
import torch

from mfer_core.base.errors import MferError
from mfer_core.encoders.device import choose_device, in_halves, items_within, one_thread


def test_a_batch_that_does_not_fit_is_halved_until_it_does():
    sizes = []

    def run(items):
        sizes.append(len(items))
        if len(items) > 3:
            raise torch.OutOfMemoryError
        return [item * 2 for item in items]

    assert in_halves(run, list(range(10))) == [item * 2 for item in range(10)]
    assert sizes == [10, 5, 2, 3, 5, 2, 3]


def test_one_item_that_does_not_fit_and_other_errors_are_told():
    def full(items):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    def broken(items):
        raise RuntimeError("shapes differ")

    with pytest.raises(MferError, match="does not fit"):
        in_halves(full, [1, 2])
    with pytest.raises(RuntimeError, match="shapes differ"):
        in_halves(broken, [1, 2])


def test_a_batch_fills_its_memory_and_holds_at_least_one_item():
    assert items_within(1, 2**28) == 4
    assert items_within(1, 2**40) == 1


def test_devices():
    assert choose_device("cpu").type == "cpu"
    with pytest.raises(MferError, match="auto, cpu"):
        choose_device("gpuu")


@pytest.mark.parametrize(
    ("count", "turns"), [(0, ["cpu"] * 3), (1, ["cuda:0"] * 3), (2, ["cuda:0", "cuda:1", "cuda:0"])]
)
def test_folds_take_turns_at_the_gpus_and_a_named_one_stays(monkeypatch, count, turns):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    assert [str(choose_device("auto", turn)) for turn in range(3)] == turns
    assert choose_device("cpu", 1).type == "cpu"
    if count:
        assert [str(choose_device("cuda", turn)) for turn in range(3)] == turns
        assert str(choose_device(f"cuda:{count - 1}", count)) == f"cuda:{count - 1}"
    with pytest.raises(MferError, match=f"{count} GPUs"):
        choose_device(f"cuda:{count}")


def test_threads_are_given_back():
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
