-- Countries and platforms
-- Question: Where are the active users, and where are they growing?
-- Meaning:  Users active in the 28 days that end with the last full day; the change is against the
--           28 days before. A user of two platforms counts on both, so these figures do not add up.
--           Events are those of the 28 days; the line is monthly users over the range.
-- Base:     base
-- Width:    half
-- Columns:
--     dimension: By, name
--     member: Member, name
--     users: Monthly users, number, bar
--     change: Change, percent
--     stickiness: Stickiness, percent
--     events: Events, number
--     trend: Trend, line

-- A day is over, wherever on earth, when the sources were read 12 hours beyond it.
with newest as (
    select
        max(kpi.day) as last_day,
        coalesce(
            (select min(freshness.loaded_through) from reporting.freshness as freshness)
            >= (max(kpi.day) + 1)::timestamp at time zone 'UTC' + interval '12 hours',
            false
        ) as is_over
    from reporting.kpi_daily as kpi
),

-- While the last day of the data runs, it is taken only where there is no other.
full_days as (
    select
        newest.last_day,
        coalesce(
            max(kpi.day) filter (where newest.is_over or kpi.day < newest.last_day),
            newest.last_day
        ) as day
    from newest
    left join reporting.kpi_daily as kpi on true
    group by newest.last_day
),

ranges as (
    select
        ranges.range,
        full_days.day,
        full_days.last_day - ranges.days as after
    from (values ('30', 30), ('90', 90), ('all', 1000000)) as ranges (range, days)
    cross join full_days
),

summed as (
    select
        ranges.range,
        kpi.slice,
        kpi.slice_value,
        min(kpi.mau) filter (where kpi.day = ranges.day) as users,
        min(kpi.stickiness) filter (where kpi.day = ranges.day) as stickiness,
        sum(kpi.events) filter (where kpi.day between ranges.day - 27 and ranges.day) as events,
        array_agg(kpi.mau order by kpi.day) filter (
            where kpi.day > ranges.after and kpi.day <= ranges.day
        ) as trend
    from reporting.kpi_daily as kpi
    cross join ranges
    where kpi.slice in ('country', 'platform')
    group by ranges.range, kpi.slice, kpi.slice_value
),

compared as (
    select
        summed.range,
        summed.slice as dimension,
        summed.slice_value as member,
        summed.users,
        summed.users as base,
        round(summed.users::numeric / nullif(before.mau, 0) - 1, 6) as change,
        summed.stickiness,
        summed.events,
        summed.trend
    from summed
    cross join full_days
    left join reporting.kpi_daily as before
        on
            before.slice = summed.slice
            and before.slice_value = summed.slice_value
            and before.day = full_days.day - 28
)

select
    compared.range,
    compared.dimension,
    compared.member,
    compared.users,
    compared.change,
    compared.stickiness,
    compared.events,
    compared.trend,
    compared.base
from compared
order by
    compared.range,
    compared.dimension,
    compared.users desc nulls last,
    compared.member collate "C";
