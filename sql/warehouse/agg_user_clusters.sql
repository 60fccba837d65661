-- warehouse.agg_user_clusters
-- Grain: one row per trial and user (is_sample, cluster_count, user_id).
-- Rerun: whole; linear in users.
-- Why:   groups that nobody had to think of before. schema/warehouse.k_means.sql has the k-means.
--        What is in use comes from 20 starts with all users. Other numbers of clusters are tried on
--        a sample and from 5 starts, which is enough to compare them.

insert into {{ this }} (
    is_sample,
    cluster_count,
    user_id,
    cluster,
    squared_distance,
    next_squared_distance
)
with users as (
    select
        features.user_id,
        array[
            (features.recency * 1000000000)::bigint,
            (features.active_days * 1000000000)::bigint,
            (features.earned_count * 1000000000)::bigint,
            (features.redeemed_count * 1000000000)::bigint,
            (features.search_count * 1000000000)::bigint,
            (features.share_count * 1000000000)::bigint,
            (features.like_count * 1000000000)::bigint,
            (features.miles_earned * 1000000000)::bigint,
            (features.miles_redeemed * 1000000000)::bigint,
            (features.category_count * 1000000000)::bigint
        ] as place,
        row_number() over (order by md5(features.user_id), features.user_id collate "C")
        <= {{ cluster_sample }} as is_sampled
    from {{ warehouse }}.agg_user_features as features
),

trials as (
    select
        false as is_sample,
        array[{{ cluster_count }}] as cluster_counts,
        20 as starts,
        array_agg(users.user_id order by users.user_id collate "C") as users,
        array_agg(users.place order by users.user_id collate "C") as places
    from users
    union all
    select
        true as is_sample,
        array[2, 3, 4, 5, 6, 7, 8, {{ cluster_count }}] as cluster_counts,
        5 as starts,
        array_agg(users.user_id order by users.user_id collate "C") as users,
        array_agg(users.place order by users.user_id collate "C") as places
    from users
    where users.is_sampled
)

select
    trials.is_sample,
    clusters.cluster_count,
    clusters.user_id,
    clusters.cluster,
    clusters.squared_distance,
    clusters.next_squared_distance
from trials
cross join lateral {{ warehouse }}.k_means(
    trials.users, trials.places, trials.cluster_counts, trials.starts
) as clusters;
