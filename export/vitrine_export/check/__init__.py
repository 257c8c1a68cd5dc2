"""What a checkpoint folder holds, lacks and needs: from file headers alone."""
