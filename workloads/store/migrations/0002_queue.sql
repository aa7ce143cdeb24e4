-- The queue reads the oldest waiting jobs, however many wait behind them.
DROP INDEX resources_by_state;
CREATE INDEX resources_by_state ON resources (collection, state, create_time, name);
