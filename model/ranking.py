"""Which of several candidates is kept.

Likelier words, more of the rhymes that were asked for, less that stands verbatim in what was
learned. Another ranker may take this one's place, such as one that learned from ratings.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from model import rhyme
from model.corpus import Song as SongText
from model.form import rhyme_pairs
from model.wish import Wish

USUAL_RUN = 4  # words that stand somewhere in what was learned for any lyric
# What a share of rhymes, a word of a longer run and a missed demand weigh, in nats per word.
RHYME_WEIGHT = 2.0
RUN_WEIGHT = 0.2
NOTE_WEIGHT = 2.0


@dataclass(frozen=True)
class Draft:
    """A candidate with all that a ranker may go by."""

    wish: Wish
    text: str
    nats_per_word: float  # under the network that wrote it
    rhyme_rate: float  # share of the scheme's pairs that rhyme; without one, the end-rhyme rate
    longest_run: int  # words in a row that stand in what was learned
    notes: tuple[str, ...]  # demands that it missed


Ranker = Callable[[Sequence[Draft]], Sequence[float]]  # a score each, the highest is kept


def default_ranker(drafts: Sequence[Draft]) -> Sequence[float]:
    """Likelihood, rhyme and originality."""
    return [
        RHYME_WEIGHT * draft.rhyme_rate
        - draft.nats_per_word
        - RUN_WEIGHT * max(0, draft.longest_run - USUAL_RUN)
        - NOTE_WEIGHT * len(draft.notes)
        for draft in drafts
    ]


def rhyme_rate(wish: Wish, text: str) -> float:
    """How far a text rhymes as it should, 0 to 1."""
    stanzas = SongText(None, None, text).stanzas
    if wish.rhyme is None:
        return rhyme.end_rhyme_rate(stanzas)
    ends = [[rhyme.last_word(line) for line in stanza] for stanza in stanzas]
    pairs = [(s[i], s[j]) for s in ends for i, j in rhyme_pairs(wish.rhyme, len(s))]
    return sum(rhyme.rhymes(a, b) for a, b in pairs) / len(pairs) if pairs else 1.0
