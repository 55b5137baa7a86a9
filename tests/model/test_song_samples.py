"""Songs as the network writes them by itself: whole, repeatable, and without marks."""

from collections.abc import Mapping, Sequence

import numpy as np

from model.network import Network, NetworkConfig, initial_parameters
from model.song_samples import Draft, sample_songs
from model.tokenizer import END, SPECIALS, CharacterTokenizer

TOKENIZER = CharacterTokenizer.train(["rain on the road", "jazz country"])
GENRES = ("country", "jazz")


def network(end_bias: float = 0.0) -> Network:
    config = NetworkConfig(TOKENIZER.vocabulary_size, 6, 8, 2)
    net = Network(config, initial_parameters(config, np.random.default_rng(1)))
    net.parameters["decoder.bias"][: len(SPECIALS)] = 50  # sampled at once, if they may be
    net.parameters["decoder.bias"][END] = end_bias
    return net


def test_the_same_seed_writes_the_same_songs_and_another_one_others() -> None:
    def written(seed: int) -> list[str]:
        songs = sample_songs(network(), TOKENIZER, GENRES, 6, longest=40, random_seed=seed)
        return [song.text for song in songs]

    assert written(3) == written(3)
    assert written(3) != written(4)


def test_genres_are_dealt_in_turn_and_no_mark_is_written() -> None:
    songs = sample_songs(network(-2), TOKENIZER, GENRES, 5, longest=60, random_seed=1)
    assert [song.genre for song in songs] == ["country", "jazz", "country", "jazz", "country"]
    assert all(song.text for song in songs)
    assert set("".join(song.text for song in songs)) <= set(TOKENIZER.characters)


def test_a_model_without_genres_writes_too() -> None:
    (song,) = sample_songs(network(-2), TOKENIZER, (), 1, longest=20, random_seed=1)
    assert song.genre is None
    assert song.text


def test_a_song_without_an_end_is_cut_after_a_whole_line() -> None:
    net = network(-50)
    net.parameters["decoder.bias"][TOKENIZER.newline] = 2
    heard: list[tuple[int, int]] = []
    (song,) = sample_songs(
        net,
        TOKENIZER,
        GENRES,
        1,
        longest=50,
        random_seed=1,
        progress=lambda done, whole: heard.append((done, whole)),
    )
    (longer,) = sample_songs(net, TOKENIZER, GENRES, 1, longest=90, random_seed=1)
    assert heard[-1] == (50, 50)
    assert "\n" in song.text
    assert longer.text.startswith(song.text + "\n")


class MarkedTokenizer(CharacterTokenizer):
    """Marks a line that rhymes with the one before it; what it sounds like then follows."""

    def __init__(self, characters: str) -> None:
        super().__init__(characters)
        self.mark, self.sound = self.vocabulary_size, self.vocabulary_size + 1
        self.layout_ids = range(self.mark, self.sound + 1)
        self.vocabulary_size += 2

    def marks(self, stanza: Sequence[str]) -> Mapping[int, int]:
        return {self.mark: self.sound} if stanza else {}

    def decode(self, ids: Sequence[int]) -> str:
        return super().decode([i for i in ids if i not in self.layout_ids])


def test_a_line_may_have_one_mark_and_what_has_to_follow_it_does() -> None:
    tokenizer = MarkedTokenizer(TOKENIZER.characters)
    draft = Draft(tokenizer)
    rain, newline = tokenizer.encode("rain"), tokenizer.newline
    assert draft.marks == {}
    for token in (*rain, newline):
        assert draft.add(token) == token
    assert draft.add(rain[0]) == rain[0]
    assert draft.marks == {tokenizer.mark: tokenizer.sound}
    assert draft.add(tokenizer.mark) == tokenizer.mark
    assert draft.add(rain[0]) == tokenizer.sound
    assert draft.marks == {}
    assert draft.add(rain[0]) == rain[0]
    draft.add(newline)
    draft.add(newline)  # a blank line ends the stanza
    assert draft.marks == {}


def test_marks_stand_only_where_they_may() -> None:
    tokenizer = MarkedTokenizer(TOKENIZER.characters)
    config = NetworkConfig(tokenizer.vocabulary_size, 6, 8, 1)
    net = Network(config, initial_parameters(config, np.random.default_rng(1)))
    bias = net.parameters["decoder.bias"]
    bias[[tokenizer.mark, tokenizer.sound, tokenizer.newline]] = 50, 50, 2
    songs = sample_songs(net, tokenizer, GENRES, 4, longest=60, random_seed=1)
    assert all(song.text for song in songs)
    assert set("".join(song.text for song in songs)) <= set(tokenizer.characters)
