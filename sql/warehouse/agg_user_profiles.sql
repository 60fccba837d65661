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

-- Waived: union, of users alone: 1 GB is fifty million.
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
    where not exists (select 1 from {{ state }} inner join now using (last_day, fitted_on))
),

-- Days are in order: those after the last one outside are inside.
windows as materialized (
    select
        user_id,
        active_days[1] as first_day,
        active_days[cardinality(active_days)] as last_active_day,
        cardinality(active_days) - width_bucket(last_day - 28, active_days) as active_days_28d,
        cardinality(active_days) - width_bucket(last_day - 90, active_days) as active_days_90d
    from due
    inner join {{ warehouse }}.agg_user_activity using (user_id)
    cross join now
    where slice = 'all'
),

-- What recency adds to how near a centre is: its logarithms are as few as there are days.
recencies as materialized (
    select
        calendar_date as last_active_day,
        array_agg(
            2 * (1000000 * centre)::double precision
            * {{ warehouse }}.coordinate(
                {{ warehouse }}.logarithm(last_day - calendar_date), mean, deviation
            )
            order by cluster
        ) as closeness
    from {{ warehouse }}.dim_dates
    cross join now
    inner join {{ warehouse }}.model_user_clusters on position = 1
    where calendar_date in (select last_active_day from windows)
    group by calendar_date
),

served as (
    select
        user_id,
        nearest.cluster,
        windows.first_day, windows.last_active_day,
        windows.active_days_28d, windows.active_days_90d,
        -- The 90 days up to the last active day, less those that reach back too far.
        trim_scale(engagement.miles_earned_90d - coalesce(before.miles_earned, 0))
            as miles_earned_90d
    from windows
    cross join now
    inner join recencies on recencies.last_active_day = windows.last_active_day
    inner join {{ warehouse }}.agg_user_closeness as users using (user_id)
    inner join {{ warehouse }}.agg_user_engagement as engagement using (user_id)
    cross join lateral (
        select cluster
        from unnest(users.closeness, recencies.closeness)
            with ordinality as centres (closeness, of_recency, cluster)
        order by closeness + of_recency desc, cluster
        limit 1
    ) as nearest
    left join lateral (
        select sum(daily.miles_earned) as miles_earned
        from {{ warehouse }}.agg_user_daily as daily
        where
            engagement.active_days_90d > windows.active_days_90d
            and daily.user_id = engagement.user_id
            and daily.event_date > windows.last_active_day - 90
            and daily.event_date <= now.last_day - 90
        group by daily.user_id
    ) as before on true
)

insert into {{ this }} as profiles (
    user_id, segment, cluster, first_day, last_active_day, active_days_28d, active_days_90d,
    miles_earned_90d, has_top_miles
)
select
    user_id,
    'lost' as segment,
    served.cluster, served.first_day, served.last_active_day, served.active_days_28d,
    served.active_days_90d, served.miles_earned_90d,
    false as has_top_miles
from served
left join {{ this }} as stored using (user_id)
where
    (
        stored.cluster, stored.first_day, stored.last_active_day, stored.active_days_28d,
        stored.active_days_90d, stored.miles_earned_90d
    ) is distinct from (
        served.cluster, served.first_day, served.last_active_day, served.active_days_28d,
        served.active_days_90d, served.miles_earned_90d
    )
on conflict (user_id) do update set (
    cluster, first_day, last_active_day, active_days_28d, active_days_90d, miles_earned_90d
) = (
    excluded.cluster, excluded.first_day, excluded.last_active_day, excluded.active_days_28d,
    excluded.active_days_90d, excluded.miles_earned_90d
);

-- The limits of the rules are variables of the manifest. Top miles depend on what all others have.
with now as (
    select max(calendar_date) as last_day
    from {{ warehouse }}.dim_dates
),

top as (
    select min(miles_earned_90d) as top_miles
    from (
        select
            miles_earned_90d,
            row_number() over (order by miles_earned_90d desc) as place,
            count(*) over () as earners
        from {{ this }}
        where miles_earned_90d > 0
    ) as earners
    where place <= ceil({{ champion_miles_share }} * earners)
),

users as (
    select
        user_id,
        now.last_day - first_day as days_since_first,
        now.last_day - last_active_day as days_since_last,
        active_days_28d,
        active_days_90d,
        coalesce(miles_earned_90d >= top_miles, false) as has_top_miles
    from {{ this }}
    cross join now
    cross join top
    {{ incremental }} left join {{ state }} as basis on basis.last_day = now.last_day
    {{ incremental }} left join {{ warehouse }}.changed_users using (user_id)
    {{ incremental }} where
    {{ incremental }}     basis.last_day is null
    {{ incremental }}     or changed_users.user_id is not null
    {{ incremental }}     or has_top_miles <> coalesce(miles_earned_90d >= top_miles, false)
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
