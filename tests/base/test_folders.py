"""Paths as they can be shown. What is listed of a folder is tested where it is used (tests/corpora,
tests/prediction).
"""

import os

from hypothesis import given
from hypothesis import strategies as st

from mfer_core.base.folders import readable


@given(st.binary(min_size=1))
def test_any_name_can_be_written_and_printed_on_one_line(name):
    text = readable(os.fsdecode(name))
    text.encode("utf-8")
    assert len(text.splitlines()) == 1 and "\x1b" not in text and "\0" not in text


def test_names_in_any_script_are_shown_as_they_are():
    for name in ("أحمد غضب ٣.wav", "愤怒.wav", "a b.wav", "می\u200cخواهم.wav"):
        assert readable(name) == name
    assert readable(os.fsdecode(b"z\xeb\n.wav")) == r"z\xeb\x0a.wav"
