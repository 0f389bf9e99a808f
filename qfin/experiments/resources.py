"""What a run's circuit, and its like for more assets, ask of quantum hardware."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qfin._random import stream
from qfin.born import CircuitBornMachine, CircuitHeadMachine
from qfin.exceptions import InputError
from qfin.experiments.run_folder import RunFolder
from qfin.experiments.runner import load_generator
from qfin.quantum.ansatz import Ansatz
from qfin.scenarios import ScenarioGenerator

if TYPE_CHECKING:
    from qfin.quantum.hardware import Device

Say = Callable[[str], None]
SHOTS = 10_000
_ASSETS, _LAYERS, _QUBITS_PER_ASSET = (10, 50, 500), (1, 2, 4), 3
_CNOTS_PER_BLOCK = 3


def circuit_generator(folder: RunFolder) -> ScenarioGenerator:
    """The run's scenario generator whose first assets are a circuit's."""
    generator: ScenarioGenerator = load_generator(folder, "circuit")
    if not isinstance(getattr(generator.copula_, "machine_", None), CircuitHeadMachine):
        raise InputError(f"run: expected a model with a circuit, received {folder.path / 'models' / 'circuit.npz'}")
    return generator


def circuit_head(folder: RunFolder) -> CircuitBornMachine:
    """The trained circuit of a run."""
    machine: Any = circuit_generator(folder).copula_
    head: CircuitBornMachine = machine.machine_.circuit
    return head


def resource_rows(folder: RunFolder, *, shots: int = SHOTS, say: Say = lambda text: None) -> list[dict[str, Any]]:
    """Rows of what the run's own circuit costs on each device, and the mapped chain's structure for more assets.

    A larger circuit is that of the mapping: `layers` staircases of two-qubit blocks over three qubits an asset, random
    blocks in place of trained ones (any generic block costs three CNOTs), and the transform of every register before it
    is measured. `est_fidelity` is the product of one minus each error; `seconds` is shots times one circuit and the
    time between shots, without queues and compilation. Where a device has too few qubits, `note` says so, the gates are
    those before placing, and what depends on the device is null.
    """
    from qfin.quantum.hardware import heavy_hex_device, ion_trap_device

    head = circuit_head(folder)
    devices = (heavy_hex_device(), ion_trap_device())
    n_layers = folder.record["mapping"]["n_layers"]
    rows = []
    for device in devices:
        say(f"{device.name}: the run's circuit")
        rows.append(_row("this run", head, n_layers, device, shots))
        for n_assets in _ASSETS:
            for layers in _LAYERS:
                say(f"{device.name}: {n_assets} assets, {layers} layers")
                rows.append(_row("same structure", _mapped_like(n_assets, layers), layers, device, shots))
    return rows


def write_resources(folder: RunFolder, rows: list[dict[str, Any]], shots: int) -> None:
    """`resources.json` in the run's folder, which the report shows."""
    folder.write_json("resources.json", {"shots": shots, "rows": rows})


def _mapped_like(n_assets: int, n_layers: int) -> CircuitBornMachine:
    ansatz = Ansatz.linear_chain(_QUBITS_PER_ASSET * n_assets, n_layers)
    params = stream(0, "resources", str(n_assets), str(n_layers)).standard_normal(ansatz.n_params)
    return CircuitBornMachine.from_ansatz(ansatz, _QUBITS_PER_ASSET, params)


def _row(circuit: str, machine: CircuitBornMachine, n_layers: int, device: "Device", shots: int) -> dict[str, Any]:
    from qfin.quantum.hardware import circuit_cost

    n_qubits = machine.ansatz.n_qubits
    row: dict[str, Any] = {
        "circuit": circuit,
        "assets": machine.n_registers_,
        "qubits": n_qubits,
        "layers": n_layers,
        "device": device.name,
    }
    cost = circuit_cost(machine.circuit(), device) if n_qubits <= device.n_qubits else None
    if cost is None:
        unplaced = _CNOTS_PER_BLOCK * machine.ansatz.n_blocks
        return row | {
            "two_qubit_gates": unplaced,
            "depth": None,
            "est_fidelity": None,
            "shots": shots,
            "seconds": None,
            "note": f"needs {n_qubits} qubits, the device has {device.n_qubits}; gates of the blocks before placing",
        }
    return row | {
        "two_qubit_gates": cost.two_qubit_gates,
        "depth": cost.depth,
        "est_fidelity": cost.success,
        "shots": shots,
        "seconds": shots * (cost.seconds + device.reset_s),
        "note": "",
    }
