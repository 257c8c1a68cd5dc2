"""The preview of a job."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Move forward."""
    op.add_column("jobs", sa.Column("preview", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    """Move back."""
    op.drop_column("jobs", "preview")
