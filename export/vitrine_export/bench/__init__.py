"""`vitrine-export bench`: what the service takes, beside what it replaces and what its engine alone takes."""
