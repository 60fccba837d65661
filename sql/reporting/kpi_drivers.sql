-- reporting.kpi_drivers
-- Grain: one row per grain, period, figure and slice value with an event in the period or in the
--        one before (grain, period_start, figure, slice, slice_value).
-- Rerun: changed keys; the periods from the first change on.
-- Why:   which countries, platforms and sources moved a figure. Only complete periods are compared,
--        and not with one that is partial because the data begin in it.

delete from {{ this }} as report
{{ incremental }} using {{ warehouse }}.changed_slices as changed
{{ incremental }} where changed.slice = 'all'
{{ incremental }}     and {{ warehouse }}.next_period(grain, period_start) > since
;

insert into {{ this }} (
    grain, period_start, figure, slice, slice_value, value, previous_value, change,
    share_of_change, rank
)
with periods as (
    select
        grain, period_start, slice, slice_value, events, active_users, new_users, miles_earned,
        miles_redeemed, is_complete,
        lag(events, 1, 0::bigint) over to_period as events_before,
        lag(active_users, 1, 0::bigint) over to_period as active_before,
        lag(new_users, 1, 0::bigint) over to_period as new_before,
        lag(miles_earned, 1, 0::numeric) over to_period as earned_before,
        lag(miles_redeemed, 1, 0::numeric) over to_period as redeemed_before
    from {{ reporting }}.kpi_periods
    where grain <> 'day'
    window to_period as (partition by grain, slice, slice_value order by period_start)
),

figures as (
    select
        grain, period_start, figure, slice, slice_value, value, previous_value,
        trim_scale(value - previous_value) as change,
        max(value - previous_value) filter (where slice = 'all') over of_figure as change_of_all
    from periods
    cross join lateral (
        values
        ('active_users', active_users::numeric, active_before::numeric),
        ('new_users', new_users, new_before),
        ('miles_earned', miles_earned, earned_before),
        ('miles_redeemed', miles_redeemed, redeemed_before)
    ) as figures (figure, value, previous_value)
    where
        is_complete
        and (events > 0 or events_before > 0 or slice = 'all')
        and {{ warehouse }}.previous_period(grain, period_start) >= (
            select min(calendar_date) from {{ warehouse }}.dim_dates
        )
    window of_figure as (partition by grain, period_start, figure)
)

select
    grain, period_start, figure, figures.slice, figures.slice_value, value, previous_value, change,
    trim_scale(round(change / nullif(change_of_all, 0), 6)) as share_of_change,
    row_number() over (
        partition by grain, period_start, figure, figures.slice
        order by abs(change) desc, figures.slice_value collate "C"
    ) as rank
from figures
{{ incremental }} inner join {{ warehouse }}.changed_slices as changed
{{ incremental }}     on changed.slice = 'all'
{{ incremental }}     and {{ warehouse }}.next_period(grain, period_start) > since
where figures.slice <> 'all';
