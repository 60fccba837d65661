-- Retention
-- Question: Of those who came for the first time, how many come back later?
-- Meaning:  A row is a cohort: the users whose first active week (or month, with Grain: Month) it
--           is. A cell is the share of them that is active that many periods later. The first row
--           adds up all cohorts over their periods that are over. Hatched: the period still runs.
--           Blank: not yet.
-- Columns:
--     cohort: Cohort
--     cohort_size: Users, number
--     period_number: Periods later, across
--     retention_rate: Active, percent, heat

select
    retention.slice,
    retention.slice_value,
    retention.grain,
    retention.cohort_start,
    coalesce(retention.cohort_start::text, 'All cohorts') as cohort,
    retention.cohort_size,
    retention.period_number,
    retention.active_users,
    retention.retention_rate,
    retention.is_complete
from reporting.retention as retention
where retention.period_number > 0
order by
    retention.slice,
    retention.slice_value,
    retention.grain,
    retention.cohort_start nulls first,
    retention.period_number;
