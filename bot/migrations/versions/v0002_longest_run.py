"""How many words in a row of a lyric stand in what the model learned; not known of older lyrics."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """One more column. Not in batch mode: a table made anew would drop the ratings of the old."""
    op.add_column("lyrics", sa.Column("longest_run", sa.Integer(), nullable=True))
