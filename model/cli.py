"""The command line: `python -m model train`, `evaluate`, `generate`, `prepare`, `retrain`.

Results go to standard output (one JSON object each with --json), everything else to standard
error. A wrong input ends in one line and exit status 2: this is the one place that says so.
"""

import argparse
import json
import signal
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from model.corpus import Corpus, Part, read_corpus
from model.errors import ModelError, RequestError, TrainingError
from model.wish import DEFAULT_LINES, MAX_LINES, MAX_TEMPERATURE, MIN_LINES, SEED_CHARACTERS, Wish

STATUS_WRONG_INPUT = 2
STATUS_INTERRUPTED = 130
DEFAULT_WEIGHTS = Path("weights/default")
METAVARS = {int: "N", float: "F"}
SCREEN = Console(stderr=True)


def main(arguments: Sequence[str]) -> int:
    """Run one command; the exit status."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
        return status
    except ModelError as error:
        print(f"ghostwriter: {error}", file=sys.stderr)
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone; a message about it would only disturb
        return 0
    except KeyboardInterrupt:
        print("ghostwriter: interrupted.", file=sys.stderr)
        return STATUS_INTERRUPTED
    except MemoryError:
        print("ghostwriter: there is not enough memory; use smaller sizes.", file=sys.stderr)
    return STATUS_WRONG_INPUT


def build_parser() -> argparse.ArgumentParser:
    """All commands with their options, defaults and examples."""
    parser = argparse.ArgumentParser(
        prog="python -m model", description="Train a lyric model, and write with it."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (_add_prepare, _add_train, _add_evaluate, _add_generate, _add_retrain):
        add(commands)
    return parser


def _command(
    commands: Any, name: str, text: str, example: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=text,
        epilog=f"example:  python -m model {name} {example}",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    command.set_defaults(run=run)
    return command


def _print_json(result: dict[str, Any]) -> None:
    print(json.dumps(result, ensure_ascii=False), flush=True)


# --- prepare ---------------------------------------------------------------------------------


def _add_prepare(commands: Any) -> None:
    command = _command(
        commands,
        "prepare",
        "Make a corpus of rhyming, song-like passages from raw verse.",
        "poetry.ndjson.gz --out verse.txt",
        _prepare,
    )
    command.add_argument("sources", nargs="+", type=Path, metavar="SOURCE", help="what to read")
    command.add_argument("--out", type=Path, required=True, help="corpus file to write")


def _prepare(options: argparse.Namespace) -> int:
    from model.prepare import prepare

    report = prepare(options.sources, options.out)
    SCREEN.print(report.table())
    return 0


# --- train -----------------------------------------------------------------------------------


def _add_train(commands: Any) -> None:
    from model.training import TrainingConfig, option_type

    command = _command(
        commands,
        "train",
        "Train a model on songs. Ctrl-C saves; --resume goes on.",
        "lyrics --out weights/mine --minutes 30",
        _train,
    )
    command.add_argument("corpus", nargs="+", type=Path, help=".txt files, or folders of them")
    command.add_argument("--out", type=Path, required=True, help="folder of weights to write")
    command.add_argument("--init", type=Path, help="start from these weights and their vocabulary")
    command.add_argument("--resume", action="store_true", help="go on with the run in --out")
    command.add_argument("--overwrite", action="store_true", help="replace the model in --out")
    command.add_argument("--config", type=Path, help="TOML file with any of the options below")
    command.add_argument("--json", action="store_true", help="print the result as JSON")
    for option in fields(TrainingConfig):
        kind = option_type(option)
        choices = option.metadata.get("choices")
        command.add_argument(
            f"--{option.name.replace('_', '-')}",
            type=kind,
            choices=choices,
            metavar=None if choices else METAVARS[kind],
            default=argparse.SUPPRESS,
            help=f"{option.metadata['help']} (default: {option.default})",
        )


def _train(options: argparse.Namespace) -> int:
    from model.progress import ProgressView
    from model.training import Training, TrainingConfig
    from model.weights import load_weights

    folder: Path = options.out
    _refuse_to_replace(folder, overwrite=options.resume or options.overwrite)
    names = [option.name for option in fields(TrainingConfig)]
    chosen = _from_toml(options.config, names) if options.config else {}
    chosen |= {name: getattr(options, name) for name in names if hasattr(options, name)}
    corpus = read_corpus(*options.corpus)
    with SCREEN.status("Preparing: tokenizing the songs"):
        if options.resume:
            training = Training.resumed(folder, corpus, chosen)
        else:
            init = load_weights(options.init) if options.init else None
            training = Training(TrainingConfig(**chosen), corpus, init)
    SCREEN.print(_introduction(training, corpus), highlight=False)
    resumed_at = training.progress.step if options.resume else None
    with (
        _stop_on_interrupt() as stopping,
        ProgressView(folder, SCREEN, resumed_at=resumed_at) as view,
    ):
        best = training.run(folder, view, stopping)
    finished = training.share >= 1
    result = {
        "weights": str(folder),
        "finished": finished,
        "bits_per_character": best.bits_per_character,
        "perplexity": best.perplexity,
        "steps": training.progress.step,
        "seconds": round(training.progress.seconds, 1),
    }
    if options.json:
        _print_json(result)
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


def _introduction(training: Any, corpus: Corpus) -> str:
    """What is about to be trained on what, in two lines."""
    config = training.network.config
    note = "" if training.held_out else " Too few songs to hold any out: validating on them all."
    return (
        f"{len(corpus.songs)} songs ({corpus.duplicates} duplicates dropped), "
        f"{training.progress.tokens_in_epoch:,} {training.tokenizer.kind} tokens an epoch.{note}\n"
        f"{config.layers} x {config.hidden_size} {config.cell.upper()}, "
        f"{training.network.parameter_count:,} parameters, vocabulary {config.vocabulary_size}."
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


# --- evaluate --------------------------------------------------------------------------------


def _add_evaluate(commands: Any) -> None:
    command = _command(
        commands,
        "evaluate",
        "Measure how well a model foretells songs.",
        "--weights weights/default --corpus lyrics",
        _evaluate,
    )
    command.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS, help="folder of weights")
    command.add_argument("--corpus", type=Path, required=True, help="file or folder of songs")
    command.add_argument(
        "--part",
        choices=("test", "validation", "train", "all"),
        default="test",
        help="which songs; all are taken where the corpus is too small to have such a part",
    )
    command.add_argument("--json", action="store_true", help="print the result as JSON")


def _evaluate(options: argparse.Namespace) -> int:
    from model.evaluation import evaluate
    from model.weights import load_weights

    weights = load_weights(options.weights)
    corpus = read_corpus(options.corpus)
    part: Part | str = options.part
    songs = corpus.songs if part == "all" else corpus.part(part)  # type: ignore[arg-type]
    if not songs:
        SCREEN.print(f"The corpus is too small to have a {part} part; taking all its songs.")
        part, songs = "all", corpus.songs
    with Progress(console=SCREEN, transient=True) as bar:
        task = bar.add_task("Reading songs", total=len(songs))
        result = evaluate(
            weights.network, weights.tokenizer, songs, lambda n: bar.update(task, completed=n)
        )
    if options.json:
        _print_json(
            {
                "bits_per_character": result.bits_per_character,
                "nats_per_token": result.nats_per_token,
                "perplexity": result.perplexity,
                "tokens": result.tokens,
                "characters": result.characters,
                "songs": result.songs,
                "part": part,
            }
        )
        return 0
    print(f"{result.songs} songs ({part}), {result.characters:,} characters")
    print(f"bits per character  {result.bits_per_character:.4f}")
    print(f"nats per token      {result.nats_per_token:.4f}  ({result.tokens:,} tokens)")
    print(f"perplexity          {result.perplexity:.3f}")
    return 0


# --- generate --------------------------------------------------------------------------------


def _add_generate(commands: Any) -> None:
    command = _command(
        commands,
        "generate",
        "Write lyrics.",
        '--seed "rain on the road" --genre country --lines 12',
        _generate,
    )
    add = command.add_argument
    add("--weights", type=Path, default=DEFAULT_WEIGHTS, help="folder of weights")
    add("--seed", help=f"opening words, at most {SEED_CHARACTERS} characters")
    add("--genre", help="one of the model's genres")
    add("--title", help="sets the topic")
    add("--lines", type=int, default=DEFAULT_LINES, help=f"{MIN_LINES} to {MAX_LINES} sung lines")
    add("--temperature", type=float, default=Wish.temperature, help=f"0 to {MAX_TEMPERATURE:g}")
    add("--top-p", type=float, default=Wish.top_p, help="share of probability sampled from")
    add("--random-seed", type=int, help="same number, same lyric; lyric k takes this plus k")
    add("--count", type=int, default=1, help="how many lyrics")
    add("--code", help="write the lyric of this code again; other options are not used")
    add("--json", action="store_true", help="print one JSON object a lyric")


def _generate(options: argparse.Namespace) -> int:
    from model.lyric_model import load

    if options.count < 1:
        raise RequestError("Count must be at least 1.")
    model = load(options.weights)
    wish = Wish(
        options.seed,
        options.genre,
        options.title,
        options.lines,
        options.temperature,
        options.top_p,
    )
    for k in range(1 if options.code else options.count):
        if options.code:
            lyric = model.regenerate(options.code)
        else:
            first = options.random_seed
            lyric = model.write(wish, None if first is None else first + k)
        if options.json:
            _print_json(
                {
                    "text": lyric.text,
                    "code": lyric.code,
                    "model": lyric.model,
                    "random_seed": lyric.random_seed,
                }
            )
        else:
            print(("\n---\n" if k else "") + lyric.text, flush=True)
            SCREEN.print(f"[dim]code {lyric.code}[/dim]", highlight=False, soft_wrap=True)
    return 0


# --- retrain ---------------------------------------------------------------------------------


def _add_retrain(commands: Any) -> None:
    command = _command(
        commands,
        "retrain",
        "Learn from the ratings that members gave.",
        "--database data/ghostwriter.db --out weights/ours",
        _retrain,
    )
    command.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS, help="old weights")
    command.add_argument("--database", required=True, help="the bot's database: a file or its URL")
    command.add_argument("--corpus", type=Path, default=Path("lyrics"), help="songs to rehearse")
    command.add_argument("--out", type=Path, required=True, help="folder for the new weights")
    command.add_argument("--overwrite", action="store_true", help="replace the model in --out")
    command.add_argument("--json", action="store_true", help="print the result as JSON")


def _retrain(options: argparse.Namespace) -> int:
    from model.card import model_card
    from model.ratings import read_ratings
    from model.retrain import RetrainConfig, retrain
    from model.weights import load_weights, save_weights

    folder: Path = options.out
    _refuse_to_replace(folder, overwrite=options.overwrite)
    weights = load_weights(options.weights)
    ratings = read_ratings(options.database)
    with Progress(console=SCREEN, transient=True) as bar:
        task = bar.add_task("Learning", total=None)
        new, outcome = retrain(
            weights,
            ratings,
            read_corpus(options.corpus),
            RetrainConfig(),
            lambda done, total: bar.update(task, completed=done, total=total),
        )
    save_weights(new, folder, model_card(new, folder.name))
    if options.json:
        _print_json({"weights": str(folder), **asdict(outcome)})
        return 0
    print(
        f"{folder}: learned from {outcome.liked} liked and {outcome.disliked} disliked lyrics; "
        f"bits per character of held-out songs {outcome.bits_per_character_before:.3f} -> "
        f"{outcome.bits_per_character_after:.3f}."
    )
    if outcome.preference_before is not None and outcome.preference_after is not None:
        print(
            f"Liked over disliked, on {outcome.held_out} lyrics kept aside: "
            f"{outcome.preference_before:+.3f} -> {outcome.preference_after:+.3f} nats per token."
        )
    print(f"To use it, set WEIGHTS={folder} and start the bot again.")
    return 0


def _refuse_to_replace(folder: Path, *, overwrite: bool) -> None:
    from model.weights import TENSORS

    if (folder / TENSORS).exists() and not overwrite:
        raise TrainingError(
            f"{folder} holds a model already: --overwrite replaces it (and `train --resume` "
            "goes on with it)."
        )
