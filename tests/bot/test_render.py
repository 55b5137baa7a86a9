"""What members see: nothing of it can ping, break the layout or go beyond Discord's limits."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.render import (
    DESCRIPTION_CHARACTERS,
    about_embed,
    escape,
    lyric_embeds,
    pages,
    shorten,
    top_embed,
)
from bot.service import About, LyricRecord

EMBED_CHARACTERS = 6000  # Discord's limit for all of an embed's text together

LYRIC = LyricRecord(
    id=12,
    space="guild:1",
    text="the last bus home\nis never late\n\n[Chorus]\nhold on",
    seed="the last bus home",
    genre="country",
    title=None,
    model="default-3f9a1c2e",
    code="k3f9-2m7c-0wxd",
    random_seed=7,
    longest_run=None,
    ups=3,
    downs=1,
    created_at=datetime(2025, 1, 1, tzinfo=UTC),
)


def lyric(**changes: object) -> LyricRecord:
    return dataclasses.replace(LYRIC, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("# not a heading", r"\# not a heading"),
        ("-# nor a small one", r"\-# nor a small one"),
        ("  - no list", r"  \- no list"),
        ("+ no list", r"\+ no list"),
        ("1. no list", r"1\. no list"),
        ("> no quote", r"\> no quote"),
        ("no `code`", r"no \`code\`"),
        ("*_~~", r"\*\_\~\~"),
        ("||no spoiler||", r"\|\|no spoiler\|\|"),
        ("[no](https://link)", r"\[no\](https\://link)"),
        ("http://no.link", r"http\://no.link"),
        ("<@1> <@&2> <#3>", r"\<\@1\> \<\@&2\> \<#3\>"),
        ("@everyone and @here", r"\@everyone and \@here"),
        ("<t:0:R> <:smile:4> </top:5>", r"\<t\:0\:R\> \<\:smile\:4\> \</top\:5\>"),
        (":fire:", r"\:fire:"),
        ("a\\b", r"a\\b"),
        ("turned \u202eround", "turned round"),
        ("two\u2028lines\x1b[0m", r"twolines\[0m"),
    ],
)
def test_what_discord_would_read_as_markup_is_shown_as_it_was_written(
    text: str, shown: str
) -> None:
    assert escape(text) == shown


def test_plain_lines_are_left_alone() -> None:
    line = "Don't stop, it's half-past two (oh yeah): 3 more & we're gone!"
    assert escape(line) == line


@given(st.text(alphabet=st.sampled_from("ab \n#-+>*_`|<@[]()!:/\\1.~")))
def test_escaping_hides_nothing_and_leaves_no_markup_active(text: str) -> None:
    escaped = escape(text)
    assert re.sub(r"\\([^0-9A-Za-z\s])", r"\1", escaped) == text
    bare = re.sub(r"\\.", "", escaped)
    assert not re.search(r"[*_~`|<>@\[\]\\]|://", bare)
    assert not re.search(r"^[^\S\n]*([#+-]|\d+\.)", re.sub(r"\\.", "x", escaped), re.MULTILINE)


def test_a_heading_is_bold_and_its_brackets_stay() -> None:
    (embed,) = lyric_embeds(LYRIC)
    assert embed.description is not None
    assert "\n**\\[Chorus\\]**\n" in embed.description


def test_the_footer_tells_number_genre_model_and_code() -> None:
    (embed,) = lyric_embeds(LYRIC)
    assert embed.footer.text == "#12 · country · default-3f9a1c2e · code k3f9-2m7c-0wxd"


def test_the_footer_tells_the_longest_run_where_it_is_known() -> None:
    (embed,) = lyric_embeds(lyric(longest_run=5))
    told = "longest run of words that stands in a song it learned: 5"
    assert embed.footer.text == f"#12 · country · default-3f9a1c2e · code k3f9-2m7c-0wxd · {told}"


def test_a_code_that_does_not_fit_is_left_out_and_never_cut() -> None:
    (embed,) = lyric_embeds(lyric(code="k3f9-" * 100, longest_run=0))
    told = "longest run of words that stands in a song it learned: under 5"
    assert embed.footer.text == f"#12 · country · default-3f9a1c2e · {told}"


def test_what_could_not_be_met_is_told_under_the_lyric() -> None:
    notes = ("There was no place for *lantern*.", "The song ends early.")
    (embed,) = lyric_embeds(lyric(notes=notes))
    (field,) = embed.fields
    assert field.name == "Not quite as asked"
    assert field.value == "There was no place for \\*lantern\\*.\nThe song ends early."


def test_a_lyric_that_met_everything_has_no_notes() -> None:
    (embed,) = lyric_embeds(LYRIC)
    assert embed.fields == []


def test_a_title_is_shown_escaped() -> None:
    (embed,) = lyric_embeds(lyric(title="*Rain* <@1>"))
    assert embed.title == r"\*Rain\* \<\@1\>"


def test_text_is_cut_with_an_ellipsis_and_never_inside_an_escape() -> None:
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdefg", 6) == "abcde…"
    assert shorten(r"abcd\*efg", 6) == "abcd…"
    assert shorten(r"abc\\\\efg", 6) == "abc\\\\…"


def test_a_page_ends_between_two_lines() -> None:
    assert pages(["one", "two", "", "three"], limit=8) == ["one\ntwo", "three"]


def test_a_line_longer_than_a_page_is_cut_with_an_ellipsis() -> None:
    assert pages(["one", "a line too long", "two"], limit=8) == ["one", "a line …", "two"]


@given(st.lists(st.text(st.characters(exclude_characters="\n"), max_size=30)), st.integers(2, 40))
def test_no_page_is_longer_than_its_limit(lines: list[str], limit: int) -> None:
    assert all(len(page) <= limit for page in pages(lines, limit))


def test_the_longest_lyric_is_split_within_the_limits() -> None:
    text = "\n".join(["*" * 400] * 40)
    embeds = lyric_embeds(
        lyric(
            text=text,
            title="_" * 500,
            genre="g" * 3000,
            model="m" * 3000,
            id=2**63 - 1,
            notes=("*" * 100,) * 40,
        )
    )
    assert len(embeds) > 1
    assert all(len(embed.description or "") <= DESCRIPTION_CHARACTERS for embed in embeds)
    assert all(len(embed) <= EMBED_CHARACTERS for embed in embeds)
    assert all(len(field.value or "") <= 1024 for field in embeds[-1].fields)
    assert len(embeds[0].title or "") <= 256
    assert embeds[-1].footer.text is not None
    assert len(embeds[-1].footer.text) <= 2048
    assert "".join(embed.description or "" for embed in embeds).count("\\*") == 40 * 400


def test_the_top_shows_counts_and_first_lines_without_headings() -> None:
    embed = top_embed([lyric(text="[Verse 1]\n\nthe last bus home\nis never late\nhold on")])
    assert embed.description == (
        "**#12** · 👍 3 👎 1 · country\n> the last bus home\n> is never late"
    )


def test_an_empty_top_says_how_to_begin() -> None:
    assert "/lyrics" in (top_embed([]).description or "")


def test_the_longest_top_stays_within_the_limits() -> None:
    worst = lyric(
        text="*" * 500 + "\n" + "_" * 500, genre="*" * 500, id=2**63 - 1, ups=10**9, downs=10**9
    )
    embed = top_embed([worst] * 10)
    assert len(embed.description or "") <= DESCRIPTION_CHARACTERS


def test_about_tells_the_model_and_what_is_stored() -> None:
    about = About("default-3f9a1c2e", 4_321_000, ("country", "rap"), lyrics=1200, ratings=34)
    fields = {field.name: field.value for field in about_embed(about).fields}
    assert fields["Model"] == "default-3f9a1c2e"
    assert fields["Parameters"] == "4,321,000"
    assert fields["Genres"] == "country, rap"
    assert (fields["Lyrics"], fields["Ratings"]) == ("1,200", "34")
    assert "who voted" in (fields["What is stored"] or "")


def test_about_with_hundreds_of_genres_stays_within_the_limits() -> None:
    embed = about_embed(About("m", 1, tuple(f"genre_{n}" for n in range(900)), 0, 0))
    assert all(len(field.value or "") <= 1024 for field in embed.fields)
    assert len(embed) <= EMBED_CHARACTERS
