-- warehouse.agg_user_closeness
-- Grain: one row per user (user_id).
-- Rerun: changed keys; replaces the changed users and those whose next_look_on has come, or
--        everybody if the model is not the one in warehouse.agg_user_closeness_basis or the last
--        day has gone back.
-- Why:   how close a user is to the centre of each cluster, by all features but recency. Recency
--        changes every day, the others only with an event. So the day on which another centre
--        becomes the nearest for a user who stays away is known in advance.

-- Waived: union, of user ids alone: 1 GB holds fifty million.
create temporary table due as
with dates as materialized (
    select
        now.last_day,
        not exists (
            select 1 from {{ state }}
            inner join {{ warehouse }}.model_user_clusters using (fitted_on)
        ) or former.last_day > now.last_day as is_everybody_due,
        former.last_day < now.last_day as is_later_day
    from {{ warehouse }}.last_day as now
    left join {{ warehouse }}.changed_user_days_basis as former
        on through_run_id = {{ after.event_stream }}
)

select user_id from {{ warehouse }}.changed_users
union
select user_id from {{ warehouse }}.agg_user_features
where (select is_everybody_due from dates)
union
select user_id from {{ this }}
where (select is_later_day from dates) and next_look_on <= (select last_day from dates);

analyze pg_temp.due;

delete from {{ this }} as users
using pg_temp.due
where users.user_id = due.user_id;

-- Ten features in the model's order, recency first.
with scales as materialized (
    select
        array_agg(mean order by position) as mean,
        array_agg(deviation order by position) as deviation
    from {{ warehouse }}.model_user_clusters
    where cluster = 1
),

centres as materialized (
    select
        cluster,
        array_agg(1000000 * centre order by position)::double precision[] as place,
        sum(1000000 * centre * 1000000 * centre)::double precision as square
    from {{ warehouse }}.model_user_clusters
    group by cluster
),

-- How fast each centre comes closer as recency grows.
slopes as materialized (
    select array_agg(2 * place[1] order by cluster) as slopes
    from centres
),

points as materialized (
    select
        user_id, last_active_day,
        array[
            0,
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
    from pg_temp.due
    inner join {{ warehouse }}.agg_user_features using (user_id)
    inner join {{ warehouse }}.agg_user_engagement using (user_id)
    cross join scales
),

closest as materialized (
    select
        user_id, last_active_day,
        array(
            select 2 * {{ warehouse }}.product(points.place, centres.place) - square
            from centres
            order by cluster
        ) as closeness
    from points
),

-- Recency is computed once for each last active day, not for each user.
recencies as materialized (
    select
        last_active_day, last_day,
        {{ warehouse }}.coordinate(
            {{ warehouse }}.logarithm(last_day - last_active_day), mean[1], deviation[1]
        ) as recency
    from (select distinct last_active_day from points) as days
    cross join {{ warehouse }}.last_day
    cross join scales
)

insert into {{ this }} (user_id, closeness, cluster, next_look_on)
select
    user_id, closest.closeness, nearest.cluster,
    -- Computed in floating point and rounded down: to look a day too early does no harm.
    case
        when overtaken_at is null then 'infinity'
        else greatest(
            last_day + 1,
            last_active_day + floor(
                exp(least(12, mean[1]::double precision + deviation[1] * overtaken_at / 1000000))
                - 1
            )::integer
        )
    end as next_look_on
from closest
inner join recencies using (last_active_day)
cross join scales
cross join slopes
cross join lateral (
    select cluster, closeness, slope
    from unnest(closest.closeness, slopes) with ordinality as centres (closeness, slope, cluster)
    order by closeness + slope * recency desc, cluster
    limit 1
) as nearest
-- The recency at which another centre becomes as close.
cross join lateral (
    select min((nearest.closeness - closeness) / (slope - nearest.slope)) as overtaken_at
    from unnest(closest.closeness, slopes) as centres (closeness, slope)
    where slope > nearest.slope and deviation[1] > 0
) as overtaken
order by user_id;

drop table pg_temp.due;

delete from {{ state }};

insert into {{ state }} (fitted_on)
select distinct fitted_on
from {{ warehouse }}.model_user_clusters;
