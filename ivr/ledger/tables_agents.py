"""The tables of people, of what they prepare and ask for, and of who is told."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from ivr.ledger.columns import UtcDateTime
from ivr.ledger.tables import metadata

_Id = String(40)
_Hash = String(64)
_Utc = UtcDateTime()
_Serial = BigInteger().with_variant(Integer, "sqlite")
_OPEN = text("ended_at IS NULL")
_WAITING = text("used_at IS NULL AND cancelled_at IS NULL")
_UNDELIVERED = text("ended_at IS NULL")

users = Table(
    "users",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("login", String(80), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("role", String(20), nullable=False),
    Column("language", String(2), nullable=False),
    # Where a call that is taken back rings: a SIP URI, or a user of our registrar.
    Column("phone", Text, nullable=False, server_default=text("''")),
    # Null for who signs in elsewhere only.
    Column("password_hash", Text),
    Column("totp_secret", Text),
    # The last time step that was used, so that no code opens twice.
    Column("totp_used", BigInteger),
    Column("sso_subject", String(255), unique=True),
    Column("created_at", _Utc, nullable=False),
    Column("disabled_at", _Utc),
)

sessions = Table(
    "sessions",
    metadata,
    # SHA-256 of the cookie: who reads the database cannot sign in with it.
    Column("id", _Hash, primary_key=True),
    Column("user_id", _Id, ForeignKey("users.id"), nullable=False, index=True),
    Column("csrf", _Hash, nullable=False),
    Column("created_at", _Utc, nullable=False),
    Column("seen_at", _Utc, nullable=False),
    Column("expires_at", _Utc, nullable=False),
    Column("revoked_at", _Utc),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("hash", _Hash, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    # Whose rights it has; null for a program of its own.
    Column("user_id", _Id, ForeignKey("users.id"), index=True),
    Column("scopes", JSON, nullable=False),
    Column("created_at", _Utc, nullable=False),
    Column("expires_at", _Utc),
    Column("used_at", _Utc),
    Column("revoked_at", _Utc),
)

audit = Table(
    "audit",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("at", _Utc, nullable=False, index=True),
    Column("actor", Text, nullable=False),
    Column("action", String(40), nullable=False),
    Column("subject", Text, nullable=False, server_default=text("''")),
    Column("data", JSON, nullable=False),
    sqlite_autoincrement=True,
)

preparations = Table(
    "preparations",
    metadata,
    Column("transaction_id", _Id, ForeignKey("transactions.id"), primary_key=True),
    # The secret part of the URI, and the digits that a PBX without URIs dials.
    Column("token", String(40), nullable=False, unique=True),
    Column("code", String(16), nullable=False),
    Column("offers", JSON, nullable=False),
    Column("agent_phone", Text, nullable=False, server_default=text("''")),
    # "agent" or "good-bye": what follows when it is paid.
    Column("afterwards", String(20), nullable=False),
    # "alone" or "stay": whether the agent stays on the line.
    Column("mode", String(10), nullable=False),
    Column("expires_at", _Utc, nullable=False),
    Column("used_at", _Utc),
    Column("cancelled_at", _Utc),
    Index(
        "uq_preparations_code",
        "code",
        unique=True,
        sqlite_where=_WAITING,
        postgresql_where=_WAITING,
    ),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("actor", Text, primary_key=True),
    Column("key", String(255), primary_key=True),
    # SHA-256 of the request: the same key with another request is refused.
    Column("fingerprint", _Hash, nullable=False),
    Column("status", Integer, nullable=False),
    Column("answer", Text, nullable=False),
    Column("created_at", _Utc, nullable=False, index=True),
)

commands = Table(
    "commands",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("type", String(40), nullable=False),
    Column("transaction_id", _Id, ForeignKey("transactions.id"), index=True),
    Column("call_id", _Id, ForeignKey("calls.id")),
    # The node whose call it is; null for a command that any node may take.
    Column("node", Text),
    Column("data", JSON, nullable=False),
    Column("actor", Text, nullable=False),
    Column("sent_at", _Utc, nullable=False),
    Column("taken_at", _Utc),
    Column("ended_at", _Utc),
    Column("outcome", String(40)),
    Index("ix_commands_open", "node", sqlite_where=_OPEN, postgresql_where=_OPEN),
    sqlite_autoincrement=True,
)

callback_endpoints = Table(
    "callback_endpoints",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("url", Text, nullable=False),
    Column("secret", Text, nullable=False),
    # Types of events that are sent there; empty for all.
    Column("types", JSON, nullable=False),
    # The last event that was looked at for it; at first the last before it was made.
    Column("after_event", BigInteger, nullable=False),
    # Only what happens in this transaction is sent; null for all.
    Column("transaction_id", _Id, index=True),
    # For a session of the Payments resource, what its status callbacks repeat: they are
    # forms, and the endpoint's id is the session's.
    Column("payment", JSON),
    Column("created_at", _Utc, nullable=False),
    Column("disabled_at", _Utc),
)

callback_deliveries = Table(
    "callback_deliveries",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("endpoint_id", _Id, ForeignKey("callback_endpoints.id"), nullable=False),
    Column("event_id", _Serial, ForeignKey("events.id"), nullable=False),
    # 0, and one more each time somebody asks for it again.
    Column("replay", Integer, nullable=False, server_default=text("0")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_at", _Utc, nullable=False),
    Column("ended_at", _Utc),
    Column("outcome", String(20)),
    Column("last_status", Integer),
    Column("last_error", Text),
    UniqueConstraint("endpoint_id", "event_id", "replay"),
    Index(
        "ix_callback_deliveries_due",
        "next_at",
        sqlite_where=_UNDELIVERED,
        postgresql_where=_UNDELIVERED,
    ),
    sqlite_autoincrement=True,
)
