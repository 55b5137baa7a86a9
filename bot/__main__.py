"""`python -m bot`: Discord when there is a token, else the console.

The one place where what ends the program becomes a line on standard error: exit status 2 for what a
person can mend, with no traceback; 130 for Ctrl-C.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from bot.errors import BotError
from bot.settings import Settings
from model import ModelError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bot until it is told to end; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m bot",
        description="Writes song lyrics on Discord, or in a console when DISCORD_TOKEN is not set.",
    )
    face = parser.add_mutually_exclusive_group()
    face.add_argument(
        "--console", action="store_true", help="talk to it here, even if DISCORD_TOKEN is set"
    )
    face.add_argument(
        "--sync", action="store_true", help="tell Discord the commands even if they are the same"
    )
    options = parser.parse_args(arguments)
    try:
        settings = Settings.from_environment()
        _log_to_standard_error(settings.log_level)
        if options.console or (settings.discord_token is None and not options.sync):
            from bot.console import run_console

            return run_console(settings)
        settings.check_token()  # first, as all the rest of the start is slow
        from bot.client import run_discord

        return run_discord(settings, sync=options.sync)
    except (BotError, ModelError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _log_to_standard_error(level: str) -> None:
    logging.basicConfig(
        stream=sys.stderr, level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it reports every start


if __name__ == "__main__":
    sys.exit(main())
