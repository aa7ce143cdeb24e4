"""The schema's history: NNNN_name.sql, applied in order by `migrate`, never edited once released."""
