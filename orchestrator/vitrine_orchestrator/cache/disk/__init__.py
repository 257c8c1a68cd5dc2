"""The disk tier: plain files in one folder, shared by the processes of a host."""
