-- warehouse.agg_user_profiles
-- Grain: one row per user (user_id).
-- Rerun: changed keys; and everybody, in one pass, when the last day or the model is another one
--        than in warehouse.agg_user_profiles_basis. Only rows that differ are written.
-- Why:   who a user is: the cluster whose centre is nearest, and the segment of the first rule that
--        fits. Both look back from the last day of the data, so users move by staying away.

-- Who has no event left.
delete from {{ this }} as profiles
using {{ warehouse }}.changed_users as changed
left join {{ warehouse }}.dim_users as users on users.user_id = changed.user_id
where profiles.user_id = changed.user_id and users.user_id is null;

with now as materialized (
    select
        (select max(calendar_date) from {{ warehouse }}.dim_dates) as last_day,
        (select max(fitted_on) from {{ warehouse }}.model_user_clusters) as fitted_on
),

due as (
    select user_id from {{ warehouse }}.changed_users
    union
    select user_id
    from {{ warehouse }}.dim_users
    where not exists (select from {{ state }} inner join now using (last_day, fitted_on))
),

-- Ten features in the model's order, recency first: its logarithms are as few as there are days.
scales as (
    select
        array_agg(mean order by position) as mean,
        array_agg(deviation order by position) as deviation
    from {{ warehouse }}.model_user_clusters
    where cluster = 1
),

recencies as materialized (
    select
        calendar_date as last_active_day,
        round(ln(1.0 + (last_day - calendar_date)), 6) as recency
    from {{ warehouse }}.dim_dates
    cross join now
),

places as materialized (
    select
        user_id,
        array[
            {{ warehouse }}.coordinate(recency, mean[1], deviation[1]),
            {{ warehouse }}.coordinate(active_days, mean[2], deviation[2]),
            {{ warehouse }}.coordinate(likes, mean[3], deviation[3]),
            {{ warehouse }}.coordinate(shares, mean[4], deviation[4]),
            {{ warehouse }}.coordinate(searches, mean[5], deviation[5]),
            {{ warehouse }}.coordinate(earns, mean[6], deviation[6]),
            {{ warehouse }}.coordinate(redeems, mean[7], deviation[7]),
            {{ warehouse }}.coordinate(miles_earned, mean[8], deviation[8]),
            {{ warehouse }}.coordinate(miles_redeemed, mean[9], deviation[9]),
            {{ warehouse }}.coordinate(categories, mean[10], deviation[10])
        ]::double precision[] as place
    from due
    inner join {{ warehouse }}.agg_user_features using (user_id)
    inner join {{ warehouse }}.agg_user_engagement using (user_id)
    inner join recencies using (last_active_day)
    cross join scales
),

centres as materialized (
    select
        cluster,
        array_agg(1000000 * centre order by position)::double precision[] as place,
        sum(1000000 * centre * 1000000 * centre)::double precision as square
    from {{ warehouse }}.model_user_clusters
    group by cluster
)

insert into {{ this }} as profiles (
    user_id, segment, cluster, first_day, last_active_day, active_days_28d, active_days_90d,
    miles_earned_90d, has_top_miles
)
select
    user_id,
    'lost' as segment,
    nearest.cluster,
    users.first_day,
    engagement.last_active_day,
    -- Days are in order: those after the last one outside are inside.
    cardinality(active_days) - width_bucket(last_day - 28, active_days) as active_days_28d,
    cardinality(active_days) - width_bucket(last_day - 90, active_days) as active_days_90d,
    -- The 90 days up to the last active day, less those that reach back too far.
    trim_scale(engagement.miles_earned_90d - coalesce(before.miles_earned, 0)) as miles_earned_90d,
    false as has_top_miles
from places
cross join now
inner join {{ warehouse }}.dim_users as users using (user_id)
inner join {{ warehouse }}.agg_user_engagement as engagement using (user_id)
inner join {{ warehouse }}.agg_user_activity as activity using (user_id)
cross join lateral (
    select cluster
    from centres
    order by 2 * {{ warehouse }}.product(places.place, centres.place) - square desc, cluster
    limit 1
) as nearest
cross join lateral (
    select sum(daily.miles_earned) as miles_earned
    from {{ warehouse }}.agg_user_daily as daily
    where
        daily.user_id = places.user_id
        and daily.event_date > engagement.last_active_day - 90
        and daily.event_date <= now.last_day - 90
) as before
where activity.slice = 'all'
on conflict (user_id) do update set (
    cluster, first_day, last_active_day, active_days_28d, active_days_90d, miles_earned_90d
) = (
    excluded.cluster, excluded.first_day, excluded.last_active_day, excluded.active_days_28d,
    excluded.active_days_90d, excluded.miles_earned_90d
)
where (
    profiles.cluster, profiles.first_day, profiles.last_active_day, profiles.active_days_28d,
    profiles.active_days_90d, profiles.miles_earned_90d
) is distinct from (
    excluded.cluster, excluded.first_day, excluded.last_active_day, excluded.active_days_28d,
    excluded.active_days_90d, excluded.miles_earned_90d
);

-- The limits of the rules are variables of the manifest. Top miles depend on what all others have.
with earners as (
    select
        miles_earned_90d,
        row_number() over (order by miles_earned_90d desc) as place,
        count(*) over () as users
    from {{ this }}
    where miles_earned_90d > 0
),

users as (
    select
        user_id,
        last_day - first_day as days_since_first,
        last_day - last_active_day as days_since_last,
        active_days_28d,
        active_days_90d,
        coalesce(miles_earned_90d >= top_miles, false) as has_top_miles
    from {{ this }}
    cross join (select max(calendar_date) as last_day from {{ warehouse }}.dim_dates) as data
    cross join (
        select min(miles_earned_90d) as top_miles
        from earners
        where place <= ceil({{ champion_miles_share }} * users)
    ) as top
),

ruled as (
    select
        user_id,
        has_top_miles,
        case
            when days_since_first <= {{ new_days }} then 'new'
            when
                days_since_last <= {{ champion_days }}
                and active_days_28d >= {{ champion_active_days }}
                and has_top_miles
                then 'champion'
            when
                days_since_last <= {{ loyal_days }} and active_days_28d >= {{ loyal_active_days }}
                then 'loyal'
            when days_since_last <= {{ promising_days }} then 'promising'
            when
                days_since_last <= {{ at_risk_days }}
                and active_days_90d >= {{ at_risk_active_days }}
                then 'at risk'
            when days_since_last <= {{ hibernating_days }} then 'hibernating'
            else 'lost'
        end as segment
    from users
)

update {{ this }} as profiles
set segment = ruled.segment, has_top_miles = ruled.has_top_miles
from ruled
where
    profiles.user_id = ruled.user_id
    and (profiles.segment, profiles.has_top_miles)
    is distinct from (ruled.segment, ruled.has_top_miles);

delete from {{ state }};

insert into {{ state }} (last_day, fitted_on)
select distinct
    (select max(calendar_date) from {{ warehouse }}.dim_dates) as last_day,
    fitted_on
from {{ warehouse }}.model_user_clusters;
