"""Takes over the stored data of the service that Vitrine replaces."""
