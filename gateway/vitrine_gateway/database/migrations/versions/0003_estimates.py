"""What estimates of a job's end need: its kind of work, and the places of all workers."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Move forward."""
    op.add_column("jobs", sa.Column("work", sa.String(length=100), nullable=False, server_default=""))
    op.create_index("jobs_timed", "jobs", ["pipeline", "work", "state", "finished_at"], unique=False)
    op.create_table(
        "workers",
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("places", sa.Integer(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def downgrade() -> None:
    """Move back."""
    op.drop_table("workers")
    op.drop_index("jobs_timed", table_name="jobs")
    op.drop_column("jobs", "work")
