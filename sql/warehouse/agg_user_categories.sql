-- warehouse.agg_user_categories
-- Grain: one row per user and category used (user_id, transaction_category).
-- Rerun: difference; replaces the changed categories of users, and adds the difference to
--        warehouse.agg_category_usage. A second run finds no difference.
-- Why:   what a user likes. The affinity is computed here, for changed rows only, because
--        recommendations may need it of everybody. How many users have how many events in a
--        category is counted here too, so that reports on categories need not read users.

with removed as (
    delete from {{ this }} as categories
    {{ incremental }} using {{ warehouse }}.changed_user_categories as changed
    {{ incremental }} where categories.user_id = changed.user_id
    {{ incremental }}     and categories.transaction_category = changed.transaction_category
    returning categories.transaction_category, categories.events
),

added as (
    insert into {{ this }} (
        user_id, transaction_category,
        events, earned_count, redeemed_count, search_count,
        miles_earned, miles_redeemed,
        affinity,
        first_event_date, last_event_date, last_event_at
    )
    select
        user_id, transaction_category,
        sum(earned_count + redeemed_count + search_count) as events,
        sum(earned_count) as earned_count, sum(redeemed_count) as redeemed_count,
        sum(search_count) as search_count, sum(miles_earned) as miles_earned,
        sum(miles_redeemed) as miles_redeemed,
        {{ warehouse }}.logarithm(sum(earned_count + redeemed_count + search_count)) as affinity,
        min(event_date) as first_event_date,
        max(event_date) as last_event_date,
        max(last_event_at) as last_event_at
    from {{ warehouse }}.agg_user_category_daily
    {{ incremental }} inner join {{ warehouse }}.changed_user_categories
    {{ incremental }}     using (user_id, transaction_category)
    -- Reading what the delete returns makes it run before the insert.
    where (select count(*) from removed) >= 0
    group by user_id, transaction_category
    order by user_id, transaction_category
    returning transaction_category, events
)

insert into {{ state }} as usage (transaction_category, events, users)
select
    transaction_category,
    events,
    sum(sign) as users
from (
    select -1 as sign, transaction_category, events from removed
    union all
    select 1 as sign, transaction_category, events from added
) as signed
group by transaction_category, events
having sum(sign) <> 0
on conflict (transaction_category, events) do update set users = usage.users + excluded.users;

-- Where no user is left there is no row, as in a full build.
delete from {{ state }}
where users = 0;
