-- reporting.active_days_monthly
-- Grain: one row per month, number of active days and slice value with a user
--        (month, active_days, slice, slice_value).
-- Rerun: changed keys; in each changed slice value, the months from the first change on.
-- Why:   the power curve: a mean of active days hides those who come every day.

delete from {{ this }} as report
{{ incremental }} using {{ warehouse }}.changed_slices as changed
{{ incremental }} where report.slice = changed.slice
{{ incremental }}     and report.slice_value = changed.slice_value
{{ incremental }}     and {{ warehouse }}.next_period('month', month) > since
;

insert into {{ this }} (month, active_days, slice, slice_value, users, is_complete)
select
    period_start as month,
    active_days, slice, slice_value, users,
    {{ warehouse }}.next_period('month', period_start) <= last_day as is_complete
from {{ warehouse }}.agg_slice_periods
cross join {{ warehouse }}.last_day
{{ incremental }} inner join {{ warehouse }}.changed_slices using (slice, slice_value)
where
    active_days > 0
    {{ incremental }} and {{ warehouse }}.next_period('month', period_start) > since
;
