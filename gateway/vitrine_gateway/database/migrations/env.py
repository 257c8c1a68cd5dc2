"""Run by alembic: applies the revisions on the connection of vitrine_gateway.database.migrate."""

from alembic import context
from vitrine_gateway.database.tables import Table

context.configure(connection=context.config.attributes["connection"], target_metadata=Table.metadata)
context.run_migrations()
