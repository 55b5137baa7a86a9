"""Finding rhyming passages in a run of lines, and the stanza breaks that were lost from them.

A line counts as rhymed when another within three lines rhymes with it; a passage is where at least
five of any eight lines are. Breaks are then placed (by dynamic programming) so that rhymes stay
inside a stanza, sentences end with it, and four lines are the rule.
"""

from collections.abc import Iterable, Iterator, Sequence

from model.rhyme import guessed_rhyming_parts, last_word

REACH = 3  # lines between two line ends that still count as a rhyme here
WINDOW = 8  # lines in a row, of which ...
RHYMED_OF_WINDOW = 5  # ... at least so many are rhymed
LONGEST_STANZA = 10  # lines

# Cost of a stanza by its number of lines; of a stanza as long as none beside it; of a rhyme that a
# break cuts; of a break after each stop.
_LENGTH_COST = {2: 0.9, 3: 0.8, 4: 0.0, 5: 0.4, 6: 0.4, 7: 0.7, 8: 0.4, 9: 1.0, 10: 1.0}
_ODD_LENGTH_COST = 4.0
_OTHER_LENGTH_COST = 0.7
_CUT_RHYME_COST = 1.0
_STOP_COST = {".": 0.0, "!": 0.0, "?": 0.0, ":": 0.4, ";": 0.4, ",": 0.6, "-": 0.2}
_NO_STOP_COST = 1.0


def rhyme_partners(lines: Sequence[str]) -> list[list[int]]:
    """For each line, the lines within REACH of it whose last word is another one and rhymes."""
    ends = [last_word(line) for line in lines]
    sounds = [guessed_rhyming_parts(end) for end in ends]
    partners: list[list[int]] = [[] for _ in lines]
    for i, sound in enumerate(sounds):
        for j in range(max(0, i - REACH), i):
            if ends[i] != ends[j] and not sound.isdisjoint(sounds[j]):
                partners[i].append(j)
                partners[j].append(i)
    return partners


def rhyming_spans(partners: Sequence[Sequence[int]]) -> Iterator[tuple[int, int]]:
    """Half-open spans of lines in which every window of lines rhymes, from rhyme to rhyme."""
    rhymed = [bool(near) for near in partners]
    in_song = [False] * len(rhymed)
    for start in range(len(rhymed) - WINDOW + 1):
        if sum(rhymed[start : start + WINDOW]) >= RHYMED_OF_WINDOW:
            in_song[start : start + WINDOW] = [True] * WINDOW
    start = 0
    while start < len(in_song):
        if not in_song[start]:
            start += 1
            continue
        end = start
        while end < len(in_song) and in_song[end]:
            end += 1
        first, last = _outermost_rhymes(partners, start, end)
        if last > first:
            yield first, last + 1
        start = end


def whole_stanzas(
    spans: Iterable[tuple[int, int]], breaks: Sequence[int], count: int
) -> Iterator[tuple[int, int]]:
    """The spans (of `count` lines), widened to whole stanzas where those are printed.

    breaks: where printed stanzas begin, without the first; where there are none, spans stay as they
    are. No more than REACH lines are added at either end. Spans that then meet become one.
    """
    if not breaks:
        yield from spans
        return
    last: tuple[int, int] | None = None
    for start, end in spans:
        begin = max(edge for edge in (0, *breaks) if edge <= start)
        finish = min(edge for edge in (*breaks, count) if edge >= end)
        start = begin if start - begin <= REACH else start
        end = finish if finish - end <= REACH else end
        if last and start <= last[1]:
            start = last[0]
        elif last:
            yield last
        last = (start, end)
    if last:
        yield last


def _outermost_rhymes(partners: Sequence[Sequence[int]], start: int, end: int) -> tuple[int, int]:
    """The first and last line of the span that rhyme inside it.

    Before a rhyme over two lines the line above is kept: in ABCB the span would begin with B.
    """
    inside = [i for i in range(start, end) if any(start <= j < end for j in partners[i])]
    if not inside:
        return start, start
    first = inside[0]
    if first > start and first + 2 in partners[first]:
        first -= 1
    return first, inside[-1]


def stanza_breaks(lines: Sequence[str], partners: Sequence[Sequence[int]]) -> list[int]:
    """Where stanzas begin among lines that show none: indices, the first of them 0.

    lines: with their stops still at the end. partners: indices into the same lines.
    """
    count = len(lines)
    nearest_before = [
        max((j for j in near if j < i), default=-1) for i, near in enumerate(partners)
    ]
    nearest_after = [
        min((j for j in near if j > i), default=count) for i, near in enumerate(partners)
    ]
    stop_cost = [_STOP_COST.get(line.rstrip("\"')")[-1:], _NO_STOP_COST) for line in lines]
    # best[end][length]: least cost of the first `end` lines when the last stanza has `length` lines
    best: list[dict[int, float]] = [{0: 0.0}]
    came_from: list[dict[int, int]] = [{}]  # length of the stanza before
    for end in range(1, count + 1):
        best.append({})
        came_from.append({})
        for length in range(1, min(end, LONGEST_STANZA) + 1):
            start = end - length
            cut = sum(
                nearest_before[i] < start and nearest_after[i] >= end and bool(partners[i])
                for i in range(start, end)
            )
            own = _LENGTH_COST.get(length, _ODD_LENGTH_COST) + _CUT_RHYME_COST * cut
            before = best[start]
            other = min(before, key=before.__getitem__)
            cost, came = before[other] + (_OTHER_LENGTH_COST if start else 0.0), other
            if length in before and before[length] <= cost:
                cost, came = before[length], length
            best[end][length] = cost + own + stop_cost[end - 1]
            came_from[end][length] = came
    breaks = []
    position = count
    length = min(best[count], key=best[count].__getitem__) if count else 0
    while position > 0:
        length, position = came_from[position][length], position - length
        breaks.append(position)
    return breaks[::-1]
