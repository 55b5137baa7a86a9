"""Figures of songs as texts: how they rhyme, vary and repeat, and how much of them is copied.

Whoever wrote them, the network or people, the figures mean the same, so they are always given side
by side. Words are those of `rhyme.words`, over line ends but never from song to song; headings are
left out. distinct-n: Li et al. 2016. Self-BLEU: Zhu et al. 2018, over BLEU, Papineni et al. 2002.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

from model import rhyme
from model.corpus import Song

DISTINCT = (1, 2, 3)  # the n of distinct-n
NOVELTY = (4, 5, 6, 7, 8)  # the n of the novelty of n-grams
SHORTEST_RUN = min(NOVELTY)  # words; a shorter verbatim run is not looked for
BLEU_ORDER = 3  # longest n-grams of self-BLEU
BLEU_SMOOTHING = 0.1  # matches of an order that has none (method 1 of Chen & Cherry 2014)

Words = list[str]


@dataclass(frozen=True)
class TextFigures:
    """What `text_figures` says of a group of songs. Shares are from 0 to 1."""

    songs: int
    lines: int
    words: int
    end_rhyme_rate: float
    shuffled_end_rhyme_rate: float  # of the same lines in any order: what chance gives
    known_words: float  # share that stands in the training songs or the CMU dictionary
    distinct: dict[int, float]  # by n: share of n-grams that are different ones
    self_bleu: float  # 1 where every song is made of the n-grams of another
    references: int  # songs that each one is compared with for self-BLEU
    novelty: dict[int, float]  # by n: share of n-grams that stand in no training song
    longest_verbatim_run: int  # words that stand so in a training song; 0: under SHORTEST_RUN
    mean_verbatim_run: float  # the longest of each song, mean over songs
    repeated_lines: float  # share of lines that stand earlier in their song
    most_repeats: int  # how often one line stands in one song, at most

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def text_figures(
    *groups: Sequence[Song],
    training: Iterable[Song],
    random_seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> list[TextFigures]:
    """The figures of each group of songs, to be compared with one another.

    distinct-n and self-BLEU depend on how much text there is, so they are measured on equally many
    n-grams and songs of each group, its first ones. `training` is gone through once, and nothing
    of it is kept; `progress` hears how many of its songs have been.
    """
    songs = [[song_words(song) for song in group] for group in groups]
    overlap = Overlap(list(chain.from_iterable(songs)))
    for done, song in enumerate(training, start=1):
        overlap.read(song_words(song))
        if progress is not None:
            progress(done)
    fewest = min(map(len, songs))
    ngrams = {n: min(sum(1 for _ in _all_ngrams(words, n)) for words in songs) for n in DISTINCT}
    found = []
    first = 0
    for group, words in zip(groups, songs, strict=True):
        runs = overlap.runs[first : first + len(words)]
        first += len(words)
        stanzas = [stanza for song in group for stanza in song.stanzas]
        longest = [max(song_runs, default=0) for song_runs in runs]
        repeated, most = repeated_lines(group)
        found.append(
            TextFigures(
                songs=len(group),
                lines=sum(map(len, stanzas)),
                words=sum(map(len, words)),
                end_rhyme_rate=rhyme.end_rhyme_rate(stanzas),
                shuffled_end_rhyme_rate=rhyme.shuffled_end_rhyme_rate(stanzas, random_seed),
                known_words=_share(chain.from_iterable(words), overlap.is_known),
                distinct={n: distinct(words, n, ngrams[n]) for n in DISTINCT},
                self_bleu=self_bleu(words[:fewest]),
                references=max(0, fewest - 1),
                novelty={n: novelty(runs, n) for n in NOVELTY},
                longest_verbatim_run=max(longest, default=0),
                mean_verbatim_run=sum(longest) / max(1, len(longest)),
                repeated_lines=repeated,
                most_repeats=most,
            )
        )
    return found


def song_words(song: Song) -> Words:
    """The words that are sung, in lower case."""
    return [word for line in song.lines for word in rhyme.words(line)]


class Overlap:
    """What of some songs stands verbatim in others, which are read one by one and not kept."""

    def __init__(self, songs: Sequence[Words]) -> None:
        self._songs = songs
        # for each word of each song, how many words from there on stand so in a song that was
        # read; 0 where they are fewer than SHORTEST_RUN
        self.runs = [[0] * len(words) for words in songs]
        self._unread = {word for words in songs for word in words}
        self._places: dict[tuple[str, ...], list[tuple[int, int]]] = {}
        for number, words in enumerate(songs):
            for place, ngram in enumerate(_ngrams(words, SHORTEST_RUN)):
                self._places.setdefault(ngram, []).append((number, place))

    def is_known(self, word: str) -> bool:
        """Whether a word of the songs was read, or is in the CMU dictionary."""
        return word not in self._unread or rhyme.is_word(word)

    def read(self, words: Words) -> None:
        """Compare the songs with the words of another one."""
        self._unread.difference_update(words)
        for here, ngram in enumerate(_ngrams(words, SHORTEST_RUN)):
            for number, place in self._places.get(ngram, ()):
                song = self._songs[number]
                if here and place and words[here - 1] == song[place - 1]:
                    continue  # part of a run that began earlier
                length = SHORTEST_RUN
                ends = min(len(song) - place, len(words) - here)
                while length < ends and song[place + length] == words[here + length]:
                    length += 1
                runs = self.runs[number]
                for i in range(length - SHORTEST_RUN + 1):
                    runs[place + i] = max(runs[place + i], length - i)


def distinct(songs: Sequence[Words], n: int, count: int) -> float:
    """Share of different ones among the first `count` n-grams; 0.0 when there are none."""
    ngrams = [ngram for ngram, _ in zip(_all_ngrams(songs, n), range(count), strict=False)]
    return len(set(ngrams)) / len(ngrams) if ngrams else 0.0


def novelty(runs: Sequence[Sequence[int]], n: int) -> float:
    """Share of n-grams that stand in no song read, from an Overlap's runs; 0.0 without any."""
    ngrams = [run for song_runs in runs for run in song_runs[: max(0, len(song_runs) - n + 1)]]
    return _share(ngrams, lambda run: run < n)


def self_bleu(songs: Sequence[Words]) -> float:
    """Mean BLEU of each song against all the others; 0.0 when there is no other.

    BLEU is the geometric mean of p_1 to p_BLEU_ORDER times exp(min(0, 1 - r / c)): p_n the share
    of a song's n-grams that a reference has too, each counted at most as often as in the one
    reference that has it most often; c its length, r that of the reference closest in length.
    """
    songs = [words for words in songs if len(words) >= BLEU_ORDER]
    if len(songs) < 2:
        return 0.0
    logs = [0.0] * len(songs)
    for n in range(1, BLEU_ORDER + 1):
        counts = [Counter(_ngrams(words, n)) for words in songs]
        most: dict[tuple[str, ...], tuple[int, int]] = {}  # the two highest counts in one song
        for counter in counts:
            for ngram, count in counter.items():
                first, second = most.get(ngram, (0, 0))
                most[ngram] = (max(first, count), max(second, min(first, count)))
        for number, counter in enumerate(counts):
            matches = 0
            for ngram, count in counter.items():
                first, second = most[ngram]
                matches += min(count, second if count == first else first)
            logs[number] += math.log((matches or BLEU_SMOOTHING) / counter.total()) / BLEU_ORDER
    lengths = [len(words) for words in songs]
    total = 0.0
    for number, length in enumerate(lengths):
        others = lengths[:number] + lengths[number + 1 :]
        reference = min(others, key=lambda other: (abs(other - length), other))
        total += math.exp(logs[number] + min(0.0, 1 - reference / length))
    return total / len(songs)


def repeated_lines(songs: Iterable[Song]) -> tuple[float, int]:
    """Share of lines that stand earlier in their song; how often a line stands in one, at most.

    Two lines are the same when their words are; a line without words is none.
    """
    lines = repeats = most = 0
    for song in songs:
        counts = Counter(tuple(rhyme.words(line)) for line in song.lines)
        del counts[()]
        lines += counts.total()
        repeats += counts.total() - len(counts)
        most = max(most, *counts.values(), 0)
    return (repeats / lines if lines else 0.0), most


def spread(songs: Sequence[Song], count: int) -> list[Song]:
    """So many songs, taken evenly from the first to the last, or all if there are fewer."""
    count = min(count, len(songs))
    return [songs[i * len(songs) // count] for i in range(count)]


def _ngrams(words: Words, n: int) -> Iterable[tuple[str, ...]]:
    return zip(*(words[i:] for i in range(n)), strict=False)


def _all_ngrams(songs: Iterable[Words], n: int) -> Iterable[tuple[str, ...]]:
    return chain.from_iterable(_ngrams(words, n) for words in songs)


def _share(items: Iterable[Any], holds: Callable[[Any], bool]) -> float:
    results = [holds(item) for item in items]
    return sum(results) / len(results) if results else 0.0
