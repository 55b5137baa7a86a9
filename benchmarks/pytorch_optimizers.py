"""Records how PyTorch's optimizers move a few parameters, for the tests to compare ours with.

    python -m benchmarks.pytorch_optimizers

PyTorch is no dependency: install it for this with `pip install torch`. Writes float64 figures to
tests/model/pytorch_optimizers.json. The gradients are far above the epsilons, since PyTorch adds
RMSprop's outside the root and ours adds it inside.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

RECORD = Path(__file__).parent.parent / "tests/model/pytorch_optimizers.json"
RATES = [0.1] * 6 + [0.05] * 6  # what an optimizer remembers must not depend on the rate
PARAMETERS = 3
DECIMALS = 9

# (what the record calls it, our name and options, PyTorch's class and options)
CASES: list[tuple[str, str, dict[str, float], type[Any], dict[str, Any]]] = [
    ("SGD", "sgd", {}, torch.optim.SGD, {}),
    ("SGD with momentum", "sgd", {"momentum": 0.9}, torch.optim.SGD, {"momentum": 0.9}),
    ("RMSprop", "rmsprop", {"decay": 0.9}, torch.optim.RMSprop, {"alpha": 0.9}),
    ("AdaGrad", "adagrad", {}, torch.optim.Adagrad, {}),
    ("Adam", "adam", {}, torch.optim.Adam, {}),
    ("Adam with beta1 = 0", "adam", {"beta1": 0.0}, torch.optim.Adam, {"betas": (0.0, 0.999)}),
    ("AdamW", "adam", {"weight_decay": 0.1}, torch.optim.AdamW, {"weight_decay": 0.1}),
]


def path(
    optimizer_class: type[Any],
    options: dict[str, Any],
    start: list[float],
    gradients: list[list[float]],
) -> list[list[float]]:
    """The parameters after each step (S, N), from `start` (N,) with `gradients` (S, N)."""
    parameters = torch.nn.Parameter(torch.tensor(start, dtype=torch.float64))
    optimizer = optimizer_class([parameters], lr=RATES[0], **options)
    points = []
    for rate, gradient in zip(RATES, gradients, strict=True):
        optimizer.param_groups[0]["lr"] = rate
        parameters.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
        points.append([round(value, DECIMALS) for value in parameters.tolist()])
    return points


def main() -> None:
    """Record every case."""
    rng = np.random.default_rng(1)
    start = rng.normal(size=PARAMETERS).round(3).tolist()
    shape = len(RATES), PARAMETERS
    gradients = (rng.uniform(0.5, 2, shape) * rng.choice([-1, 1], shape, p=[0.3, 0.7])).round(3)
    record = {
        "torch": torch.__version__.split("+")[0],
        "start": start,
        "rates": RATES,
        "gradients": gradients.tolist(),
        "cases": {
            case: {
                "optimizer": name,
                "options": options,
                "path": path(theirs, their_options, start, gradients.tolist()),
            }
            for case, name, options, theirs, their_options in CASES
        },
    }
    RECORD.write_text(json.dumps(record) + "\n", encoding="utf-8")
    print(f"{RECORD}: {len(CASES)} optimizers, {len(RATES)} steps of PyTorch {record['torch']}")


if __name__ == "__main__":
    main()
