"""Run by alembic for every command: hands it the connection that `migrations` was given."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
