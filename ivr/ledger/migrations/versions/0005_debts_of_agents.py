"""Which debts agents made amid their work, so that no file overwrites another's."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    # SQLite adds columns as it stands; made again, the table would lose what points to it.
    op.add_column(
        "debts",
        sa.Column("agent_made", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
