-- warehouse.agg_user_profiles
-- Grain: one row per user (user_id).
-- Rerun: difference; the changed users and those whose day has come, and all when the model is
--        another one or the last day has gone back. Writes rows that differ, and moves
--        warehouse.agg_segment_values by them: by nothing, the second time.
-- Why:   who a user is: the cluster, and the segment of the first rule that fits. Rules look back
--        from the last day of the data: who stays away moves, each on a day that is known before.

-- Whom to look at. Waived: union, of users alone.
create temporary table due as
with now as (
    select
        case when former.last_day < now.last_day and is_same then now.last_day else 'infinity' end
            as due_until
    from {{ warehouse }}.last_day as now
    cross join (
        select (select min(fitted_on) from {{ state }}) = min(fitted_on) as is_same
        from {{ warehouse }}.model_user_clusters
    ) as models
    left join {{ warehouse }}.changed_user_days_basis as former
        on through_run_id = {{ after.event_stream }}
    where former.last_day is distinct from now.last_day or not is_same
)

select user_id
from {{ warehouse }}.dim_users
{{ incremental }} where false
{{ incremental }} union
{{ incremental }} select user_id
{{ incremental }} from {{ warehouse }}.changed_users
{{ incremental }} union
{{ incremental }} select user_id
{{ incremental }} from {{ this }}
{{ incremental }} cross join now
{{ incremental }} where least(next_look_on, segment_until + 1) <= due_until
;

analyze pg_temp.due;

-- Until when the rules of a user fit follows from the active days: it stays while nothing happens.
create temporary table fresh as
with windows as (
    select
        user_id,
        array[
            active_days[1] + {{ new_days }},
            least(
                last_active_day + {{ champion_days }},
                {{ warehouse }}.days_until(active_days, {{ champion_active_days }}, 28)
            ),
            least(
                last_active_day + {{ loyal_days }},
                {{ warehouse }}.days_until(active_days, {{ loyal_active_days }}, 28)
            ),
            last_active_day + {{ promising_days }},
            least(
                last_active_day + {{ at_risk_days }},
                {{ warehouse }}.days_until(active_days, {{ at_risk_active_days }}, 90)
            ),
            last_active_day + {{ hibernating_days }}
        ] as rules_until
    from pg_temp.due
    inner join {{ warehouse }}.agg_user_activity using (user_id)
    {{ incremental }} inner join {{ warehouse }}.changed_users using (user_id)
    cross join lateral (select active_days[cardinality(active_days)] as last_active_day) as lasts
    where slice = 'all'
    union all
    select user_id, rules_until
    from pg_temp.due
    inner join {{ this }} using (user_id)
    left join {{ warehouse }}.changed_users as changed using (user_id)
    where changed.user_id is null
)

select
    user_id, users.cluster,
    engagement.last_active_day, engagement.active_days_lifetime, engagement.miles_earned_lifetime,
    engagement.miles_redeemed_lifetime,
    -- The 90 days up to the last active day, less those that reach back too far.
    trim_scale(engagement.miles_earned_90d - coalesce(before.miles_earned, 0)) as miles_earned_90d,
    rules_until,
    least(users.next_look_on, first_miles.event_date + 90) as next_look_on
from windows
inner join {{ warehouse }}.agg_user_closeness as users using (user_id)
inner join {{ warehouse }}.agg_user_engagement as engagement using (user_id)
cross join {{ warehouse }}.last_day
left join lateral (
    select sum(miles_earned) as miles_earned
    from {{ warehouse }}.agg_user_daily as daily
    where
        daily.user_id = engagement.user_id
        and event_date > engagement.last_active_day - 90
        and event_date <= last_day - 90
    group by daily.user_id
) as before on true
left join lateral (
    select event_date
    from {{ warehouse }}.agg_user_daily as daily
    where
        daily.user_id = engagement.user_id
        and event_date > last_day - 90
        and miles_earned <> 0
    order by event_date
    limit 1
) as first_miles on true;

-- Top miles depend on what all others have. Waived: union, of users alone.
create temporary table top as
select
    coalesce(
        (array_agg(miles order by miles desc))[ceil({{ champion_miles_share }} * count(*))],
        'infinity'
    ) as top_miles
from (
    select stored.miles_earned_90d as miles
    from {{ this }} as stored
    left join pg_temp.due using (user_id)
    where due.user_id is null
    union all
    select miles_earned_90d as miles
    from pg_temp.fresh
) as people
where miles > 0;

-- Who may be somebody else now, as they were.
create temporary table was as
select
    user_id, segment, cluster, last_active_day, active_days_lifetime, miles_earned_lifetime,
    miles_redeemed_lifetime, miles_earned_90d, rules_until, next_look_on,
    due.user_id is not null as is_due
from {{ this }}
left join pg_temp.due using (user_id)
where
    due.user_id is not null
    or has_top_miles <> (miles_earned_90d >= (select top_miles from pg_temp.top));

delete from {{ this }} as profiles
using pg_temp.was
left join pg_temp.fresh using (user_id)
where profiles.user_id = was.user_id and is_due and fresh.user_id is null;

with moved as materialized (
    select
        user_id, cluster, last_active_day, active_days_lifetime, miles_earned_lifetime,
        miles_redeemed_lifetime, miles_earned_90d, rules_until, next_look_on, rule,
        miles_earned_90d >= top_miles as has_top_miles,
        (array['new', 'champion', 'loyal', 'promising', 'at risk', 'hibernating', 'lost'])[rule]
            as segment
    from (
        select
            user_id, cluster, last_active_day, active_days_lifetime, miles_earned_lifetime,
            miles_redeemed_lifetime, miles_earned_90d, rules_until, next_look_on
        from pg_temp.fresh
        union all
        select
            user_id, cluster, last_active_day, active_days_lifetime, miles_earned_lifetime,
            miles_redeemed_lifetime, miles_earned_90d, rules_until, next_look_on
        from pg_temp.was
        where not is_due
    ) as people
    cross join (select max(top_miles) as top_miles from pg_temp.top) as top  -- one row
    cross join {{ warehouse }}.last_day
    cross join lateral (
        select
            case
                when last_day <= rules_until[1] then 1
                when last_day <= rules_until[2] and miles_earned_90d >= top_miles then 2
                when last_day <= rules_until[3] then 3
                when last_day <= rules_until[4] then 4
                when last_day <= rules_until[5] then 5
                when last_day <= rules_until[6] then 6
                else 7
            end as rule
    ) as ruled
),

come as (
    insert into {{ this }} as stored (
        user_id, segment, cluster, last_active_day, active_days_lifetime, miles_earned_lifetime,
        miles_redeemed_lifetime, miles_earned_90d, has_top_miles, rules_until, segment_until,
        next_look_on
    )
    select
        user_id, segment, cluster, last_active_day, active_days_lifetime, miles_earned_lifetime,
        miles_redeemed_lifetime, miles_earned_90d, has_top_miles, rules_until,
        coalesce(rules_until[rule], 'infinity') as segment_until,
        next_look_on
    from moved
    order by user_id
    on conflict (user_id) do update set (
        segment, cluster, last_active_day, active_days_lifetime, miles_earned_lifetime,
        miles_redeemed_lifetime, miles_earned_90d, has_top_miles, rules_until, segment_until,
        next_look_on
    ) = (
        excluded.segment, excluded.cluster, excluded.last_active_day, excluded.active_days_lifetime,
        excluded.miles_earned_lifetime, excluded.miles_redeemed_lifetime, excluded.miles_earned_90d,
        excluded.has_top_miles, excluded.rules_until, excluded.segment_until, excluded.next_look_on
    )
    where stored is distinct from excluded
),

versions as (
    select
        -1 as sign,
        (select min(fitted_on) from {{ state }}) as fitted_on,
        segment, cluster, last_active_day, active_days_lifetime, miles_earned_lifetime,
        miles_redeemed_lifetime
    from pg_temp.was
    union all
    select
        1 as sign,
        (select min(fitted_on) from {{ warehouse }}.model_user_clusters) as fitted_on,
        segment, cluster, last_active_day, active_days_lifetime, miles_earned_lifetime,
        miles_redeemed_lifetime
    from moved
),

-- Most who are looked at are counted as they were.
differences as (
    select
        fitted_on, segment, cluster, last_active_day, active_days_lifetime, miles_earned_lifetime,
        miles_redeemed_lifetime,
        sum(sign) as users
    from versions
    group by
        fitted_on, segment, cluster, last_active_day, active_days_lifetime, miles_earned_lifetime,
        miles_redeemed_lifetime
    having sum(sign) <> 0
)

insert into {{ state }} as counts (fitted_on, segment, cluster, figure, value, users)
select fitted_on, segment, cluster, figure, value, sum(users) as users
from differences
cross join unnest(
    array['last active day', 'active days', 'miles earned', 'miles redeemed'],
    array[
        last_active_day - '2000-01-01'::date, active_days_lifetime,
        {{ warehouse }}.band(miles_earned_lifetime), {{ warehouse }}.band(miles_redeemed_lifetime)
    ]
) as figures (figure, value)
group by fitted_on, segment, cluster, figure, value
having sum(users) <> 0
on conflict (fitted_on, segment, cluster, figure, value)
do update set users = counts.users + excluded.users;

-- What nobody has is no row, as in a full build.
delete from {{ state }}
where users = 0;

drop table pg_temp.due, pg_temp.was, pg_temp.fresh, pg_temp.top;
