-- warehouse.agg_user_acquisition
-- Grain: one row per user (user_id).
-- Rerun: difference; writes the changed users who differ, and moves warehouse.agg_acquisition_daily
--        by what differs; a second run changes nothing.
-- Why:   what a source brings is known from each user's first weeks and from lifetime figures. Days
--        are kept apart, as the time of users who came on one day is over on one day.

-- Nobody in a full build.
with was as materialized (
    select
        user_id,
        utm_source, first_day, over_on, is_activated, is_back_in_week_1, is_back_in_week_4,
        has_redeemed, miles_earned
    from {{ this }}
    {{ incremental }} inner join {{ warehouse }}.changed_users using (user_id)
),

-- Back in a week: more days are in the list by the end of it than before.
now as materialized (
    select
        user_id,
        first_utm_source as utm_source,
        first_day,
        {{ warehouse }}.over_on(first_seen_at + interval '168 hours', {{ reporting_timezone }})
            as over_on,
        coalesce(first_earned_at <= first_seen_at + interval '168 hours', false) as is_activated,
        width_bucket(first_week + 13, active_days) > width_bucket(first_week + 6, active_days)
            as is_back_in_week_1,
        width_bucket(first_week + 34, active_days) > width_bucket(first_week + 27, active_days)
            as is_back_in_week_4,
        redeemed_count_lifetime > 0 as has_redeemed,
        miles_earned_lifetime as miles_earned
    from {{ warehouse }}.dim_users
    {{ incremental }} inner join {{ warehouse }}.changed_users using (user_id)
    inner join {{ warehouse }}.agg_user_engagement using (user_id)
    inner join {{ warehouse }}.agg_user_activity using (user_id)
    where slice = 'all'
),

gone as (
    delete from {{ this }} as users
    using was
    left join now using (user_id)
    where
        users.user_id = was.user_id
        and now.user_id is null
),

come as (
    insert into {{ this }} as users (
        user_id,
        utm_source, first_day, over_on, is_activated, is_back_in_week_1, is_back_in_week_4,
        has_redeemed, miles_earned
    )
    select
        user_id,
        utm_source, first_day, over_on, is_activated, is_back_in_week_1, is_back_in_week_4,
        has_redeemed, miles_earned
    from now
    order by user_id
    on conflict (user_id) do update set
        utm_source = excluded.utm_source,
        first_day = excluded.first_day,
        over_on = excluded.over_on,
        is_activated = excluded.is_activated,
        is_back_in_week_1 = excluded.is_back_in_week_1,
        is_back_in_week_4 = excluded.is_back_in_week_4,
        has_redeemed = excluded.has_redeemed,
        miles_earned = excluded.miles_earned
    where users is distinct from excluded
),

versions as (
    select
        -1 as sign,
        utm_source, first_day, over_on, is_activated, is_back_in_week_1, is_back_in_week_4,
        has_redeemed, miles_earned
    from was
    union all
    select
        1 as sign,
        utm_source, first_day, over_on, is_activated, is_back_in_week_1, is_back_in_week_4,
        has_redeemed, miles_earned
    from now
),

moves as (
    select
        utm_source, first_day, over_on,
        sum(sign) as users,
        sum(sign * is_activated::integer) as activated_users,
        sum(sign * is_back_in_week_1::integer) as week_1_users,
        sum(sign * is_back_in_week_4::integer) as week_4_users,
        sum(sign * has_redeemed::integer) as redeemers,
        sum(sign * miles_earned) as miles_earned
    from versions
    group by utm_source, first_day, over_on
)

insert into {{ state }} as days (
    utm_source, first_day, over_on, users, activated_users, week_1_users, week_4_users,
    redeemers, miles_earned
)
select
    utm_source, first_day, over_on, users, activated_users, week_1_users, week_4_users,
    redeemers,
    trim_scale(miles_earned) as miles_earned
from moves
where
    (users, activated_users, week_1_users, week_4_users, redeemers, miles_earned)
    is distinct from (0, 0, 0, 0, 0, 0)
order by utm_source, first_day, over_on
on conflict (utm_source, first_day, over_on) do update set
    users = days.users + excluded.users,
    activated_users = days.activated_users + excluded.activated_users,
    week_1_users = days.week_1_users + excluded.week_1_users,
    week_4_users = days.week_4_users + excluded.week_4_users,
    redeemers = days.redeemers + excluded.redeemers,
    miles_earned = trim_scale(days.miles_earned + excluded.miles_earned);

-- Where nobody is left there is no row, as in a full build.
delete from {{ state }} as days
where users = 0;
