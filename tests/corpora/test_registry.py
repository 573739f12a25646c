import pytest

from mfer_core.base.errors import MferError
from mfer_core.corpora import contract, shemo
from mfer_core.corpora.registry import adapter, choices
from tests.corpora.layouts import LAYOUTS


@pytest.mark.parametrize("name", ["enterface", "ingest", "contract", "../errors"])
def test_what_is_no_corpus_lists_the_choices(name):
    with pytest.raises(MferError, match=f"choose one of {', '.join(choices())}"):
        adapter(name)
    assert {"crema_d", "custom", "fer2013", "ravdess", "sdc", "shemo", "urdu"} <= set(choices())


def test_every_corpus_has_a_module_of_its_name_and_a_fixture():
    assert [adapter(name).name for name in choices()] == choices()
    assert set(choices()) == {layout.adapter for layout in LAYOUTS.values()}


def test_a_module_may_leave_out_what_the_contract_offers():
    assert adapter("urdu").notes is contract.notes
    assert adapter("shemo").notes is shemo.notes
