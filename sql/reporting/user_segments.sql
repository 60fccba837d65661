-- reporting.user_segments
-- Grain: one row per kind of group and name (kind, name).
-- Rerun: whole; reads how many users have which value, and the miles of those near the median.
-- Why:   who the users are, without telling it of a few people: small groups become one, and if
--        that is still small, the next smallest group joins it.

-- A temporary table, so that the planner knows how few rows it has.
create temporary table groups as
with counts as (
    select kind, name, figure, value, sum(users) as users
    from {{ warehouse }}.agg_segment_values
    cross join unnest(
        array['rule', 'cluster'], array[segment, cluster::text]
    ) as groups (kind, name)
    group by kind, name, figure, value
),

sizes as (
    select kind, name, sum(users) as users
    from counts
    where figure = 'active days'
    group by kind, name
),

-- place: the rank by size, of small groups and of the others separately.
ranked as (
    select
        kind,
        name,
        users < {{ min_cell }} as is_small,
        sum(users) filter (where users < {{ min_cell }}) over (partition by kind) as users_of_small,
        row_number() over (
            partition by kind, users < {{ min_cell }} order by users, name collate "C"
        ) as place
    from sizes
),

names as (
    select
        kind, name,
        case
            when is_small or (place = 1 and users_of_small < {{ min_cell }}) then 'other'
            else name
        end as shown_name
    from ranked
),

shown as (
    select
        kind, shown_name, figure, value,
        sum(users) as users,
        sum(sum(users)) over (of_figure order by value) as users_so_far,
        sum(sum(users)) over of_figure as all_users,
        lead(value, 1, 'infinity') over (of_figure order by value) as next_value
    from counts
    inner join names using (kind, name)
    group by kind, shown_name, figure, value
    window of_figure as (partition by kind, shown_name, figure)
),

-- The two middle users, one if their number is odd. Of miles only bands of values are known: both
-- users have miles from low to below beyond, and are at the positions lower and upper there.
middles as (
    select
        kind, shown_name, figure, all_users,
        min(value) as low,
        max(value) as high,
        max(next_value) as beyond,
        (ceil(all_users / 2) - min(users_so_far - users))::integer as lower,
        (floor(all_users / 2) + 1 - min(users_so_far - users))::integer as upper
    from shown
    where 2 * users_so_far >= all_users and 2 * (users_so_far - users) <= all_users
    group by kind, shown_name, figure, all_users
)

select
    kind, name, shown_name,
    max(all_users) as users,
    max(low + high) filter (where figure = 'last active day') / 2 as day,
    max(low + high) filter (where figure = 'active days') / 2 as active_days,
    max(low) filter (where figure = 'miles earned') as earned_from,
    max(beyond) filter (where figure = 'miles earned') as earned_to,
    max(lower) filter (where figure = 'miles earned') as earned_lower,
    max(upper) filter (where figure = 'miles earned') as earned_upper,
    max(low) filter (where figure = 'miles redeemed') as redeemed_from,
    max(beyond) filter (where figure = 'miles redeemed') as redeemed_to,
    max(lower) filter (where figure = 'miles redeemed') as redeemed_lower,
    max(upper) filter (where figure = 'miles redeemed') as redeemed_upper
from names
inner join middles using (kind, shown_name)
group by kind, name, shown_name;

analyze pg_temp.groups;

insert into {{ this }} (
    kind, name, label, users, share,
    median_recency_days, median_active_days, median_miles_earned, median_miles_redeemed
)
with people as (
    select
        'rule' as kind,
        segment as name,
        miles_earned_lifetime, miles_redeemed_lifetime
    from {{ warehouse }}.agg_user_profiles
    union all
    select
        'cluster' as kind,
        cluster::text as name,
        miles_earned_lifetime, miles_redeemed_lifetime
    from {{ warehouse }}.agg_user_profiles
),

-- Exact miles are read of the users in the middle bands alone.
medians as (
    select
        kind,
        shown_name as name,
        users, day, active_days,
        array_agg(earned order by earned) as earned,
        earned_lower, earned_upper,
        array_agg(redeemed order by redeemed) as redeemed,
        redeemed_lower, redeemed_upper
    from people
    inner join pg_temp.groups using (kind, name)
    cross join lateral (
        select
            case
                when miles_earned_lifetime >= earned_from and miles_earned_lifetime < earned_to
                    then miles_earned_lifetime
            end as earned,
            case
                when
                    miles_redeemed_lifetime >= redeemed_from
                    and miles_redeemed_lifetime < redeemed_to
                    then miles_redeemed_lifetime
            end as redeemed
    ) as near
    where earned is not null or redeemed is not null
    group by
        kind, shown_name, users, day, active_days, earned_lower, earned_upper, redeemed_lower,
        redeemed_upper
),

labels as (
    select distinct 'cluster' as kind, cluster::text as name, label
    from {{ warehouse }}.model_user_clusters
)

select
    kind, name, label, users,
    trim_scale(round(users / sum(users) over (partition by kind), 6)) as share,
    trim_scale(round(last_day - '2000-01-01'::date - day, 6)) as median_recency_days,
    trim_scale(round(active_days, 6)) as median_active_days,
    trim_scale(round((earned[earned_lower] + earned[earned_upper]) / 2, 6)) as median_miles_earned,
    trim_scale(round((redeemed[redeemed_lower] + redeemed[redeemed_upper]) / 2, 6))
        as median_miles_redeemed
from medians
cross join {{ warehouse }}.last_day
left join labels using (kind, name);

drop table pg_temp.groups;
