"""The client's own subcommands, one module each; see vitrine.command for what a module offers."""
