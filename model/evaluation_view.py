"""A model's evaluation as a picture: how well it foretells songs, and what it writes by itself.

What the network writes always stands beside songs by people that it has not seen.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from model.corpus import Song
from model.evaluation import Evaluation, total
from model.pictures import BLUE, GREY, VERMILION, new_figure, plain_frame, save_figure
from model.text_figures import TextFigures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NO_GENRE = "no genre"
WRITERS = {"the network": BLUE, "held-out songs": VERMILION}


def draw_evaluation(
    songs: Sequence[Song],
    evaluations: Sequence[Evaluation],
    texts: Sequence[TextFigures],
    path: Path,
) -> None:
    """Each song's evaluation; and the figures of samples and of held-out songs, if any.

    texts: none, or first those of the samples. Raises ModelError when `path` cannot be written.
    """
    if not texts:
        figure = new_figure(7, 5)
        _draw_songs(figure.add_subplot(), songs, evaluations)
    else:
        figure = new_figure(13, 8.6)
        panels = figure.subplots(2, 2)
        _draw_songs(panels[0, 0], songs, evaluations)
        _draw_rhyme(panels[0, 1], texts)
        _draw_shares(panels[1, 0], texts)
        _draw_novelty(panels[1, 1], texts)
    save_figure(figure, path)


def _draw_songs(axes: "Axes", songs: Sequence[Song], evaluations: Sequence[Evaluation]) -> None:
    by_genre: dict[str, list[Evaluation]] = {}
    for song, evaluation in zip(songs, evaluations, strict=True):
        by_genre.setdefault(song.genre or NO_GENRE, []).append(evaluation)
    genres = sorted(by_genre, key=lambda genre: -total(by_genre[genre]).bits_per_character)
    for row, genre in enumerate(genres):
        bits = [one.bits_per_character for one in by_genre[genre]]
        mean = total(by_genre[genre]).bits_per_character
        axes.plot(bits, [row] * len(bits), "o", color=BLUE, alpha=0.4, markersize=5, linewidth=0)
        axes.plot([mean], [row], "|", color=BLUE, markersize=14, markeredgewidth=2.5)
    whole = total(evaluations).bits_per_character
    axes.axvline(whole, color=GREY, linestyle=(0, (4, 3)), linewidth=1.2)
    axes.set_yticks(range(len(genres)), genres, parse_math=False)
    axes.set_xlabel("bits per character (a dot a song, a bar a genre)")
    _title(axes, f"Foretelling songs: {whole:.3f} bits per character")


def _draw_rhyme(axes: "Axes", texts: Sequence[TextFigures]) -> None:
    labels: list[str] = []
    for figures, (name, colour) in zip(texts, WRITERS.items(), strict=True):
        rates = {
            name: figures.end_rhyme_rate,
            "the same lines\nshuffled": figures.shuffled_end_rhyme_rate,
        }
        for alpha, (label, rate) in zip((1.0, 0.35), rates.items(), strict=True):
            axes.bar(len(labels), rate, 0.7, color=colour, alpha=alpha)
            axes.text(len(labels), rate + 0.015, f"{rate:.2f}", ha="center")
            labels.append(label)
    axes.set_xticks(range(len(labels)), labels)
    axes.set_ylim(0, 1.05)
    axes.set_ylabel("share of lines")
    _title(axes, "Lines that rhyme with one near by")


def _draw_shares(axes: "Axes", texts: Sequence[TextFigures]) -> None:
    labels = [*(f"distinct-{n}" for n in texts[0].distinct), "self-BLEU", "known", "repeated"]
    places = np.arange(len(labels))
    for shift, figures, (name, colour) in zip((-0.2, 0.2), texts, WRITERS.items(), strict=True):
        values = [
            *figures.distinct.values(),
            figures.self_bleu,
            figures.known_words,
            figures.repeated_lines,
        ]
        axes.bar(places + shift, values, 0.38, color=colour, label=name)
        for place, value in zip(places, values, strict=True):
            axes.text(place + shift, value + 0.01, f"{value:.2f}", ha="center", fontsize=8)
    axes.set_xticks(places, labels, fontsize=9)
    axes.set_ylim(0, 1.25)
    axes.legend(frameon=False, loc="upper left", ncols=2)
    _title(axes, "Different n-grams, likeness of songs, known words, repeated lines")


def _draw_novelty(axes: "Axes", texts: Sequence[TextFigures]) -> None:
    for figures, (name, colour) in zip(texts, WRITERS.items(), strict=True):
        axes.plot(
            list(figures.novelty),
            list(figures.novelty.values()),
            marker="o",
            color=colour,
            linewidth=2,
            label=f"{name}; longest verbatim run: {figures.longest_verbatim_run} words",
        )
    axes.set_xticks(list(texts[0].novelty))
    axes.set_xlabel("n")
    axes.set_ylabel("share of n-grams of words")
    axes.legend(frameon=False, loc="lower right")
    _title(axes, "What stands in no training song")


def _title(axes: "Axes", text: str) -> None:
    axes.set_title(text, loc="left", fontweight="bold", fontsize=11)
    plain_frame(axes)
