"""The columns of what is read as DataFrames: names, dtypes, meaning. Metrics come after these, as float64."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

Columns = Mapping[str, tuple[str, str]]
"""Of each column its dtype and what is in it."""

OF_A_PAIR: Columns = {
    "pair": ("string", "the pair, or the evaluation of given weights"),
    "seed": ("Int64", "of the training; missing for given weights"),
    "protocol": ("string", "how it was tested, with version and hash"),
}
OF_AN_ARM: Columns = {
    "arm": ("string", "the network with its plug-ins, as tables call it"),
    "role": ("string", "`reference` (the mean of the two frames), `plain`, `plugged`, or `given` for given weights"),
    "run": ("string", "the run's folder; empty where there is none"),
}
REFUSAL: Columns = {
    "refusal": ("string", "why the difference of the pair's arms is not given; empty where it may be"),
}

ROWS: Columns = {
    **OF_A_PAIR,
    **OF_AN_ARM,
    "test": ("string", "the benchmark"),
    "level": ("string", "its level, such as `easy`"),
    "triplet": ("string", "the triplet's id"),
    "clip": ("string", "the clip that it is from: triplets of one clip are not independent"),
    "frames": ("string", "hash of the three frames as they were read"),
    **REFUSAL,
}
CURVES: Columns = {
    "pair": OF_A_PAIR["pair"],
    "seed": OF_A_PAIR["seed"],
    **OF_AN_ARM,
    "step": ("int64", "the last of the steps that the line is a mean over"),
    "epoch": ("int64", "of that step"),
    "loss": ("float64", "reconstruction loss"),
    "total": ("float64", "with all further terms"),
    "learning_rate": ("float64", "of that step"),
    "seconds": ("float64", "that a step took"),
    **REFUSAL,
}
PAIRS: Columns = {
    **OF_A_PAIR,
    "title": ("string", "as above its table"),
    "baseline": ("string", "in the words that asked for it"),
    "plugins": ("string", "the same; empty where there are none"),
    "recipe": ("string", "the same"),
    "start": ("string", "trained weights that both arms start from; empty where they are drawn"),
    "trained_on": ("string", "the training sets"),
    "tested_on": ("string", "the test sets with the hash of their content"),
    "masks": ("string", "of training; empty where no plug-in needs any"),
    "test_masks": ("string", "of testing, where they are others"),
    "steps": ("int64", "of the training"),
    "state": ("string", "`evaluated`, or how far the first arm is that is not"),
    "tier": ("string", "how reproducible a training on that device is"),
    "control": ("string", "`PASS ...` or `FAIL ...` of a finished control, `--with null`"),
    **REFUSAL,
    "plain_run": ("string", "the run of the baseline alone"),
    "plugged_run": ("string", "that with plug-ins; empty where there are none"),
    "command": ("string", "what makes the pair again"),
}
DIFFERENCES: Columns = {
    **OF_A_PAIR,
    "baseline": PAIRS["baseline"],
    "plugins": PAIRS["plugins"],
    "test": ROWS["test"],
    "level": ROWS["level"],
    "metric": ("string", "psnr, ssim, ... and parts of frames, such as `psnr@fast`"),
    "triplets": ("int64", "how many the means are over"),
    "plain": ("float64", "mean of the baseline alone"),
    "plugged": ("float64", "mean with plug-ins"),
    "difference": ("float64", "the second less the first; missing where it is refused"),
    **REFUSAL,
}
TABLE: Columns = {
    "table": ("string", "its title"),
    "row": ("string", "as it is printed"),
    "column": ("string", "the same"),
    "value": (
        "string",
        "`psnr`, `ssim`, `low`, ...; `text` of a cell without numbers, `note` below a table, `left out`",
    ),
    "number": ("float64", "unrounded; missing where there is none"),
    "text": ("string", "the cell as it is printed, the note, or why a table is left out"),
}


def framed(lines: Sequence[Mapping[str, Any]], columns: Columns) -> pd.DataFrame:
    """A line each, the columns first and in their dtypes; what else the lines have is metrics."""
    return _typed(_table(lines, columns), columns)


def joined(tables: Iterable[pd.DataFrame], columns: Columns) -> pd.DataFrame:
    """The lines of all tables, as `framed`: a metric that one of them lacks is missing there."""
    import pandas as pd

    # an empty table would decide dtypes
    filled = [table for table in tables if not table.empty]
    return _typed(pd.concat(filled, ignore_index=True) if filled else _table([], columns), columns)


def _table(lines: Sequence[Mapping[str, Any]], columns: Columns) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(lines, columns=None if lines else list(columns))


def _typed(table: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    metrics = [name for name in table.columns if name not in columns]
    table = table.reindex(columns=[*columns, *metrics])
    dtypes: dict[Any, Any] = {name: dtype for name, (dtype, _) in columns.items()} | dict.fromkeys(metrics, "float64")
    return table.astype(dtypes)
