-- Day 1, day 7, day 30
-- Question: How many users come back a day, a week and a month after their first day?
-- Meaning:  A row is a cohort: the users whose first active day lies in the month (or week, with
--           Grain: Week). A cell is the share of them that is active exactly so many days after the
--           first, among those for whom that day is over. The first row adds up the cohorts of the
--           range for which it is over for everybody, if they are twenty users or more, whatever
--           average_min_users is. Hatched: for some of the cohort it is not over yet. In the first
--           period of the data everybody counts as new.
-- Empty:    Nobody can have come back yet: no cohort is a day old.
-- Width:    half
-- Base:     eligible_users
-- Columns:
--     cohort_start: Cohort
--     cohort_size: Users, number
--     day_number: Active on day, across
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
        days.slice,
        days.slice_value,
        days.grain,
        days.day_number,
        sum(days.cohort_size) as cohort_size,
        sum(days.eligible_users) as eligible_users,
        sum(days.retained_users) as retained_users
    from reporting.retention_days as days
    inner join ranges
        on ranges.grain = days.grain and days.cohort_start + ranges.length > ranges.first_day
    where days.is_complete
    group by ranges.range, days.slice, days.slice_value, days.grain, days.day_number
    having sum(days.eligible_users) >= 20
),

shown as (
    select
        case when days.cohort_start is null then 'all' end as range,
        days.slice,
        days.slice_value,
        days.grain,
        days.cohort_start,
        days.cohort_size,
        days.eligible_users,
        days.day_number,
        days.retained_users,
        days.retention_rate,
        days.is_complete
    from reporting.retention_days as days
    where days.day_number in (1, 7, 30)
    union all
    select
        averages.range,
        averages.slice,
        averages.slice_value,
        averages.grain,
        null as cohort_start,
        averages.cohort_size,
        averages.eligible_users,
        averages.day_number,
        averages.retained_users,
        round(averages.retained_users / averages.eligible_users, 6) as retention_rate,
        true as is_complete
    from averages
    where averages.day_number in (1, 7, 30)
)

select
    shown.range,
    shown.slice,
    shown.slice_value,
    shown.grain,
    shown.cohort_start,
    shown.cohort_size,
    shown.eligible_users,
    shown.day_number,
    shown.retained_users,
    shown.retention_rate,
    shown.is_complete
from shown
order by
    shown.slice,
    shown.slice_value,
    shown.grain,
    shown.cohort_start nulls first,
    shown.range,
    shown.day_number;
