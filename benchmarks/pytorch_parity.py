"""Loads a folder of weights into PyTorch modules by name and compares the logits.

    python -m benchmarks.pytorch_parity [WEIGHTS_DIR]

PyTorch is no dependency: install it for this with `pip install torch`. Prints the largest
difference over a text of several hundred tokens and fails where it is above 1e-4.
"""

import json
import sys
from pathlib import Path

import safetensors.numpy
import torch

import model

TOLERANCE = 1e-4
TEXT = "Rain on the road, rain on the roof, and the last bus home is late again\n" * 12


class Reference(torch.nn.Module):
    """The network of `config.json` in PyTorch's own modules."""

    def __init__(self, config: dict[str, int | str | bool]) -> None:
        super().__init__()
        vocabulary, e = int(config["vocabulary_size"]), int(config["embedding_size"])
        h, layers = int(config["hidden_size"]), int(config["layers"])
        cell = {"lstm": torch.nn.LSTM, "rnn": torch.nn.RNN}[str(config["cell"])]
        self.embedding = torch.nn.Embedding(vocabulary, e)
        self.rnn = cell(e, h, layers)
        self.projection = torch.nn.Linear(h, e) if h != e else torch.nn.Identity()
        self.decoder = torch.nn.Linear(e, vocabulary)
        if config["tied"]:
            self.decoder.weight = self.embedding.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits (T, V) of ids (T,) from a zero state."""
        hidden, _ = self.rnn(self.embedding(ids))
        logits: torch.Tensor = self.decoder(self.projection(hidden))
        return logits


def main(folder: Path) -> int:
    """Compare; 0 when all logits agree within TOLERANCE."""
    reference = Reference(json.loads((folder / "config.json").read_text("utf-8"))["network"])
    tensors = safetensors.numpy.load_file(folder / "model.safetensors")
    state = {name: torch.from_numpy(array).float() for name, array in tensors.items()}
    missing, unexpected = reference.load_state_dict(state, strict=False)
    assert not unexpected, unexpected
    assert set(missing) <= {"decoder.weight"}, missing  # the embedding's, when tied
    ours = model.load(folder)
    ids = ours.encode(TEXT)
    with torch.no_grad():
        theirs = reference(torch.from_numpy(ids).long()).numpy()
    difference = float(abs(ours.logits(ids) - theirs).max())
    print(f"{folder}: {len(ids)} tokens, largest difference of logits {difference:.2e}")
    return int(difference > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "weights/default")))
