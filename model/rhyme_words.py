"""The words that rhyme with a sound, as the tokens that spell them.

A line end that must rhyme is written inside a trie of these words, so the network chooses among
them and can choose no other (constrained decoding, as Hafez, Ghazvininejad et al. 2016, and
Deep-speare, Lau et al. 2018, rhyme).
"""

from collections.abc import Callable, Collection, Iterable, Sequence

from model import rhyme
from model.originality import NgramIndex
from model.tokenizer import Tokenizer

FEWEST_PARTNERS = 8  # words that must rhyme with a line end for each line that answers it
CACHED_SOUNDS = 2000


class Node:
    """A place in a trie: where a word may end, and which tokens may come next."""

    __slots__ = ("children", "ends")

    def __init__(self) -> None:
        self.children: dict[int, Node] = {}
        self.ends = False

    def add(self, ids: Iterable[int]) -> None:
        """Let these tokens lead from here to the end of a word."""
        node = self
        for i in ids:
            node = node.children.setdefault(i, Node())
        node.ends = True


class RhymeWords:
    """The words of each sound in a tokenizer's tokens."""

    def __init__(self, tokenizer: Tokenizer, index: NgramIndex | None) -> None:
        """index: knows the words that were learned, which are rhymed with where there are enough.

        The dictionary lists many names and rare words that no song has.
        """
        self._tokenizer = tokenizer
        self._index = index
        self._words: dict[str, Sequence[str]] = {}
        self._spellings: dict[tuple[str, str], list[tuple[str, list[int]]]] = {}

    def trie(
        self, sound: str, *, before: str, without: Collection[str], fits: Callable[[str], bool]
    ) -> Node | None:
        """The words of a sound that fit, but for some; None when there are none.

        before: what stands between them and the text so far, a space or nothing.
        """
        root = Node()
        for word, ids in self._spelled(sound, before):
            if word not in without and fits(word):
                root.add(ids)
        return root if root.children else None

    def can_answer(self, word: str, lines: int) -> bool:
        """Whether enough other words rhyme with the word for so many later lines to end in one."""
        if not lines:
            return True
        sound = rhyme.rhyming_part(word)
        return sound is not None and len(self._of_sound(sound)) > lines * FEWEST_PARTNERS

    def _spelled(self, sound: str, before: str) -> list[tuple[str, list[int]]]:
        found = self._spellings.get((sound, before))
        if found is None:
            if len(self._spellings) >= CACHED_SOUNDS:
                self._spellings.clear()
            words = self._of_sound(sound)
            found = [(word, self._tokenizer.encode(before + word)) for word in words]
            self._spellings[sound, before] = found
        return found

    def _of_sound(self, sound: str) -> Sequence[str]:
        found = self._words.get(sound)
        if found is None:
            found = rhyme.words_by_sound().get(sound, ())
            if self._index is not None:
                known = [word for word in found if self._index.knows(word)]
                found = known if len(known) > FEWEST_PARTNERS else found
            self._words[sound] = found
        return found
