"""`python -m workloads.prediction.optimised <model file> <folder>`: converts the model and leaves a verdict.

It imports what it needs, then waits for one line on its input: how many bytes it may take.
"""

import json
import resource
import sys
from pathlib import Path

from workloads.prediction.model import Model
from workloads.prediction.optimised import conversion, samples
from workloads.prediction.optimised.reading import columns, inner
from workloads.prediction.optimised.session import MODEL, SIGNATURE
from workloads.prediction.optimised.verdict import VERDICT, Verdict


def main(path: Path, folder: Path, allowed: int) -> None:
    """Write the model and what it takes, or only the reason why there is none."""
    if allowed:
        resource.setrlimit(resource.RLIMIT_DATA, (allowed, allowed))
    try:
        verdict = _convert(path, folder)
    except Exception as error:  # noqa: BLE001  whatever the model's code and the converters raise
        verdict = Verdict(False, _reason(error, allowed))
    (folder / VERDICT).write_text(json.dumps(verdict.__dict__))


def _reason(error: Exception, allowed: int) -> str:
    if isinstance(error, MemoryError) or isinstance(error.__cause__, MemoryError):
        return f"its conversion takes more memory than the {allowed >> 20} MiB that are left"
    lines = str(error).strip().splitlines() or [""]
    return f"it can't be converted to ONNX: {type(error).__name__}: {lines[0][:200]}"


def _convert(path: Path, folder: Path) -> Verdict:
    model = Model.load(path)
    own = samples.given(path.parent, columns(inner(model.estimator)))
    try:
        made = conversion.convert(model, own)
    except conversion.Unequal as unequal:
        return Verdict(False, str(unequal))
    (folder / MODEL).write_bytes(made.model)
    (folder / SIGNATURE).write_text(made.signature.to_json())
    where = f"{made.given} of them its own" if made.given else "made from the fitted model"
    return Verdict(
        True,
        f"it predicts the same on {made.samples} samples ({where}; labels equal, numbers to {conversion.RELATIVE:g})",
    )


if __name__ == "__main__":
    line = sys.stdin.readline()
    if line.strip():  # else the server has given up
        main(Path(sys.argv[1]), Path(sys.argv[2]), int(line))
