"""Batches of jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Move forward."""
    op.create_table(
        "batches",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("account_id", sa.String(length=40), nullable=False),
        sa.Column("user", sa.String(length=200), nullable=False),
        sa.Column("pipeline", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.Column("webhook", sa.String(length=2000), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("batches_of_account", "batches", ["account_id", "created_at", "id"], unique=False)
    op.add_column("jobs", sa.Column("batch_id", sa.String(length=40), nullable=True))
    op.add_column("jobs", sa.Column("batch_place", sa.Integer(), nullable=True))
    op.create_index("jobs_of_batch", "jobs", ["batch_id", "batch_place"], unique=False)


def downgrade() -> None:
    """Move back."""
    op.drop_index("jobs_of_batch", table_name="jobs")
    op.drop_column("jobs", "batch_place")
    op.drop_column("jobs", "batch_id")
    op.drop_index("batches_of_account", table_name="batches")
    op.drop_table("batches")
