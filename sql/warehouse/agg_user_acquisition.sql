-- warehouse.agg_user_acquisition
-- Grain: one row per user (user_id).
-- Rerun: difference; writes the changed users whose row differs, and adds the difference to
--        warehouse.agg_acquisition_daily. A second run finds no difference.
-- Why:   what a source brings shows in the first weeks of its users and in their lifetime figures.
--        Users are summed by first day, so that a report can leave out those whose first 168 hours,
--        or whose week, are not over.

-- None in a full build.
with stored as materialized (
    select
        user_id,
        utm_source, first_day, over_on, is_activated, is_back_in_week_1, is_back_in_week_4,
        has_redeemed, miles_earned
    from {{ this }}
    {{ incremental }} inner join {{ warehouse }}.changed_users using (user_id)
),

-- Active in a week: the list has more days up to its end than before it.
computed as materialized (
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

removed as (
    delete from {{ this }} as users
    using stored
    left join computed using (user_id)
    where
        users.user_id = stored.user_id
        and computed.user_id is null
),

written as (
    insert into {{ this }} as users (
        user_id,
        utm_source, first_day, over_on, is_activated, is_back_in_week_1, is_back_in_week_4,
        has_redeemed, miles_earned
    )
    select
        user_id,
        utm_source, first_day, over_on, is_activated, is_back_in_week_1, is_back_in_week_4,
        has_redeemed, miles_earned
    from computed
    order by user_id
    on conflict (user_id) do update set
        utm_source = excluded.utm_source, first_day = excluded.first_day,
        over_on = excluded.over_on, is_activated = excluded.is_activated,
        is_back_in_week_1 = excluded.is_back_in_week_1,
        is_back_in_week_4 = excluded.is_back_in_week_4, has_redeemed = excluded.has_redeemed,
        miles_earned = excluded.miles_earned
    where users is distinct from excluded
),

signed_users as (
    select
        -1 as sign,
        utm_source, first_day, over_on, is_activated, is_back_in_week_1, is_back_in_week_4,
        has_redeemed, miles_earned
    from stored
    union all
    select
        1 as sign,
        utm_source, first_day, over_on, is_activated, is_back_in_week_1, is_back_in_week_4,
        has_redeemed, miles_earned
    from computed
),

differences as (
    select
        utm_source, first_day, over_on,
        sum(sign) as users,
        sum(sign * is_activated::integer) as activated_users,
        sum(sign * is_back_in_week_1::integer) as week_1_users,
        sum(sign * is_back_in_week_4::integer) as week_4_users,
        sum(sign * has_redeemed::integer) as redeemers,
        sum(sign * miles_earned) as miles_earned
    from signed_users
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
from differences
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

-- Where no user is left there is no row, as in a full build.
delete from {{ state }} as days
where users = 0;
