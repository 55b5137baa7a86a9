"""Runs by Alembic for each upgrade, on the connection (and in the transaction) that it is handed.

See `bot.database.Database.open`. There is no alembic.ini: the program migrates itself at its start.
"""

from alembic import context

from bot.database import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite alters a table by making it anew
)
with context.begin_transaction():
    context.run_migrations()
