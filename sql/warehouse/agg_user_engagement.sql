-- warehouse.agg_user_engagement
-- Grain: one row per user (user_id).
-- Rerun: changed keys; replaces the changed users. Reads their months and their last 90 days.
-- Why:   how much, how deeply and in what a user is engaged. The windows end on the user's own last
--        active day, so that nobody changes merely because a day has passed.

delete from {{ this }} as engagement
{{ incremental }} using {{ warehouse }}.changed_users as changed
{{ incremental }} where engagement.user_id = changed.user_id
;

insert into {{ this }} (
    user_id,
    active_days_lifetime, event_count_lifetime, miles_earned_lifetime, miles_redeemed_lifetime,
    depth_lifetime, favourite_category_lifetime,
    active_days_7d, event_count_7d, miles_earned_7d, miles_redeemed_7d,
    depth_7d, favourite_category_7d,
    active_days_28d, event_count_28d, miles_earned_28d, miles_redeemed_28d,
    depth_28d, favourite_category_28d,
    active_days_90d, event_count_90d, miles_earned_90d, miles_redeemed_90d,
    depth_90d, favourite_category_90d,
    earned_count_lifetime, redeemed_count_lifetime, search_count_lifetime,
    share_count_lifetime, like_count_lifetime, category_count_lifetime,
    last_active_day, first_earned_at
)
with users as (
    select
        user_id,
        active_days,
        active_days[cardinality(active_days)] as last_active_day
    from {{ warehouse }}.agg_user_activity
    {{ incremental }} inner join {{ warehouse }}.changed_users using (user_id)
    where slice = 'all'
),

-- Sums are trimmed, as a table that copies them leaves a row whose sum is equal, with its digits.
lifetimes as (
    select
        user_id,
        sum(
            earned_count + redeemed_count + search_count
            + share_count + like_count + unclassified_count
        ) as event_count,
        sum(earned_count) as earned_count, sum(redeemed_count) as redeemed_count,
        sum(search_count) as search_count, sum(share_count) as share_count,
        sum(like_count) as like_count, trim_scale(sum(miles_earned)) as miles_earned,
        trim_scale(sum(miles_redeemed)) as miles_redeemed, min(first_earned_at) as first_earned_at
    from {{ warehouse }}.agg_user_monthly
    {{ incremental }} inner join {{ warehouse }}.changed_users using (user_id)
    group by user_id
),

days as (
    select
        users.user_id,
        last_active_day - event_date as days_ago,
        earned_count + redeemed_count + search_count
        + share_count + like_count + unclassified_count as event_count,
        miles_earned, miles_redeemed,
        case
            when redeemed_count > 0 then 5
            when earned_count > 0 then 4
            when search_count > 0 then 3
            when share_count > 0 then 2
            when like_count > 0 then 1
            else 0
        end as depth
    from users
    inner join {{ warehouse }}.agg_user_daily as daily
        on daily.user_id = users.user_id and daily.event_date > users.last_active_day - 90
),

windows as (
    select
        user_id,
        sum(event_count) filter (where days_ago < 7) as event_count_7d,
        trim_scale(sum(miles_earned) filter (where days_ago < 7)) as miles_earned_7d,
        trim_scale(sum(miles_redeemed) filter (where days_ago < 7)) as miles_redeemed_7d,
        max(depth) filter (where days_ago < 7) as depth_7d,
        sum(event_count) filter (where days_ago < 28) as event_count_28d,
        trim_scale(sum(miles_earned) filter (where days_ago < 28)) as miles_earned_28d,
        trim_scale(sum(miles_redeemed) filter (where days_ago < 28)) as miles_redeemed_28d,
        max(depth) filter (where days_ago < 28) as depth_28d,
        sum(event_count) as event_count_90d, trim_scale(sum(miles_earned)) as miles_earned_90d,
        trim_scale(sum(miles_redeemed)) as miles_redeemed_90d, max(depth) as depth_90d
    from days
    group by user_id
),

-- One index scan for each user, instead of one for each of the user's categories.
recent as (
    select users.user_id, transaction_category, events_7d, events_28d, events_90d
    from users
    cross join lateral (
        select
            transaction_category,
            sum(earned_count + redeemed_count + search_count)
                filter (where event_date > last_active_day - 7) as events_7d,
            sum(earned_count + redeemed_count + search_count)
                filter (where event_date > last_active_day - 28) as events_28d,
            sum(earned_count + redeemed_count + search_count) as events_90d
        from {{ warehouse }}.agg_user_category_daily as daily
        where daily.user_id = users.user_id and event_date > last_active_day - 90
        group by daily.user_id, transaction_category
    ) as counted
),

categories as (
    select
        user_id, transaction_category,
        used.events as events_lifetime,
        events_7d, events_28d, events_90d
    from users
    inner join {{ warehouse }}.agg_user_categories as used using (user_id)
    left join recent using (user_id, transaction_category)
),

-- The category with the most events; ties go to the first by name.
favourites as (
    select
        user_id,
        count(*) as category_count,
        (array_agg(transaction_category order by events_lifetime desc, name))[1] as of_lifetime,
        (
            array_agg(transaction_category order by events_7d desc, name)
            filter (where events_7d > 0)
        )[1] as of_7d,
        (
            array_agg(transaction_category order by events_28d desc, name)
            filter (where events_28d > 0)
        )[1] as of_28d,
        (
            array_agg(transaction_category order by events_90d desc, name)
            filter (where events_90d > 0)
        )[1] as of_90d
    from (
        select
            user_id, transaction_category, events_lifetime, events_7d, events_28d, events_90d,
            transaction_category collate "C" as name
        from categories
    ) as named
    group by user_id
)

select
    user_id,
    cardinality(active_days) as active_days_lifetime,
    event_count as event_count_lifetime,
    miles_earned as miles_earned_lifetime,
    miles_redeemed as miles_redeemed_lifetime,
    case
        when redeemed_count > 0 then 5
        when earned_count > 0 then 4
        when search_count > 0 then 3
        when share_count > 0 then 2
        when like_count > 0 then 1
        else 0
    end as depth_lifetime,
    of_lifetime as favourite_category_lifetime,
    cardinality(active_days) - width_bucket(last_active_day - 7, active_days) as active_days_7d,
    event_count_7d, miles_earned_7d, miles_redeemed_7d, depth_7d, of_7d as favourite_category_7d,
    cardinality(active_days) - width_bucket(last_active_day - 28, active_days) as active_days_28d,
    event_count_28d, miles_earned_28d, miles_redeemed_28d, depth_28d,
    of_28d as favourite_category_28d,
    cardinality(active_days) - width_bucket(last_active_day - 90, active_days) as active_days_90d,
    event_count_90d, miles_earned_90d, miles_redeemed_90d, depth_90d,
    of_90d as favourite_category_90d,
    earned_count as earned_count_lifetime,
    redeemed_count as redeemed_count_lifetime,
    search_count as search_count_lifetime,
    share_count as share_count_lifetime,
    like_count as like_count_lifetime,
    coalesce(category_count, 0) as category_count_lifetime,
    last_active_day,
    first_earned_at
from users
inner join lifetimes using (user_id)
inner join windows using (user_id)
left join favourites using (user_id)
order by user_id;
