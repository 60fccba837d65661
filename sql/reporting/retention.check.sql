-- A cohort has the new users of its period: all of them are active in it, and never more of them
-- later.

with cells as (
    select
        retention.grain, retention.cohort_start, retention.period_number, retention.slice,
        retention.slice_value, retention.cohort_size, retention.active_users, growth.new_users
    from {{ reporting }}.retention as retention
    inner join {{ reporting }}.growth_accounting as growth
        on
            growth.grain = retention.grain
            and growth.period_start = retention.cohort_start
            and growth.slice = retention.slice
            and growth.slice_value = retention.slice_value
)

select
    grain, cohort_start, period_number, slice, slice_value, cohort_size, active_users, new_users
from cells
where
    cohort_size <> new_users
    or not active_users between 0 and cohort_size
    or period_number = 0 and active_users <> cohort_size
