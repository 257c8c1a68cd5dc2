"""Garments, and the rewards that were paid for them."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Move forward."""
    op.create_table(
        "garments",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("account_id", sa.String(length=40), nullable=False),
        sa.Column("user", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("category", sa.String(length=40), nullable=False),
        sa.Column("description", sa.String(length=1000), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        sa.ForeignKeyConstraint(["id"], ["files.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("garments_of_account", "garments", ["account_id", "created_at", "id"], unique=False)
    op.create_index("garments_of_user", "garments", ["account_id", "user", "created_at", "id"], unique=False)
    op.create_table(
        "rewards",
        sa.Column("account_id", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        sa.PrimaryKeyConstraint("account_id", "key"),
    )
    op.create_index("rewards_of_account", "rewards", ["account_id", "at"], unique=False)


def downgrade() -> None:
    """Move back."""
    op.drop_index("rewards_of_account", table_name="rewards")
    op.drop_table("rewards")
    op.drop_index("garments_of_user", table_name="garments")
    op.drop_index("garments_of_account", table_name="garments")
    op.drop_table("garments")
