"""The gateway: REST, jobs, history and credits in front of a Vitrine server. Imports the client alone."""
