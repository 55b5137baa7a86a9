"""`python -m model inspect`: pictures of why an LSTM, and of what its units do."""

import argparse
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from model.cli.command import (
    DEFAULT_WEIGHTS,
    add_command,
    print_json,
    progress_bar,
    progress_bars,
)
from model.corpus import Corpus, Part, Songs, read_corpus
from model.errors import RequestError

VERSE = """The radio said, "Rain by noon,"
And Mama hummed a slower tune.
I asked her, "Are we going far?"
She turned the key and woke the car."""
COMPARED = ("rnn", "lstm")
NAMED_UNITS = 5  # of each feature in the table
CHARACTERS = 4_000_000  # of songs that the cells are trained on, at most

# Each picture's options: default, help, and what argparse is to know. Parsers fill no defaults in,
# since `inspect` alone takes those of `inspect gates`, which must not hide what stands before it.
_Options = dict[str, tuple[Any, str, dict[str, Any]]]
_NUMBER: dict[str, Any] = {"type": int, "metavar": "N"}
_CORPUS: _Options = {"corpus": (Path("lyrics"), "file or folder of songs", {"type": Path})}
_JSON: _Options = {
    "json": (False, "print the numbers as one JSON object", {"action": "store_true"}),
}
_SEED: _Options = {"random_seed": (1, "same seed, same picture", _NUMBER)}
_GATES: _Options = {
    "weights": (DEFAULT_WEIGHTS, "folder of weights", {"type": Path}),
    "text": (VERSE, r"text to read; \n in it ends a line (default: a verse)", {}),
    "layer": (None, "layer to look into, from 1 (default: the top one)", _NUMBER),
    **_CORPUS,
    "units": (40, "units to draw, the most telling ones", _NUMBER),
    "songs": (100, "held-out songs to measure the units on, at most", _NUMBER),
    "out": (Path("gates.png"), "picture to write", {"type": Path}),
    **_JSON,
}
_GRADIENTS: _Options = {
    "weights": (
        None,
        "folder of weights to measure in place of a training; can be given several times",
        {"type": Path, "action": "append"},
    ),
    **_CORPUS,
    "distance": (200, "how far back to look, in tokens", _NUMBER),
    "texts": (64, "held-out texts to measure on", _NUMBER),
    "hidden": (128, "units of the cells to train", _NUMBER),
    "steps": (1000, "steps of each training", _NUMBER),
    "minutes": (None, "train each cell this long instead", {"type": float, "metavar": "F"}),
    "out": (Path("gradients.png"), "picture to write", {"type": Path}),
    **_SEED,
    **_JSON,
}
_RECALL: _Options = {
    "distances": (
        (10, 30, 100, 300, 1000),
        "steps to remember over",
        {"type": int, "nargs": "+", "metavar": "N"},
    ),
    "symbols": (8, "different symbols to remember", _NUMBER),
    "hidden": (32, "units of a cell", _NUMBER),
    "batch": (32, "sequences of a training step", _NUMBER),
    "steps": (500, "training steps for each distance and learning rate, at most", _NUMBER),
    "learning_rates": (
        (0.01, 0.003, 0.001),
        "learning rates to try for each cell; the best one counts",
        {"type": float, "nargs": "+", "metavar": "F"},
    ),
    "out": (Path("recall.png"), "picture to write", {"type": Path}),
    **_SEED,
    **_JSON,
}


def add_inspect(commands: Any) -> None:
    command = add_command(
        commands,
        "inspect",
        "Draw why an LSTM remembers and what its units do. "
        "Without a picture's name it draws the gates.",
        '--text "rain on the road" --out gates.png',
        partial(_run, _gates, _GATES),
    )
    _add_options(command, _GATES)
    pictures = command.add_subparsers(metavar="PICTURE")
    for name, text, example, run, options in (
        (
            "gates",
            "Draw each gate, cell and hidden state over a text, unit by unit, and name the units "
            "that follow line, rhyme and quotation marks.",
            '--text "rain on the road" --out gates.png',
            _gates,
            _GATES,
        ),
        (
            "gradients",
            "Draw how far back in time the error reaches in a plain cell and in an LSTM, before "
            "and after training.",
            "--out gradients.png",
            _gradients,
            _GRADIENTS,
        ),
        (
            "recall",
            "Train a plain cell and an LSTM to remember a symbol, and draw over which distance "
            "they do.",
            "--distances 10 100 300 --out recall.png",
            _recall,
            _RECALL,
        ),
    ):
        picture = pictures.add_parser(
            name,
            help=text,
            description=text,
            epilog=f"example:  python -m model inspect {name} {example}",
        )
        _add_options(picture, options)
        picture.set_defaults(run=partial(_run, run, options))


def _add_options(parser: argparse.ArgumentParser, options: _Options) -> None:
    for name, (default, text, more) in options.items():
        if default not in (None, False) and "default:" not in text:
            values = default if isinstance(default, tuple) else (default,)
            text += f" (default: {' '.join(map(str, values))})"
        parser.add_argument(
            f"--{name.replace('_', '-')}", default=argparse.SUPPRESS, help=text, **more
        )


def _run(
    draw: Callable[[argparse.Namespace], int], options: _Options, given: argparse.Namespace
) -> int:
    """Draw with the options given and the defaults of the others."""
    from model.pictures import check_writable

    chosen = {name: default for name, (default, _, _) in options.items()} | vars(given)
    for name, (_, _, more) in options.items():
        if more.get("action") == "append" and isinstance(chosen[name], Path):
            chosen[name] = [chosen[name]]  # it stood before the picture's name
        if more.get("type") not in (int, float) or chosen[name] is None:
            continue
        numbers = chosen[name] if "nargs" in more else [chosen[name]]
        if min(numbers) < 0 or (min(numbers) == 0 and name != "random_seed"):
            raise RequestError(f"--{name.replace('_', '-')} must be above 0.")
    check_writable(chosen["out"])
    return draw(argparse.Namespace(**chosen))


def _gates(options: argparse.Namespace) -> int:
    from model.gate_view import draw_gates, read_text, shown_units
    from model.sensitivity import FEATURES, sensitivity
    from model.weights import load_weights

    weights = load_weights(options.weights)
    config = weights.network.config
    layer = (options.layer or config.layers) - 1
    reading = read_text(weights, options.text.replace("\\n", "\n"), layer)
    held_out, part = _held_out(read_corpus(options.corpus))
    songs = held_out[: options.songs]
    with progress_bar("Reading songs") as told:
        measured = sensitivity(
            weights.network,
            weights.tokenizer,
            songs,
            layer,
            lambda done: told(done, len(songs)),
        )
    units, marked = shown_units(reading, measured, options.units)
    name = options.weights.resolve().name
    draw_gates(
        reading,
        measured,
        units,
        marked,
        f"Layer {layer + 1} of {config.layers} of the model {name}: "
        f"{len(units)} of its {config.hidden_size} units, token by token",
        options.out,
    )
    most = {feature: measured.most_sensitive(feature, NAMED_UNITS) for feature in FEATURES}
    if options.json:
        print_json(
            {
                "picture": str(options.out),
                "layer": layer + 1,
                "tokens": reading.tokens,
                "shown_units": units,
                "songs": measured.songs,
                "part": part,
                "tokens_measured": measured.tokens,
                "sensitive_units": {
                    feature: [{"unit": unit, "correlation": round(r, 4)} for unit, r in found]
                    for feature, found in most.items()
                },
                "by_chance": {name: round(r, 4) for name, r in measured.by_chance.items()},
            }
        )
        return 0
    print(f"{options.out}. Correlation of units with what they follow, over {measured.songs} songs")
    print(f"({part}), {measured.tokens:,} tokens; in brackets the largest one by chance.")
    for feature, found in most.items():
        chance = f"(±{measured.by_chance[feature]:.2f})" if found else ""
        named = "  ".join(f"{unit} {r:+.2f}" for unit, r in found) or "none"
        print(f"{FEATURES[feature]:24} {chance:8} {named}")
    return 0


def _gradients(options: argparse.Namespace) -> int:
    from model.gradient_flow import (
        FADED,
        FlowTraining,
        before_and_after,
        draw_gradient_flow,
        train_cells,
    )
    from model.pictures import CELL_NAMES
    from model.tokenizer import CharacterTokenizer, Tokenizer
    from model.weights import load_weights

    corpus = read_corpus(options.corpus)
    held_out, part = _held_out(corpus)
    if options.weights:
        loaded = [load_weights(folder) for folder in options.weights]
        networks = [weights.network for weights in loaded]
        tokenizers: list[Tokenizer] = [weights.tokenizer for weights in loaded]
        folders = [f" of {folder.resolve().name}" for folder in options.weights]
        how = "Before training: random parameters of the same sizes."
    else:
        songs = (corpus.part("train") or held_out).spread(CHARACTERS)
        characters = CharacterTokenizer.train(
            f"{song.title}{song.genre}{song.text}" for song in songs
        )
        length = options.distance + 1
        training = FlowTraining(
            options.hidden, length, options.steps, options.minutes, options.random_seed
        )
        with progress_bars(*(f"Training the {CELL_NAMES[cell]}" for cell in COMPARED)) as tell:
            networks = train_cells(
                COMPARED, characters, songs, training, lambda n, share: tell[n](share, 1)
            )
        tokenizers = [characters] * len(networks)
        folders = [""] * len(networks)
        trained_for = (
            f"{options.minutes:g} minutes" if options.minutes else f"{options.steps} steps"
        )
        how = (
            f"Both: {options.hidden} units, {trained_for} of training, back through all {length} "
            "characters of a text."
        )
    flows = []
    with progress_bar("Measuring") as told:
        for network, tokenizer, folder in zip(networks, tokenizers, folders, strict=True):
            flows += before_and_after(
                CELL_NAMES[network.config.cell] + folder,
                network,
                tokenizer,
                held_out,
                options.distance,
                options.texts,
                options.random_seed,
            )
            told(len(flows), 2 * len(networks))
    unit = "characters" if {tokenizer.kind for tokenizer in tokenizers} == {"char"} else "tokens"
    draw_gradient_flow(flows, unit, how, options.out)
    if options.json:
        print_json(
            {
                "picture": str(options.out),
                "unit": unit,
                "part": part,
                "texts": options.texts,
                "flows": [
                    {
                        "name": flow.name,
                        "cell": flow.cell,
                        "trained": flow.trained,
                        "nats_per_token": round(flow.nats, 4),
                        "reach": flow.reach,
                        "median_norms": [float(f"{norm:.4g}") for norm in flow.median],
                    }
                    for flow in flows
                ],
            }
        )
        return 0
    print(f"{options.out}. Where the gradient falls to {FADED:g} of what it is at distance 0:")
    for flow in flows:
        when = "after training" if flow.trained else "before training"
        reach = f"{flow.reach}" if flow.reach is not None else f"beyond {options.distance}"
        print(f"{flow.name}, {when:16} {reach} {unit}")
    return 0


def _recall(options: argparse.Namespace) -> int:
    from model.experiment import side_by_side
    from model.pictures import CELL_NAMES
    from model.recall import RecallTraining, draw_recall, train_recall

    jobs = [
        RecallTraining(
            cell,
            distance,
            options.symbols,
            options.hidden,
            options.batch,
            options.steps,
            tuple(options.learning_rates),
            options.random_seed,
        )
        for distance in sorted(set(options.distances), reverse=True)  # the longest first
        for cell in COMPARED
    ]
    names = [f"{CELL_NAMES[job.cell]}, {job.distance} steps" for job in jobs]
    with progress_bars(*names) as tell:
        results = side_by_side(train_recall, jobs, lambda n, share: tell[n](share, 1))
    results.sort(key=lambda result: (result.distance, COMPARED.index(result.cell)))
    draw_recall(results, jobs[0], options.out)
    if options.json:
        chance = round(1 / options.symbols, 4)
        print_json(
            {
                "picture": str(options.out),
                "chance": chance,
                "results": [asdict(result) for result in results],
            }
        )
        return 0
    print(f"{options.out}. Right answers on fresh sequences; chance is {1 / options.symbols:.1%}.")
    for result in results:
        print(
            f"{CELL_NAMES[result.cell]:10} {result.distance:5} steps  {result.accuracy:6.1%}  "
            f"(learning rate {result.learning_rate:g}, {result.steps} training steps, "
            f"{result.seconds:.0f} s)"
        )
    return 0


def _held_out(corpus: Corpus) -> tuple[Songs, str]:
    """Songs that a training on this corpus has not learned, or all where it is too small."""
    parts: tuple[Part, ...] = ("test", "validation")
    for part in parts:
        if songs := corpus.part(part):
            return songs, part
    return corpus, "all"
