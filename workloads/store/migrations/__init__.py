"""The schema's history: NNNN_name.sql, applied in order by `migrate`, never edited once released.

API and controllers of the release before may still run on the schema of this one, for as long as an `up` takes: a
migration adds, with defaults; it drops or renames only what that release does not use any more.
"""
