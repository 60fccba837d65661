-- warehouse.agg_user_categories
-- Grain: one row per user and category used (user_id, transaction_category).
-- Rerun: difference; replaces the changed categories of users, and moves
--        warehouse.agg_category_usage by what differs: nothing, the second time.
-- Why:   what a user likes. The logarithm is taken here, where only what has changed needs it, and
--        not by the recommendations, which look at everybody. Who uses a category how much is
--        counted here too, so that its reports need not look at its users.

with gone as (
    delete from {{ this }} as categories
    {{ incremental }} using {{ warehouse }}.changed_user_categories as changed
    {{ incremental }} where categories.user_id = changed.user_id
    {{ incremental }}     and categories.transaction_category = changed.transaction_category
    returning categories.transaction_category, categories.events
),

come as (
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
        sum(earned_count) as earned_count,
        sum(redeemed_count) as redeemed_count,
        sum(search_count) as search_count,
        sum(miles_earned) as miles_earned,
        sum(miles_redeemed) as miles_redeemed,
        {{ warehouse }}.logarithm(sum(earned_count + redeemed_count + search_count)) as affinity,
        min(event_date) as first_event_date,
        max(event_date) as last_event_date,
        max(last_event_at) as last_event_at
    from {{ warehouse }}.agg_user_category_daily
    {{ incremental }} inner join {{ warehouse }}.changed_user_categories
    {{ incremental }}     using (user_id, transaction_category)
    -- The old rows must be out before the new ones go in: counting them makes it so.
    where (select count(*) from gone) >= 0
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
    select -1 as sign, transaction_category, events from gone
    union all
    select 1 as sign, transaction_category, events from come
) as signed
group by transaction_category, events
having sum(sign) <> 0
on conflict (transaction_category, events) do update set users = usage.users + excluded.users;

-- Where nobody is left there is no row, as in a full build.
delete from {{ state }}
where users = 0;
