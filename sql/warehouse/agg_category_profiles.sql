-- warehouse.agg_category_profiles
-- Grain: one row per category (transaction_category).
-- Rerun: whole; as many rows as categories. Reads agg_category_usage, where users are counted
--        already.
-- Why:   what kind of category it is, by rules that people can discuss. There are no clusters as
--        there are of users: among a few dozen categories they would be noise. The trend is that of
--        the share, because all categories grow with the app.

insert into {{ this }} (
    transaction_category, segment, roles, rank, users, reach, repeat_rate, median_events_per_user,
    events_28d, events_28d_before, share_trend_28d, first_event_date, last_event_date
)
with data as (
    select
        max(calendar_date) as last_day,
        (select count(*) from {{ warehouse }}.dim_users) as users
    from {{ warehouse }}.dim_dates
),

-- How many users have this number of events, and how many have at most this number.
counts as (
    select
        transaction_category, events, users,
        sum(users) over (partition by transaction_category order by events) as users_so_far,
        sum(users) over (partition by transaction_category) as all_users
    from {{ warehouse }}.agg_category_usage
),

-- The median is the mean of the two middle values, or of one that is both.
users as (
    select
        transaction_category,
        sum(users) filter (where events >= 2) as repeating_users,
        (
            min(events) filter (where 2 * users_so_far >= all_users)
            + min(events) filter (where 2 * users_so_far > all_users)
        ) / 2.0 as median_events_per_user
    from counts
    group by transaction_category
),

profiles as (
    select
        transaction_category,
        concat_ws(
            ', ',
            case when earned_count > 0 then 'earn' end,
            case when redeemed_count > 0 then 'redeem' end,
            case when search_count > 0 then 'search' end
        ) as roles,
        engagement.users,
        round(engagement.users::numeric / data.users, 6) as reach,
        round(coalesce(repeating_users, 0) / engagement.users, 6) as repeat_rate,
        round(median_events_per_user, 6) as median_events_per_user,
        events_28d, events_28d_before,
        round(
            events_28d * sum(events_28d_before) over ()
            / nullif(events_28d_before * sum(events_28d) over (), 0) - 1,
            6
        ) as share_trend_28d,
        first_event_date, last_event_date,
        first_event_date > last_day - 28 as is_new,
        events_28d + events_28d_before >= {{ category_trend_events }} as has_trend
    from {{ warehouse }}.agg_category_engagement as engagement
    inner join users using (transaction_category)
    cross join data
)

select
    transaction_category,
    -- The first rule that fits decides.
    case
        when is_new then 'new'
        when events_28d = 0 then 'fading'
        when has_trend and share_trend_28d <= -{{ category_fading }} then 'fading'
        when has_trend and share_trend_28d >= {{ category_rising }} then 'rising'
        when
            reach >= {{ category_staple_reach }}
            and repeat_rate >= {{ category_staple_repeat_rate }}
            then 'staple'
        when reach < {{ category_niche_reach }} then 'niche'
        else 'steady'
    end as segment,
    roles,
    row_number() over (
        order by users desc, transaction_category collate "C" asc
    ) as rank,
    users, reach, repeat_rate, median_events_per_user, events_28d, events_28d_before,
    share_trend_28d, first_event_date, last_event_date
from profiles;
