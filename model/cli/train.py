"""`python -m model train`: a corpus into a folder of weights."""

import argparse
import signal
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.cli.command import (
    SCREEN,
    STATUS_INTERRUPTED,
    add_command,
    print_json,
    progress_bar,
    refuse_to_replace,
)
from model.corpus import Corpus, read_corpus
from model.errors import TrainingError

if TYPE_CHECKING:
    from model.network import NetworkConfig
    from model.options import TrainingConfig
    from model.originality import NgramIndex
    from model.task import Task
    from model.weights import Weights

METAVARS = {int: "N", float: "F"}
FINE_TUNING_MINUTES = 5.0
RUN_OPTIONS = {"learning_rate", "epochs", "patience"}  # whoever gives one chooses the run himself


def add_train(commands: Any) -> None:
    from model.options import TrainingConfig, option_type

    command = add_command(
        commands,
        "train",
        "Train a model on songs. Ctrl-C saves; --resume goes on.",
        "lyrics --out weights/mine --minutes 30",
        _train,
    )
    command.add_argument("corpus", nargs="+", type=Path, help=".txt files, or folders of them")
    command.add_argument("--out", type=Path, required=True, help="folder of weights to write")
    command.add_argument(
        "--init",
        type=Path,
        help="start from these weights and their vocabulary; without --learning-rate or --epochs, "
        f"held-out songs choose both, within --minutes ({FINE_TUNING_MINUTES:g})",
    )
    command.add_argument(
        "--vocabulary-from",
        nargs="+",
        type=Path,
        metavar="CORPUS",
        help="learn the tokens from these songs alone; without it, from all",
    )
    command.add_argument("--resume", action="store_true", help="go on with the run in --out")
    command.add_argument("--overwrite", action="store_true", help="replace the model in --out")
    command.add_argument("--config", type=Path, help="TOML file with any of the options below")
    command.add_argument("--json", action="store_true", help="print the result as JSON")
    for option in fields(TrainingConfig):
        kind = option_type(option)
        text = option.metadata["help"]
        default = "" if option.default is None else f" (default: {option.default})"
        form: dict[str, Any] = {"default": argparse.SUPPRESS, "help": text + default}
        if kind is bool:
            form["action"] = argparse.BooleanOptionalAction
        elif choices := option.metadata.get("choices"):
            form["choices"] = choices
        else:
            form |= {"type": kind, "metavar": METAVARS[kind]}
        command.add_argument(f"--{option.name.replace('_', '-')}", **form)


def _train(options: argparse.Namespace) -> int:
    from model.options import TrainingConfig
    from model.progress import ProgressView
    from model.ranks import ranks_of_this_run
    from model.task import songs_task
    from model.tokens import remove_tokens
    from model.training import Listener, Training
    from model.weights import Weights, load_weights

    ranks = ranks_of_this_run()
    SCREEN.quiet = ranks.rank != 0
    folder: Path = options.out
    refuse_to_replace(folder, overwrite=options.resume or options.overwrite)
    names = [option.name for option in fields(TrainingConfig)]
    chosen = _from_toml(options.config, names) if options.config else {}
    chosen |= {name: getattr(options, name) for name in names if hasattr(options, name)}
    with progress_bar("Reading the songs") as heard:
        corpus = read_corpus(*options.corpus, progress=heard)
        spelled = read_corpus(*options.vocabulary_from) if options.vocabulary_from else None

    def task(config: TrainingConfig, init: Weights | None) -> "Task":
        with progress_bar("Turning them into tokens") as heard:
            return songs_task(
                config,
                corpus,
                folder,
                init,
                vocabulary_from=spelled,
                ranks=ranks,
                progress=heard,
            )

    init = load_weights(options.init) if options.init else None
    if init and not (options.resume or ranks.size > 1 or RUN_OPTIONS & chosen.keys()):
        minutes = chosen.pop("minutes", FINE_TUNING_MINUTES)
        config = TrainingConfig(**chosen)
        return _fine_tune(config, minutes, task(config, init), init, corpus, options)
    if options.resume:
        training = Training.resumed(folder, chosen, task, ranks)
    else:
        config = TrainingConfig(**chosen)
        training = Training(config, task(config, init), init, ranks)
    SCREEN.print(_introduction(training.network.config, training.task, corpus), highlight=False)
    resumed_at = training.progress.step if options.resume else None
    if ranks.rank == 0 and not options.resume:  # a checkpoint holds the index
        training.originality = _index(corpus, init)
    with _stop_on_interrupt() as stopping:
        if ranks.rank:
            training.run(folder, Listener(), stopping)
            return 0
        with ProgressView(folder, SCREEN, resumed_at=resumed_at) as view:
            best = training.run(folder, view, stopping)
    finished = training.share >= 1
    if finished:
        remove_tokens(folder)
    result = {
        "weights": str(folder),
        "finished": finished,
        "bits_per_character": best.bits_per_character,
        "perplexity": best.perplexity,
        "steps": training.progress.step,
        "seconds": round(training.progress.seconds, 1),
    }
    if options.json:
        print_json(result)
    else:
        print(
            f"{folder}: {best.bits_per_character:.3f} bits per character, perplexity "
            f"{best.perplexity:.2f} on held-out songs, after {training.progress.step} steps.\n"
            f'Try it: python -m model generate --weights {folder} --seed "midnight rain"'
        )
    if not finished:
        SCREEN.print(f"Saved before the end. Go on: the same command with --resume ({folder}).")
        return STATUS_INTERRUPTED
    return 0


def _fine_tune(
    config: "TrainingConfig",
    minutes: float,
    task: "Task",
    init: "Weights",
    corpus: Corpus,
    options: argparse.Namespace,
) -> int:
    """The host's own songs, from a trained model: held-out songs choose how it learns."""
    from model.fine_tuning import SMALL_TEXT, fine_tune
    from model.progress import ProgressView
    from model.tokens import remove_tokens

    folder: Path = options.out
    SCREEN.print(_introduction(init.network.config, task, corpus), highlight=False)
    originality = _index(corpus, init)
    if corpus.characters < SMALL_TEXT:
        SCREEN.print(
            f"The text is small: {corpus.characters:,} characters. The model will pick up some "
            f"words, but for a style give it {SMALL_TEXT:,} or more.",
            highlight=False,
        )
    with (
        _stop_on_interrupt() as stopping,
        progress_bar("Learning") as heard,
        ProgressView(folder, SCREEN, resumed_at=None) as view,
    ):
        result = fine_tune(config, minutes, task, init, originality, folder, view, heard, stopping)
    remove_tokens(folder)
    before, after = result.before.bits_per_character, result.after.bits_per_character
    if options.json:
        print_json(
            {
                "weights": str(folder),
                "bits_per_character_before": before,
                "bits_per_character": after,
                "perplexity": result.after.perplexity,
                "learning_rate": result.learning_rate,
            }
        )
        return 0
    print(
        f"{folder}: {before:.3f} -> {after:.3f} bits per character ({after / before - 1:+.1%}) on "
        f"{result.after.songs} {'held-out ' if task.held_out else ''}songs, with a learning rate "
        f"of {result.learning_rate:g}.\n"
        f'Try it: python -m model generate --weights {folder} --seed "midnight rain"'
    )
    return 0


def _index(corpus: Corpus, init: "Weights | None") -> "NgramIndex | None":
    """Of the word runs that will have been learned; None, and a word of it, if there are too many.

    Weights of `init` without an index leave theirs unknown.
    """
    from model.originality import index_corpus

    base = init.originality if init else None
    with progress_bar("Indexing their word runs") as heard:
        try:
            return index_corpus(corpus, base=base, progress=heard)
        except TrainingError as error:
            SCREEN.print(f"{error} Lyrics will not be checked for copies.", highlight=False)
            return None


def _introduction(config: "NetworkConfig", task: "Task", corpus: Corpus) -> str:
    """What is about to be trained on what, in two lines."""
    note = "" if task.held_out else " Too few songs to hold any out: validating on them all."
    return (
        f"{len(corpus):,} songs ({corpus.duplicates} duplicates dropped), "
        f"{task.stream.tokens:,} {task.tokenizer.kind} tokens an epoch.{note}\n"
        f"{config.layers} x {config.hidden_size} {config.cell.upper()}, "
        f"{config.parameter_count:,} parameters, vocabulary {config.vocabulary_size}."
    )


def _from_toml(path: Path, names: Sequence[str]) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise TrainingError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise TrainingError(f"{path} is not TOML: {error}.") from error
    for name in table:
        if name not in names:
            raise TrainingError(f"{path}: there is no option {name}; see `train --help`.")
    return table


@contextmanager
def _stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Within it the first Ctrl-C (or SIGTERM) only asks to stop; a second one interrupts."""
    asked: list[int] = []

    def ask(number: int, _frame: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        SCREEN.print("Stopping after this step; saving.")

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
