"""How the network should see rhyme: designs compared at equal compute.

    python -m benchmarks.rhyme_designs CORPUS... [--steps N] [--hidden N] [--json]

Every design tells the same songs in another layout, and is trained from the same random seed for
the same number of steps of the same size. Bits per character are of the plain text of the test
songs (every token of a layout that the network has to foretell is paid for), rhymes those of songs
sampled at temperature 0.8 without any steering. What ships is `marks` (model/rhyme_marks.py); here
are the others:

    plain       I walk this road alone
    reversed    <turn> alone road this walk I
    sound       <OW N> I walk this road alone
    end         alone <turn> I walk this road
    sound-end   <OW N> alone <turn> I walk this road
"""

import argparse
import json
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from model.corpus import Corpus, Song, read_corpus
from model.evaluation import evaluate
from model.network import Network, initial_parameters
from model.options import TrainingConfig
from model.rhyme import last_word
from model.rhyme_marks import SOUND_SHARE, SoundCount, sound_of
from model.song_format import is_heading
from model.song_samples import sample_songs
from model.task import songs_task
from model.text_figures import text_figures
from model.tokenizer import Tokenizer
from model.training import Listener, Training
from model.vocabulary import train_tokenizer
from model.weights import Weights

DESIGNS = ("plain", "marks", "reversed", "sound", "end", "sound-end")
SAMPLES = 64
LONGEST = 400  # tokens of a sample


class HeadTokenizer(Tokenizer):
    """Lines with their sound or their last word first, or all words reversed; see above.

    Its ids are those of the tokenizer inside, then <turn>, then any other sound, then the sounds.
    """

    def __init__(self, inner: Tokenizer, design: str, sounds: Sequence[str]) -> None:
        self.inner = inner
        self.design = design
        self.kind = inner.kind
        self.turn = inner.vocabulary_size
        self.other = self.turn + 1
        self.vocabulary_size = self.other + 1 + len(sounds)
        self._sound_ids = {sound: i for i, sound in enumerate(sounds, self.other + 1)}
        self._newline = inner.newline

    @property
    def newline(self) -> int:
        return self._newline

    def encode(self, text: str) -> list[int]:
        return self.inner.encode(text)

    def encode_lines(self, text: str) -> list[int]:
        first, *others = text.split("\n")
        ids = self._line_ids(first)
        for line in others:
            ids += [self._newline, *self._line_ids(line)]
        return ids

    def _line_ids(self, line: str) -> list[int]:
        if not line or is_heading(line):
            return self.inner.encode(line)
        head = []
        if self.design.startswith("sound"):
            head = [self._sound_ids.get(sound_of(last_word(line)) or "", self.other)]
        if " " not in line or self.design == "sound":
            return head + self.inner.encode(line)
        if self.design == "reversed":
            return [self.turn, *self.inner.encode(" " + " ".join(reversed(line.split(" "))))]
        rest, _, end = line.rpartition(" ")
        return [*head, *self.inner.encode(" " + end), self.turn, *self.inner.encode(rest)]

    def decode(self, ids: Sequence[int]) -> str:
        lines: list[list[int]] = [[]]
        for i in ids:
            if i == self._newline:
                lines.append([])
            elif i <= self.turn:
                lines[-1].append(i)
        return "\n".join(map(self._line, lines))

    def _line(self, ids: list[int]) -> str:
        if self.turn not in ids:
            return self.inner.decode(ids)
        at = ids.index(self.turn)
        before = self.inner.decode(ids[:at]).removeprefix(" ")
        after = self.inner.decode([i for i in ids[at:] if i != self.turn])
        if self.design == "reversed":
            return " ".join(reversed(after.removeprefix(" ").split(" ")))
        return f"{after} {before}"

    def to_json(self) -> str:
        return self.inner.to_json()  # only to tell one vocabulary's token file from another's


def design_tokenizer(design: str, texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """A byte-pair tokenizer in one of DESIGNS, of at most `vocabulary` ids."""
    if design in ("plain", "marks"):
        return train_tokenizer(
            "bpe",
            texts,
            vocabulary=vocabulary,
            lower_case=False,
            minimum_count=1,
            rhyme_marks=design == "marks",
        )
    count = SoundCount()
    sounds = int(SOUND_SHARE * vocabulary) if design.startswith("sound") else 0
    inner = train_tokenizer(
        "bpe",
        count.passing(texts),
        vocabulary=vocabulary - 2 - sounds,
        lower_case=False,
        minimum_count=1,
    )
    return HeadTokenizer(inner, design, count.most_common(sounds))


def measure(
    design: str, corpus: Corpus, judged: Corpus, config: TrainingConfig, steps: int
) -> dict[str, float | str]:
    """Train one design on `corpus`; its figures on the test songs of `judged`."""
    train = corpus.part("train")
    tokenizer = design_tokenizer(design, (song.text for song in train), config.vocabulary)
    sizes = config.make_network(tokenizer.vocabulary_size)
    parameters = initial_parameters(sizes, np.random.default_rng(config.random_seed))
    init = Weights(Network(sizes, parameters), tokenizer, ())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        task = songs_task(config, corpus, folder, init)
        segments = task.segments_in_epoch(0, task.batch_size(config), config.steps)
        run = Training(replace(config, epochs=steps / segments), task, init)
        run.run(folder, Listener(), lambda: False)
    network = run.network
    songs: list[Song] = list(judged.part("test"))
    samples = sample_songs(
        network, tokenizer, judged.genres, SAMPLES, longest=LONGEST, random_seed=1
    )
    (figures,) = text_figures(samples, training=train)
    return {
        "design": design,
        "tokens_per_epoch": task.stream.tokens,
        "bits_per_character": evaluate(network, tokenizer, songs).bits_per_character,
        "end_rhyme_rate": figures.end_rhyme_rate,
        "shuffled": figures.shuffled_end_rhyme_rate,
        "known_words": figures.known_words,
    }


def main() -> None:
    """Measure every design and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("corpus", nargs="+", type=Path, help="songs to learn, all together")
    parser.add_argument("--judged", type=Path, default=Path("lyrics"), help="songs to judge by")
    parser.add_argument("--designs", nargs="+", choices=DESIGNS, default=DESIGNS)
    parser.add_argument("--steps", type=int, default=1200, help="steps of 32 x 64 tokens")
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--embedding", type=int, default=192)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args()
    corpus, judged = read_corpus(*options.corpus), read_corpus(options.judged)
    config = TrainingConfig(
        hidden=options.hidden,
        embedding=options.embedding,
        dropout=0.1,
        learning_rate=4e-3,
        drop_state=0.02,
        batch=32,
        evaluations=4,
        temperature_fit=False,
    )
    screen = Console(stderr=True)
    results = [
        measure(design, corpus, judged, config, options.steps)
        for design in track(options.designs, "Training", console=screen)
    ]
    if options.json:
        print(json.dumps(results))
        return
    table = Table(title=f"{options.steps} steps of 32 x 64 tokens, 2 x {options.hidden} LSTM")
    for name in results[0]:
        table.add_column(name.replace("_", " "), justify="left" if name == "design" else "right")
    for result in results:
        table.add_row(*(f"{v:.4g}" if isinstance(v, float) else f"{v}" for v in result.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
