"""Born machine on bits with a fixed number of ones: a U(1)-symmetric matrix product state."""

from qfin.born.bit_mps import BitMPS


class SymmetricMPS(BitMPS):
    """Matrix product state whose strings all have counts[0] to counts[1] ones: nothing is post-selected.

    `counts` is the range of ones; the other parameters and attributes are those of `BitMPS`, χ counted per charge
    (Lopez-Piqueres et al., 2211.09121; ranges as sets of final charges: 2405.09005).
    """

    def __init__(
        self,
        counts: tuple[int, int],
        max_bond: int = 4,
        *,
        n_sweeps: int = 2,
        learning_rate: float = 0.3,
        smoothing: float = 0.1,
        start_noise: float = 0.1,
    ):
        super().__init__(
            max_bond,
            n_sweeps=n_sweeps,
            learning_rate=learning_rate,
            smoothing=smoothing,
            start_noise=start_noise,
        )
        self.counts = counts

    def _counts(self) -> tuple[int, int] | None:
        return self.counts
