"""The image of the object store: ensures its buckets, then becomes versitygw."""
