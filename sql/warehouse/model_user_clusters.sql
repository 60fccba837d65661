-- warehouse.model_user_clusters
-- Grain: one row per cluster and feature (cluster, feature).
-- Rerun: whole; fitted again only if the sample has changed, together with
--        warehouse.model_cluster_trials: what other numbers of clusters would give.
-- Why:   groups of users that follow from the data alone. Features are logarithms, because ten more
--        events mean much after two and little after a thousand, on scales that make all of them
--        weigh the same. The k-means itself is in schema/warehouse.k_means.sql.

delete from {{ this }}
where
    fitted_on is distinct from (
        select md5(string_agg(to_jsonb(sample)::text, ' ' order by user_id collate "C"))
        from {{ warehouse }}.model_sample as sample
    );

delete from {{ state }}
where not exists (select from {{ this }});

with logarithms as materialized (
    select user_id, position, feature, {{ warehouse }}.logarithm(value) as logarithm
    from {{ warehouse }}.model_sample
    cross join lateral (
        values
        (1, 'recency', recency),
        (2, 'active days', active_days),
        (3, 'likes', likes),
        (4, 'shares', shares),
        (5, 'searches', searches),
        (6, 'earns', earns),
        (7, 'redeems', redeems),
        (8, 'miles earned', miles_earned),
        (9, 'miles redeemed', miles_redeemed),
        (10, 'categories', cardinality(array(select jsonb_object_keys(category_events))))
    ) as features (position, feature, value)
    where not exists (select from {{ this }})
),

scales as (
    select
        position,
        feature,
        trim_scale(round(avg(logarithm), 6)) as mean,
        trim_scale(round(stddev_pop(logarithm), 6)) as deviation
    from logarithms
    group by position, feature
),

points as (
    select
        user_id,
        array_agg(
            {{ warehouse }}.coordinate(logarithm, mean, deviation) order by position
        ) as place
    from logarithms
    inner join scales using (position, feature)
    group by user_id
),

sample as (
    select
        array_agg(user_id order by user_id collate "C") as users,
        array_agg(place order by user_id collate "C") as places
    from points
),

fitted as materialized (
    select
        found.cluster_count, found.place, found.users, found.squared_distance, found.silhouette,
        row_number() over (
            partition by cluster_count
            order by (select sum(x) from unnest(place[2:]) as coordinates (x)) desc, place
        ) as cluster,
        cluster_count = max(cluster_count) filter (where cluster_count <= {{ cluster_count }})
            over () as is_chosen
    from sample
    cross join lateral {{ warehouse }}.k_means(
        sample.users, sample.places, array[2, 3, 4, 5, 6, 7, 8, {{ cluster_count }}], 5
    ) as found
    where sample.users is not null
),

tried as (
    insert into {{ state }} (
        cluster_count, cluster, users, squared_distance, silhouette, is_chosen
    )
    select
        cluster_count, cluster, users,
        trim_scale(squared_distance) as squared_distance,
        trim_scale(silhouette) as silhouette,
        is_chosen
    from fitted
),

centres as (
    select
        cluster, position, feature,
        millionths * 0.000001 as centre,
        mean,
        deviation,
        row_number() over (partition by cluster order by abs(millionths) desc, position) as rank
    from fitted
    cross join lateral unnest(place) with ordinality as coordinates (millionths, position)
    inner join scales using (position)
    where is_chosen
),

labels as (
    select
        cluster,
        string_agg(
            case when centre < 0 then 'low ' else 'high ' end || feature, ', ' order by rank
        ) as label
    from centres
    where rank <= 2
    group by cluster
)

insert into {{ this }} (
    cluster, label, position, feature, centre, mean, deviation, fitted_on
)
select
    cluster, label, position, feature,
    trim_scale(centre) as centre,
    mean,
    deviation,
    (
        select md5(string_agg(to_jsonb(sample)::text, ' ' order by user_id collate "C"))
        from {{ warehouse }}.model_sample as sample
    ) as fitted_on
from centres
inner join labels using (cluster);
