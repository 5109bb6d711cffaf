"""The difference of a pair's arms, where it may be given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import HarnessError
from harness.outcome.pairs import ROW_KEYS, Means, PairOutcome, means_of, with_wholes
from harness.outcome.refusals import refusals

if TYPE_CHECKING:
    import pandas as pd

TRIPLET = ROW_KEYS[:3]
"""What tells a triplet from all others."""


def difference(pair: PairOutcome) -> pd.DataFrame | None:
    """Second arm minus first, triplet by triplet (test, level, triplet, clip, then every metric of both).

    None until both are evaluated. Raises HarnessError with why it is refused, unless the pair is to show it all the
    same.
    """
    if len(pair.arms) < 2 or not all(arm.evaluated for arm in pair.arms):
        return None
    refuse(pair)
    import pandas as pd

    tests = set.intersection(*(set(arm.rows["test"]) for arm in pair.arms))
    # of a test set an arm has all triplets, in its record's order, or none; a suite holds arms of two records together
    one, other = (arm.rows[arm.rows["test"].isin(tests)].reset_index(drop=True) for arm in pair.arms)
    if not one[TRIPLET].equals(other[TRIPLET]):
        common = one[TRIPLET].merge(other[TRIPLET])
        one, other = (common.merge(rows) for rows in (one, other))
    both = [name for name in one.columns if name in other.columns and name not in ROW_KEYS]
    return pd.concat([one[ROW_KEYS], other[both] - one[both]], axis=1)


def gains(pair: PairOutcome) -> Means:
    """The mean of the difference of every metric that both arms have, by column, and of metrics of whole sets theirs.

    Empty until both are evaluated. Raises HarnessError as `difference`.
    """
    gained = difference(pair)
    if gained is None:
        return {}
    one, other = (arm.wholes for arm in pair.arms)
    wholes = {
        at: {name: other[at][name] - value for name, value in values.items() if name in other[at]}
        for at, values in one.items()
        if at in other
    }
    return with_wholes(means_of(gained), wholes)


def refuse(pair: PairOutcome) -> None:
    """Raises HarnessError where the arms are not matched, and their difference is not to be shown all the same."""
    if not pair.show_unmatched and (why := refusals(pair)):
        raise HarnessError(f"{pair.name}: no difference between unmatched runs: {'; '.join(why)}")
