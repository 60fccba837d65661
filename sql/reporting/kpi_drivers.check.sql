-- An event has one country, one platform and one source, so the miles of a slice's members add up
-- to those of all. The largest change comes first.

with slices as (
    select
        grain, period_start, figure, slice,
        sum(value) as value, sum(previous_value) as previous_value, count(*) as members,
        max(rank) as last_rank,
        max(abs(change)) as largest_change,
        max(abs(change)) filter (where rank = 1) as first_change
    from {{ reporting }}.kpi_drivers
    group by grain, period_start, figure, slice
),

everybody as (
    select
        grain, period_start, figure, value,
        lag(value) over (partition by grain, figure order by period_start) as previous_value
    from {{ reporting }}.kpi_periods
    cross join lateral (
        values ('miles_earned', miles_earned), ('miles_redeemed', miles_redeemed)
    ) as figures (figure, value)
    where slice = 'all'
)

select
    grain, period_start, figure, slices.slice,
    slices.value, slices.previous_value,
    everybody.value as value_of_all,
    everybody.previous_value as previous_value_of_all
from slices
left join everybody using (grain, period_start, figure)
where
    slices.value <> everybody.value
    or slices.previous_value <> everybody.previous_value
    or slices.members <> slices.last_rank
    or slices.largest_change <> slices.first_change
