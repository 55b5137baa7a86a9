"""Whole songs as a network writes them by itself: sampled, not steered.

No candidates, no rhyme scheme, no check of spelling: what `generation` adds is left out, so that
the figures of these songs are the network's own. Where lines are marked with their rhymes, the
network chooses the marks too. All songs are written at once, as one batch.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from model.blas import one_blas_thread
from model.corpus import Song, is_heading, normalized_text
from model.frame import frame_wish
from model.network import Network, State
from model.recurrence import Array
from model.sampling import sample_softmax
from model.stepping import Stepper
from model.tokenizer import END, SPECIALS, Tokenizer
from model.wish import Wish

TEMPERATURE = 0.8


def sample_songs(
    network: Network,
    tokenizer: Tokenizer,
    genres: Sequence[str],
    count: int,
    *,
    longest: int,
    random_seed: int,
    temperature: float = TEMPERATURE,
    progress: Callable[[int, int], None] | None = None,
) -> list[Song]:
    """`count` songs, each until the network ends it; the genres are dealt in turn.

    One that has `longest` tokens (at least 1) without an end is cut after its last whole line.
    Without genres the network chooses. `progress` hears how many tokens of `longest` the songs
    have. The same machine, arguments and network give the same songs.
    """
    wished: list[str | None] = [genres[i % len(genres)] if genres else None for i in range(count)]
    plain = np.zeros(network.config.vocabulary_size, np.float32)  # -inf for what is no text
    plain[[*range(len(SPECIALS)), *tokenizer.layout_ids]] = -np.inf
    plain[END] = 0
    stepper, rng = Stepper(network), np.random.default_rng(random_seed)
    drafts = [Draft(tokenizer) for _ in range(count)]
    ended = np.zeros(count, bool)
    with one_blas_thread():
        logits, state = _openings(network, tokenizer, wished)
        running = np.arange(count)  # the songs that the rows of logits and state are of
        for done in range(longest):
            # as many draws each time, so that a song's are the same whatever the others do
            draws = rng.random(count)[running]
            chances = logits + plain
            for row, song in enumerate(running):
                marks = drafts[song].marks
                chances[row, list(marks)] = logits[row, list(marks)]
            tokens = sample_softmax(chances, draws, temperature)
            tokens = np.array(
                [drafts[i].add(int(token)) for i, token in zip(running, tokens, strict=True)]
            )
            if progress is not None:
                progress(done + 1, longest)
            goes_on = tokens != END
            ended[running[~goes_on]] = True
            running, tokens = running[goes_on], tokens[goes_on]
            if not len(running):
                break
            if not goes_on.all():
                state = tuple(tuple(array[:, goes_on] for array in layer) for layer in state)
            logits, state = stepper.step(tokens, state)
    texts = [tokenizer.decode(draft.ids) for draft in drafts]
    return [
        Song(None, genre, normalized_text(text if whole else text.rpartition("\n")[0] or text))
        for genre, text, whole in zip(wished, texts, ended.tolist(), strict=True)
    ]


class Draft:
    """A song that is being written, and what its layout allows next."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.ids: list[int] = []
        self._tokenizer = tokenizer
        self._newline = tokenizer.newline
        self._line = 0  # where in `ids` the line begins
        self._stanza: list[str] = []
        self.marks: Mapping[int, int] = tokenizer.marks(())  # that may come next
        self._forced: int | None = None  # what has to come next

    def add(self, token: int) -> int:
        """Go on with a token, or with the one that has to stand here instead of it; that one."""
        if self._forced is not None:
            token = self._forced
        self._forced = self.marks.get(token)
        if self._forced is not None:
            self.marks = {}  # a line has one
        if token != END:
            self.ids.append(token)
        if token == self._newline:
            self._end_line()
        return token

    def _end_line(self) -> None:
        line = self._tokenizer.decode(self.ids[self._line : -1]).rstrip()
        self._line = len(self.ids)
        self._stanza = [*self._stanza, line] if line and not is_heading(line) else []
        self.marks = self._tokenizer.marks(self._stanza)


def _openings(
    network: Network, tokenizer: Tokenizer, genres: Sequence[str | None]
) -> tuple[Array, State]:
    """Logits (B, V) and the state (H, B) where a text of each genre begins."""
    states, logits = {}, {}
    for genre in dict.fromkeys(genres):
        head = np.array(frame_wish(tokenizer, Wish(genre=genre)))
        activations = network.forward(head[:, None], network.zero_state(1))
        states[genre] = activations.state
        logits[genre] = network.logits(activations.output[:, -1])
    layers = range(network.config.layers)
    return np.concatenate([logits[genre] for genre in genres]), tuple(
        tuple(
            np.concatenate([states[genre][layer][number] for genre in genres], axis=1)
            for number in range(network.cell.states)
        )
        for layer in layers
    )
