-- Retention
-- Question: Of those who came for the first time, how many come back later?
-- Meaning:  A row is a cohort: the users who were active for the first time in that week (or month,
--           with Grain: Month). A cell is the share of them that is active that many periods later.
--           The first row adds up the cohorts of the range over the periods that are over, as long
--           as they are twenty users or more, whatever average_min_users is. Hatched: the period is
--           not over. Blank: not yet. The curves are that row and the newest three cohorts that are
--           three periods old; for a country, platform or source, the average of everybody is
--           drawn, too. In the first period of the data everybody counts as new.
-- Empty:    Nobody can be back yet: no cohort is a week old.
-- Show:     beside
-- Base:     cohort_size
-- Adds:     no
-- Columns:
--     cohort_start: Cohort
--     cohort_size: Users, number
--     period_number: Periods later, across
--     retention_rate: Active, percent, heat

with newest as (
    select max(kpi.day) as day
    from reporting.kpi_daily as kpi
),

-- From the first of the last days on, and at least the last period that is over.
ranges as (
    select
        ranges.range,
        grains.grain,
        least(
            newest.day - ranges.days + 1,
            date_trunc(grains.grain, newest.day::timestamp) - grains.length
        ) as first_day,
        grains.length
    from (values ('30', 30), ('90', 90)) as ranges (range, days)
    cross join (values ('week', interval '1 week'), ('month', interval '1 month'))
        as grains (grain, length)
    cross join newest
),

averages as (
    select
        ranges.range,
        retention.slice,
        retention.slice_value,
        retention.grain,
        retention.period_number,
        sum(retention.cohort_size) as cohort_size,
        sum(retention.active_users) as active_users
    from reporting.retention as retention
    inner join ranges
        on
            ranges.grain = retention.grain
            and retention.cohort_start + ranges.length > ranges.first_day
    where retention.is_complete
    group by
        ranges.range,
        retention.slice,
        retention.slice_value,
        retention.grain,
        retention.period_number
    having sum(retention.cohort_size) >= 20
),

shown as (
    select
        case when retention.cohort_start is null then 'all' end as range,
        retention.slice,
        retention.slice_value,
        retention.grain,
        retention.cohort_start,
        retention.cohort_size,
        retention.period_number,
        retention.active_users,
        retention.retention_rate,
        retention.is_complete
    from reporting.retention as retention
    where retention.period_number > 0
    union all
    select
        averages.range,
        averages.slice,
        averages.slice_value,
        averages.grain,
        null as cohort_start,
        averages.cohort_size,
        averages.period_number,
        averages.active_users,
        round(averages.active_users::numeric / averages.cohort_size, 6) as retention_rate,
        true as is_complete
    from averages
    where averages.period_number > 0
)

select
    shown.range,
    shown.slice,
    shown.slice_value,
    shown.grain,
    shown.cohort_start,
    shown.cohort_size,
    shown.period_number,
    shown.active_users,
    shown.retention_rate,
    shown.is_complete
from shown
order by
    shown.slice,
    shown.slice_value,
    shown.grain,
    shown.cohort_start nulls first,
    shown.range,
    shown.period_number;
