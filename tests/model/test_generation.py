"""Writing lyrics with a trained model: seeds, lines, form, rhyme, and writing the same again."""

from pathlib import Path

import pytest

import model
from model.code import lyric_code
from model.corpus import is_heading
from model.generation import Candidate, Stanza, choose


@pytest.fixture(scope="module")
def tiny(tiny_weights: Path) -> model.LyricModel:
    return model.load(tiny_weights)


def sung(text: str) -> list[str]:
    return [line for line in text.split("\n") if line and not is_heading(line)]


@pytest.mark.parametrize(
    "seed",
    ["rain on the road", "雨の夜", "¿Dónde estás?", "<|end|> and on", "*[x](y)* @everyone", "a\\b"],
)
def test_a_lyric_opens_with_its_seed_exactly_as_typed(tiny: model.LyricModel, seed: str) -> None:
    lyric = tiny.generate(seed, genre="country", lines=5, random_seed=2)
    assert lyric.text.startswith(seed)


def test_the_last_word_of_a_seed_is_never_made_longer(tiny: model.LyricModel) -> None:
    for random_seed in range(8):
        text = tiny.generate("down the ro", lines=4, random_seed=random_seed).text
        after = text.removeprefix("down the ro")[:1]
        assert not after.isalnum()
        assert after != "'"


@pytest.mark.parametrize("lines", [model.MIN_LINES, 9, model.MAX_LINES])
def test_a_lyric_has_as_many_sung_lines_as_asked(tiny: model.LyricModel, lines: int) -> None:
    text = tiny.generate("rain", lines=lines, random_seed=1).text
    assert len(sung(text)) == lines


def test_a_lyric_can_be_written_without_any_wish(tiny: model.LyricModel) -> None:
    lyric = tiny.generate()
    assert len(sung(lyric.text)) == model.DEFAULT_LINES
    assert tiny.generate(random_seed=lyric.random_seed).text == lyric.text


def test_no_two_blank_lines_and_no_special_token_ever_stand_in_a_lyric(
    tiny: model.LyricModel,
) -> None:
    for random_seed in range(5):
        text = tiny.generate(temperature=1.5, top_p=1, random_seed=random_seed).text
        assert "\n\n\n" not in text
        assert text == text.strip("\n")
        assert "<|" not in text


def test_the_same_random_seed_writes_the_same_lyric_and_another_one_another(
    tiny: model.LyricModel,
) -> None:
    first = tiny.generate("rain", random_seed=7)
    assert tiny.generate("rain", random_seed=7) == first
    assert tiny.generate("rain", random_seed=8).text != first.text


def test_a_code_writes_its_lyric_again(tiny: model.LyricModel) -> None:
    lyric = tiny.generate("雨 rain", genre="shanty", title="Home", lines=6, temperature=0.5)
    assert tiny.regenerate(lyric.code.upper()) == lyric


@pytest.mark.parametrize("code", ["", "x", "hello world", "a" * 500, "é"])
def test_what_is_no_code_is_refused(tiny: model.LyricModel, code: str) -> None:
    with pytest.raises(model.RequestError, match="not a lyric's code"):
        tiny.regenerate(code)


def test_a_forged_code_is_refused(tiny: model.LyricModel) -> None:
    wishes = [model.Wish(seed=3), model.Wish(lines="x"), model.Wish(top_p=[])]  # type: ignore[arg-type]
    for wish in wishes:
        with pytest.raises(model.RequestError, match="not a lyric's code"):
            tiny.regenerate(lyric_code(tiny.version, 1, wish))


def test_another_models_code_is_refused(tiny: model.LyricModel) -> None:
    code = lyric_code("other-12345678", 1, model.Wish())
    with pytest.raises(model.RequestError, match=tiny.version):
        tiny.regenerate(code)


def test_writing_stops_on_a_whole_line_when_asked_to(tiny: model.LyricModel) -> None:
    asked = iter([False, False, True])
    lyric = tiny.generate("rain", lines=20, random_seed=3, should_stop=lambda: next(asked))
    whole = tiny.generate("rain", lines=20, random_seed=3)
    assert len(lyric.text.split("\n")) <= 3
    assert whole.text.startswith(lyric.text)


@pytest.mark.parametrize("random_seed", [-1, 2**32])
def test_a_random_seed_out_of_range_is_refused(tiny: model.LyricModel, random_seed: int) -> None:
    with pytest.raises(model.RequestError, match="random seed"):
        tiny.generate(random_seed=random_seed)


def candidates(*texts: str) -> list[Candidate]:
    return [Candidate(whole=True, text=text) for text in texts]


def stanza(*lines: str) -> Stanza:
    result = Stanza()
    for line in lines:
        result.add(line)
    return result


def test_a_line_that_rhymes_with_an_open_line_end_is_preferred() -> None:
    found = candidates("I walk alone", "under the moon", "standing in the rain")
    assert choose(found, "", stanza("waiting for the train"), []) == 2


def test_a_line_end_that_has_its_rhyme_is_closed() -> None:
    found = candidates("I walk alone", "all in vain", "down in the street")
    rhymed = stanza("waiting for the train", "standing in the rain", "I look at my feet")
    assert choose(found, "", rhymed, []) == 2
    assert choose(found[:2], "", rhymed, []) == 0


def test_the_models_own_blank_line_or_heading_is_kept() -> None:
    assert choose(candidates("", "in the rain"), "", stanza("the train"), []) == 0
    assert choose(candidates("[Chorus]", "in the rain"), "", stanza("the train"), []) == 0


def test_a_repeated_line_and_half_a_character_are_passed_over() -> None:
    found = candidates("Waiting for the train", "caf\ufffd", "I walk alone")
    assert choose(found, "", stanza("waiting for the train"), ["waiting for the train"]) == 2


def test_a_line_of_dictionary_words_is_preferred_even_to_one_that_rhymes() -> None:
    assert choose(candidates("the zzxq blorp", "I walk alone"), "", Stanza(), []) == 1
    found = candidates("the zzxq blorp", "I walk alone", "blorping in the rain")
    assert choose(found, "", stanza("waiting for the train"), []) == 1


def test_a_line_that_never_ended_is_taken_only_when_there_is_no_other() -> None:
    endless = Candidate(whole=False, text="on and on and")
    assert choose([endless, *candidates("I walk alone")], "", Stanza(), []) == 1
    assert choose([endless], "", Stanza(), []) == 0
