import pytest

from mfer_core.corpora.registry import ADAPTERS, adapter, verb
from mfer_core.corpora.sources import SOURCES
from mfer_core.errors import MferError
from tests.corpora.layouts import LAYOUTS


def test_an_unknown_adapter_lists_the_choices():
    with pytest.raises(MferError, match=r"'enterface'.*crema_d, custom, fer2013, ravdess, sdc, shemo, urdu"):
        adapter("enterface")


def test_every_adapter_has_a_module_a_source_and_a_fixture():
    assert [adapter(name).__name__.rpartition(".")[2] for name in ADAPTERS] == list(ADAPTERS)
    assert set(SOURCES) == set(ADAPTERS) == {layout.adapter for layout in LAYOUTS.values()}


def test_a_module_may_leave_out_what_the_contract_offers():
    assert verb(adapter("urdu"), "notes")(None, None) == []
    assert verb(adapter("shemo"), "notes") is adapter("shemo").notes
