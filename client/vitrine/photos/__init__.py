"""Reads picture files, for the client, the server and the gateway alike.

It recognises their kinds, checks their sizes before decoding, and handles what Pillow alone does not.
"""
