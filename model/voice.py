"""One candidate of a lyric as it is written, token by token.

A voice says which tokens may come next, hears which one came, and keeps the text. Each word is
checked when it is whole: one that must not stand is taken back, and its place never begins with
the same token again; a line for which no word is left is begun anew. So whatever is asked of a
lyric is met where it is written, and the rest of it is as the network would have it. What a voice
does is a function of the weights, the wish, the random seed and the candidate's number alone.
"""

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np

from model import rhyme
from model.corpus import is_heading
from model.form import LineDemand, line_demand, may_end_stanza, must_end_stanza, sections_of
from model.frame import frame_wish
from model.language import Language, is_of_a_word
from model.line import Line, allow_only, ends_in_a_word, syllables_of
from model.recurrence import Array
from model.tokenizer import REPLACEMENT
from model.wish import Wish
from model.word_filter import is_offensive, offensive_words

LONGEST_HEADING = 30  # characters
SPELLING_TRIES = 4  # words that are not known are taken back so often at one place
PATIENCE = 60  # words taken back at one place before the line is begun anew
LONGEST_TRY = 500  # tokens, those taken back included, before the line is begun anew
LINE_TRIES = 4  # then what can be given up is
KEYWORD_LIKELY = 0.02  # probability at which a keyword is taken at once ...
KEYWORD_IMPATIENCE = 0.85  # ... falls by this factor with every word


class Move(Enum):
    """What becomes of a token."""

    READ = auto()  # the network reads it
    BEGIN = auto()  # it does, and a word begins: one may come back to the place before it
    BACK = auto()  # back to where the word began
    RESTART = auto()  # back to where the line began
    AGAIN = auto()  # it cannot stand here: another one, in the same place


class Fault(Enum):
    """Why something written must not stand."""

    NEVER = auto()  # whatever happens: a forbidden word, a run that is not original
    RATHER_NOT = auto()  # a demand is missed, which is given up when all else fails


@dataclass
class LineStart:
    """Where the line being written began, to begin it anew."""

    words: int  # of the song
    words_written: int
    run: tuple[int, int]
    nats: float
    restarts: int = 0
    tokens: int = 0  # that came since, those taken back included
    keyword_came: bool = False  # in the line


class Voice:
    """Writes one candidate; `finished` when it has all its lines."""

    def __init__(
        self,
        language: Language,
        wish: Wish,
        random_seed: int,
        candidate: int,
        cut: int | None = None,
    ) -> None:
        """cut: sung lines after which it ends early."""
        self.lines: list[str] = []  # finished ones
        self.notes: dict[str, None] = {}  # in which way a demand was missed
        self.finished = False
        self.ending = False  # it is to end with the line that it is in
        self.sung = 0
        self.nats = 0.0  # of all that it wrote
        self.words_written = 0
        self.words: list[str] = []  # with those of openings and of sections that returned
        self.run = (0, 0)  # verbatim run that ends with the last word, and the longest one
        self.wish = wish
        self._language = language
        self._rng = np.random.default_rng([random_seed, candidate])
        self._sections = sections_of(wish)
        self._begun: list[int] = []  # where in `lines` each section's sung lines begin
        self._total = len(self._sections) * wish.section_lines or wish.lines
        self._cut = cut or self._total
        self._next_run = self.run  # with the word being written
        self._stanza: list[str] = []
        self._verses = 0
        frame, plain = (frame_wish(language.tokenizer, each) for each in (wish, Wish()))
        self._silent = deque(frame)  # read but not written
        self._unguided = deque([*[None] * (len(frame) - len(plain)), *plain])
        self._written: deque[int] = deque()  # to be written next, whatever the network thinks
        self._seen: dict[int, None] = {}
        self._ngrams: defaultdict[tuple[int, ...], set[int]] = defaultdict(set)
        self._keyword_due = wish.keyword is not None
        self._keyword_bar = KEYWORD_LIKELY
        self._keyword_next = False
        if self._sections:
            self._begin_section()
        if wish.seed:
            self._silent.extend(language.tokenizer.encode(wish.seed))
            self._read_words(rhyme.words(wish.seed))
        self._begin_line(wish.seed or "")

    @property
    def cut_short(self) -> int | None:
        """After how many sung lines it ended early, if it did."""
        early = self.ending or self.sung == self._cut
        return self.sung if early and self.sung < self._total else None

    @property
    def complete(self) -> bool:
        """Whether it has all its lines."""
        return self.sung >= self._total

    @property
    def at_line_start(self) -> bool:
        """Whether nothing is written yet of the line, but for what a person typed."""
        return not self._line.ids

    def silent(self) -> int | None:
        """The next token to be read without being written, if there is one."""
        return self._silent.popleft() if self._silent else None

    def unguided(self, token: int) -> int | None:
        """What is read for a silent token where neither genre nor title is told; None: nothing."""
        return self._unguided.popleft() if self._unguided else token

    def draw(self) -> float:
        """The random number for the next token, in [0, 1)."""
        return float(self._rng.random())

    # What may come next

    def shape(self, logits: Array, total: float) -> None:
        """Rule out what cannot come next, in place: logits (V,), total their log-sum-exp."""
        line, language = self._line, self._language
        self._keyword_next = self._is_keyword_next(logits, total)
        if self._keyword_next:
            allow_only(logits, self._keyword_ids()[:1])
            return
        if self._written:
            allow_only(logits, [self._written[0]])
            return
        if line.trie is None:
            self._penalize(logits)
        if line.heading and line.text.endswith("]"):
            allow_only(logits, [language.newline])
        elif line.heading:
            logits += language.never
            logits[language.newline] = -np.inf
        elif not line.text:
            self._shape_start(logits)
        else:
            line.shape(logits)
        logits[list(line.banned)] = -np.inf
        if np.max(logits) == -np.inf:
            logits[language.newline] = 0

    def _penalize(self, logits: Array) -> None:
        """Repetition penalty (Keskar et al. 2019) and no-repeat n-grams (Paulus et al. 2018)."""
        penalty, size = np.float32(self.wish.repetition_penalty), self.wish.no_repeat_ngram_size
        if penalty > 1 and self._seen:
            seen = list(self._seen)
            scores = logits[seen]
            logits[seen] = np.where(scores > 0, scores / penalty, scores * penalty)
        ids = self._line.ids
        if size and len(ids) >= size - 1:
            logits[list(self._ngrams.get(tuple(ids[len(ids) - size + 1 :]), ()))] = -np.inf

    def _shape_start(self, logits: Array) -> None:
        """At the start of a line: a blank line, a heading or a sung line."""
        language, length = self._language, len(self._stanza)
        own_form = not self._sections
        may_end = own_form and length > 0 and may_end_stanza(self.wish, length)
        if may_end and must_end_stanza(self.wish, length):
            allow_only(logits, [language.newline])
            return
        logits += language.never
        logits += language.no_blank
        if not own_form or (self.lines and self.lines[-1] != ""):
            logits += language.no_heading
        if not may_end:
            logits[language.newline] = -np.inf

    def _is_keyword_next(self, logits: Array, total: float) -> bool:
        """Whether the network finds the keyword likely enough here; sooner or later it does."""
        line, keyword = self._line, self.wish.keyword
        if keyword is None or not self._keyword_due:
            return False
        last = self.sung >= self._total - 1
        line.held = last and not line.words
        if line.trie is not None or line.heading or not line.words:
            return False
        first = self._keyword_ids()[0]
        if first in line.banned:
            return False
        if last:
            return True
        syllables = line.syllables + syllables_of(line.open_word) + syllables_of(keyword)
        likely = logits[first] - total > np.log(self._keyword_bar)
        return bool(likely) and syllables <= line.most_syllables

    def _keyword_ids(self) -> list[int]:
        assert self.wish.keyword is not None
        return self._language.tokenizer.encode(self._line.space + self.wish.keyword)

    # What came

    def take(self, token: int, nats: float) -> Move:
        """Hear which token came, and -ln p that the network gave it."""
        line, language = self._line, self._language
        if self._written:
            self._written.popleft()
        self._start.tokens += 1
        if self._start.tokens > LONGEST_TRY:
            return self._restart(Fault.RATHER_NOT)
        if line.heading:
            return self._take_heading(token)
        ends_line = token == language.newline
        if line.word_start is not None and not language.goes_on[token]:
            fault = self._fault(ends_line)
            if fault is not None:
                return self._take_back(fault)
            self._end_word()
        elif ends_line and line.text and (fault := self._line_fault()) is not None:
            banned = line.bans[len(line.ids)]
            if token in banned:
                return self._restart(fault)
            banned.add(token)
            return Move.AGAIN
        if self._keyword_next:
            return self._take_keyword()
        self.nats += nats
        if ends_line:
            self._end_line()
            return Move.READ
        if token in line.marks:
            self._take_mark(token)
            return Move.READ
        begins = line.add(token)
        self._seen[token] = None
        if begins:
            self._word_nats = self.nats - nats
        return Move.BEGIN if begins else Move.READ

    def _take_keyword(self) -> Move:
        """The keyword's first token came, and the whole word with it, if it may stand here."""
        line, keyword, ids = self._line, self.wish.keyword or "", self._keyword_ids()
        found = rhyme.words(keyword)
        run = self._follow(found)
        if run[0] > self.wish.max_run:
            line.bans[len(line.ids)].add(ids[0])
            return Move.AGAIN
        line.add_word(ids, keyword)
        self._silent.extend(ids[1:])
        self._read_words(found)
        self._keyword_due, self._start.keyword_came = False, True
        return Move.READ

    def _take_heading(self, token: int) -> Move:
        line, language = self._line, self._language
        text = line.text + language.pieces[token]
        if token == language.newline and is_heading(line.text):
            self._end_line()
            return Move.READ
        if token == language.newline or len(text) > LONGEST_HEADING:
            return self._take_back(Fault.RATHER_NOT)
        line.ids.append(token)
        line.text = text
        if text.lower() == "[verse":
            self._written.extend(language.tokenizer.encode(f" {self._verses + 1}]"))
        return Move.READ

    def _take_mark(self, mark: int) -> None:
        """A mark came: its sound is read next, and then comes a word of that sound."""
        line = self._line
        self._silent.append(line.marks[mark])
        line.ids.append(mark)
        marks = self._language.tokenizer.layout_ids
        answered = len(self._stanza) - 1 - marks.index(mark)
        if not line.begin_rhyme(answered) and not line.demand.free:
            self._note_unrhymed(line.ends[answered])

    # What must not stand

    def _fault(self, ends_line: bool) -> Fault | None:
        """What is wrong with the word that is now whole, or with the line that ends with it."""
        line = self._line
        found = rhyme.words(line.open_word)
        self._next_run = self._follow(found)
        if REPLACEMENT in line.open_word or any(map(self._is_forbidden, found)):
            return Fault.NEVER
        if self._next_run[0] > self.wish.max_run:
            return Fault.NEVER
        if not self._lenient:
            unknown = not all(map(self._language.knows, found))
            if unknown and len(line.bans.get(line.word_place, ())) < SPELLING_TRIES:
                return Fault.RATHER_NOT
            if line.syllables + syllables_of(line.open_word) > line.most_syllables:
                return Fault.RATHER_NOT
        return self._line_fault() if ends_line else None

    def _line_fault(self) -> Fault | None:
        """What is wrong with the line as it would end here."""
        line, wish = self._line, self.wish
        sung = line.text.strip()
        if wish.word_filter and offensive_words(sung):
            return Fault.NEVER
        if not any(map(is_of_a_word, sung)):
            return Fault.NEVER
        if self._lenient:
            return None
        if sung.casefold() in {earlier.casefold() for earlier in self.lines[-rhyme.REACH :]}:
            return Fault.RATHER_NOT
        end = rhyme.last_word(sung)
        if wish.rhyme and end in line.ends:
            return Fault.RATHER_NOT
        if not self._language.rhyme_words.can_answer(end, line.demand.awaiting):
            return Fault.RATHER_NOT
        return Fault.RATHER_NOT if line.misses_rhyme(end) else None

    def _is_forbidden(self, word: str) -> bool:
        return word in self.wish.forbidden_words or (self.wish.word_filter and is_offensive(word))

    @property
    def _lenient(self) -> bool:
        """Whether only what must never stand is still refused in this line."""
        return self._start.restarts >= LINE_TRIES

    def _take_back(self, fault: Fault) -> Move:
        """Unwrite the word; a line for which no word is left is begun anew."""
        self.nats = self._word_nats
        tries, unrhymed = self._line.take_back()
        if unrhymed is not None:
            self._note_unrhymed(unrhymed)
        if tries > PATIENCE or self._line.stuck:
            return self._restart(fault)
        return Move.BACK

    def _restart(self, fault: Fault) -> Move:
        """Begin the line anew; a song whose line fails for ever ends before it."""
        start = self._start
        if start.restarts >= 2 * LINE_TRIES:
            self.notes["The song ends early: no line was found that may follow."] = None
            self.finished = True
            return Move.READ
        if start.restarts == LINE_TRIES - 1 and fault is Fault.RATHER_NOT:
            self.notes[f"Line {self.sung + 1} is not all that was asked for."] = None
        self._keyword_due |= start.keyword_came
        del self.words[start.words :]
        self.run, self.nats, self.words_written = start.run, start.nats, start.words_written
        self._begin_line(self._line.opening, start.restarts + 1)
        return Move.RESTART

    def _note_unrhymed(self, end: str) -> None:
        self.notes[f"No word was found that rhymes with {end}."] = None

    # What is whole

    def _end_word(self) -> None:
        found = self._line.end_word()
        self.words += found
        self.run = self._next_run
        self.words_written += len(found)
        self._keyword_bar *= KEYWORD_IMPATIENCE
        if self.wish.keyword and self.wish.keyword.casefold() in found:
            self._keyword_due, self._start.keyword_came = False, True

    def _end_line(self) -> None:
        line, size = self._line, self.wish.no_repeat_ngram_size
        text = line.text.strip()
        self.lines.append(text)
        if not text or line.heading:
            self._stanza = []
            self._verses += text.lower().startswith("[verse")
        else:
            self._stanza.append(text)
            self.sung += 1
            for i in range(len(line.ids) - size + 1 if size else 0):
                self._ngrams[tuple(line.ids[i : i + size - 1])].add(line.ids[i + size - 1])
        self.finished = self.sung >= self._cut or (self.ending and bool(self._stanza))
        if not self.finished and self._sections and len(self._stanza) == self.wish.section_lines:
            self._begin_section()
        if self.finished and self._keyword_due:
            self.notes[f"There was no place for {self.wish.keyword}."] = None
        self._begin_line()

    def _begin_section(self) -> None:
        """Let the next section's heading be read, and its lines if it returns."""
        encode_lines, newline = self._language.tokenizer.encode_lines, self._language.newline
        section = self._sections[len(self._begun)]
        if self.lines:
            self.lines.append("")
            self._silent.append(newline)
        self.lines.append(section.heading)
        self._silent += [*encode_lines(section.heading), newline]
        self._begun.append(len(self.lines))
        self._stanza = []
        if section.repeats is None:
            return
        first = self._begun[section.repeats]
        returned = self.lines[first : first + self.wish.section_lines]
        self.lines += returned
        self._silent += [*encode_lines("\n".join(returned)), newline]
        self.sung += len(returned)
        self._read_words([word for line in returned for word in rhyme.words(line)])
        self.finished = self.sung >= self._cut or self.ending
        if not self.finished:
            self._begin_section()

    def _begin_line(self, opening: str = "", restarts: int = 0) -> None:
        left = self.wish.section_lines if self._sections else self._total - self.sung
        behind = left - 1 - (len(self._stanza) if self._sections else 0)
        demand = line_demand(self.wish, len(self._stanza), behind)
        self._line = Line(
            self._language,
            self.wish,
            demand,
            [rhyme.last_word(line) for line in self._stanza],
            self._marks_for(demand),
            opening,
            text=opening,
            syllables=syllables_of(opening),
            closed=ends_in_a_word(opening),
        )
        self._start = LineStart(len(self.words), self.words_written, self.run, self.nats, restarts)

    def _marks_for(self, demand: LineDemand) -> dict[int, int]:
        tokenizer = self._language.tokenizer
        marks = dict(tokenizer.marks(self._stanza))
        if demand.free:
            return marks
        answered = {len(self._stanza) - i for i in demand.answers[-1:]}
        allowed = {tokenizer.layout_ids[k - 1] for k in answered if k <= rhyme.REACH and marks}
        return {mark: sound for mark, sound in marks.items() if mark in allowed}

    def _read_words(self, found: Sequence[str]) -> None:
        """Words that stand in the song, though it was not the network that wrote them now."""
        self.run = self._follow(found)
        self.words += found

    def _follow(self, found: Sequence[str]) -> tuple[int, int]:
        """`run` once these words stand behind all before."""
        index, (run, longest) = self._language.index, self.run
        if index is None:
            return self.run
        words = self.words[-index.n :]
        for word in found:
            words.append(word)
            run = index.follow(run, words)
            longest = max(longest, run)
        return run, longest
