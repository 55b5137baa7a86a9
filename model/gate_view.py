"""A layer at work: every gate, cell and hidden state over a text, unit by unit.

After Karpathy, Johnson & Fei-Fei 2016. On top the text as the most sensitive units see it, below
heat maps of units over tokens. Which units are named is measured in `sensitivity.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from model.blas import one_blas_thread
from model.cells import split_gates
from model.corpus import Song, normalized_text
from model.errors import RequestError
from model.frame import frame_song
from model.pictures import BLUE, GREEN, GREY, VERMILION, new_figure, save_figure
from model.recurrence import Array
from model.sensitivity import FEATURES, Sensitivity, carried, token_texts
from model.tokenizer import TEXT
from model.weights import Weights

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

MOST_TOKENS = 200  # that fit into a picture
NAMED = 4  # units a feature that are marked
FEATURE_COLOURS = {"line": BLUE, "rhyme": VERMILION, "quotes": GREEN}
TOKEN_WIDTH, UNIT_HEIGHT = 0.15, 0.1  # inches in the heat maps
LARGEST_LETTER = 0.12  # inches wide, of the text on top
DIVERGING = "PuOr_r"  # purple below, orange above; apart for any colour vision
TOKENS_FOR_TWO = 80  # up to so many, two heat maps stand side by side


@dataclass(frozen=True)
class Reading:
    """What a layer did over a text of T tokens."""

    tokens: list[str]
    maps: dict[str, Array]  # name -> (H, T), in the order they are drawn

    @property
    def state(self) -> Array:
        """(H, T): the cell state, or a plain cell's hidden state."""
        return self.maps.get(CELL_STATE, self.maps[HIDDEN_STATE])


CELL_STATE, HIDDEN_STATE = "cell state c", "hidden state h"
SIGMOID_GATES = ("input gate i", "forget gate f", "output gate o")


def read_text(weights: Weights, text: str, layer: int) -> Reading:
    """Run the network over a text, from a zero state and behind its start marks.

    layer counts from 0. Raises RequestError for an empty text, one longer than MOST_TOKENS, or a
    layer that is not there.
    """
    layers = weights.network.config.layers
    if not 0 <= layer < layers:
        raise RequestError(f"There is no layer {layer + 1}: the network has {layers}.")
    text = normalized_text(text)
    if not text.strip():
        raise RequestError("The text is empty: give some words to read.")
    ids = frame_song(weights.tokenizer, Song(None, None, text)).ids()[:-1]
    first = ids.index(TEXT) + 1
    if len(ids) - first > MOST_TOKENS:
        raise RequestError(
            f"The text has {len(ids) - first} tokens, and {MOST_TOKENS} fit into a picture: "
            "give a shorter one."
        )
    with one_blas_thread():
        column = np.array(ids, np.int32)[:, None]
        trace = weights.network.forward(column, weights.network.zero_state(1)).traces[layer]
    maps: dict[str, Array] = {}
    if trace.cells is not None:
        i, f, g, o = split_gates(trace.gates[first:, :, 0].T)
        named = zip(SIGMOID_GATES, (i, f, o), strict=True)
        maps = {**dict(named), "candidate g": g, CELL_STATE: carried(trace)[:, first:, 0]}
    maps[HIDDEN_STATE] = trace.hidden[:, 1 + first :, 0]
    texts = token_texts(weights.tokenizer, ids[first:])
    tokens = [
        weights.tokenizer.mark_name(i) or text for i, text in zip(ids[first:], texts, strict=True)
    ]
    return Reading(tokens, maps)


def shown_units(
    reading: Reading, sensitivity: Sensitivity, count: int
) -> tuple[list[int], dict[int, str]]:
    """The units to draw, from the top, and the feature for which some of them are marked.

    First the most sensitive ones to each feature, then those whose state changes most over the
    text, like beside like.
    """
    marked: dict[int, str] = {}
    for feature in FEATURES:
        for unit, _ in sensitivity.most_sensitive(feature, NAMED):
            if len(marked) < count:
                marked.setdefault(unit, feature)
    changing = np.argsort(-np.tanh(reading.state).std(axis=1), kind="stable")
    others = [int(unit) for unit in changing if int(unit) not in marked][: count - len(marked)]
    return [*marked, *_alike(others, reading.state)], marked


def _alike(units: Sequence[int], state: Array) -> list[int]:
    """The units in the order of their angle in the plane of the first two principal components."""
    if len(units) < 3 or state.shape[1] < 3:
        return list(units)
    rows = state[list(units)] - state[list(units)].mean(axis=1, keepdims=True)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    left, scale, _ = np.linalg.svd(rows, full_matrices=False)
    angles = np.arctan2(left[:, 1] * scale[1], left[:, 0] * scale[0])
    return [units[k] for k in np.argsort(angles, kind="stable")]


def draw_gates(
    reading: Reading,
    sensitivity: Sensitivity,
    units: Sequence[int],
    marked: dict[int, str],
    title: str,
    path: Path,
) -> None:
    """Write the picture. Raises ModelError when `path` cannot be written."""
    beside = 2 if len(reading.tokens) <= TOKENS_FOR_TWO and len(reading.maps) > 1 else 1
    rows = -(-len(reading.maps) // beside)
    width = max(12.0, beside * (1.6 + TOKEN_WIDTH * len(reading.tokens)))
    map_height = 1.1 + max(1.6, UNIT_HEIGHT * len(units))
    lines = "".join(reading.tokens).split("\n")
    panel = 0.96 * width / len(FEATURES)
    letter = min(LARGEST_LETTER, panel / max(map(len, lines)))
    strip = 0.5 + 2.1 * letter * len(lines)
    figure = new_figure(width, 1.0 + strip + rows * map_height)
    parts = figure.subfigures(2, 1, height_ratios=(strip, rows * map_height))
    top, below = parts  # type: ignore[misc]  # an array, of two rows
    figure.suptitle(title, fontweight="bold", fontsize=14)
    standardized = _standardized(reading.state, sensitivity)
    for axes, feature in zip(top.subplots(1, len(FEATURES)), FEATURES, strict=True):
        axes.set_xlim(0, panel / letter)
        axes.set_ylim(len(lines) - 0.4, -0.6)
        axes.set_axis_off()
        found = sensitivity.most_sensitive(feature, 1)
        name = FEATURES[feature]
        if found:
            unit, correlation = found[0]
            name = f"{name}: unit {unit} (r = {correlation:+.2f})"
            sign = 1 if correlation > 0 else -1
            _draw_text(axes, reading.tokens, sign * _around_mean(standardized[unit]), letter)
        else:
            name += ": none in the songs"
        axes.set_title(name, loc="left", color=FEATURE_COLOURS[feature], fontweight="bold")
    _draw_maps(below, reading, standardized, units, marked, (rows, beside))
    carrying = CELL_STATE if CELL_STATE in reading.maps else HIDDEN_STATE
    figure.supxlabel(
        f"On top: orange where the {carrying} of the unit that follows it best speaks for it, "
        "purple where against it. Below: coloured numbers are units that follow the feature of "
        "that colour; the others change most over this text.\n"
        f"Measured on {sensitivity.songs} songs that were held out. · is a space, ↵ a line end.",
        fontsize=9,
        color=GREY,
    )
    save_figure(figure, path)


def _standardized(state: Array, sensitivity: Sensitivity) -> Array:
    """How far a state (H, T) is from its mean over the songs, in standard deviations."""
    deviations = np.maximum(sensitivity.deviations, 1e-6)[:, None]
    result: Array = (state - sensitivity.means[:, None]) / deviations
    return result


def _around_mean(standardized: Array) -> Array:
    """A unit's state (T,) around its mean over the text, in standard deviations of the text."""
    result: Array = standardized - standardized.mean()
    result /= max(float(result.std()), 0.1)  # a unit that hardly moves stays pale
    return result


def _draw_text(axes: "Axes", tokens: Sequence[str], follows: Array, letter: float) -> None:
    """The text in letters of so many inches; each token on the colour of `follows` (T,)."""
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    x, y = 0.0, 0
    for token, shade in zip(tokens, colormaps[DIVERGING](0.5 + follows / 4), strict=True):
        if token == "\n":
            axes.add_patch(Rectangle((x, y - 0.47), 0.6, 0.94, color=shade, linewidth=0))
            x, y = 0, y + 1
            continue
        axes.add_patch(Rectangle((x, y - 0.47), len(token), 0.94, color=shade, linewidth=0))
        bright = shade[:3] @ (0.299, 0.587, 0.114) > 0.5
        for character in token:
            axes.text(
                x + 0.5,
                y,
                character,
                ha="center",
                va="center",
                family="monospace",
                fontsize=110 * letter,  # points: a letter is .6 as wide as it is high
                color="black" if bright else "white",
                parse_math=False,
            )
            x += 1


def _draw_maps(
    figure: "SubFigure",
    reading: Reading,
    standardized: Array,
    units: Sequence[int],
    marked: dict[int, str],
    grid: tuple[int, int],
) -> None:
    labels = [_label(token) for token in reading.tokens]
    line_ends = [t + 0.5 for t, token in enumerate(reading.tokens) if token == "\n"]
    panels = figure.subplots(*grid, squeeze=False)
    for axes in panels.flat[len(reading.maps) :]:
        axes.set_axis_off()
    for axes, (name, values) in zip(panels.flat, reading.maps.items(), strict=False):
        if name == CELL_STATE:
            values, name = standardized, f"{name} (standard deviations from its mean)"
        bound = 2.5 if values is standardized else 1.0
        gate = name in SIGMOID_GATES
        image = axes.imshow(
            values[list(units)],
            aspect="auto",
            interpolation="nearest",
            cmap="cividis" if gate else DIVERGING,
            vmin=0 if gate else -bound,
            vmax=bound,
        )
        axes.set_title(f"{name} (0 shut, 1 open)" if gate else name, loc="left", fontsize=11)
        axes.set_xticks(range(len(labels)), labels, rotation=90, fontsize=7.5, parse_math=False)
        axes.set_yticks(range(len(units)), [str(unit) for unit in units], fontsize=6.5)
        axes.set_ylabel("unit", fontsize=9)
        axes.tick_params(length=0)
        axes.vlines(line_ends, -0.5, len(units) - 0.5, color="white", linewidth=1.5)
        features = [marked.get(unit) for unit in units]
        groups = [n - 0.5 for n in range(1, len(units)) if features[n] != features[n - 1]]
        axes.hlines(groups, -0.5, len(labels) - 0.5, color="white", linewidth=1.5)
        for tick, feature in zip(axes.get_yticklabels(), features, strict=True):
            if feature is not None:
                tick.set_color(FEATURE_COLOURS[feature])
                tick.set_fontweight("bold")
        figure.colorbar(image, ax=axes, pad=0.01, aspect=30, fraction=0.03)


def _label(token: str) -> str:
    """A token on the axis: its space and line end made visible."""
    return token.replace(" ", "·").replace("\n", "↵") or "…"
