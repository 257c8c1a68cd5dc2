"""What every pipeline works with: request context, report, and results of earlier requests."""
