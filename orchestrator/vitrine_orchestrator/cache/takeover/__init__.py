"""Imports the stored data of the service that Vitrine replaces."""
