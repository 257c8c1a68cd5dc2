"""Kills gateways and workers under load, and checks that nothing was lost, charged or done twice."""
