"""Lyrics being written: wishes in, finished lyrics out, many of them side by side."""

import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from model.batch import Batch
from model.code import RANDOM_SEEDS, Recipe, lyric_code, parse_code
from model.corpus import is_heading
from model.errors import RequestError
from model.language import Language
from model.ranking import Draft, Ranker, rhyme_rate
from model.stepping import Stepper
from model.tokenizer import Tokenizer
from model.voice import Voice
from model.wish import Wish
from model.word_filter import offensive_words, refusal

MOST_VOICES = 64  # that a batch writes at once
# Once half of a song's candidates have all their lines, the others have until this multiple of the
# steps that it took.
STRAGGLING = 1.1


@dataclass(frozen=True)
class Lyric:
    """A finished lyric and what it takes to write it again."""

    text: str  # lines separated by line ends, stanzas by a blank line
    code: str  # see `model.code`
    model: str  # the version of the weights
    random_seed: int
    wish: Wish
    longest_run: int | None  # words in a row that stand in what was learned; None: not known
    notes: tuple[str, ...]  # in which way a demand could not be met

    def to_dict(self) -> dict[str, object]:
        """Plain JSON values."""
        return {
            "text": self.text,
            "code": self.code,
            "model": self.model,
            "random_seed": self.random_seed,
            "longest_run": self.longest_run,
            "notes": list(self.notes),
        }


@dataclass(eq=False)
class Song:
    """A lyric that is being written: one voice for each candidate."""

    wish: Wish
    random_seed: int
    voices: list[Voice]
    first_candidate: int  # the number of the first voice
    lyric: Lyric | None = field(default=None, init=False)  # once it has finished
    _steps: int = field(default=0, init=False)  # since it began
    _last_step: float = field(default=math.inf, init=False)  # after which nobody is waited for

    @property
    def lines(self) -> Sequence[str]:
        """Finished lines so far; with several candidates none until the best one is known."""
        if self.lyric is not None:
            return self.lyric.text.split("\n")
        return self.voices[0].lines if len(self.voices) == 1 else ()

    def advance(self) -> bool:
        """Count a step; whether the candidates are all there, or those that are missing late."""
        self._steps += 1
        if self._last_step == math.inf:
            complete = sum(voice.complete for voice in self.voices)
            if 2 * complete >= len(self.voices):
                self._last_step = STRAGGLING * self._steps
        return self._steps > self._last_step or all(voice.finished for voice in self.voices)

    def cut(self) -> None:
        """Let it end with the lines that are being written."""
        for voice in self.voices:
            voice.ending = True


@dataclass(frozen=True)
class Desk:
    """What writing needs of a model."""

    version: str
    genres: tuple[str, ...]
    tokenizer: Tokenizer
    stepper: Stepper
    language: Language
    width: int  # of the batch's panels
    ranker: Ranker


class WritingBatch:
    """Songs that are written side by side; not for several threads at once."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._batch = Batch(desk.stepper, desk.width, desk.language.wordless_ids)
        self._songs: list[Song] = []

    def __len__(self) -> int:
        """How many songs are in it."""
        return len(self._songs)

    def has_room(self, wish: Wish) -> bool:
        """Whether a song of this wish can join now; an empty batch has room for any."""
        return not self._songs or len(self._batch) + wish.best_of <= MOST_VOICES

    def join(self, wish: Wish, random_seed: int | None = None) -> Song:
        """Begin a song. Raises RequestError when the wish cannot be met."""
        if random_seed is None:
            random_seed = secrets.randbelow(RANDOM_SEEDS)
        if not 0 <= random_seed < RANDOM_SEEDS:
            raise RequestError(f"A random seed must be from 0 to {RANDOM_SEEDS - 1}.")
        checked = self._checked(wish)
        return self._begin(checked, random_seed, range(checked.best_of), None)

    def join_code(self, code: str) -> Song:
        """Begin to write the lyric of a code again. Raises RequestError for another model's."""
        desk = self._desk
        recipe = parse_code(
            code, version=desk.version, tokenizer=desk.tokenizer, genres=desk.genres
        )
        only = range(recipe.candidate, recipe.candidate + 1)
        return self._begin(self._checked(recipe.wish), recipe.random_seed, only, recipe.cut)

    def leave(self, song: Song) -> None:
        """Give a song up."""
        self._batch.leave(song.voices)
        self._songs.remove(song)

    def step(self) -> list[Song]:
        """One token for each candidate of each song; the songs that have finished, and left."""
        self._batch.step()
        finished = [song for song in self._songs if song.advance()]
        for song in finished:
            self._batch.leave([voice for voice in song.voices if not voice.finished])
            song.lyric = self._best(song)
            self._songs.remove(song)
        return finished

    def _checked(self, wish: Wish) -> Wish:
        checked = wish.checked(self._desk.genres)
        if checked.word_filter:
            for option in ("seed", "title", "keyword"):
                if offensive_words(getattr(checked, option) or ""):
                    raise RequestError(refusal(option))
        return checked

    def _begin(self, wish: Wish, random_seed: int, candidates: range, cut: int | None) -> Song:
        language = self._desk.language
        voices = [Voice(language, wish, random_seed, number, cut) for number in candidates]
        song = Song(wish, random_seed, voices, candidates.start)
        self._batch.join(voices)
        self._songs.append(song)
        return song

    def _best(self, song: Song) -> Lyric:
        there = [number for number, voice in enumerate(song.voices) if voice.finished]
        drafts = [self._draft(song.wish, song.voices[number]) for number in there]
        scores = self._desk.ranker(drafts) if len(drafts) > 1 else [0.0]
        best = max(range(len(drafts)), key=lambda place: scores[place])
        desk, draft, number = self._desk, drafts[best], there[best]
        cut = song.voices[number].cut_short
        recipe = Recipe(song.wish, song.random_seed, song.first_candidate + number, cut)
        return Lyric(
            draft.text,
            lyric_code(recipe, version=desk.version, tokenizer=desk.tokenizer, genres=desk.genres),
            desk.version,
            song.random_seed,
            song.wish,
            None if desk.language.index is None else draft.longest_run,
            draft.notes,
        )

    def _draft(self, wish: Wish, voice: Voice) -> Draft:
        lines = list(voice.lines)
        while lines and (not lines[-1] or is_heading(lines[-1])):
            lines.pop()
        text = "\n".join(lines)
        return Draft(
            wish,
            text,
            voice.nats / max(1, voice.words_written),
            rhyme_rate(wish, text),
            voice.run[1],
            tuple(voice.notes),
        )
