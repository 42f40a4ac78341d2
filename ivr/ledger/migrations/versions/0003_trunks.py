"""What the nodes know of their trunks."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "trunks",
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("up", sa.Boolean()),
        sa.Column("registered", sa.Boolean()),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("node", "name", name=op.f("pk_trunks")),
    )
