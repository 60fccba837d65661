-- reporting.cluster_quality
-- Grain: one row per number of clusters (cluster_count).
-- Rerun: whole; a few rows, from a sample of limited size.
-- Why:   how many clusters there should be. The silhouette is the simplified one, by the middles of
--        clusters rather than by all pairs of users, so that it costs little in each build.

insert into {{ this }} (
    cluster_count,
    users,
    inertia,
    silhouette,
    smallest_cluster,
    is_chosen
)
with chosen as (
    select max(clusters.cluster_count) as cluster_count
    from {{ warehouse }}.agg_user_clusters as clusters
    where not clusters.is_sample
),

sizes as (
    select
        clusters.cluster_count,
        clusters.squared_distance,
        clusters.next_squared_distance,
        count(*) over (partition by clusters.cluster_count, clusters.cluster) as users
    from {{ warehouse }}.agg_user_clusters as clusters
    where clusters.is_sample
)

select
    sizes.cluster_count,
    count(*) as users,
    round(sum(sizes.squared_distance), 6) as inertia,
    round(
        avg(
            case
                -- Middles at the same place: to belong to one is as clear as to the other.
                when sizes.next_squared_distance = 0 then 0
                else 1 - sqrt(sizes.squared_distance / sizes.next_squared_distance)
            end
        ),
        6
    ) as silhouette,
    min(sizes.users) as smallest_cluster,
    sizes.cluster_count = chosen.cluster_count as is_chosen
from sizes
cross join chosen
group by
    sizes.cluster_count,
    chosen.cluster_count;
