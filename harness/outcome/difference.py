"""The difference of a pair's arms, where it may be given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import HarnessError
from harness.outcome.pairs import ROW_KEYS, PairOutcome
from harness.outcome.refusals import refusals

if TYPE_CHECKING:
    import pandas as pd


def difference(pair: PairOutcome) -> pd.DataFrame | None:
    """Second arm minus first, triplet by triplet (test, level, triplet, clip, then every metric of both).

    None until both are evaluated. Raises HarnessError with why it is refused, unless the pair is to show it all the
    same.
    """
    if len(pair.arms) < 2 or not all(arm.evaluated for arm in pair.arms):
        return None
    refuse(pair)
    one, other = (arm.rows.set_index(ROW_KEYS) for arm in pair.arms)
    both = [name for name in one.columns if name in other.columns]
    triplets = one.index[one.index.isin(other.index)]  # of the test sets that both are evaluated on
    return (other.loc[triplets, both] - one.loc[triplets, both]).reset_index()


def refuse(pair: PairOutcome) -> None:
    """Raises HarnessError where the arms are not matched, and their difference is not to be shown all the same."""
    if not pair.show_unmatched and (why := refusals(pair)):
        raise HarnessError(f"{pair.name}: no difference between unmatched runs: {'; '.join(why)}")
