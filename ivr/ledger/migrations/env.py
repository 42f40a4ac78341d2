"""What Alembic runs: the steps, on the connection that `ivr.ledger.schema` hands over."""

from alembic import context

from ivr.ledger.tables_agents import users

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=users.metadata,
    compare_server_default=True,
    # SQLite changes a column only by making its table again.
    render_as_batch=connection.dialect.name == "sqlite",
)
context.run_migrations()
