"""`cairn backup` and `cairn restore`: a whole stack in one encrypted file, and back, on any backend.

crypt.py (bytes ↔ encrypted file) · archive.py (named parts ↔ bytes) · inside.py (runs in the stack's containers) ·
places.py (gets it there) · save.py, load.py (what goes in, in which order). docs/BACKUP.md tells it to users.
"""
