"""From a sentence about a shop's product to the English prompt of an advertising picture."""
