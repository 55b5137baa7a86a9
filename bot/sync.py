"""Tells Discord which commands there are, and only when they changed.

Discord allows 200 command creations a day, and a bulk overwrite replaces everything; so a hash of
what was last sent is kept, one for each application. This runs before the connection is made:
`on_ready` fires again and again over a bot's life.
"""

from __future__ import annotations

import hashlib
import json
import logging
from typing import Any, Protocol

from discord import app_commands

log = logging.getLogger(__name__)


class Memory(Protocol):
    """Where a short string outlives the process; the writer service is one."""

    async def recall(self, key: str) -> str | None: ...

    async def remember(self, key: str, value: str) -> None: ...


async def sync_commands(
    tree: app_commands.CommandTree[Any], memory: Memory, *, force: bool
) -> bool:
    """Send the tree's commands unless they are those last sent and not forced; tells if it did.

    Raises discord.HTTPException, and remembers nothing then. The client must be logged in.
    """
    key = f"commands:{tree.client.application_id}"
    payload = {command.name: command.to_dict(tree) for command in tree.get_commands()}
    text = json.dumps(payload, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    if not force and await memory.recall(key) == digest:
        return False
    await tree.sync()
    await memory.remember(key, digest)
    log.info("Told Discord of the commands: %s", ", ".join(payload))
    return True
