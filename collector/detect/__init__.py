"""Finds drops in daily counts and explains them. Pure, except what uses the store: `detector`, `backtest`, `panel`."""
