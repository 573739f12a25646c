"""Tables as spreadsheets write them: one reading, or a line that says what to do."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfer_core.base.errors import MferError
from mfer_core.corpora.spreadsheet import read_lines

NEEDED = ("path", "label")
ROWS = [("c1.wav", "happy", "Amal, B.", "f"), ("c4 ٣.wav", "غضب", "Zoë", "m")]
COLUMNS = ("path", "label", "speaker", "sex")


def text(delimiter=",", end="\n", quoted=True):
    """The table of ROWS."""
    quote = '"{}"'.format if quoted else "{}".format
    return end.join(delimiter.join(map(quote, row)) for row in (COLUMNS, *ROWS)) + end


READ = {
    "plain": text().encode(),
    "byte order mark": text().encode("utf-8-sig"),
    "semicolons": text(";").encode(),
    "semicolons without quotes": text(";", quoted=False).encode(),
    "tabs": text("\t", quoted=False).encode(),
    "Windows": text(end="\r\n").encode(),
    "old Mac": text(end="\r").encode(),
    "Excel's Unicode text": text("\t", "\r\n", quoted=False).encode("utf-16"),
    "big endian": b"\xfe\xff" + text().encode("utf-16-be"),
    "sep line": b"sep=;\r\n" + text(";").encode(),
    "sep line with a tab": b"sep=\t\n" + text("\t").encode(),
    "comment": b"# my list, of May\n\n" + text().encode(),
    "upper case and blanks": text().replace('"path"', '" Path "').replace('"label"', '"LABEL"').encode(),
    "trailing delimiter": text(end=",\n").encode(),
    "empty columns": text(end=",,,\n").encode(),
    "empty rows": (text(end="\n\n") + ",,,\n,,,\n").encode(),
    "marks of direction": text().replace('"غضب"', '"\u200fغضب\u200f"').replace('"c4', '"\u202bc4').encode(),
    "blanks that do not break": text().replace('"happy"', '"\xa0happy\xa0"').encode(),
}


@pytest.mark.parametrize("content", READ.values(), ids=READ)
def test_what_spreadsheets_write_is_read(content, tmp_path):
    (tmp_path / "list.csv").write_bytes(content)
    lines = read_lines(tmp_path / "list.csv", NEEDED)
    assert [line.cells for line in lines] == [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "it is empty"),
        (b"\n# nothing\n", "it is empty"),
        (b"path,label\n", "has a header and no rows"),
        (b"PK\x03\x04 and more", "is a workbook, not a text: save it as CSV UTF-8"),
        (
            "path,label\na,b\nZoë,sad\n".encode("cp1252"),
            "line 3: the text is not UTF-8: save it as CSV UTF-8",
        ),
        ("path,label\nc1.wav,حزن\n".encode("cp1256"), "line 2: the text is not UTF-8: save it as CSV UTF-8"),
        (text().encode("utf-16-le"), "save it as CSV UTF-8"),
        (b"path,label\nc1.wav,hap\0py\n", "line 2: a NUL byte"),
        (b"path,label,label\nc1.wav,happy,sad\n", "column label is there twice"),
        (b"filename;emotion\nc1.wav;happy\n", "no column path, label; it has filename, emotion"),
        (b"path,label\nc1.wav,happy,x\n", "line 2: 3 cells and 2 columns"),
        (b"path,label,text\nc1.wav,happy,hello\nc2.wav,sad,hello, world\n", "line 3: 4 cells and 3 columns"),
        (b"path,,label\nc1.wav,x,happy\n", "line 2: a cell in a column without a name"),
        (b'path,label\n"c1.wav,happy\n', "unexpected end of data"),
        (b'path,label\n"c1".wav,happy\n', "line 2"),
    ],
)
def test_what_has_no_one_reading_says_where_and_what_to_do(content, fault, tmp_path):
    (tmp_path / "list.csv").write_bytes(content)
    with pytest.raises(MferError, match=re.escape(fault)) as caught:
        read_lines(tmp_path / "list.csv", NEEDED)
    assert "\n" not in str(caught.value) and "list.csv" in str(caught.value)


def test_a_short_row_lacks_its_last_facts_and_moves_none(tmp_path):
    (tmp_path / "list.csv").write_text("path,label,speaker,sex\nc1.wav,happy\nc2.wav,sad,,m\n")
    assert [line.cells for line in read_lines(tmp_path / "list.csv", NEEDED)] == [
        {"path": "c1.wav", "label": "happy"},
        {"path": "c2.wav", "label": "sad", "speaker": "", "sex": "m"},
    ]


cells = st.text(st.sampled_from("ab ,;\t|\"'\n#=+غé\u200f"), max_size=6)
junk = st.binary(max_size=200) | st.text(st.sampled_from('path,label;\t|"\r\n\0#=sep غ'), max_size=80).map(
    str.encode
)


@given(junk)
def test_any_bytes_are_rows_or_one_line_that_names_the_file(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "junk.csv"
    path.write_bytes(content)
    try:
        assert all(line.cells.keys() for line in read_lines(path, NEEDED))
    except MferError as error:
        assert "junk.csv" in str(error)


@given(st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=4), st.sampled_from(",;\t"))
def test_quoted_cells_come_back_in_their_columns_whatever_they_hold(tmp_path_factory, rows, delimiter):
    path = tmp_path_factory.getbasetemp() / "quoted.csv"
    quoted = [["path", "label", "text"], *([cell.replace('"', '""') for cell in row] for row in rows)]
    path.write_text(
        "\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in quoted), encoding="utf-8"
    )
    wanted = [[cell.replace("\u200f", "").strip() for cell in row] for row in rows]
    wanted = [row for row in wanted if any(row)]
    if not wanted:
        return
    lines = read_lines(path, NEEDED)
    assert [[line.cells.get(name, "") for name in ("path", "label", "text")] for line in lines] == wanted
