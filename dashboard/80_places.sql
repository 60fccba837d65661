-- Countries and platforms
-- Question: Where are the active users, and where do they become more?
-- Meaning:  Users active in the 28 days that end with the last full day; the change is against
--           the 28 days before. A user of two platforms counts on both, so that these
--           figures do not add up. The line is monthly users over the range, and the events are
--           those of the range. Groups of fewer than five users are left out.
-- Width:    half
-- Columns:
--     dimension: By
--     member: Member, text
--     users: Monthly users, number, bar
--     change: Change, percent
--     stickiness: Stickiness, percent
--     events: Events, number
--     trend: Trend, line

with newest as (
    select max(kpi.day) as last_day
    from reporting.kpi_daily as kpi
),

-- The last day of the data still runs; only where there is no other it is taken.
full_days as (
    select
        newest.last_day,
        coalesce(max(kpi.day) filter (where kpi.day < newest.last_day), newest.last_day) as day
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

large as (
    select
        growth.slice,
        growth.slice_value
    from reporting.growth_accounting as growth
    where growth.grain = 'month' and growth.slice in ('country', 'platform')
    group by growth.slice, growth.slice_value
    having sum(growth.new_users) >= 5
),

summed as (
    select
        ranges.range,
        kpi.slice,
        kpi.slice_value,
        min(kpi.mau) filter (where kpi.day = ranges.day) as users,
        min(kpi.stickiness) filter (where kpi.day = ranges.day) as stickiness,
        sum(kpi.events) filter (where kpi.day > ranges.after) as events,
        array_agg(kpi.mau order by kpi.day) filter (
            where kpi.day > ranges.after and kpi.day <= ranges.day
        ) as trend
    from reporting.kpi_daily as kpi
    inner join large on large.slice = kpi.slice and large.slice_value = kpi.slice_value
    cross join ranges
    group by ranges.range, kpi.slice, kpi.slice_value
),

compared as (
    select
        summed.range,
        summed.slice as dimension,
        summed.slice_value as member,
        summed.users,
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
    compared.trend
from compared
order by
    compared.range,
    compared.dimension,
    compared.users desc nulls last,
    compared.member collate "C";
