-- warehouse.agg_user_closeness
-- Grain: one row per user (user_id).
-- Rerun: changed keys; the changed users, and everybody when the model is another one than in
--        warehouse.agg_user_closeness_basis.
-- Why:   how near each centre of a cluster is to a user, by all features but recency. That one
--        changes from day to day for everybody, these do not: so profiles need add but one number.

-- Waived: union, of users alone: 1 GB is fifty million.
with due as materialized (
    select user_id from {{ warehouse }}.changed_users
    union
    select user_id
    from {{ warehouse }}.agg_user_features
    where
        not exists (
            select 1 from {{ state }}
            inner join {{ warehouse }}.model_user_clusters using (fitted_on)
        )
),

gone as (
    delete from {{ this }}
    where user_id in (select user_id from due)
    returning user_id
),

-- Ten features in the model's order, recency first.
scales as (
    select
        array_agg(mean order by position) as mean,
        array_agg(deviation order by position) as deviation
    from {{ warehouse }}.model_user_clusters
    where cluster = 1
),

places as materialized (
    select
        user_id,
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
    from due
    inner join {{ warehouse }}.agg_user_features using (user_id)
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

insert into {{ this }} (user_id, closeness)
select
    user_id,
    array(
        select 2 * {{ warehouse }}.product(places.place, centres.place) - square
        from centres
        order by cluster
    ) as closeness
from places
-- The old rows must be out before the new ones go in: counting them makes it so.
where (select count(*) from gone) >= 0
order by user_id;

delete from {{ state }};

insert into {{ state }} (fitted_on)
select distinct fitted_on
from {{ warehouse }}.model_user_clusters;
