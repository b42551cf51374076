"""Every number that the detector was given, with its unit and where it comes from.

Sources: a paper or a book by name; "calculated" from the model; "bench", chosen on the made-up series of
``make bench-detect`` so that the budget of false alarms is kept. Pure values.
"""

from typing import Final

import numpy as np

from collector.models.drop import Sensitivity

WEEK: Final = 7
"""Days of the weekday rhythm, of the longest window, and of the delay with which a day is learned."""

# Windows: sums over so many of the newest days.
WINDOWS: Final = np.array([2, 3, 5, WEEK])

# History
TRAINING_DAYS: Final = 28
"""Days that start a baseline: four of each weekday, the fewest that can be trimmed."""
LEAST_TRAINED: Final = 21
"""Training days that must have a number: three of each weekday."""

# Level and rhythm
LEAST_MEAN: Final = 0.05
"""Events a day; keeps logarithms and divisions finite."""
WANDER_GAIN: Final = 1 / 16
LEVEL_GAIN: Final = (1 / 28, 1 / 10)
"""Share of a day's relative residual that the level takes on: of the factor by which a week varies more than its days,
less one, within these bounds. A slow level errs less where days are all noise; one that wanders is followed. Bench."""
WANDERING: Final = 1.5
"""The factor from which on the level itself wanders; windows vary by as much more as it is larger. Bench."""
RHYTHM_GAIN: Final = 1 / 10
"""Share for the weekday: about ten weeks of memory. Bench."""
LEVEL_BOUND: Final = (1.5, 2.0)
"""Standard deviations down and up that a day may move the level by: Huber (1964); wider up, as counts are skewed."""
RHYTHM_BOUND: Final = 2.0
"""Standard deviations, likewise."""
SPIKE: Final = 3.0
"""Standard deviations up beyond which a day begins a spike. Until a day is no longer high nothing is learned from high
days, unless most days of the last weeks were. Bench."""
HIGH_GAIN: Final = 1 / 14
HIGH_SHARE: Final = 0.8
"""A level has risen where this running share of days (over two weeks) was high. Bench."""
RISEN_GAIN: Final = 2 / 9
"""Share of a day's residual that the level takes on then. Bench."""
LEAST_MIDDLE: Final = 3
"""Days of a weekday from which on its mean is trimmed of the largest and the smallest."""

# Noise
SPREAD_GAIN: Final = 1 / 50
"""Share of a day's squared residual that the spread takes on: seven weeks of memory. Bench."""
NOISE_BOUND: Final = (2.5, 1.0)
"""Standard deviations down and up that count: spikes must not hide drops. Bench."""
BOUNDED_MEAN: Final = 0.746
"""Mean square of a normal deviate within `NOISE_BOUND`. Calculated."""
SPREADS: Final = (0.04, 2.0)
"""Least and largest relative variance of a day: calmer series have holidays too. Bench."""
FIRST_SPREAD: Final = 0.1
"""Relative variance before anything is known."""
SHRINK: Final = np.array([0.60, 0.42, 0.27, 0.20])[:, None, None]
"""Variance of a mean over `WINDOWS` to that of a day, of a mildly autocorrelated series: AR(1), 0.2. Calculated."""
LEAST_WINDOW_SPREAD: Final = np.array([0.022, 0.017, 0.012, 0.009])[:, None, None]
"""Least relative variance of a sum over `WINDOWS`. Bench."""
PRIOR_DAYS: Final = 25.0
MEMORY_DAYS: Final = 50.0
"""Days of the series' own windows that are remembered, and how many `SHRINK` weighs beside them. Bench."""
DOUBT: Final = 2.0
"""Factor of a window's variance after a drop that passed within `SHORT_DAYS`: such falls are usual then. Bench."""
SHORT_DAYS: Final = 21
YOUNG_DAYS: Final = 12.0
"""A level learned from n days varies by this over n as much as a window does. Bench."""
LEAST_EVENTS: Final = 10.0
"""Events; windows that expect fewer say nothing about noise."""
TRAINED_BIAS: Final = 4 / 3
"""Corrects squared residuals from means that were made from the same four weeks: n / (n - 1). Calculated."""

# Days that are like no other: standard deviations of a day, as shares of the expected
HOLIDAY: Final = 0.4
"""A public holiday. Bench: made-up holidays lose a quarter on average, and vary by 15 points."""
BESIDE_HOLIDAY: Final = 0.15
"""The day before and the day after."""
YEAR_END: Final = 0.14
YEAR_END_DAYS: Final = ((12, 20), (1, 6))
"""First and last month and day: the days around Christmas and New Year."""
SALES: Final = 0.12
SALES_DAYS: Final = (4, 10)
"""Days before and after Black Friday: its peak, and the fall after it."""

# Silent days
SILENT: Final = 0.2
"""A day is silent with less than this share of the expected, where `SILENT_MEAN` or more were."""
SILENT_MEAN: Final = 8.0
"""Events a day: a Poisson count of this mean is below a fifth once in 300 days. Calculated."""
SILENT_GAIN: Final = 1 / 60
"""Share of a day in the running share of silent days: two months of memory."""
SILENT_PRIOR: Final = (1.0, 2.0)
"""Silent days and days that are added to those of the training: Laplace's rule of succession."""
SILENT_USUAL: Final = 0.04
"""Silent days are usual, and count as missing, from this share on: one of the 28 training days, or one in 25. Bench."""
STAY_GAIN: Final = 1 / 20
"""Share of a silent day in the running share of silent days that another follows: 20 such days of memory."""
STAY_PRIOR: Final = 4.0
"""Silent days of the training that the share of silent days weighs in it."""
SILENT_LEAST: Final = 0.02
SILENT_MOST: Final = 0.8
"""Bounds of both shares in the chance of a run."""
SILENT_RUN: Final = 1.4
"""Added to the threshold of a run of silent days, whose score is ``sqrt(-2 log(chance))``; a week of them always is a
drop. Bench."""
# Dormancy
DORMANT: Final = 1.0
"""Events a day below which a level is asleep: its rhythm is frozen, and it is new when numbers return."""
LOST_DAYS: Final = 56
"""Days without a number after which a series is new too."""

# Alarms
PRESETS: Final = {
    Sensitivity.LOW: (3.3, 0.40),
    Sensitivity.NORMAL: (2.9, 0.30),
    Sensitivity.HIGH: (2.65, 0.22),
}
"""Threshold in standard deviations, and the least share that must be lost. Bench."""
BUDGETS: Final = {Sensitivity.LOW: 0.25, Sensitivity.NORMAL: 0.5, Sensitivity.HIGH: 1.0}
"""False alarms a client-year that the presets stand for; ``--calibrate`` keeps them on a client's own history."""
CALIBRATED: Final = tuple(round(2.4 + 0.2 * step, 1) for step in range(14))
"""Thresholds that are tried, in standard deviations."""
CALIBRATED_YEARS: Final = 0.5
"""Client-years of judged days that a calibration needs at least."""
LEAST_EXPECTED: Final = np.array([50.0, 50.0, 40.0, 25.0, 25.0])[:, None, None]
"""Events that must be expected of a window before its sum is judged."""
LEAST_WEEK: Final = 25.0
"""Events a week from which on a series is judged: of fewer, even none at all is no alarm in three days."""
DAY_BOUND: Final = (3.0, 2.0)
"""Standard deviations down and up that a day counts for: one bad day is never a drop. Bench."""
ADDED: Final = 1.0
"""Events added to counts and means in a day's score: the cube root of nearly nothing is far too low. Bench."""
SCORE_BOUND: Final = (4.0, 2.0)
"""Standard deviations down and up that a day's score counts for. Bench."""
WINDOW_LOSS: Final = np.array([0.15, 0.10, 0.03, -0.05, -0.1])[:, None, None]
"""Added to the least loss: short falls are usual, so short windows must lose more. Bench."""
WINDOW_THRESHOLD: Final = np.array([0.5, 0.1, 0.3, 0.1, 0.3])[:, None, None]
"""Added to the threshold: two days are easily low together, and a wandering level affects weeks most. Bench."""
ALONE: Final = 0.9
"""Added to the threshold of a single metric: all metrics of a profile share one budget. Bench."""
LOW_DAY: Final = 0.85
"""Share of the expected that the newest day must be below."""
LOW_PAIR: Final = 0.65
"""Share of the expected that two days must be below in windows of two and three: a bad day is no drop."""
BAND: Final = 2.0
"""Standard deviations from the expected to the lower end of the band that is drawn."""

# The cumulative sum of small and slow falls
CUSUM_REFERENCE: Final = 0.65
"""Standard deviations a day: half of the shift that is found soonest, Page (1954)."""
CUSUM_BOUND: Final = (-2.5, 2.0)
"""Standard deviations that a day counts for, down and up."""
CUSUM_SHARED: Final = 1.7
CUSUM_MOST: Final = 20.0
CUSUM_LEAST_DAYS: Final = 4
CUSUM_SCORE: Final = 0.9
"""The sum divided by this is a score as those of windows. Bench."""
CUSUM_SUSPECTED: Final = 2.0
"""Sum from which days are not learned from as long as it lasts, but for `CUSUM_PATIENCE` days at most. Bench."""
CUSUM_PATIENCE: Final = 14

# Drops
TOLD_SHARE: Final = 0.5
"""Engagement tells of a drop if it lost this share of what the deciding series lost; else the metric that lost most."""
JOIN_SHARE: Final = 0.5
"""A metric that lost this share of the least loss of a drop joins the drop of its profile."""
DEEPER: Final = 0.35
DEEPER_EVENTS: Final = 50.0
ALL_LOST: Final = 0.9
"""Another drop begins where at most `DEEPER` of what the first had left is left, over two days that expect so many
events; not in drops that lost `ALL_LOST`. Bench."""
BACK: Final = (0.12, 0.25)
"""Share that may still be lost of a drop that is over: a third of what was lost, within these."""
BACK_DAYS: Final = 0.7
"""Share of the week's days that must be back too: five of seven. A viral post lifts four days. Bench."""
LEAST_USUAL: Final = 3
"""Newest days that must be usual again before an open drop is told as past."""
NEW_NORMAL_DAYS: Final = 56
"""Days after which a drop is the new normal: eight weeks, two trainings."""
RELEVEL_DAYS: Final = 28
"""Days from which the level is learned anew then."""
ENDED_DAYS: Final = 14
"""Days without a number after which a drop's data has ended."""
