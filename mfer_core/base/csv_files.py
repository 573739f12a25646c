"""CSV that a spreadsheet opens as text: no cell of it is run as a formula."""

import pandas as pd

# A cell that begins with one of these is a formula to a spreadsheet (OWASP, "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(frame: pd.DataFrame, header: bool = True) -> str:
    """The table with six significant digits, rows that end in a line feed, and no formula."""
    return defused(frame).to_csv(index=False, header=header, float_format="%.6g", lineterminator="\n")


def defused(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before every text that a spreadsheet would take for a formula, column
    names too.
    """
    texts = [name for name in frame.columns if not pd.api.types.is_numeric_dtype(frame[name])]
    changed = {name: frame[name].map(_defused) for name in texts}
    return frame.assign(**changed).rename(columns=_defused)


def _defused(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = f"'{value}" if value.startswith(_FORMULA) else value
    # Python's csv does not quote a carriage return, and readers end the row there.
    return text.replace("\r", "\n")
