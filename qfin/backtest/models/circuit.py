"""As the matrix product state, but its first five registers are a circuit, mapped from it, trained on, run on Aer."""

from qfin._random import integer_seed
from qfin._types import FloatArray
from qfin.backtest.fits import BlockFits
from qfin.backtest.models.mps import chain_of, draws_along
from qfin.born import CircuitBornMachine, CircuitHeadMachine, MPSBornMachine, map_mps_to_circuit
from qfin.born.circuit import distant_pairs
from qfin.copulas import BornCopula

# As in the main job: see `qfin.experiments.config.CircuitConfig`; fewer steps, for training stops early on 1,000 days.
_N_REGISTERS, _N_LAYERS, _N_DISTANT, _MAX_STEPS = 5, 4, 4, 200


def circuit_innovations(fits: BlockFits) -> FloatArray:
    return fits.residual_margins.from_uniform(fits.of_span("circuit", _draws))


def _draws(first: BlockFits) -> FloatArray:
    chain = chain_of(first)
    circuit = _trained_head(chain.copula.machine_, chain.latent, integer_seed(first.rng("circuit training")))
    machine = CircuitHeadMachine(circuit, chain.copula.machine_)
    copula = BornCopula.from_parts(chain.copula.base_, machine)
    return draws_along(chain, copula, first.n_draws, first.rng("circuit"))


def _trained_head(chain: MPSBornMachine, latent: FloatArray, seed: int) -> CircuitBornMachine:
    """The chain's head as a circuit with a few distant gates, stopped on the days that the chain held out."""
    head, _ = chain.head(min(_N_REGISTERS, chain.n_registers_))
    size = (chain.n_functions - 1).bit_length()
    mapped = CircuitBornMachine.from_ansatz(map_mps_to_circuit(head.tensors_, _N_LAYERS).ansatz, size)
    n_possible = (head.n_registers_ - 1) * (head.n_registers_ - 2) // 2
    ansatz = mapped.ansatz
    if n_possible:
        pairs = distant_pairs(mapped.register_mutual_information(), min(_N_DISTANT, n_possible), size)
        ansatz = ansatz.extended(pairs)
    days, held_out = latent[:, : head.n_registers_], chain.held_out_
    circuit = CircuitBornMachine(ansatz, size, max_steps=_MAX_STEPS, seed=seed)
    return circuit.fit(days[~held_out], days[held_out])
