-- A cohort has the new users of its period. A later day number is over for no more users than an
-- earlier one: along a cohort, eligible users never grow from one day number to the next, and are
-- at most the cohort, all of a complete one. A user who is active on a day has come back by then.
-- All this is within the rows of one build: that the eligible users of a cohort and day number grow
-- as days go by cannot be seen in them.

with lines as (
    select
        grain, cohort_start, day_number, slice, slice_value, cohort_size, eligible_users,
        retained_users, returned_users, cohorts, is_complete,
        lag(eligible_users) over of_cohort as eligible_before
    from {{ reporting }}.retention_days
    window of_cohort as (
        partition by grain, cohort_start, slice, slice_value
        order by day_number
    )
)

select
    lines.grain, lines.cohort_start, lines.day_number, lines.slice, lines.slice_value,
    lines.cohort_size, lines.eligible_users, lines.retained_users, lines.returned_users,
    growth.new_users
from lines
left join {{ reporting }}.growth_accounting as growth
    on
        growth.grain = lines.grain
        and growth.period_start = lines.cohort_start
        and growth.slice = lines.slice
        and growth.slice_value = lines.slice_value
where
    lines.cohort_start is not null and lines.cohort_size is distinct from growth.new_users
    or lines.eligible_users > lines.eligible_before
    or lines.eligible_users > lines.cohort_size
    or lines.is_complete and lines.eligible_users <> lines.cohort_size
    or lines.returned_users not between lines.retained_users and lines.eligible_users
    -- On the day after the first, both are the same.
    or lines.day_number = 1 and lines.returned_users <> lines.retained_users
