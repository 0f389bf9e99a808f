"""The days that a run has seen, and those it was judged on, read anew from its source."""

import pandas as pd

from qfin.experiments.config import load_config
from qfin.experiments.panel import load_market
from qfin.experiments.run_folder import RunFolder


def run_history(folder: RunFolder) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Simple returns of the training days (NaN where an asset has none) and of the complete test days."""
    panel = load_market(load_config(folder.path / "config.toml").market)
    return panel.train_returns, panel.test
