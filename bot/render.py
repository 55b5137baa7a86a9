"""What members read: lyrics, the best of a place, and what the bot is, as Discord embeds.

Text of the model and of members is untrusted: `escape` puts a backslash before all that Discord
would read as formatting, a mention, an emoji or a link, so it shows as it was written; and embeds
ping nobody. Discord's limits (its documentation, "Message Object: Embed Limits") stand here once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import discord

from bot.service import About, LyricRecord

# A title, a description, a field and a footer together stay under the 6000 characters of an embed.
CONTENT_CHARACTERS = 2000
TITLE_CHARACTERS = 256
DESCRIPTION_CHARACTERS = 4096
FIELD_CHARACTERS = 1024
FOOTER_CHARACTERS = 500  # Discord's own limit is 2048

# So that ten lyrics fit one description.
EXCERPT_LINES = 2
EXCERPT_CHARACTERS = 140
GENRE_CHARACTERS = 40

COLOUR = discord.Colour(0x6C5B7B)
ELLIPSIS = "…"
UP, DOWN, AGAIN = "👍", "👎", "🔁"

STORED = (
    "Of each lyric: who asked for it and where, the options and the text. "
    "Of each vote: who voted, and how. Of each place: whether its word filter is on. "
    "Messages are never read, and training sees no names or ids."
)

# Control characters but the line feed, line separators, and the marks that turn the direction of
# all that follows.
_DISTURBING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
# Emphasis, code, spoilers, quotes, mentions, links, :emoji:; at a line's start, headings and lists.
_ANYWHERE = re.compile(r"[\\*_~`|<>\[\]@]|:(?=\S)")
_LINE_START = re.compile(r"^([^\S\n]*)(?:([#+-])|(\d+)(?=\.))", re.MULTILINE)
_HEADING = re.compile(r"\[[^\[\]]{1,60}\]")  # "[Chorus]", "[Verse 2]"


def escape(text: str) -> str:
    """The text so that Discord shows it as it is: no formatting, mention, link or emoji."""
    plain = _ANYWHERE.sub(r"\\\g<0>", _DISTURBING.sub("", text))
    return _LINE_START.sub(lambda m: f"{m[1]}\\{m[2]}" if m[2] else f"{m[1]}{m[3]}\\", plain)


def shorten(escaped: str, limit: int) -> str:
    """At most `limit` characters, an ellipsis where it was cut; never cut inside an escape."""
    if len(escaped) <= limit:
        return escaped
    kept = escaped[: limit - 1]
    backslashes = len(kept) - len(kept.rstrip("\\"))
    return kept[: len(kept) - backslashes % 2] + ELLIPSIS


def pages(lines: Iterable[str], limit: int) -> list[str]:
    """The lines on pages of at most `limit` characters; only a line longer than that is cut."""
    full: list[str] = []
    page = ""
    for line in lines:
        fitting = shorten(line, limit)
        longer = f"{page}\n{fitting}" if page else fitting
        if len(longer) > limit:
            full.append(page.rstrip())
            page = fitting
        else:
            page = longer
    return [*full, page.rstrip()]


def lyric_embeds(record: LyricRecord) -> list[discord.Embed]:
    """The lyric: one embed, or more where it is very long; the title is on top, the facts below."""
    lines = [_lyric_line(line) for line in record.text.split("\n")]
    embeds = [
        discord.Embed(description=page, colour=COLOUR)
        for page in pages(lines, DESCRIPTION_CHARACTERS)
    ]
    if record.title:
        embeds[0].title = shorten(escape(record.title), TITLE_CHARACTERS)
    if record.notes:
        notes = "\n".join(map(escape, record.notes))
        embeds[-1].add_field(name="Not quite as asked", value=shorten(notes, FIELD_CHARACTERS))
    embeds[-1].set_footer(text=_footer(record))
    return embeds


def _footer(record: LyricRecord) -> str:
    """Discord shows it as it is, so there is nothing to escape. A code is whole or left out."""
    facts = [f"#{record.id}", record.genre, record.model]
    whole = " · ".join(filter(None, [*facts, f"code {record.code}", record.run_in_words]))
    if len(whole) <= FOOTER_CHARACTERS:
        return whole
    return shorten(" · ".join(filter(None, [*facts, record.run_in_words])), FOOTER_CHARACTERS)


def top_embed(records: Sequence[LyricRecord]) -> discord.Embed:
    """The best lyrics of a place with their counts and first lines; or how to have some."""
    entries = "\n".join(map(_top_entry, records))
    none = f"Nothing has been rated here yet: /lyrics writes a song, {UP} and {DOWN} rate it."
    return discord.Embed(title="Top lyrics", description=entries or none, colour=COLOUR)


def about_embed(about: About) -> discord.Embed:
    """Which model writes, how much it wrote, and what is stored about people."""
    genres = ", ".join(about.genres) or "This model knows none."
    embed = discord.Embed(
        title="Ghostwriter",
        description="Song lyrics by a recurrent neural network on this bot's own computer. "
        f"/lyrics writes, {UP} and {DOWN} rate, {AGAIN} writes another take, /top shows the best, "
        "/filter switches the word filter.",
        colour=COLOUR,
    )
    embed.add_field(name="Model", value=shorten(escape(about.model), FIELD_CHARACTERS))
    embed.add_field(name="Parameters", value=f"{about.parameters:,}")
    embed.add_field(name="Lyrics", value=f"{about.lyrics:,}")
    embed.add_field(name="Ratings", value=f"{about.ratings:,}")
    embed.add_field(name="Genres", value=shorten(escape(genres), FIELD_CHARACTERS), inline=False)
    embed.add_field(name="What is stored", value=STORED, inline=False)
    return embed


def _lyric_line(line: str) -> str:
    """A section's heading in bold, any other line as it is."""
    if _HEADING.fullmatch(line.strip()):
        return f"**{escape(line.strip())}**"
    return escape(line)


def _top_entry(record: LyricRecord) -> str:
    sung = [line for line in record.text.split("\n") if line and not _HEADING.fullmatch(line)]
    excerpt = [f"> {shorten(escape(line), EXCERPT_CHARACTERS)}" for line in sung[:EXCERPT_LINES]]
    genre = f" · {shorten(escape(record.genre), GENRE_CHARACTERS)}" if record.genre else ""
    heading = f"**#{record.id}** · {UP} {record.ups} {DOWN} {record.downs}{genre}"
    return "\n".join([heading, *excerpt])
