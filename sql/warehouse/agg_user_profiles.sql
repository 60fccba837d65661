-- warehouse.agg_user_profiles
-- Grain: one row per user (user_id).
-- Rerun: difference; recomputes the changed users and those whose profile may change with the last
--        day, or everybody after another model or a last day that has gone back. Adds the
--        difference to warehouse.agg_segment_values; a second run finds none.
-- Why:   who a user is: the cluster, and the segment of the first rule that fits. Rules look back
--        from the last day of the data. Until which day a rule fits an absent user follows from the
--        active days, so users are recomputed only when such a day has passed.

-- In steps:
-- 1. find out who is due, and all about them but their segment;
-- 2. find the miles that it takes to be one of the top earners, for which the rule of champions
--    asks;
-- 3. decide the segments of due users, and of others whom the new threshold makes a top earner, or
--    no longer;
-- 4. write the rows, and add how they differ from the old ones to agg_segment_values.

-- Waived: union, of user ids and miles alone.
create temporary table due as
-- Who may change up to due_until is due. No row while last day and model stay the same; infinity,
-- which is everybody, after another model or a last day that has gone back.
with dates as (
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
{{ incremental }} cross join dates
{{ incremental }} where least(next_look_on, segment_until + 1) <= due_until
;

analyze pg_temp.due;

create temporary table due_profiles as
with rules as (
    select
        user_id,
        -- For new, champion, loyal, promising, at risk and hibernating.
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
    -- Without another event the stored dates are still right.
    select user_id, rules_until
    from pg_temp.due
    inner join {{ this }} using (user_id)
    left join {{ warehouse }}.changed_users as changed using (user_id)
    where changed.user_id is null
)

-- The 90 days of agg_user_engagement end on the user's last active day, those of the rules on the
-- last day of the data: miles from before these are taken off.
select
    user_id, cluster, last_active_day, active_days_lifetime, miles_earned_lifetime,
    miles_redeemed_lifetime,
    trim_scale(miles_earned_90d - coalesce(too_old.miles_earned, 0)) as miles_earned_90d,
    rules_until,
    least(next_look_on, first_miles.event_date + 90) as next_look_on
from rules
inner join {{ warehouse }}.agg_user_closeness using (user_id)
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
) as too_old on true
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

-- Waived: union, of user ids and miles alone.
create temporary table threshold as
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
    from pg_temp.due_profiles
) as users
where miles > 0;

-- Of due users, and of others whom the new threshold makes a top earner, or no longer.
create temporary table old_profiles as
select
    user_id, segment, cluster, last_active_day, active_days_lifetime, miles_earned_lifetime,
    miles_redeemed_lifetime, miles_earned_90d, rules_until, next_look_on,
    due.user_id is not null as is_due
from {{ this }}
left join pg_temp.due using (user_id)
where
    due.user_id is not null
    or has_top_miles <> (miles_earned_90d >= (select top_miles from pg_temp.threshold));

delete from {{ this }} as profiles
using pg_temp.old_profiles
left join pg_temp.due_profiles using (user_id)
where profiles.user_id = old_profiles.user_id and is_due and due_profiles.user_id is null;

with new_profiles as materialized (
    select
        user_id, cluster, last_active_day, active_days_lifetime, miles_earned_lifetime,
        miles_redeemed_lifetime, miles_earned_90d, rules_until, next_look_on,
        miles_earned_90d >= top_miles as has_top_miles,
        coalesce(rules_until[rule], 'infinity') as segment_until,
        (array['new', 'champion', 'loyal', 'promising', 'at risk', 'hibernating', 'lost'])[rule]
            as segment
    from (
        select
            user_id, cluster, last_active_day, active_days_lifetime, miles_earned_lifetime,
            miles_redeemed_lifetime, miles_earned_90d, rules_until, next_look_on
        from pg_temp.due_profiles
        union all
        select
            user_id, cluster, last_active_day, active_days_lifetime, miles_earned_lifetime,
            miles_redeemed_lifetime, miles_earned_90d, rules_until, next_look_on
        from pg_temp.old_profiles
        where not is_due
    ) as users
    cross join (select max(top_miles) as top_miles from pg_temp.threshold) as threshold  -- one row
    cross join {{ warehouse }}.last_day
    cross join lateral (
        select
            case
                when last_day <= rules_until[1] then 1  -- new
                when last_day <= rules_until[2] and miles_earned_90d >= top_miles
                    then 2  -- champion
                when last_day <= rules_until[3] then 3  -- loyal
                when last_day <= rules_until[4] then 4  -- promising
                when last_day <= rules_until[5] then 5  -- at risk
                when last_day <= rules_until[6] then 6  -- hibernating
                else 7  -- lost
            end as rule
    ) as first_rules
),

written as (
    insert into {{ this }} as stored (
        user_id, segment, cluster, last_active_day, active_days_lifetime, miles_earned_lifetime,
        miles_redeemed_lifetime, miles_earned_90d, has_top_miles, rules_until, segment_until,
        next_look_on
    )
    select
        user_id, segment, cluster, last_active_day, active_days_lifetime, miles_earned_lifetime,
        miles_redeemed_lifetime, miles_earned_90d, has_top_miles, rules_until, segment_until,
        next_look_on
    from new_profiles
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

signed_profiles as (
    select
        -1 as sign,
        (select min(fitted_on) from {{ state }}) as fitted_on,
        segment, cluster, last_active_day, active_days_lifetime, miles_earned_lifetime,
        miles_redeemed_lifetime
    from pg_temp.old_profiles
    union all
    select
        1 as sign,
        (select min(fitted_on) from {{ warehouse }}.model_user_clusters) as fitted_on,
        segment, cluster, last_active_day, active_days_lifetime, miles_earned_lifetime,
        miles_redeemed_lifetime
    from new_profiles
)

insert into {{ state }} as counts (fitted_on, segment, cluster, figure, value, users)
select fitted_on, segment, cluster, figure, value, sum(sign) as users
from signed_profiles
cross join unnest(
    array['last active day', 'active days', 'miles earned', 'miles redeemed'],
    array[
        last_active_day - '2000-01-01'::date, active_days_lifetime,
        {{ warehouse }}.band(miles_earned_lifetime), {{ warehouse }}.band(miles_redeemed_lifetime)
    ]
) as figures (figure, value)
group by fitted_on, segment, cluster, figure, value
having sum(sign) <> 0
on conflict (fitted_on, segment, cluster, figure, value)
do update set users = counts.users + excluded.users;

-- What nobody has is no row, as in a full build.
delete from {{ state }}
where users = 0;

drop table pg_temp.due, pg_temp.due_profiles, pg_temp.threshold, pg_temp.old_profiles;
