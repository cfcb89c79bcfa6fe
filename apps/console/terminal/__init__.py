"""The console for whoever has a shell on this host: what ``manage.py jobs`` asks and writes.

The questions are those of the pages; here they are only put into lines and documents.
"""
