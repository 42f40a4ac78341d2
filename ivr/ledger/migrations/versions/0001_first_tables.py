"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LIVE = sa.text("ended_at IS NULL")
UNHANDLED = sa.text("handled_at IS NULL")
OPEN = sa.text("state IN ('pending', 'unknown')")


def upgrade() -> None:
    op.create_table(
        "calls",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("direction", sa.String(length=10), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("called", sa.Text(), nullable=False),
        sa.Column("sip_call_id", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("end_reason", sa.String(length=40)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calls")),
    )
    op.create_index(
        "ix_calls_live", "calls", ["node"], sqlite_where=LIVE, postgresql_where=LIVE
    )
    op.create_index(op.f("ix_calls_started_at"), "calls", ["started_at"])
    op.create_table(
        "debts",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("reference", sa.String(length=20), nullable=False),
        sa.Column("debtor", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("creditor", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("letter_date", sa.Date()),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("language", sa.String(length=2)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_debts_amount_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_debts")),
        sa.UniqueConstraint("reference", name=op.f("uq_debts_reference")),
    )
    op.create_table(
        "events",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("call_id", sa.String(length=40)),
        sa.Column("transaction_id", sa.String(length=40)),
        sa.Column("step", sa.String(length=40)),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_events_at"), "events", ["at"])
    op.create_index(op.f("ix_events_call_id"), "events", ["call_id"])
    op.create_index(op.f("ix_events_transaction_id"), "events", ["transaction_id"])
    op.create_table(
        "webhooks",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("gateway", sa.String(length=40), nullable=False),
        sa.Column("notice_id", sa.String(length=255)),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handled_at", sa.DateTime(timezone=True)),
        sa.Column("outcome", sa.String(length=40)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
        sa.UniqueConstraint("gateway", "notice_id", name=op.f("uq_webhooks_gateway_notice_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_webhooks_unhandled",
        "webhooks",
        ["id"],
        sqlite_where=UNHANDLED,
        postgresql_where=UNHANDLED,
    )
    op.create_table(
        "writers",
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("session", sa.String(length=40), nullable=False),
        sa.Column("batch", sa.BigInteger(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("node", name=op.f("pk_writers")),
    )
    op.create_table(
        "entry_errors",
        sa.Column("event_id", SERIAL, nullable=False),
        sa.Column("transaction_id", sa.String(length=40)),
        sa.Column("call_id", sa.String(length=40)),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("step", sa.String(length=40), nullable=False),
        sa.Column("error", sa.String(length=40), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], name=op.f("fk_entry_errors_event_id_events")
        ),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_entry_errors")),
    )
    op.create_index(op.f("ix_entry_errors_at"), "entry_errors", ["at"])
    op.create_index(op.f("ix_entry_errors_transaction_id"), "entry_errors", ["transaction_id"])
    op.create_table(
        "transactions",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("call_id", sa.String(length=40)),
        sa.Column("debt_id", sa.String(length=40)),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("journey", sa.String(length=40), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("step", sa.String(length=40), nullable=False),
        sa.Column("result", sa.String(length=40)),
        sa.Column("amount_due", sa.BigInteger()),
        sa.Column("amount_paid", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("currency", sa.String(length=3)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["call_id"], ["calls.id"], name=op.f("fk_transactions_call_id_calls")
        ),
        sa.ForeignKeyConstraint(
            ["debt_id"], ["debts.id"], name=op.f("fk_transactions_debt_id_debts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transactions")),
    )
    op.create_index(op.f("ix_transactions_call_id"), "transactions", ["call_id"])
    op.create_index(op.f("ix_transactions_created_at"), "transactions", ["created_at"])
    op.create_index(op.f("ix_transactions_debt_id"), "transactions", ["debt_id"])
    op.create_index(
        "ix_transactions_live",
        "transactions",
        ["call_id"],
        sqlite_where=LIVE,
        postgresql_where=LIVE,
    )
    op.create_table(
        "payment_attempts",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("transaction_id", sa.String(length=40), nullable=False),
        sa.Column("debt_id", sa.String(length=40), nullable=False),
        sa.Column("call_id", sa.String(length=40)),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("gateway", sa.String(length=40), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reference", sa.Text()),
        sa.Column("code", sa.String(length=40)),
        sa.Column("advice", sa.String(length=40)),
        sa.Column("brand", sa.String(length=20)),
        sa.Column("last4", sa.String(length=4)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("inquired_at", sa.DateTime(timezone=True)),
        sa.Column("inquiries", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payment_attempts_amount_positive")),
        sa.ForeignKeyConstraint(
            ["debt_id"], ["debts.id"], name=op.f("fk_payment_attempts_debt_id_debts")
        ),
        sa.ForeignKeyConstraint(
            ["transaction_id"],
            ["transactions.id"],
            name=op.f("fk_payment_attempts_transaction_id_transactions"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_attempts")),
        sa.UniqueConstraint("key", name=op.f("uq_payment_attempts_key")),
    )
    op.create_index(op.f("ix_payment_attempts_debt_id"), "payment_attempts", ["debt_id"])
    op.create_index(
        op.f("ix_payment_attempts_transaction_id"), "payment_attempts", ["transaction_id"]
    )
    op.create_index(
        "uq_payment_attempts_open",
        "payment_attempts",
        ["debt_id"],
        unique=True,
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )
