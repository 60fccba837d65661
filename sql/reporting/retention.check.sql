-- A cohort is who was new in its period; all of it was active then, and never more than all later.

with cells as (
    select
        retention.grain,
        retention.cohort_start,
        retention.period_number,
        retention.slice,
        retention.slice_value,
        retention.cohort_size,
        retention.active_users,
        growth.new_users
    from {{ reporting }}.retention as retention
    inner join {{ reporting }}.growth_accounting as growth
        on
            growth.grain = retention.grain
            and growth.period_start = retention.cohort_start
            and growth.slice = retention.slice
            and growth.slice_value = retention.slice_value
)

select
    cells.grain,
    cells.cohort_start,
    cells.period_number,
    cells.slice,
    cells.slice_value,
    cells.cohort_size,
    cells.active_users,
    cells.new_users
from cells
where
    cells.cohort_size <> cells.new_users
    or not cells.active_users between 0 and cells.cohort_size
    or cells.period_number = 0 and cells.active_users <> cells.cohort_size
