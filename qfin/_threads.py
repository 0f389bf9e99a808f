"""One BLAS thread where the matrices are too small to share."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_WITHIN: ContextVar[bool] = ContextVar("within one BLAS thread", default=False)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Within it BLAS uses one thread: on narrow matrices more threads wait for each other (seen: 20 times slower).

    Listing the loaded libraries takes milliseconds, so nested uses return at once.
    """
    if _WITHIN.get():
        yield
        return
    from threadpoolctl import threadpool_limits

    token = _WITHIN.set(True)
    try:
        with threadpool_limits(1, "blas"):
            yield
    finally:
        _WITHIN.reset(token)
