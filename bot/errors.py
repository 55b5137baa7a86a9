"""What can go wrong in the bot, one exception for each kind.

str() of each is one plain sentence for the person who asked, with no token or stack trace in it; a
path only where the host is spoken to (settings, opening the database). A face turns `BotError` and
`model.ModelError` into its answer in one place; anything else is a bug, which it logs.
"""


class BotError(Exception):
    """Base of everything that `bot` raises on purpose."""


class SettingsError(BotError):
    """A setting is missing or wrong; names the environment variable."""


class DatabaseError(BotError):
    """The database could not be opened, read or written; nothing of the request was stored."""


class CommandError(BotError):
    """A typed line is no command, or not a well-formed one; says how to write it."""


class UnknownLyric(BotError):
    """No such lyric in the space that asked (a lyric of another space counts as none)."""


class NotAllowed(BotError):
    """Only members who may manage the server can ask for this."""


class Busy(BotError):
    """The writer's queue is full; the same request may work in a minute."""


class WriterFailed(BotError):
    """The model broke on this request, ran out of time before a line was done, or is stopping."""


class DiscordFailed(BotError):
    """Discord cannot be reached, or ended the connection for good."""


class OutputLost(BotError):
    """What the console answers can no longer be written to standard output."""
