-- warehouse.agg_user_profiles
-- Grain: one row per user (user_id).
-- Rerun: whole; linear in users and in their last 90 days.
-- Why:   who a user is, by rules that a person can read and by what k-means finds. Everything is
--        relative to the last day of the data, so users change segments by staying away. Of the
--        rules the first that fits decides; their limits are variables of the manifest.

insert into {{ this }} (
    user_id,
    segment,
    cluster,
    first_day,
    last_active_day,
    active_days_28d,
    active_days_90d,
    miles_earned_90d,
    has_top_miles
)
with data as (
    select max(engagement.last_active_day) as last_day
    from {{ warehouse }}.agg_user_engagement as engagement
),

-- Who was there in the last 90 days is known before a day is read.
recent as (
    select
        daily.user_id,
        count(distinct daily.event_date)
            filter (where daily.event_date > data.last_day - 28) as active_days_28d,
        count(distinct daily.event_date) as active_days_90d,
        sum(daily.miles_earned) as miles_earned_90d
    from data
    inner join {{ warehouse }}.agg_user_engagement as engagement
        on engagement.last_active_day > data.last_day - 90
    inner join {{ warehouse }}.agg_user_daily as daily
        on
            daily.user_id = engagement.user_id
            and daily.event_date > data.last_day - 90
    group by daily.user_id
),

earners as (
    select
        recent.user_id,
        rank() over (order by recent.miles_earned_90d desc)
        <= ceil({{ champion_miles_share }} * count(*) over ()) as has_top_miles
    from recent
    where recent.miles_earned_90d > 0
),

users as (
    select
        users.user_id,
        users.first_day,
        engagement.last_active_day,
        data.last_day - users.first_day as days_since_first,
        data.last_day - engagement.last_active_day as days_since_last,
        coalesce(recent.active_days_28d, 0) as active_days_28d,
        coalesce(recent.active_days_90d, 0) as active_days_90d,
        coalesce(recent.miles_earned_90d, 0) as miles_earned_90d,
        coalesce(earners.has_top_miles, false) as has_top_miles
    from {{ warehouse }}.dim_users as users
    inner join {{ warehouse }}.agg_user_engagement as engagement
        on engagement.user_id = users.user_id
    cross join data
    left join recent on recent.user_id = users.user_id
    left join earners on earners.user_id = users.user_id
)

select
    users.user_id,
    case
        when users.days_since_first <= {{ new_days }} then 'new'
        when
            users.days_since_last <= {{ champion_days }}
            and users.active_days_28d >= {{ champion_active_days }}
            and users.has_top_miles
            then 'champion'
        when
            users.days_since_last <= {{ loyal_days }}
            and users.active_days_28d >= {{ loyal_active_days }}
            then 'loyal'
        when users.days_since_last <= {{ promising_days }} then 'promising'
        when
            users.days_since_last <= {{ at_risk_days }}
            and users.active_days_90d >= {{ at_risk_active_days }}
            then 'at risk'
        when users.days_since_last <= {{ hibernating_days }} then 'hibernating'
        else 'lost'
    end as segment,
    clusters.cluster,
    users.first_day,
    users.last_active_day,
    users.active_days_28d,
    users.active_days_90d,
    users.miles_earned_90d,
    users.has_top_miles
from users
left join {{ warehouse }}.agg_user_clusters as clusters
    on clusters.user_id = users.user_id and not clusters.is_sample;
