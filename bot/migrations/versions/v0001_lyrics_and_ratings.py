"""The first tables, and the view that training reads.

The view knows nobody: it has no user id and no space. A person's votes weigh 1 each up to 20 votes,
and 20 together beyond, so that nobody outweighs the rest.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TRAINING_EXAMPLES = """
CREATE VIEW training_examples AS
WITH voters AS (
    SELECT user_id, CASE WHEN COUNT(*) > 20 THEN 20.0 / COUNT(*) ELSE 1.0 END AS weight
    FROM ratings
    GROUP BY user_id
)
SELECT
    lyrics.id AS lyric_id,
    lyrics.model,
    lyrics.genre,
    lyrics.title,
    lyrics.seed,
    lyrics.text,
    SUM(CASE WHEN ratings.value = 1 THEN voters.weight ELSE 0.0 END) AS liked,
    SUM(CASE WHEN ratings.value = -1 THEN voters.weight ELSE 0.0 END) AS disliked
FROM lyrics
JOIN ratings ON ratings.lyric_id = lyrics.id
JOIN voters ON voters.user_id = ratings.user_id
GROUP BY lyrics.id
"""


def upgrade() -> None:
    """From nothing to lyrics, ratings, state and training_examples."""
    op.create_table(
        "lyrics",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("space", sa.String(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.Column("seed", sa.String(), nullable=True),
        sa.Column("genre", sa.String(), nullable=True),
        sa.Column("title", sa.String(), nullable=True),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("random_seed", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["lyrics.id"], op.f("fk_lyrics_parent_id_lyrics"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lyrics")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_lyrics_space_user_id"), "lyrics", ["space", "user_id"])
    op.create_table(
        "ratings",
        sa.Column("lyric_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.CheckConstraint("value IN (-1, 1)", name=op.f("ck_ratings_value")),
        sa.ForeignKeyConstraint(
            ["lyric_id"], ["lyrics.id"], op.f("fk_ratings_lyric_id_lyrics"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("lyric_id", "user_id", name=op.f("pk_ratings")),
    )
    op.create_index(op.f("ix_ratings_user_id"), "ratings", ["user_id"])
    op.create_table(
        "state",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_state")),
    )
    op.execute(TRAINING_EXAMPLES)
