"""The tables, as SQLAlchemy Core sees them; `migrations/` makes and changes them.

Money is an integer of minor units beside its currency. Times are UTC. No column
can hold a card number, an expiry date or a security code.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from ivr.ledger.columns import UtcDateTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Id = String(40)
_Utc = UtcDateTime()
_Serial = BigInteger().with_variant(Integer, "sqlite")
OPEN = text("state IN ('pending', 'unknown')")
"""A payment attempt whose end is not known. Written out, so that the partial index serves."""
_LIVE = text("ended_at IS NULL")
_UNHANDLED = text("handled_at IS NULL")

debts = Table(
    "debts",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("reference", String(20), nullable=False, unique=True),
    Column("debtor", Text, nullable=False, server_default=text("''")),
    Column("creditor", Text, nullable=False, server_default=text("''")),
    Column("letter_date", Date),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("language", String(2)),
    Column("created_at", _Utc, nullable=False),
    Column("agent_made", Boolean, nullable=False, server_default=false()),
    CheckConstraint("amount >= 0", name="amount_not_negative"),
)

calls = Table(
    "calls",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("node", Text, nullable=False),
    Column("direction", String(10), nullable=False),
    Column("caller", Text, nullable=False),
    Column("called", Text, nullable=False),
    Column("sip_call_id", Text, nullable=False),
    Column("started_at", _Utc, nullable=False, index=True),
    Column("answered_at", _Utc),
    Column("ended_at", _Utc),
    Column("end_reason", String(40)),
    Index("ix_calls_live", "node", sqlite_where=_LIVE, postgresql_where=_LIVE),
)

transactions = Table(
    "transactions",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("call_id", _Id, ForeignKey("calls.id"), index=True),
    Column("debt_id", _Id, ForeignKey("debts.id"), index=True),
    # The agent whose it is. No foreign key: SQLite cannot add one to a table that stands.
    Column("owner_id", _Id, index=True),
    Column("channel", String(20), nullable=False),
    Column("journey", String(40), nullable=False),
    Column("language", String(2), nullable=False),
    Column("step", String(40), nullable=False),
    Column("result", String(40)),
    Column("amount_due", BigInteger),
    Column("amount_paid", BigInteger, nullable=False, server_default="0"),
    Column("currency", String(3)),
    Column("created_at", _Utc, nullable=False, index=True),
    Column("updated_at", _Utc, nullable=False),
    Column("ended_at", _Utc),
    Index("ix_transactions_live", "call_id", sqlite_where=_LIVE, postgresql_where=_LIVE),
)

events = Table(
    "events",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("at", _Utc, nullable=False, index=True),
    Column("type", String(40), nullable=False),
    Column("node", Text, nullable=False),
    Column("call_id", _Id, index=True),
    Column("transaction_id", _Id, index=True),
    Column("step", String(40)),
    Column("data", JSON, nullable=False),
    sqlite_autoincrement=True,
)

writers = Table(
    "writers",
    metadata,
    # The last batch of events of each ivr node: one whose commit was cut off is looked up
    # here before it is written again, so an outage neither loses nor repeats an event.
    Column("node", Text, primary_key=True),
    Column("session", String(40), nullable=False),
    Column("batch", BigInteger, nullable=False),
    Column("written_at", _Utc, nullable=False),
)

entry_errors = Table(
    "entry_errors",
    metadata,
    Column("event_id", _Serial, ForeignKey("events.id"), primary_key=True),
    Column("transaction_id", _Id, index=True),
    Column("call_id", _Id),
    Column("at", _Utc, nullable=False, index=True),
    Column("step", String(40), nullable=False),
    Column("error", String(40), nullable=False),
    Column("attempt", Integer, nullable=False),
)

payment_attempts = Table(
    "payment_attempts",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("key", String(255), nullable=False, unique=True),
    Column("transaction_id", _Id, ForeignKey("transactions.id"), nullable=False, index=True),
    Column("debt_id", _Id, ForeignKey("debts.id"), nullable=False, index=True),
    Column("call_id", _Id),
    Column("node", Text, nullable=False),
    Column("gateway", String(40), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("state", String(20), nullable=False),
    Column("reference", Text),
    Column("code", String(40)),
    Column("advice", String(40)),
    Column("brand", String(20)),
    Column("last4", String(4)),
    Column("created_at", _Utc, nullable=False),
    Column("ended_at", _Utc),
    Column("inquired_at", _Utc),
    Column("inquiries", Integer, nullable=False, server_default="0"),
    CheckConstraint("amount > 0", name="amount_positive"),
    # At most one open attempt for a debt, whatever the phone, process or node.
    Index(
        "uq_payment_attempts_open",
        "debt_id",
        unique=True,
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    ),
)

trunks = Table(
    "trunks",
    metadata,
    # What each running ivr node knows of its trunks; null where it has not asked.
    Column("node", Text, primary_key=True),
    Column("name", String(40), primary_key=True),
    Column("up", Boolean),
    Column("registered", Boolean),
    Column("changed_at", _Utc, nullable=False),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("gateway", String(40), nullable=False),
    Column("notice_id", String(255)),
    Column("headers", JSON, nullable=False),
    Column("body", Text, nullable=False),
    Column("received_at", _Utc, nullable=False),
    Column("handled_at", _Utc),
    Column("outcome", String(40)),
    # The gateway's id of a notice, known once it is read: repeats carry the same.
    UniqueConstraint("gateway", "notice_id"),
    Index("ix_webhooks_unhandled", "id", sqlite_where=_UNHANDLED, postgresql_where=_UNHANDLED),
    sqlite_autoincrement=True,
)
