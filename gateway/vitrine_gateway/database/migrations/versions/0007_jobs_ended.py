"""An index for the last jobs of all kinds, which tell how much jobs slow each other down."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Move forward."""
    op.create_index("jobs_ended", "jobs", ["finished_at"])


def downgrade() -> None:
    """Move back."""
    op.drop_index("jobs_ended", "jobs")
