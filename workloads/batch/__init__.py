"""The batch prediction driver: reads instances from the storage, asks model servers, writes predictions and errors."""
