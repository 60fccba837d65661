-- warehouse.agg_user_monthly
-- Grain: one row per user and month with an event (user_id, month).
-- Rerun: changed keys; replaces the months of users that a change lies in.
-- Why:   what a user did in all is a sum of some months, not of all days.

delete from {{ this }} as monthly
{{ incremental }} using {{ warehouse }}.changed_user_days as days
{{ incremental }} where monthly.user_id = days.user_id
{{ incremental }}     and monthly.month = {{ warehouse }}.month_start(days.event_date)
;

insert into {{ this }} (
    user_id, month,
    earned_count, redeemed_count, search_count, share_count, like_count, unclassified_count,
    miles_earned, miles_redeemed, first_earned_at
)
with changed as (
    select distinct
        user_id,
        {{ warehouse }}.month_start(event_date) as changed_month
    from {{ warehouse }}.changed_user_days
)

select
    user_id,
    {{ warehouse }}.month_start(event_date) as month,
    sum(earned_count) as earned_count,
    sum(redeemed_count) as redeemed_count,
    sum(search_count) as search_count,
    sum(share_count) as share_count,
    sum(like_count) as like_count,
    sum(unclassified_count) as unclassified_count,
    sum(miles_earned) as miles_earned,
    sum(miles_redeemed) as miles_redeemed,
    min(first_earned_at) as first_earned_at
from {{ warehouse }}.agg_user_daily
{{ incremental }} inner join changed using (user_id)
{{ incremental }} where event_date >= changed_month
{{ incremental }}     and event_date < {{ warehouse }}.next_period('month', changed_month)
group by user_id, month
order by user_id, month;
