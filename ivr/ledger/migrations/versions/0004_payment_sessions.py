"""Callbacks of one transaction, for sessions of the Payments resource."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    # SQLite adds columns as it stands; made again, the table would lose what points to it.
    op.add_column("callback_endpoints", sa.Column("transaction_id", sa.String(length=40)))
    op.add_column("callback_endpoints", sa.Column("payment", sa.JSON()))
    op.create_index(
        op.f("ix_callback_endpoints_transaction_id"), "callback_endpoints", ["transaction_id"]
    )
