-- Freshness
-- Question: How far do the data go?
-- Meaning:  The source was read up to the time in Loaded through; its newest row happened and was
--           written at the next two times. Every report holds what was there at the time in Built.
--           Late or stale: older than the limits of the pipeline allow, or quiet for longer than is
--           usual.
-- Columns:
--     pipeline_name: Pipeline, text
--     status: Status, text
--     loaded_through: Loaded through (UTC), time
--     newest_event: Newest event (UTC), time
--     newest_arrival: Newest arrival (UTC), time
--     built_at: Built (UTC), time

select
    freshness.pipeline_name,
    freshness.status,
    freshness.loaded_through,
    freshness.newest_event,
    freshness.newest_arrival,
    freshness.built_at
from reporting.freshness as freshness
order by freshness.loaded_through nulls first, freshness.pipeline_name collate "C";
