"""The process behind a job of `qfin.experiments.jobs`: `python -m qfin.experiments.job_worker FOLDER`.

It leaves its parent and its terminal behind at once, so that nobody has to wait for it.
"""

import os
import sys
from pathlib import Path

from qfin.experiments.jobs import work

if __name__ == "__main__":
    if os.fork():
        os._exit(0)
    os.setsid()
    sys.exit(work(Path(sys.argv[1])))
