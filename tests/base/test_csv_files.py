"""Tables that a spreadsheet opens without running what is in them."""

from io import StringIO

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from mfer_core.base.csv_files import csv_text


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_no_text_begins_like_a_formula(text):
    written = StringIO(csv_text(pd.DataFrame({"name": [text]})), newline="")
    (shown,) = pd.read_csv(written, dtype=str, keep_default_na=False).name
    assert not shown.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_numbers_stay_numbers_and_plain_names_stay_as_they_are():
    frame = pd.DataFrame({"=name": ["@a", "b-c", None], "value": [-1.0, 2.0, 1 / 3]})
    assert csv_text(frame) == "'=name,value\n'@a,-1\nb-c,2\n,0.333333\n"
