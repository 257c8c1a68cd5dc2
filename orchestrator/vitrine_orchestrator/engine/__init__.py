"""How exported graphs are run, of whatever family: arrays in, rows that stay on the device out."""
