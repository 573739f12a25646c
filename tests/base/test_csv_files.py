"""Tables that a spreadsheet opens without running what is in them."""

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from mfer_core.base.csv_files import csv_text, write_csv


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_no_text_begins_like_a_formula(text):
    (shown,) = pd.read_csv(
        _open(csv_text(pd.DataFrame({"name": [text]}))), dtype=str, keep_default_na=False
    ).name
    assert not shown.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_numbers_stay_numbers_and_plain_names_stay_as_they_are(tmp_path):
    write_csv(tmp_path / "a.csv", pd.DataFrame({"=name": ["@a", "b-c", None], "value": [-1.0, 2.0, 1 / 3]}))
    assert (tmp_path / "a.csv").read_bytes() == b"'=name,value\n'@a,-1\nb-c,2\n,0.333333\n"


def _open(text):
    from io import StringIO

    return StringIO(text, newline="")
