"""Sentences of the report that depend on the run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qfin.reporting.numbers import count, fixed, percent, plural
from qfin.viz.theme import model_style

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Fact:
    """A name, its value and what it means."""

    name: str
    value: str
    gloss: str = ""


def opening(record: Record) -> str:
    """What was done and what the question is."""
    market, base = record["market"], model_style(record["base"]["name"]).label
    (first, last), (test_first, test_last) = market["train"], market["test"]
    return (
        f"Models of how {plural(len(market['assets']), 'asset')} move together were fitted to "
        f"{plural(market['n_train'], 'day')} ({first} to {last}) and judged on {plural(market['n_test'], 'later day')} "
        f"({test_first} to {test_last}) that they had not seen. The question is whether a Born machine, a model whose "
        f"probabilities are those of a quantum state, describes these days better than the {base} it starts from."
    )


def method(record: Record) -> list[str]:
    """The way of the data in eight lines."""
    base, mps, mapping = model_style(record["base"]["name"]).label, record.get("mps"), record.get("mapping")
    functions = f" ({mps['n_functions']} per asset)" if mps else ""
    bond = f" of bond dimension {mps['max_bond']}" if mps else ""
    head = f"first {plural(len(mapping['assets']), 'asset')}" if mapping else "first assets"
    circuit = f"circuit of {plural(mapping['n_qubits'], 'qubit')}" if mapping else "circuit"
    return [
        "Prices become simple returns; the days after the training window serve for judging only.",
        "Each asset is described on its own: the observed returns in the middle, generalised-Pareto curves in both "
        "tails. This turns every return into a rank u between 0 and 1.",
        f"The base, a {base}, ties the ranks together. A Rosenblatt transform turns them into numbers y that would be "
        "independent standard normals if the base were the whole truth.",
        "The Born machine learns what is left: it multiplies the base density by |Ψ(y)|², where Ψ is a sum of products "
        f"of Hermite functions{functions} whose coefficients are the amplitudes of a quantum state. The state |0…0⟩ is "
        "the base.",
        f"The amplitudes are first held as a matrix product state (MPS){bond}, a chain of small tensors, trained by "
        "maximum likelihood and stopped on held-out training days.",
        f"The MPS of the {head} is turned into a {circuit} and trained on with exact gradients, with gates between "
        "distant assets where they gain on held-out days. A copy is trained further from measured shots alone.",
        "Draws run the way backwards: from the state to y, to ranks, to returns. The losses of the equal-weight book "
        "give value at risk and expected shortfall.",
        "Models are compared by the likelihood of the unseen days, with standard errors from blocks of neighbouring "
        "days and intervals for differences on the same days from a block bootstrap.",
    ]


def mapping_facts(record: Record) -> list[Fact]:
    """How the state became a circuit."""
    mapping = record["mapping"]
    facts = [
        Fact("Assets on the circuit", ", ".join(mapping["assets"]), "the most systemic ones, first on the chain"),
        Fact("Size", _size(mapping)),
        Fact(
            "Weight of the leading state",
            percent(mapping["schmidt_weight"]),
            "share of what these assets do that one pure state can hold; the rest is tied to the other assets",
        ),
        Fact(
            "Fidelity",
            fixed(mapping["fidelity"], 4),
            "squared overlap of circuit and state, before any training; 1 is exact",
        ),
        Fact(
            "Likelihood lost",
            f"{fixed(mapping['loglik_lost'], 4)} nats per test day",
            "the MPS on these assets minus the mapped circuit",
        ),
    ]
    full = mapping.get("full")
    if full:
        facts.append(
            Fact(
                "Full-width circuit",
                f"{_size(full)}, fidelity {fixed(full['fidelity'], 4)}",
                "more of the chain as one circuit, for sampling only; norm lost in simulating it: "
                f"{fixed(full['truncation'], 4)}",
            )
        )
    return facts


def _size(mapping: Record) -> str:
    return ", ".join(
        plural(mapping[name], word)
        for name, word in (("n_qubits", "qubit"), ("n_layers", "layer"), ("two_qubit_gates", "two-qubit gate"))
    )


def circuit_facts(record: Record) -> list[Fact]:
    """How the circuit was trained on."""
    circuit = record["circuit"]
    pairs = ", ".join(f"{first}–{second}" for first, second in circuit.get("distant_pairs") or [])
    stay = "distant on the chain; no gain on held-out days, so they stay the identity but in the training from shots"
    start = "distant on the chain; they start as the identity"
    facts = [
        Fact(
            "Gates added between",
            pairs or "no further assets",
            start if circuit.get("distant_gates_gain", True) or not pairs else stay,
        ),
        Fact("Trained parameters", count(circuit["n_params"])),
        Fact(
            "Kept step",
            count(circuit["stopped_at"]),
            f"{fixed(circuit['best_validation'], 4)} nats per held-out day above the base",
        ),
    ]
    shots = circuit.get("shot_training")
    if shots:
        facts.append(
            Fact(
                "Training from shots",
                f"squared MMD {fixed(shots['mmd_start'], 5)} → {fixed(shots['mmd_end'], 5)} on held-out days",
                f"{plural(shots['steps'], 'step')}, {plural(shots['executions'], 'circuit execution')}, "
                f"{plural(shots['shots'], 'shot')} in all; MMD is the distance of drawn from observed values, and an "
                "estimate of its square may fall below 0",
            )
        )
    return facts


def data_facts(record: Record) -> list[Fact]:
    """Where the data came from and how much there was."""
    market = record["market"]
    facts = [
        Fact("Source", market["source"], f"read as {market['kind']}"),
        Fact("Assets", f"{len(market['assets'])}: {', '.join(market['assets'])}", "most systemic first"),
    ]
    for name, part in (("Training window", "train"), ("Test window", "test")):
        first, last = market[part]
        days = f"{first} to {last}: {plural(market[f'n_{part}'], 'day')}"
        facts.append(Fact(name, days, _incomplete(market[f"n_incomplete_{part}"])))
    return facts


def _incomplete(n_days: int) -> str:
    return f"{plural(n_days, 'day')} with a missing return" if n_days else "no day with a missing return"


def run_facts(record: Record) -> list[Fact]:
    """What it takes to run this again."""
    commit = record.get("commit")
    return [
        Fact("Command", "qfin run --config config.toml", "with the config.toml of this folder"),
        Fact("Seed", str(record["seed"]), "the same seed gives the same numbers"),
        Fact("Version", f"qfin {record['version']}", f"commit {commit}" if commit else "commit not known"),
        Fact("Python", record["python"], record["platform"]),
    ]
