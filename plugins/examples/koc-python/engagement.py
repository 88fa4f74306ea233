"""Powers of key opinion consumers by engagement: how much followers react, not how many there are.

    rate       = interactions_30d / followers
    content    = 100 * rate / (rate + half_rate)                       half_rate: the rate that scores 50
    influence  = sqrt(followers_rank * 100 * match)                    the geometric mean of reach and match
    purchasing = mean of own_gmv_365d_rank and attributed_gmv_30d_rank, of those that are known

A power with an input that is not known is 0, except for purchasing, of which one input is enough. The formulas are this
example's own.
"""

from math import isfinite, sqrt

NAME = "koc-engagement"
VERSION = "1.0.0"
SUMMARY = (
    "Content power by interactions per follower, influence by reach and match together, purchasing power by own and "
    "attributed gmv."
)

# Column -> whether the model cannot do without it.
COLUMNS = {
    "interactions_30d": True,
    "followers": True,
    "followers_rank": True,
    "match": False,
    "own_gmv_365d_rank": False,
    "attributed_gmv_30d_rank": False,
}

# Parameter -> meaning, default, least, greatest.
PARAMETERS = {
    "half_rate": ("Interactions a follower in 30 days that make content power 50, a ratio.", 0.5, 0.001, 1000.0),
}


class Refusal(Exception):
    """Why the model does not answer: a sentence for the brand's people."""


def score(rows, columns, parameters):
    """The powers of every row, by name of the answered column.

    columns holds lists of numbers by name; what is not known is not a number, and a column may be absent.
    """
    for name, required in COLUMNS.items():
        if required and name not in columns:
            raise Refusal(f"the column `{name}` was not given: the host must have it")
    unknown = [float("nan")] * rows
    column = {name: columns.get(name, unknown) for name in COLUMNS}
    half_rate = parameters["half_rate"]
    return {
        "content": [
            content(interactions, followers, half_rate)
            for interactions, followers in zip(column["interactions_30d"], column["followers"], strict=True)
        ],
        "influence": [
            influence(rank, match) for rank, match in zip(column["followers_rank"], column["match"], strict=True)
        ],
        "purchasing": [
            purchasing(own, brought)
            for own, brought in zip(column["own_gmv_365d_rank"], column["attributed_gmv_30d_rank"], strict=True)
        ],
    }


def content(interactions, followers, half_rate):
    """Content power, 0 to 100."""
    if not (isfinite(interactions) and isfinite(followers) and interactions > 0 and followers > 0):
        return 0.0
    # 100 * rate / (rate + half_rate), arranged so that nothing overflows into what is not a number.
    return 100.0 / (1.0 + half_rate * followers / interactions)


def influence(rank, match):
    """Influence power, 0 to 100."""
    if not (isfinite(rank) and isfinite(match)):
        return 0.0
    return sqrt(within(rank, 100.0) * 100.0 * within(match, 1.0))


def purchasing(own, brought):
    """Purchasing power, 0 to 100."""
    known = [within(rank, 100.0) for rank in (own, brought) if isfinite(rank)]
    return sum(known) / len(known) if known else 0.0


def within(value, greatest):
    """value, brought into 0 to greatest."""
    return min(max(value, 0.0), greatest)
