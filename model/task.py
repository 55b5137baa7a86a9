"""What a training learns and how it is judged: a stream of tokens and a measure.

Most runs learn a corpus of songs (`songs_task`); a benchmark may learn any other stream.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from model.corpus import Corpus, Report, validation_songs, vocabulary_texts
from model.errors import TrainingError
from model.evaluation import Evaluation, evaluate
from model.genre_contrast import GenrePassages
from model.network import Network
from model.options import TrainingConfig
from model.ranks import Alone, Ranks
from model.tokenizer import Tokenizer
from model.tokens import SongStream, TokenStream, training_tokens
from model.vocabulary import train_tokenizer
from model.weights import Weights

GENRE_CHARACTERS = 50_000_000  # of a larger corpus, genres are told apart in songs spread over it
LEAST_SEGMENTS = 32  # an epoch has; of a small corpus fewer places are read at once


@dataclass(frozen=True)
class Task:
    """A stream to learn from, the tokens it is made of, and how held-out text is measured."""

    tokenizer: Tokenizer
    genres: tuple[str, ...]
    stream: TokenStream
    fingerprint: str  # of the text: that of another one differs
    held_out: bool  # whether `evaluate` measures on text that the stream does not hold
    evaluate: Callable[[Network], Evaluation]
    genre_passages: GenrePassages | None = None  # of a training that learns to tell genres apart

    def batch_size(self, config: TrainingConfig) -> int:
        """B: places in the stream that are read at once. Raises TrainingError for a tiny text."""
        tokens = self.stream.tokens
        if tokens < 2 * config.steps:
            raise TrainingError(
                f"There is too little text to learn from: {tokens} tokens, "
                f"at least {2 * config.steps} are needed. Add songs."
            )
        return min(config.batch, max(1, tokens // (LEAST_SEGMENTS * config.steps)))

    def segments_in_epoch(self, epoch: int, batch_size: int, steps: int) -> int:
        """How many segments of `steps` tokens the stream is cut into."""
        rows = (self.stream.length(epoch) - 1) // batch_size
        return -(-rows // steps)


def songs_task(
    config: TrainingConfig,
    corpus: Corpus,
    folder: Path,
    init: Weights | None = None,
    *,
    vocabulary_from: Corpus | None = None,
    ranks: Ranks | None = None,
    progress: Report | None = None,
) -> Task:
    """To learn a corpus, with the vocabulary of `init` or a new one.

    A new one is learned from the same corpus, or from `vocabulary_from`: the songs that matter
    most, when others are there to learn the language from.

    The songs' tokens are left in `folder`, for a run that is resumed; `progress` hears how many
    songs have been encoded, of how many. Raises TrainingError when no vocabulary can be made.
    """
    config.checked()
    ranks = ranks or Alone()
    tokenizer = init.tokenizer if init else None
    if tokenizer is None and ranks.rank == 0:
        spelled = vocabulary_from or corpus
        tokenizer = train_tokenizer(
            config.tokenizer,
            vocabulary_texts(spelled.part("train") or spelled),
            vocabulary=config.vocabulary,
            lower_case=config.lower_case,
            minimum_count=config.minimum_count,
            rhyme_marks=config.rhyme_marks,
        )
    tokenizer = ranks.from_first(tokenizer)
    assert tokenizer is not None
    if ranks.rank == 0:
        training_tokens(corpus, tokenizer, folder, progress)
    ranks.wait()  # until the first has written what the others now find
    tokens = training_tokens(corpus, tokenizer, folder, progress)
    songs = validation_songs(corpus)
    return Task(
        tokenizer,
        tuple(sorted({*corpus.genres, *(init.genres if init else ())})),
        SongStream(tokens, config.random_seed),
        corpus.fingerprint,
        bool(corpus.part("validation") or corpus.part("test")),
        lambda network: evaluate(network, tokenizer, songs),
        _genre_passages(config, corpus, tokenizer) if config.genre_weight else None,
    )


def _genre_passages(config: TrainingConfig, corpus: Corpus, tokenizer: Tokenizer) -> GenrePassages:
    songs = (corpus.part("train") or corpus).spread(GENRE_CHARACTERS)
    return GenrePassages(songs, tokenizer, config.random_seed)
