"""The trace that a job belongs to."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Move forward."""
    op.add_column("jobs", sa.Column("trace", sa.String(length=60), nullable=True))


def downgrade() -> None:
    """Move back."""
    op.drop_column("jobs", "trace")
