"""Scores counts by AutoETS, in an environment that has statsforecast: ``python autoets.py COUNTS.npz SCORES.npz``.

A model of the logs with a weekly season is chosen and fitted anew every four weeks, and forecasts a week at a time.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from statsforecast import StatsForecast
from statsforecast.models import AutoETS

# Days that a model is fitted to, days of a forecast, forecasts from one model, and forecasts after a drop began.
_INPUT, _HORIZON, _REFIT, _AFTER = 112, 7, 4, 3
_FIRST = 84
# An interval of this level is one standard deviation wide on each side.
_LEVEL = 68.27


def scores(series: dict[str, np.ndarray], windows: int) -> dict[str, np.ndarray]:
    """Return standard deviations below the forecast, by series, of the last ``windows`` weeks; -inf before."""
    frames = [
        pd.DataFrame({"unique_id": name, "ds": np.arange(len(counts)), "y": np.log1p(counts)})
        for name, counts in series.items()
    ]
    model = StatsForecast([AutoETS(season_length=7)], freq=1, n_jobs=1)
    found = model.cross_validation(
        h=_HORIZON,
        df=pd.concat(frames),
        step_size=_HORIZON,
        n_windows=windows,
        input_size=_INPUT,
        refit=_REFIT,
        level=[_LEVEL],
    )
    deviation = np.maximum(found["AutoETS"] - found[f"AutoETS-lo-{_LEVEL}"], 1e-3)
    found["score"] = (found["AutoETS"] - found["y"]) / deviation
    result = {name: np.full(len(counts), -np.inf) for name, counts in series.items()}
    for series_name, rows in found.groupby("unique_id"):
        result[series_name][rows["ds"].to_numpy()] = rows["score"]
    return result


def main(source: Path, target: Path) -> None:
    """Score ``clean`` and every other array (accounts, days) of ``source``, which differ from ``starts`` on only."""
    given = dict(np.load(source))
    starts, clean = given.pop("starts"), given.pop("clean")
    accounts, days = clean.shape
    weeks = (days - _FIRST) // _HORIZON
    end = _FIRST + weeks * _HORIZON
    found = scores({str(account): clean[account, :end] for account in range(accounts)}, weeks)
    result = {"clean": np.full(clean.shape, -np.inf)}
    for account in range(accounts):
        result["clean"][account, :end] = found[str(account)]
    for name, counts in given.items():
        result[name] = result["clean"].copy()
        ends = _FIRST + ((starts - _FIRST) // _HORIZON + _AFTER) * _HORIZON
        cut = {str(account): counts[account, : ends[account]] for account in range(accounts)}
        for key, each in scores(cut, _AFTER).items():
            account = int(key)
            span = slice(ends[account] - _AFTER * _HORIZON, ends[account])
            result[name][account, span] = each[span]
    np.savez(target, allow_pickle=False, **result)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
