-- warehouse.agg_category_daily
-- Grain: one row per category and day with an event (transaction_category, event_date).
-- Rerun: changed keys; the days since the first that a change touches.
-- Why:   what is popular, and whether it is rising.

delete from {{ this }} as daily
{{ incremental }} using {{ warehouse }}.changed_slices as changed
{{ incremental }} where slice = 'all' and event_date >= since
;

insert into {{ this }} (
    transaction_category, event_date, users, events, miles_earned, miles_redeemed, share_of_events,
    trend_7d
)
with days as (
    select
        transaction_category,
        period_start as event_date,
        users, events, miles_earned, miles_redeemed,
        sum(events) over (partition by period_start) as events_of_day,
        sum(events) over (
            partition by transaction_category
            order by period_start
            range between interval '6 days' preceding and current row
        ) as events_7d,
        sum(events) over (
            partition by transaction_category
            order by period_start
            range between interval '13 days' preceding and interval '7 days' preceding
        ) as events_7d_before
    from {{ warehouse }}.agg_category_periods
    {{ incremental }} inner join {{ warehouse }}.changed_slices using (slice, slice_value)
    where
        slice = 'all'
        and grain = 'day'
        {{ incremental }} and period_start >= since - 13
)

select
    transaction_category, event_date, users, events, miles_earned, miles_redeemed,
    round(events::numeric / events_of_day, 6) as share_of_events,
    round(events_7d / nullif(events_7d_before, 0) - 1, 6) as trend_7d
from days
{{ incremental }} inner join {{ warehouse }}.changed_slices
{{ incremental }}     on slice = 'all' and event_date >= since
;
