-- warehouse.agg_user_profiles
-- Grain: one row per user (user_id).
-- Rerun: difference; the changed users and those whose day has come, and all when the model is
--        another one or the last day has gone back. Writes rows that differ, and moves
--        warehouse.agg_segment_values by them: by nothing, the second time.
-- Why:   who a user is: the cluster, and the segment of the first rule that fits. Rules look back
--        from the last day of the data, so users move by staying away: each on a day that is known
--        before. The limits of the rules are variables of the manifest.

-- Whom to look at, and what is stored of them. Waived: union, of users alone.
create temporary table due as
with now as materialized (
    select
        now.last_day,
        coalesce(former.last_day > now.last_day or stored.fitted_on <> model.fitted_on, true)
            as is_other,
        former.last_day < now.last_day as is_later
    from {{ warehouse }}.last_day as now
    cross join
        (select min(fitted_on) as fitted_on from {{ warehouse }}.model_user_clusters) as model
    left join {{ warehouse }}.changed_user_days_basis as former
        on through_run_id = {{ after.event_stream }}
    left join (select min(fitted_on) as fitted_on from {{ state }}) as stored on true
),

users as (
    select user_id
    from {{ warehouse }}.dim_users
    {{ incremental }} where false
    {{ incremental }} union
    {{ incremental }} select user_id
    {{ incremental }} from {{ warehouse }}.changed_users
    {{ incremental }} union
    {{ incremental }} select user_id
    {{ incremental }} from {{ this }}
    {{ incremental }} where (select is_other from now)
    {{ incremental }} union
    {{ incremental }} select user_id
    {{ incremental }} from {{ this }}
    {{ incremental }} where (select is_later from now)
    {{ incremental }}     and next_look_on <= (select last_day from now)
)

select
    user_id, segment, cluster, last_active_day, active_days_lifetime, miles_earned_lifetime,
    miles_redeemed_lifetime
from users
left join {{ this }} using (user_id);

analyze pg_temp.due (user_id);

create temporary table fresh as
with windows as (
    select
        user_id, last_active_day, last_day,
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
        ] as rules_until,
        width_bucket(last_active_day - 90, active_days)
        < width_bucket(last_day - 90, active_days) as has_left
    from {{ warehouse }}.agg_user_activity
    inner join (select user_id from pg_temp.due) as users using (user_id)
    cross join {{ warehouse }}.last_day
    cross join lateral (select active_days[cardinality(active_days)] as last_active_day) as lasts
    where slice = 'all'
)

select
    user_id,
    users.cluster,
    windows.last_active_day, engagement.active_days_lifetime, engagement.miles_earned_lifetime,
    engagement.miles_redeemed_lifetime,
    -- The 90 days up to the last active day, less those that reach back too far.
    trim_scale(engagement.miles_earned_90d - coalesce(before.miles_earned, 0)) as miles_earned_90d,
    rules_until,
    least(users.next_look_on, first_miles.event_date + 90) as next_look_on
from windows
inner join {{ warehouse }}.agg_user_closeness as users using (user_id)
inner join {{ warehouse }}.agg_user_engagement as engagement using (user_id)
left join lateral (
    select sum(miles_earned) as miles_earned
    from {{ warehouse }}.agg_user_daily as daily
    where
        has_left
        and daily.user_id = engagement.user_id
        and event_date > windows.last_active_day - 90
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

delete from {{ this }} as profiles
using pg_temp.due
left join pg_temp.fresh using (user_id)
where profiles.user_id = due.user_id and fresh.user_id is null;

-- Waived: union, of users alone.
with profiles as not materialized (
    select
        user_id, profiles.segment, profiles.cluster, profiles.last_active_day,
        profiles.active_days_lifetime, profiles.miles_earned_lifetime,
        profiles.miles_redeemed_lifetime, miles_earned_90d, has_top_miles, rules_until, next_look_on
    from {{ this }} as profiles
    left join pg_temp.due using (user_id)
    where due.user_id is null
    union all
    select
        user_id,
        null as segment,
        cluster, last_active_day, active_days_lifetime, miles_earned_lifetime,
        miles_redeemed_lifetime, miles_earned_90d,
        null as has_top_miles,
        rules_until, next_look_on
    from pg_temp.fresh
),

-- Top miles depend on what all others have.
top as (
    select
        coalesce(
            (array_agg(miles_earned_90d order by miles_earned_90d desc))[
                ceil({{ champion_miles_share }} * count(*))::integer
            ],
            'infinity'
        ) as top_miles
    from profiles
    where miles_earned_90d > 0
),

moved as materialized (
    select
        user_id, segment, cluster, last_active_day, active_days_lifetime, miles_earned_lifetime,
        miles_redeemed_lifetime, miles_earned_90d, rules_until, next_look_on, is_top, rule
    from profiles
    cross join top
    cross join {{ warehouse }}.last_day
    cross join lateral (
        select
            miles_earned_90d >= top_miles as is_top,
            case
                when last_day <= rules_until[1] then 'new'
                when last_day <= rules_until[2] and miles_earned_90d >= top_miles then 'champion'
                when last_day <= rules_until[3] then 'loyal'
                when last_day <= rules_until[4] then 'promising'
                when last_day <= rules_until[5] then 'at risk'
                when last_day <= rules_until[6] then 'hibernating'
                else 'lost'
            end as rule
    ) as ruled
    where (segment, has_top_miles) is distinct from (rule, is_top)
),

come as (
    insert into {{ this }} as stored (
        user_id, segment, cluster, last_active_day, active_days_lifetime, miles_earned_lifetime,
        miles_redeemed_lifetime, miles_earned_90d, has_top_miles, rules_until, next_look_on
    )
    select
        user_id, rule, cluster, last_active_day, active_days_lifetime, miles_earned_lifetime,
        miles_redeemed_lifetime, miles_earned_90d, is_top, rules_until, next_look_on
    from moved
    order by user_id
    on conflict (user_id) do update set
        segment = excluded.segment,
        cluster = excluded.cluster,
        last_active_day = excluded.last_active_day,
        active_days_lifetime = excluded.active_days_lifetime,
        miles_earned_lifetime = excluded.miles_earned_lifetime,
        miles_redeemed_lifetime = excluded.miles_redeemed_lifetime,
        miles_earned_90d = excluded.miles_earned_90d,
        has_top_miles = excluded.has_top_miles,
        rules_until = excluded.rules_until,
        next_look_on = excluded.next_look_on
    where stored is distinct from excluded
),

versions as (
    select
        -1 as sign,
        (select min(fitted_on) from {{ state }}) as fitted_on,
        segment, cluster, last_active_day, active_days_lifetime, miles_earned_lifetime,
        miles_redeemed_lifetime
    from (
        select
            segment, cluster, last_active_day, active_days_lifetime, miles_earned_lifetime,
            miles_redeemed_lifetime
        from pg_temp.due
        union all
        select
            segment, cluster, last_active_day, active_days_lifetime, miles_earned_lifetime,
            miles_redeemed_lifetime
        from moved
    ) as stored
    where segment is not null
    union all
    select
        1 as sign,
        (select min(fitted_on) from {{ warehouse }}.model_user_clusters) as fitted_on,
        rule as segment,
        cluster, last_active_day, active_days_lifetime, miles_earned_lifetime,
        miles_redeemed_lifetime
    from moved
)

insert into {{ state }} as counts (fitted_on, segment, cluster, figure, value, users)
select fitted_on, segment, cluster, figure, value, sum(sign) as users
from versions
cross join unnest(
    array['last active day', 'active days', 'miles earned', 'miles redeemed'],
    array[
        last_active_day - '2000-01-01'::date,
        active_days_lifetime,
        {{ warehouse }}.band(miles_earned_lifetime),
        {{ warehouse }}.band(miles_redeemed_lifetime)
    ]
) as figures (figure, value)
group by fitted_on, segment, cluster, figure, value
having sum(sign) <> 0
on conflict (fitted_on, segment, cluster, figure, value)
do update set users = counts.users + excluded.users;

-- What nobody has is no row, as in a full build.
delete from {{ state }}
where users = 0;

drop table pg_temp.due, pg_temp.fresh;
