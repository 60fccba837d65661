-- Freshness
-- Question: How far do the data go?
-- Meaning:  Every row that a source wrote before the time in Loaded through is here, and every
--           report holds what was there at the time in Built. Late or stale: older than the limits
--           of the pipeline allow.
-- Width:    half
-- Columns:
--     pipeline_name: Pipeline, text
--     status: Status, text
--     loaded_through: Loaded through (UTC), time
--     built_at: Built (UTC), time

select
    freshness.pipeline_name,
    freshness.status,
    freshness.loaded_through,
    freshness.built_at
from reporting.freshness as freshness
order by freshness.loaded_through nulls first, freshness.pipeline_name collate "C";
