-- warehouse.agg_user_engagement
-- Grain: one row per user (user_id).
-- Rerun: changed keys; replaces the changed users.
-- Why:   how much, how deeply and in what a user is engaged. The windows end on the user's own last
--        active day, so that nobody changes merely because a day has passed.

delete from {{ this }} as engagement
{{ incremental }} using {{ warehouse }}.changed_users as changed
{{ incremental }} where engagement.user_id = changed.user_id
;

insert into {{ this }} (
    user_id,
    active_days_lifetime,
    event_count_lifetime,
    miles_earned_lifetime,
    miles_redeemed_lifetime,
    depth_lifetime,
    favourite_category_lifetime,
    active_days_7d,
    event_count_7d,
    miles_earned_7d,
    miles_redeemed_7d,
    depth_7d,
    favourite_category_7d,
    active_days_28d,
    event_count_28d,
    miles_earned_28d,
    miles_redeemed_28d,
    depth_28d,
    favourite_category_28d,
    active_days_90d,
    event_count_90d,
    miles_earned_90d,
    miles_redeemed_90d,
    depth_90d,
    favourite_category_90d,
    earned_count_lifetime,
    redeemed_count_lifetime,
    search_count_lifetime,
    share_count_lifetime,
    like_count_lifetime,
    category_count_lifetime,
    last_active_day,
    first_earned_at
)
with days as (
    select
        daily.user_id,
        daily.event_date,
        max(daily.event_date) over (partition by daily.user_id)
        - daily.event_date as days_before_last,
        daily.earned_count + daily.redeemed_count + daily.search_count
        + daily.share_count + daily.like_count + daily.unclassified_count as event_count,
        daily.earned_count,
        daily.redeemed_count,
        daily.search_count,
        daily.share_count,
        daily.like_count,
        daily.miles_earned,
        daily.miles_redeemed,
        case
            when daily.redeemed_count > 0 then 5
            when daily.earned_count > 0 then 4
            when daily.search_count > 0 then 3
            when daily.share_count > 0 then 2
            when daily.like_count > 0 then 1
            else 0
        end as depth,
        daily.first_earned_at
    from {{ warehouse }}.agg_user_daily as daily
    {{ incremental }} inner join {{ warehouse }}.changed_users as changed
    {{ incremental }}     on changed.user_id = daily.user_id
),

users as (
    select
        days.user_id,
        count(distinct days.event_date) as active_days_lifetime,
        sum(days.event_count) as event_count_lifetime,
        sum(days.miles_earned) as miles_earned_lifetime,
        sum(days.miles_redeemed) as miles_redeemed_lifetime,
        max(days.depth) as depth_lifetime,
        count(distinct days.event_date)
            filter (where days.days_before_last < 7) as active_days_7d,
        sum(days.event_count) filter (where days.days_before_last < 7) as event_count_7d,
        sum(days.miles_earned) filter (where days.days_before_last < 7) as miles_earned_7d,
        sum(days.miles_redeemed) filter (where days.days_before_last < 7) as miles_redeemed_7d,
        max(days.depth) filter (where days.days_before_last < 7) as depth_7d,
        count(distinct days.event_date)
            filter (where days.days_before_last < 28) as active_days_28d,
        sum(days.event_count) filter (where days.days_before_last < 28) as event_count_28d,
        sum(days.miles_earned) filter (where days.days_before_last < 28) as miles_earned_28d,
        sum(days.miles_redeemed) filter (where days.days_before_last < 28) as miles_redeemed_28d,
        max(days.depth) filter (where days.days_before_last < 28) as depth_28d,
        count(distinct days.event_date)
            filter (where days.days_before_last < 90) as active_days_90d,
        sum(days.event_count) filter (where days.days_before_last < 90) as event_count_90d,
        sum(days.miles_earned) filter (where days.days_before_last < 90) as miles_earned_90d,
        sum(days.miles_redeemed) filter (where days.days_before_last < 90) as miles_redeemed_90d,
        max(days.depth) filter (where days.days_before_last < 90) as depth_90d,
        sum(days.earned_count) as earned_count_lifetime,
        sum(days.redeemed_count) as redeemed_count_lifetime,
        sum(days.search_count) as search_count_lifetime,
        sum(days.share_count) as share_count_lifetime,
        sum(days.like_count) as like_count_lifetime,
        max(days.event_date) as last_active_day,
        min(days.first_earned_at) as first_earned_at
    from days
    group by days.user_id
),

categories as (
    select
        daily.user_id,
        daily.transaction_category,
        sum(daily.event_count) as event_count_lifetime,
        sum(daily.event_count) filter (where daily.days_before_last < 7) as event_count_7d,
        sum(daily.event_count) filter (where daily.days_before_last < 28) as event_count_28d,
        sum(daily.event_count) filter (where daily.days_before_last < 90) as event_count_90d
    from (
        select
            daily.user_id,
            daily.transaction_category,
            users.last_active_day - daily.event_date as days_before_last,
            daily.earned_count + daily.redeemed_count + daily.search_count as event_count
        from {{ warehouse }}.agg_user_category_daily as daily
        -- Named again because its size is known, unlike that of users: so keys are looked up.
        {{ incremental }} inner join {{ warehouse }}.changed_users as changed
        {{ incremental }}     on changed.user_id = daily.user_id
        inner join users on users.user_id = daily.user_id
    ) as daily
    group by
        daily.user_id,
        daily.transaction_category
),

favourites as (
    select
        categories.user_id,
        count(*) as category_count_lifetime,
        (
            array_agg(
                categories.transaction_category
                order by
                    categories.event_count_lifetime desc,
                    categories.transaction_category collate "C"
            )
        )[1] as favourite_category_lifetime,
        (
            array_agg(
                categories.transaction_category
                order by
                    categories.event_count_7d desc,
                    categories.transaction_category collate "C"
            )
            filter (where categories.event_count_7d > 0)
        )[1] as favourite_category_7d,
        (
            array_agg(
                categories.transaction_category
                order by
                    categories.event_count_28d desc,
                    categories.transaction_category collate "C"
            )
            filter (where categories.event_count_28d > 0)
        )[1] as favourite_category_28d,
        (
            array_agg(
                categories.transaction_category
                order by
                    categories.event_count_90d desc,
                    categories.transaction_category collate "C"
            )
            filter (where categories.event_count_90d > 0)
        )[1] as favourite_category_90d
    from categories
    group by categories.user_id
)

select
    users.user_id,
    users.active_days_lifetime,
    users.event_count_lifetime,
    users.miles_earned_lifetime,
    users.miles_redeemed_lifetime,
    users.depth_lifetime,
    favourites.favourite_category_lifetime,
    users.active_days_7d,
    users.event_count_7d,
    users.miles_earned_7d,
    users.miles_redeemed_7d,
    users.depth_7d,
    favourites.favourite_category_7d,
    users.active_days_28d,
    users.event_count_28d,
    users.miles_earned_28d,
    users.miles_redeemed_28d,
    users.depth_28d,
    favourites.favourite_category_28d,
    users.active_days_90d,
    users.event_count_90d,
    users.miles_earned_90d,
    users.miles_redeemed_90d,
    users.depth_90d,
    favourites.favourite_category_90d,
    users.earned_count_lifetime,
    users.redeemed_count_lifetime,
    users.search_count_lifetime,
    users.share_count_lifetime,
    users.like_count_lifetime,
    coalesce(favourites.category_count_lifetime, 0) as category_count_lifetime,
    users.last_active_day,
    users.first_earned_at
from users
left join favourites on favourites.user_id = users.user_id
order by users.user_id;
