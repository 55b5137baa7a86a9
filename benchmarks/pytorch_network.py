"""The language model in PyTorch's own modules: what ours is compared with, in figures and in speed.

Parameters have the names, shapes and order of `model.network`, so that one state dict serves both.
PyTorch has no Mogrifier LSTM; here it is written out after Melis et al. 2020, with autograd.
"""

from collections.abc import Callable
from typing import Any

import torch

from model.network import Network, NetworkConfig, State

TorchState = tuple[torch.Tensor, ...]  # hidden states, and an LSTM's cells, each (L, B, H)


class MogrifierLSTM(torch.nn.Module):
    """nn.LSTM with rounds of gating before each step: same names, same interface.

    x <- 2 sigmoid(Q h) x in odd rounds, h <- 2 sigmoid(R x) h in even ones, counted from 1.
    """

    def __init__(self, input_size: int, hidden_size: int, layers: int, rounds: int = 5) -> None:
        super().__init__()
        self.layers = layers
        self.rounds = rounds
        for layer in range(layers):
            inputs = input_size if layer == 0 else hidden_size
            shapes: dict[str, tuple[int, ...]] = {
                "weight_ih": (4 * hidden_size, inputs),
                "weight_hh": (4 * hidden_size, hidden_size),
                "bias_ih": (4 * hidden_size,),
                "bias_hh": (4 * hidden_size,),
            }
            for i in range(1, rounds + 1):
                shapes[f"mogrifier_{i}"] = (inputs, hidden_size) if i % 2 else (hidden_size, inputs)
            for name, shape in shapes.items():
                bound = hidden_size**-0.5
                values = torch.empty(shape).uniform_(-bound, bound)
                self.register_parameter(f"{name}_l{layer}", torch.nn.Parameter(values))

    def forward(self, x: torch.Tensor, state: TorchState) -> tuple[torch.Tensor, TorchState]:
        """x (T, B, D) and the state before it -> hidden states (T, B, H) and the last state."""
        after = []
        for layer in range(self.layers):
            h, c = state[0][layer], state[1][layer]
            outputs = []
            for x_t in x:
                h, c = self._step(layer, x_t, h, c)
                outputs.append(h)
            x = torch.stack(outputs)
            after.append((h, c))
        hidden, cells = (torch.stack(arrays) for arrays in zip(*after, strict=True))
        return x, (hidden, cells)

    def _step(
        self, layer: int, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        def parameter(name: str) -> torch.Tensor:
            return self.get_parameter(f"{name}_l{layer}")

        for i in range(1, self.rounds + 1):
            if i % 2:
                x = 2 * torch.sigmoid(h @ parameter(f"mogrifier_{i}").T) * x
            else:
                h = 2 * torch.sigmoid(x @ parameter(f"mogrifier_{i}").T) * h
        weights = [parameter(n) for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        h, c = torch.lstm_cell(x, (h, c), *weights)
        return h, c


MODULES = {"lstm": torch.nn.LSTM, "rnn": torch.nn.RNN, "mogrifier": MogrifierLSTM}


class Reference(torch.nn.Module):
    """The network of a NetworkConfig."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        v, e, h = config.vocabulary_size, config.embedding_size, config.hidden_size
        self.config = config
        self.embedding = torch.nn.Embedding(v, e)
        self.rnn = MODULES[config.cell](e, h, config.layers)
        self.projection = torch.nn.Linear(h, e) if h != e else torch.nn.Identity()
        self.decoder = torch.nn.Linear(e, v)
        if config.tied:
            self.decoder.weight = self.embedding.weight

    @classmethod
    def of(cls, network: Network) -> "Reference":
        """A copy of one of our networks, in its precision."""
        reference = cls(network.config)
        tensors = {name: torch.tensor(array) for name, array in network.parameters.items()}
        if network.config.tied:
            tensors["decoder.weight"] = tensors["embedding.weight"]
        reference.to(tensors["decoder.bias"].dtype).load_state_dict(tensors)
        return reference

    def forward(self, ids: torch.Tensor, state: TorchState) -> tuple[torch.Tensor, TorchState]:
        """Logits (T, B, V) of ids (T, B) after `state`, and the state after them."""
        plain = self.config.cell == "rnn"
        hidden, after = self.rnn(self.embedding(ids), state[0] if plain else state)
        return self.decoder(self.projection(hidden)), (after,) if plain else after

    def state_of(self, state: State) -> TorchState:
        """One of our network's states, copied: from (H, B) a layer to (L, B, H)."""
        return tuple(
            torch.stack([torch.tensor(array.T) for array in arrays])
            for arrays in zip(*state, strict=True)
        )

    def cell_by_cell(self) -> Callable[[torch.Tensor, Any], tuple[torch.Tensor, Any]]:
        """An LSTM's forward pass for a single step (1, B), by nn.LSTMCell.

        It takes a state of `state_of`, or its own, whose layers are not stacked.
        """
        cells = []
        for layer in range(self.config.layers):
            inputs = self.config.embedding_size if layer == 0 else self.config.hidden_size
            cell = torch.nn.LSTMCell(inputs, self.config.hidden_size)
            cell.load_state_dict(
                {name: self.rnn.get_parameter(f"{name}_l{layer}") for name in cell.state_dict()}
            )
            cells.append(cell)

        def step(ids: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
            x = self.embedding(ids[0])
            after = []
            for layer, cell in enumerate(cells):
                x, c = cell(x, (state[0][layer], state[1][layer]))
                after.append((x, c))
            hidden, last = zip(*after, strict=True)
            return self.decoder(self.projection(x))[None], (hidden, last)

        return step
