-- warehouse.agg_category_daily
-- Grain: one row per category and day with an event (transaction_category, event_date).
-- Rerun: changed keys; replaces the changed days and the 13 days after each, whose trend includes
--        it.
-- Why:   what is popular, and whether it is rising. The trend of a day needs the 13 days before it.

create temporary table days_around as
select
    event_date + days as event_date,
    bool_or(days >= 0) as is_due
from (select distinct event_date from {{ warehouse }}.changed_user_days) as changed
cross join generate_series(-13, 13) as distances (days)
group by event_date + days;

delete from {{ this }} as daily
{{ incremental }} using pg_temp.days_around
{{ incremental }} where days_around.event_date = daily.event_date and is_due
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
    {{ incremental }} inner join pg_temp.days_around on days_around.event_date = period_start
    where
        slice = 'all'
        and grain = 'day'
)

select
    transaction_category, event_date, users, events, miles_earned, miles_redeemed,
    round(events::numeric / events_of_day, 6) as share_of_events,
    round(events_7d / nullif(events_7d_before, 0) - 1, 6) as trend_7d
from days
{{ incremental }} inner join pg_temp.days_around using (event_date)
{{ incremental }} where is_due
;

drop table pg_temp.days_around;
