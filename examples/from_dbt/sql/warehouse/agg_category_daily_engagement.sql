-- warehouse.agg_category_daily_engagement
-- Grain: one row per day and category (event_date, transaction_category).
-- Rerun: changed keys; recomputes the days of the change set, other days stay.
-- Why:   which categories are used.

delete from {{ this }}
{{ incremental }} where event_date in (
{{ incremental }}     select changed.event_date from {{ warehouse }}.changed_events as changed
{{ incremental }} )
;

insert into {{ this }} (
    event_date, transaction_category, events, users, miles_earned, miles_redeemed
)
with users as (
    select
        event_date,
        transaction_category,
        user_id,
        count(*) as events,
        sum(earned) as miles_earned,
        sum(redeemed) as miles_redeemed
    from {{ warehouse }}.engagements
    where
        event_type in ('miles_earned', 'miles_redeemed', 'reward_search')
        {{ incremental }} and event_date in (
        {{ incremental }}     select changed.event_date from {{ warehouse }}.changed_events as changed
        {{ incremental }} )
    group by event_date, transaction_category, user_id
)

select
    event_date,
    transaction_category,
    sum(events) as events,
    count(*) as users,
    coalesce(sum(miles_earned), 0) as miles_earned,
    coalesce(sum(miles_redeemed), 0) as miles_redeemed
from users
group by event_date, transaction_category;
