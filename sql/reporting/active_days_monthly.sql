-- reporting.active_days_monthly
-- Grain: one row per month, number of active days and slice value with a user
--        (month, active_days, slice, slice_value).
-- Rerun: whole; as many rows as months, numbers of days and slice values.
-- Why:   the power curve: a mean of active days hides those who come every day.

insert into {{ this }} (month, active_days, slice, slice_value, users, is_complete)
select
    period_start as month,
    active_days, slice, slice_value, users,
    {{ warehouse }}.next_period('month', period_start) <= last_day as is_complete
from {{ warehouse }}.agg_slice_periods
cross join {{ warehouse }}.last_day
where active_days > 0;
