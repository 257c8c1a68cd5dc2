"""`vitrine-export bench`: the service's times, compared with what it replaces and with its engine alone."""
