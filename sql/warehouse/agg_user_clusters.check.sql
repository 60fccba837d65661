-- Each user is in one cluster, and clusters are numbered from the largest.

with sizes as (
    select
        clusters.is_sample,
        clusters.cluster_count,
        clusters.cluster,
        count(*) as users,
        lag(count(*)) over (
            partition by clusters.is_sample, clusters.cluster_count
            order by clusters.cluster
        ) as users_before
    from {{ warehouse }}.agg_user_clusters as clusters
    group by
        clusters.is_sample,
        clusters.cluster_count,
        clusters.cluster
)

select
    features.user_id,
    null::integer as cluster
from {{ warehouse }}.agg_user_features as features
left join {{ warehouse }}.agg_user_clusters as clusters
    on clusters.user_id = features.user_id and not clusters.is_sample
group by features.user_id
having count(clusters.user_id) <> 1
union all
select
    null as user_id,
    sizes.cluster
from sizes
where sizes.users > sizes.users_before
