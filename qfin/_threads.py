"""One BLAS thread where the matrices are too small to share."""

from contextlib import AbstractContextManager
from typing import Any


def one_blas_thread() -> AbstractContextManager[Any]:
    """Within it BLAS uses one thread: on narrow matrices more threads wait for each other (seen: 20 times slower)."""
    from threadpoolctl import threadpool_limits

    context: AbstractContextManager[Any] = threadpool_limits(1, "blas")
    return context
