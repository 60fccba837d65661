-- warehouse.agg_user_categories
-- Grain: one row per user and category used (user_id, transaction_category).
-- Rerun: changed keys; replaces the changed users.
-- Why:   what a user likes. The logarithm is taken here, where only changed users need it, and not
--        by the recommendations, which look at everybody.

delete from {{ this }} as categories
{{ incremental }} using {{ warehouse }}.changed_users as changed
{{ incremental }} where categories.user_id = changed.user_id
;

insert into {{ this }} (
    user_id,
    transaction_category,
    events,
    earned_count,
    redeemed_count,
    search_count,
    miles_earned,
    miles_redeemed,
    affinity,
    first_event_date,
    last_event_date,
    last_event_at
)
with categories as (
    select
        daily.user_id,
        daily.transaction_category,
        sum(daily.earned_count + daily.redeemed_count + daily.search_count) as events,
        sum(daily.earned_count) as earned_count,
        sum(daily.redeemed_count) as redeemed_count,
        sum(daily.search_count) as search_count,
        sum(daily.miles_earned) as miles_earned,
        sum(daily.miles_redeemed) as miles_redeemed,
        min(daily.event_date) as first_event_date,
        max(daily.event_date) as last_event_date,
        max(daily.last_event_at) as last_event_at
    from {{ warehouse }}.agg_user_category_daily as daily
    {{ incremental }} inner join {{ warehouse }}.changed_users as changed
    {{ incremental }}     on changed.user_id = daily.user_id
    group by
        daily.user_id,
        daily.transaction_category
)

select
    categories.user_id,
    categories.transaction_category,
    categories.events,
    categories.earned_count,
    categories.redeemed_count,
    categories.search_count,
    categories.miles_earned,
    categories.miles_redeemed,
    round(ln((1 + categories.events)::numeric), 6) as affinity,
    categories.first_event_date,
    categories.last_event_date,
    categories.last_event_at
from categories
order by
    categories.user_id,
    categories.transaction_category;
