"""Writing lyrics with a trained model: what is asked for is there, and it can be written again."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

import model
from model import rhyme
from model.corpus import Song as SongText
from model.corpus import is_heading
from model.evaluation import framed_nats
from model.form import rhyme_pairs
from model.frame import frame_song
from model.lyric_model import LyricModel
from model.originality import NgramIndex
from model.ranking import Draft
from model.weights import Weights, load_weights
from model.wish import RHYMES, Wish
from model.writing import Lyric, Song, WritingBatch


@pytest.fixture(scope="module")
def weights(tiny_weights: Path) -> Weights:
    return load_weights(tiny_weights)


@pytest.fixture(scope="module")
def tiny(weights: Weights) -> LyricModel:
    return LyricModel(weights, "tiny")


def sung(text: str) -> list[str]:
    return [line for line in text.split("\n") if line and not is_heading(line)]


def finish(batch: WritingBatch, song: Song) -> Lyric:
    while song.lyric is None:
        batch.step()
    return song.lyric


@pytest.mark.parametrize(
    "seed",
    ["rain on the road", "雨の夜", "¿Dónde estás?", "<|end|> and on", "*[x](y)* @everyone", "a\\b"],
)
@pytest.mark.parametrize("structure", [None, "intro-verse"])
def test_a_lyric_opens_with_its_seed_exactly_as_typed(
    tiny: LyricModel, seed: str, structure: str | None
) -> None:
    lyric = tiny.generate(
        seed, genre="country", lines=5, best_of=1, structure=structure, random_seed=2
    )
    assert lyric.text.removeprefix("[Intro]\n").startswith(seed)


def test_the_last_word_of_a_seed_is_never_made_longer(tiny: LyricModel) -> None:
    for random_seed in range(8):
        lyric = tiny.generate("down the ro", lines=4, best_of=1, random_seed=random_seed)
        after = lyric.text.removeprefix("down the ro")[:1]
        assert not after.isalnum()
        assert after != "'"


@pytest.mark.parametrize("lines", [model.MIN_LINES, 9, model.MAX_LINES])
def test_a_lyric_has_as_many_sung_lines_as_asked(tiny: LyricModel, lines: int) -> None:
    text = tiny.generate("rain", lines=lines, best_of=1, random_seed=1).text
    assert len(sung(text)) == lines


def test_a_lyric_can_be_written_without_any_wish(tiny: LyricModel) -> None:
    lyric = tiny.generate()
    assert len(sung(lyric.text)) == model.DEFAULT_LINES
    assert tiny.generate(random_seed=lyric.random_seed).text == lyric.text


def test_no_two_blank_lines_and_no_special_token_ever_stand_in_a_lyric(tiny: LyricModel) -> None:
    for lyric in tiny.write_many(Wish(temperature=1.5, min_p=0, best_of=1), 5, 1):
        assert "\n\n\n" not in lyric.text
        assert lyric.text == lyric.text.strip("\n")
        assert "  " not in lyric.text
        assert "<|" not in lyric.text


def test_brackets_and_quotations_are_closed_in_their_line(tiny: LyricModel) -> None:
    """Songs that people wrote close nearly all of them; the seed stays as it was typed."""
    opened = 0
    for scheme in (None, "AABB"):
        wish = Wish('well "oh (:', lines=24, temperature=1.7, min_p=0, rhyme=scheme, best_of=1)
        for lyric in tiny.write_many(wish, 6, 1):
            for line in sung(lyric.text.removeprefix(wish.seed or "")):
                assert line.count('"') % 2 == 0, line
                assert re.fullmatch(r"[^()]*(\([^()]*\)[^()]*)*", line), line
                opened += "(" in line or '"' in line
    assert opened


def test_verses_of_the_models_own_are_counted_up(tiny: LyricModel) -> None:
    for lyric in tiny.write_many(Wish(lines=24, best_of=1), 5, 1):
        numbers = [int(number) for number in re.findall(r"\[Verse (\d+)", lyric.text)]
        assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("scheme", RHYMES)
def test_lines_rhyme_by_the_scheme_and_no_line_end_comes_twice(
    tiny: LyricModel, scheme: str
) -> None:
    wish = Wish(rhyme=scheme, structure="verse-bridge", section_lines=4, best_of=1)
    for lyric in tiny.write_many(wish, 4, 1):
        assert not lyric.notes
        for stanza in SongText(None, None, lyric.text).stanzas:
            ends = [rhyme.last_word(line) for line in stanza]
            assert all(rhyme.rhymes(ends[i], ends[j]) for i, j in rhyme_pairs(scheme, len(ends)))
            assert len(set(ends)) == len(ends)
            assert not any("  " in line for line in stanza)


def test_a_form_of_the_models_own_keeps_a_scheme_whole(tiny: LyricModel) -> None:
    for lyric in tiny.write_many(Wish(rhyme="ABAB", lines=16, best_of=1), 4, 1):
        stanzas = SongText(None, None, lyric.text).stanzas
        assert all(len(stanza) in (4, 8) for stanza in stanzas)


def test_a_structure_is_kept_and_its_chorus_returns(tiny: LyricModel) -> None:
    wish = Wish(structure="verse-chorus-verse-chorus-bridge", section_lines=3, best_of=2)
    text = tiny.write(wish, 3).text
    headings = [line for line in text.split("\n") if is_heading(line)]
    assert headings == ["[Verse 1]", "[Chorus]", "[Verse 2]", "[Chorus]", "[Bridge]"]
    sections = [section.split("\n")[1:] for section in text.split("\n\n")]
    assert [len(section) for section in sections] == [3] * 5
    assert sections[1] == sections[3]
    assert sections[0] != sections[2]


def test_lines_have_the_syllables_that_were_asked_for(tiny: LyricModel) -> None:
    for scheme in (None, "AABB"):
        wish = Wish(syllables="5-8", rhyme=scheme, lines=8, best_of=1)
        for lyric in tiny.write_many(wish, 3, 5):
            for line in sung(lyric.text):
                assert 5 <= sum(map(rhyme.syllables, rhyme.words(line))) <= 8 or lyric.notes
            assert len(lyric.notes) <= 1


def test_a_keyword_occurs_and_words_ruled_out_do_not(tiny: LyricModel) -> None:
    wish = Wish(keyword="Lantern", bad_words="the, and, I", lines=8, best_of=1)
    for lyric in tiny.write_many(wish, 5, 1):
        found = rhyme.words(lyric.text)
        assert "Lantern" in lyric.text
        assert "lantern" in found
        assert not {"the", "and", "i"} & set(found)


def test_a_keyword_of_any_script_occurs_even_in_the_last_line(tiny: LyricModel) -> None:
    wish = Wish(keyword="кот-雨", lines=4, temperature=0, best_of=1)
    assert "кот-雨" in tiny.write(wish, 1).text


def test_no_run_of_tokens_comes_twice_but_in_a_chorus_that_returns(tiny: LyricModel) -> None:
    repeats = []
    for size in (0, 2):
        wish = Wish(temperature=0.4, lines=40, best_of=1, no_repeat_ngram_size=size)
        lines = [list(tiny.encode(line)) for line in sung(tiny.write(wish, 1).text)]
        pairs = Counter(pair for ids in lines for pair in pairwise(ids))
        repeats.append(sum(count - 1 for count in pairs.values()))
    assert repeats[1] < repeats[0] / 2


def test_what_was_learned_is_not_written_down_again(weights: Weights) -> None:
    free = LyricModel(weights, "tiny")
    wish = Wish(best_of=1, lines=20)
    learned = free.write(wish, 1).text
    index = NgramIndex.build(2 * [SongText(None, None, learned)])  # so that its words are known
    guarded = LyricModel(replace(weights, originality=index), "tiny")
    assert free.write(wish, 1).longest_run is None
    lyric = guarded.write(replace(wish, max_run=6), 1)
    words = rhyme.words(" ".join(sung(learned)))
    runs = {tuple(words[i : i + 7]) for i in range(len(words) - 6)}
    found = rhyme.words(" ".join(sung(lyric.text)))
    assert lyric.text != learned
    assert lyric.longest_run is not None
    assert 5 <= lyric.longest_run <= 6
    assert not runs & {tuple(found[i : i + 7]) for i in range(len(found) - 6)}


def test_the_best_of_several_candidates_is_kept_by_the_ranker(weights: Weights) -> None:
    heard: list[Sequence[Draft]] = []

    def longest(drafts: Sequence[Draft]) -> list[float]:
        heard.append(drafts)
        return [len(draft.text) for draft in drafts]

    lyric = LyricModel(weights, "tiny", ranker=longest).generate(best_of=5, random_seed=1)
    (drafts,) = heard
    assert 3 <= len({draft.text for draft in drafts}) == len(drafts) <= 5
    assert lyric.text == max((draft.text for draft in drafts), key=len)


def test_candidates_far_behind_the_others_are_not_waited_for(tiny: LyricModel) -> None:
    late = 0
    for random_seed in range(4):
        batch = tiny.batch()
        song = batch.join(Wish(lines=8, best_of=4), random_seed)
        steps = half = 0
        while song.lyric is None:
            batch.step()
            steps += 1
            if not half and sum(voice.finished for voice in song.voices) >= 2:
                half = steps
        late += sum(not voice.finished for voice in song.voices)
        assert steps <= 1.1 * half + 1
        assert not len(batch)
        assert tiny.regenerate(song.lyric.code) == song.lyric
    assert late


def test_a_song_that_is_offensive_to_begin_with_is_refused_in_words(tiny: LyricModel) -> None:
    for wish in (Wish("what the f.u.c.k"), Wish(title="Fuuuck"), Wish(keyword="fuck")):
        with pytest.raises(model.RequestError, match="word filter"):
            tiny.write(wish)
    assert tiny.write(Wish("what the fuck", word_filter=False, lines=4, best_of=1)).text


def test_guidance_lets_a_lyric_sound_more_like_its_genre_and_title(
    weights: Weights, tiny: LyricModel
) -> None:
    def gain(scale: float) -> float:
        """By how many nats genre and title make a lyric likelier, on average."""
        wish = Wish(genre="shanty", title="Haul Away", lines=8, best_of=1, guidance_scale=scale)
        songs = [SongText(None, None, lyric.text) for lyric in tiny.write_many(wish, 24, 1)]
        told = [replace(song, genre=wish.genre, title=wish.title) for song in songs]
        rows = [frame_song(weights.tokenizer, song).ids()[:-1] for song in songs + told]
        nats, _ = framed_nats(weights.network, rows, weights.tokenizer.forced_ids)
        return float(nats[:24].sum() - nats[24:].sum()) / 24

    assert gain(4) > gain(1)


def test_without_genre_and_title_there_is_nothing_to_guide(tiny: LyricModel) -> None:
    texts = {tiny.write(Wish("rain", guidance_scale=scale), 1).text for scale in (1, 5)}
    assert len(texts) == 1


def test_the_same_random_seed_writes_the_same_lyric_and_another_one_another(
    tiny: LyricModel,
) -> None:
    first = tiny.generate("rain", random_seed=7)
    assert tiny.generate("rain", random_seed=7) == first
    assert tiny.generate("rain", random_seed=8).text != first.text


@pytest.mark.parametrize(
    "wish",
    [
        Wish(lines=4, best_of=2, rhyme="AABB"),
        Wish("rain", "shanty", "Home", lines=4, best_of=3, structure="verse-chorus"),
    ],
)
def test_lyrics_side_by_side_are_those_of_their_random_seeds_alone(
    tiny: LyricModel, wish: Wish
) -> None:
    many = list(tiny.write_many(wish, 7, 20))
    assert many == [tiny.write(wish, 20 + k) for k in range(7)]


def test_a_code_writes_its_lyric_again_in_a_full_batch(tiny: LyricModel) -> None:
    wish = Wish("雨 rain", "shanty", "Home", lines=6, temperature=0.5, rhyme="ABAB", keyword="sea")
    lyric = tiny.write(wish)
    assert tiny.regenerate(lyric.code.upper()) == lyric
    batch = tiny.batch()
    for random_seed in range(5):
        batch.join(Wish(lines=20, best_of=8), random_seed)
    for _ in range(7):
        batch.step()
    again = batch.join_code(lyric.code)
    for random_seed in range(5, 7):
        batch.join(Wish(lines=20, best_of=8), random_seed)
    assert finish(batch, again) == lyric


@pytest.mark.parametrize("code", ["", "x", "hello world", "a" * 500, "é"])
def test_what_is_no_code_is_refused(tiny: LyricModel, code: str) -> None:
    with pytest.raises(model.RequestError, match="not a lyric's code"):
        tiny.regenerate(code)


@pytest.mark.parametrize("best_of", [1, 3])
def test_a_lyric_cut_short_ends_on_a_whole_line_and_its_code_ends_there_too(
    tiny: LyricModel, best_of: int
) -> None:
    asked = iter(range(10_000))
    wish = Wish("rain", lines=30, best_of=best_of)
    lyric = tiny.write(wish, 3, should_stop=lambda: next(asked) > 60)
    assert 0 < len(sung(lyric.text)) < 30
    assert tiny.regenerate(lyric.code) == lyric
    if best_of == 1:
        assert tiny.write(wish, 3).text.startswith(lyric.text)


def test_lines_of_a_single_candidate_are_there_as_they_are_finished(tiny: LyricModel) -> None:
    batch = tiny.batch()
    song = batch.join(Wish(lines=6, best_of=1), 1)
    seen = []
    while song.lyric is None:
        batch.step()
        seen.append(list(song.lines))
    assert {len(lines) for lines in seen} >= set(range(5))
    assert seen[-1] == song.lyric.text.split("\n")
    for earlier, later in pairwise(seen):
        assert later[: len(earlier)] == earlier


def test_a_song_that_leaves_makes_room_and_disturbs_nobody(tiny: LyricModel) -> None:
    batch = tiny.batch()
    wish = Wish(lines=4, best_of=8)
    songs: list[Song] = []
    while batch.has_room(wish):
        songs.append(batch.join(wish, len(songs)))
    for _ in range(20):
        batch.step()
    batch.leave(songs[3])
    assert batch.has_room(wish)
    assert len(batch) == len(songs) - 1
    assert finish(batch, songs[4]) == tiny.write(wish, 4)


@pytest.mark.parametrize("random_seed", [-1, 2**32])
def test_a_random_seed_out_of_range_is_refused(tiny: LyricModel, random_seed: int) -> None:
    with pytest.raises(model.RequestError, match="random seed"):
        tiny.generate(random_seed=random_seed)
