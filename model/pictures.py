"""How the pictures of `inspect` look, and how they are written.

Colours that people of any colour vision can tell apart: Okabe & Ito 2008. No display is needed.
"""

import io
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from model.errors import ModelError
from model.weights import write_file

if TYPE_CHECKING:  # it takes half a second to load, so only who draws does
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DOTS_PER_INCH = 100
BLUE, VERMILION, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#AA4499", "#666666"
CELL_COLOURS = {"lstm": BLUE, "rnn": VERMILION, "mogrifier": GREEN}
CELL_NAMES = {"lstm": "LSTM", "rnn": "plain cell", "mogrifier": "mogrifier LSTM"}


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure, in inches, whose parts make room for each other."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def plain_frame(axes: "Axes") -> None:
    """Only the lines that carry numbers, and a light grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)


def check_writable(path: Path) -> None:
    """Raises ModelError where a picture surely cannot be written, before minutes go into it."""
    folder = path.parent
    while not folder.exists():
        folder = folder.parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        what = path if path.is_dir() else folder
        reason = "is a folder" if path.is_dir() else "is no folder that you may write to"
        raise ModelError(f"{path} cannot be written: {what} {reason}. Name another file.")


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a PNG. Raises ModelError, and leaves an older file as it was, when it cannot."""
    png = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # drawn as an empty box
        figure.savefig(png, format="png", dpi=DOTS_PER_INCH, pil_kwargs={"optimize": True})
    write_file(path, png.getvalue())
